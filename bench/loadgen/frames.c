/* The hot path: whole frames are counted where they lie in the read buffer, never copied. */
#define _GNU_SOURCE
#include "loadgen.h"
#include "marker.h"
#include "ws.h"

static const char TYPE[] = "{\"type\":\"";
static const char MESSAGE[] = "{\"type\":\"message\",";
static const char ACK[] = "{\"type\":\"ack\",\"id\":";
static const char SEQ[] = "\"seq\":";

/* Offset just behind `"seq":`; 0 when there is none. Frames of a group look alike, so the last offset is tried first. */
static inline uint32_t seq_offset(struct group *g, const char *p, size_t len) {
    uint32_t at = g->seq_at;
    if (__builtin_expect(at >= 6 && at < len && memcmp(p + at - 6, SEQ, 6) == 0, 1))
        return at;
    const char *found = memmem(p, len, SEQ, 6);
    return found ? (g->seq_at = (uint32_t)(found + 6 - p)) : 0;
}

static inline const char *find_mark(struct group *g, const char *p, size_t len) {
    if (__builtin_expect(g->mark_from_end <= len && mark_at(p + len - g->mark_from_end), 1))
        return p + len - g->mark_from_end;
    const char *found = memmem(p, len, MARK_MAGIC, 4);
    if (!found || found + MARK_BYTES > p + len)
        return NULL;
    g->mark_from_end = (uint32_t)(p + len - found);
    return found;
}

/* A benchmark text arrived: order per sender, and how long after its intended time. */
static inline void count_text(struct conn *c, struct group *g, const char *mark) {
    struct mark m = mark_read(mark);
    struct room *room = c->room;
    uint32_t slot = m.sender - room->first_sender;
    if (__builtin_expect(slot >= g->senders, 0)) {
        if (m.sender != MARK_PROBE)
            g->stray++;
        else if (c->state == CONN_JOINING)
            conn_ready(c);
        return;
    }
    order_see(&c->from[slot], m.counter, &g->faults);
    c->delivered++;
    g->delivered++;
    if ((int32_t)(m.time_us - (uint32_t)run.record_from) >= 0) {
        int32_t late = (int32_t)((uint32_t)run.now - m.time_us);
        hist_add(&g->delivery, late > 0 ? (uint32_t)late : 0);
    }
}

/* An event: an object with a seq and our text. The server may name its members in any order. */
static inline bool json_event(struct conn *c, struct group *g, const char *p, size_t len) {
    uint32_t at = seq_offset(g, p, len), seq = 0;
    const char *mark = find_mark(g, p, len);
    if (!at || !mark)
        return false;
    while (p[at] == ' ')
        at++;
    for (uint32_t digit; (digit = (uint32_t)(uint8_t)p[at] - '0') < 10; at++)
        seq = seq * 10 + digit;
    order_see(&c->seq, seq, &g->seq_faults);
    count_text(c, g, mark);
    return true;
}

static inline void json_text(struct conn *c, const char *p, size_t len) {
    struct group *g = c->room->group;
    bool typed = len > sizeof TYPE && memcmp(p, TYPE, sizeof TYPE - 1) == 0; /* replies start with their type */
    if (!typed || memcmp(p, MESSAGE, sizeof MESSAGE - 1) == 0) {
        if (__builtin_expect(len > 64 && json_event(c, g, p, len), 1))
            return;
    } else if (memcmp(p, ACK, sizeof ACK - 1) == 0) {
        uint64_t id = 0;
        for (const char *d = p + sizeof ACK - 1; *d >= '0' && *d <= '9'; d++)
            id = id * 10 + (uint64_t)(*d - '0');
        sender_acked(c, id, false);
        return;
    }
    control_json(c, p, len);
}

/* Text as it came, or in a packet of Socket.IO: only what has no mark is looked at more closely. */
static inline void raw_text(struct conn *c, const char *p, size_t len, enum proto proto) {
    struct group *g = c->room->group;
    const char *mark = len >= MARK_BYTES ? find_mark(g, p, len) : NULL;
    if (mark)
        count_text(c, g, mark);
    else if (proto == PROTO_SOCKETIO)
        control_socketio(c, p, len);
    else
        run.others++;
}

/* Returns the bytes of whole frames; a connection that closed meanwhile eats all. */
__attribute__((always_inline)) static inline size_t frames(struct conn *c, uint8_t *p, size_t len, enum proto proto) {
    uint8_t *start = p, *end = p + len;
    while (end - p >= 2) {
        uint8_t first = p[0];
        size_t size = p[1], head = 2;
        if (__builtin_expect(size >= 126, 1)) {
            if (size == 126) {
                head = 4;
                if (end - p < 4)
                    break;
                size = (size_t)p[2] << 8 | p[3];
            } else if (size == 127) {
                head = 10;
                if (end - p < 10)
                    break;
                size = (size_t)__builtin_bswap64(load64(p + 2));
                if (size > FRAME_MAX - WS_HEAD_MAX) {
                    conn_close(c, 1009, "frame over the limit of the load client");
                    return len;
                }
            } else {
                conn_close(c, 1002, "masked frame from the server");
                return len;
            }
        }
        if ((size_t)(end - p) < head + size)
            break;
        uint8_t *payload = p + head;
        p = payload + size;
        if (__builtin_expect(first == (WS_FINAL | WS_TEXT), 1)) {
            if (proto == PROTO_JSON)
                json_text(c, (const char *)payload, size);
            else
                raw_text(c, (const char *)payload, size, proto);
        } else {
            control_frame(c, first, payload, size);
            if (c->state == CONN_CLOSED)
                return len;
        }
    }
    return (size_t)(p - start);
}

size_t frames_json(struct conn *c, uint8_t *p, size_t len) {
    return frames(c, p, len, PROTO_JSON);
}

size_t frames_raw(struct conn *c, uint8_t *p, size_t len) {
    return frames(c, p, len, PROTO_RAW);
}

size_t frames_socketio(struct conn *c, uint8_t *p, size_t len) {
    return frames(c, p, len, PROTO_SOCKETIO);
}
