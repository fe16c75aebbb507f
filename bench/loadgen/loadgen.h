/* The load client: one thread, one epoll loop, N websocket connections spread over rooms.
 *
 * main.c     phases of a run (connect, measure, drain, report)
 * options.c  command line
 * conn.c     connecting, reading, writing, closing
 * frames.c   server frames in place: counting, order, latency (the hot path)
 * control.c  what is rare: handshake answer, replies to hello and join, errors, ping and close
 * socketio.c the same for Socket.IO: open, connect, join, ping
 * sender.c   the open-model schedule and the messages themselves
 * report.c   the result as one line of JSON
 */
#ifndef LOADGEN_H
#define LOADGEN_H

#include "hist.h"
#include "order.h"
#include "util.h"

enum {
    MAX_TARGETS = 16,
    MAX_GROUPS = 8,
    MAX_CONNS = 100000,
    READ_BYTES = 256 * 1024,  /* one recv; stays inside the second-level cache */
    FRAME_MAX = 1024 * 1024,  /* longest server frame understood */
    OUT_MAX = 64 * 1024,      /* unsent bytes at which a connection stops making messages */
    TEXT_MAX = 16 * 1024,
    STALLED_RCVBUF = 16 * 1024,
    ACK_SPAN = 64,            /* width of the bitmap of unacknowledged sends */
};

enum proto { PROTO_JSON, PROTO_RAW, PROTO_SOCKETIO };
enum mode { MODE_RUN, MODE_IDLE, MODE_LISTEN };
enum state { CONN_NEW, CONN_CONNECTING, CONN_SHAKING, CONN_JOINING, CONN_READY, CONN_CLOSED };

struct target {
    char host[64];
    int port;
};

struct conn {
    int fd;
    uint8_t state;
    uint8_t stalled;    /* never read once the run starts */
    uint8_t want_write; /* EPOLLOUT is set */
    uint8_t counted;    /* one of run.connecting */
    uint16_t close_code;
    uint32_t name;      /* number of the guest */
    struct room *room;
    struct sender *sender; /* NULL for a mere reader */
    uint8_t *carry;        /* the unfinished frame at the end of the last read */
    uint32_t carry_len, carry_cap;
    uint8_t *out; /* bytes the kernel did not take yet are out[out_pos..out_len) */
    uint32_t out_pos, out_len, out_cap;
    struct order seq;    /* JSON: the room's sequence as this member sees it */
    struct order *from;  /* per sender of the room: its counters */
    uint64_t delivered;
};

struct sender {
    struct conn *conn;
    uint32_t id;         /* global; rooms have consecutive ones */
    uint32_t due;        /* messages whose intended time has come */
    uint32_t sent;
    uint32_t ack_base;   /* lowest one unacknowledged */
    uint64_t ack_bits;   /* acknowledged ones above ack_base */
    uint32_t in_flight;
    bool blocked;        /* waited for an ack or the socket since it last caught up */
    bool queued;         /* in the loop's list of senders to flush */
    char *draft;         /* the message with blanks for numbers; draft_len bytes */
    uint32_t draft_len, draft_text, draft_id, draft_cid;
};

struct room {
    struct group *group;
    char name[65];
    uint32_t first_conn, members, readers; /* readers = members that are not stalled */
    uint32_t first_sender;
    uint64_t sent, acked, refused;
    bool probed;
};

/* A set of equal rooms under one load, counted apart from other groups. */
struct group {
    char name[32];
    uint32_t rooms, members, senders, stall; /* members and senders per room; stall for the group */
    double rate;                             /* messages per second over all its rooms */
    uint32_t first_room, first_conn, first_sender;
    uint32_t seq_at, mark_from_end;          /* where the last frame had them: tried first */
    uint64_t total, next;                    /* schedule: messages in all; the next one's number */
    uint64_t sent, acked, refused, ack_twice, delivered, stray, resyncs, bad;
    uint64_t delivered_before, delivered_after; /* at the edges of the measured window */
    struct faults faults, seq_faults;
    struct hist delivery, ack;
};

struct options {
    enum mode mode;
    enum proto proto;
    struct target targets[MAX_TARGETS];
    uint32_t target_count, group_count;
    char path[128], room_prefix[24];
    double duration, warmup, drain, connect_timeout, hold_max, lag_bound;
    uint32_t text_bytes, connect_parallel, read_gap_us, window;
};

struct run {
    struct options opt;
    struct group groups[MAX_GROUPS];
    struct room *rooms;
    struct conn *conns;
    struct sender *senders;
    uint32_t room_count, conn_count, sender_count;
    int epoll;
    uint8_t *buffer; /* READ_BYTES + FRAME_MAX */
    uint64_t now;    /* after the last recv */
    bool sending;
    /* schedule, in now_us() time */
    uint64_t begin, record_from, end;
    uint64_t next_due; /* intended time of the next message of any group; may have passed */
    struct sender **flush; /* senders with something to write */
    uint32_t flush_count;
    /* connecting */
    uint32_t started, connecting, ready, closed, failed;
    char first_error[256];
    double connect_seconds;
    /* the client about itself */
    struct hist lag, turn;
    double cpu_seconds, window_seconds;
    uint64_t bytes_in, reads, others;
    uint64_t last_delivery; /* when */
};

extern struct run run;

/* options.c */
void options_read(int argc, char **argv, struct run *r);

/* conn.c */
void conn_open(struct conn *c);
void conn_event(struct conn *c, uint32_t events);
void conn_put(struct conn *c, const void *bytes, size_t len); /* queue; conn_flush writes */
void conn_flush(struct conn *c);
void conn_close(struct conn *c, uint16_t code, const char *why);
void conn_send_frame(struct conn *c, uint8_t opcode, const void *payload, size_t len);
void conn_joined(struct conn *c); /* in its room, as far as the server says; ready, or waits for the probe */
void conn_ready(struct conn *c);
void conn_uncount(struct conn *c); /* its place among those connecting is free */

/* frames.c: bytes of whole frames handled; the rest is an unfinished one */
size_t frames_json(struct conn *c, uint8_t *p, size_t len);
size_t frames_raw(struct conn *c, uint8_t *p, size_t len);
size_t frames_socketio(struct conn *c, uint8_t *p, size_t len);

/* control.c */
size_t control_handshake(struct conn *c, uint8_t *p, size_t len);
void control_frame(struct conn *c, uint8_t opcode, const uint8_t *p, size_t len);
void control_json(struct conn *c, const char *p, size_t len);
bool find_number(const char *p, size_t len, const char *key, uint64_t *number);
void note_error(const char *what, const char *text, size_t len);

/* socketio.c */
void control_socketio(struct conn *c, const char *p, size_t len);

/* sender.c */
void senders_prepare(void);
void senders_due(uint64_t now);      /* marks what is due and writes it */
void sender_flush(struct sender *s); /* writes what is due and allowed */
void sender_acked(struct conn *c, uint64_t id, bool refused);
bool senders_done(void); /* everything that could be sent is sent and (JSON) answered */
void rooms_probe(bool again);
uint64_t sender_intended(const struct sender *s, uint32_t counter);

/* report.c */
void report_event(const char *name); /* marks a phase for whoever reads stdout */
void report_result(void);
uint64_t group_expected(const struct group *g);

static inline uint32_t rand_mask(void) {
    static uint64_t x = 0x9e3779b97f4a7c15ull; /* xorshift: masking needs no secret here */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)x;
}

#endif
