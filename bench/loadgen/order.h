/* One numbered stream as one receiver sees it. The usual case (the number is the next one) is
 * inline; anything else goes to order_other, which tells loss, repeat and disorder apart. */
#ifndef ORDER_H
#define ORDER_H

#include "util.h"

struct gaps;

struct order {
    uint32_t next;     /* the number that must come now */
    struct gaps *gaps; /* numbers passed over so far; NULL as long as there are none */
};

struct faults {
    uint64_t lost;     /* passed over and never seen */
    uint64_t twice;    /* seen before */
    uint64_t disorder; /* passed over, came later */
};

void order_other(struct order *o, uint32_t number, struct faults *f);

static inline void order_see(struct order *o, uint32_t number, struct faults *f) {
    if (__builtin_expect(number == o->next, 1))
        o->next++;
    else
        order_other(o, number, f);
}

#endif
