/* Log-linear histogram of microseconds, as in HdrHistogram: 64 steps per power of two, so a
 * reported value is at most 1.6 % above the true one. Constant memory, a few ns per record. */
#ifndef HIST_H
#define HIST_H

#include <stdint.h>

enum { HIST_STEP_BITS = 6, HIST_STEPS = 1 << HIST_STEP_BITS, HIST_CELLS = (33 - HIST_STEP_BITS) * HIST_STEPS };

struct hist {
    uint64_t count;
    uint32_t max;
    uint64_t cells[HIST_CELLS];
};

static inline uint32_t hist_cell(uint32_t us) {
    if (us < HIST_STEPS)
        return us;
    uint32_t octave = 31u - (uint32_t)__builtin_clz(us) - HIST_STEP_BITS; /* shift to HIST_STEPS..2*HIST_STEPS-1 */
    return (octave << HIST_STEP_BITS) + (us >> octave);
}

static inline void hist_add(struct hist *h, uint32_t us) {
    h->count++;
    h->cells[hist_cell(us)]++;
    if (us > h->max)
        h->max = us;
}

/* Upper end of the cell that holds the given share (0..1) of the records; 0 when empty. */
uint32_t hist_at(const struct hist *h, double share);

#endif
