#include "hist.h"

uint32_t hist_at(const struct hist *h, double share) {
    if (!h->count)
        return 0;
    uint64_t wanted = (uint64_t)(share * (double)h->count);
    if (wanted >= h->count)
        wanted = h->count - 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HIST_CELLS; i++) {
        seen += h->cells[i];
        if (seen > wanted) {
            if (i < 2 * HIST_STEPS)
                return i < h->max ? i : h->max;
            uint32_t octave = (i >> HIST_STEP_BITS) - 1;
            uint64_t base = (uint64_t)(i - (octave << HIST_STEP_BITS)) << octave;
            uint64_t top = base + (1ull << octave) - 1;
            return top < h->max ? (uint32_t)top : h->max;
        }
    }
    return h->max;
}
