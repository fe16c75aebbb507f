/* The mark every benchmark text starts with: who sent it, its number, and when it was MEANT to be
 * sent. 28 characters that survive JSON untouched: "~pl~", then 8 + 8 + 8 characters of 'a'+nibble,
 * lowest nibble first ('@' would begin a mention); app/traffic/mark.py writes and reads the same.
 * So a receiver knows loss, repeat, order and latency from the text alone, on any server, and reads
 * it with three unaligned loads. */
#ifndef MARKER_H
#define MARKER_H

#include "util.h"

enum { MARK_BYTES = 28 };
#define MARK_MAGIC "~pl~"
#define MARK_PROBE 0xFFFFFFFFu /* sender of the messages that only test whether a room is up */

struct mark {
    uint32_t time_us; /* intended send time, microseconds modulo 2^32 */
    uint32_t sender;  /* global sender number */
    uint32_t counter; /* per sender, from 0 */
};

static inline void mark_put32(char *to, uint32_t v) {
    for (int i = 0; i < 8; i++, v >>= 4)
        to[i] = (char)('a' + (v & 15u));
}

static inline uint32_t mark_get32(const char *from) {
    uint64_t x = load64(from) - 0x6161616161616161ull; /* eight nibbles, one per byte */
    x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
    x = (x | x >> 8) & 0x0000ffff0000ffffull;
    return (uint32_t)(x | x >> 16);
}

static inline void mark_write(char *to, struct mark m) {
    memcpy(to, MARK_MAGIC, 4);
    mark_put32(to + 4, m.time_us);
    mark_put32(to + 12, m.sender);
    mark_put32(to + 20, m.counter);
}

static inline bool mark_at(const char *p) {
    return load32(p) == load32(MARK_MAGIC);
}

static inline struct mark mark_read(const char *p) {
    struct mark m = {mark_get32(p + 4), mark_get32(p + 12), mark_get32(p + 20)};
    return m;
}

#endif
