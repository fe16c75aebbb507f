#include "order.h"

enum { GAPS_MAX = 64 };

/* Bounded: when more than GAPS_MAX ranges are open the oldest is forgotten, and a late arrival from
 * it would then count as a repeat instead of disorder. Both are failures, so nothing is hidden. */
struct gaps {
    uint32_t count;
    struct { uint32_t from, to; } range[GAPS_MAX]; /* half open */
};

static void gap_open(struct order *o, uint32_t from, uint32_t to) {
    if (!o->gaps)
        o->gaps = must_alloc(1, sizeof *o->gaps);
    struct gaps *g = o->gaps;
    if (g->count == GAPS_MAX)
        memmove(&g->range[0], &g->range[1], sizeof g->range[0] * --g->count);
    g->range[g->count].from = from;
    g->range[g->count++].to = to;
}

/* True when the number was missing until now; it no longer is. */
static bool gap_fill(struct order *o, uint32_t number) {
    struct gaps *g = o->gaps;
    for (uint32_t i = 0; g && i < g->count; i++) {
        uint32_t from = g->range[i].from, to = g->range[i].to;
        if (number < from || number >= to)
            continue;
        g->range[i].to = number;
        if (number + 1 < to)
            gap_open(o, number + 1, to);
        return true;
    }
    return false;
}

void order_other(struct order *o, uint32_t number, struct faults *f) {
    if (number > o->next) {
        f->lost += number - o->next;
        gap_open(o, o->next, number);
        o->next = number + 1;
    } else if (number == o->next) {
        o->next++;
    } else if (gap_fill(o, number)) {
        f->lost--;
        f->disorder++;
    } else {
        f->twice++;
    }
}
