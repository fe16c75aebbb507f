/* Phases of a run: connect and join all, then measure (or hold, or listen), then wait for what is under way. */
#define _GNU_SOURCE
#include "loadgen.h"
#include "ws.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct run run;

enum { EVENTS = 512, PROBE_EVERY_US = 500000 };

/* Lays groups, rooms, connections and senders out in consecutive numbers. */
static void lay_out(void) {
    uint64_t rooms = 0, conns = 0, senders = 0;
    for (uint32_t i = 0; i < run.opt.group_count; i++) {
        struct group *g = &run.groups[i];
        g->first_room = (uint32_t)rooms;
        g->first_conn = (uint32_t)conns;
        g->first_sender = (uint32_t)senders;
        rooms += g->rooms;
        conns += (uint64_t)g->rooms * g->members;
        senders += (uint64_t)g->rooms * g->senders;
    }
    if (conns > MAX_CONNS)
        die(EXIT_USAGE, "more than %d connections", MAX_CONNS);
    run.room_count = (uint32_t)rooms;
    run.conn_count = (uint32_t)conns;
    run.sender_count = (uint32_t)senders;
    run.rooms = must_alloc(rooms, sizeof *run.rooms);
    run.conns = must_alloc(conns, sizeof *run.conns);
    run.senders = must_alloc(senders, sizeof *run.senders);
}

static void fill_room(struct group *g, uint32_t index) {
    struct room *r = &run.rooms[g->first_room + index];
    r->group = g;
    r->members = r->readers = g->members;
    r->first_conn = g->first_conn + index * g->members;
    r->first_sender = g->first_sender + index * g->senders;
    snprintf(r->name, sizeof r->name, "%s-%s-%05u", run.opt.room_prefix, g->name, index);
    for (uint32_t m = 0; m < g->members; m++) {
        struct conn *c = &run.conns[r->first_conn + m];
        c->fd = -1;
        c->room = r;
        c->name = r->first_conn + m;
        c->seq.next = 1;
        c->from = must_alloc(g->senders, sizeof *c->from);
    }
    for (uint32_t s = 0; s < g->senders; s++) {
        struct sender *sender = &run.senders[r->first_sender + s];
        sender->id = r->first_sender + s;
        sender->conn = &run.conns[r->first_conn + (uint64_t)s * g->members / g->senders];
        sender->conn->sender = sender;
    }
}

static void fill(void) {
    lay_out();
    for (uint32_t i = 0; i < run.opt.group_count; i++) {
        struct group *g = &run.groups[i];
        for (uint32_t index = 0; index < g->rooms; index++)
            fill_room(g, index);
        uint32_t stall = g->stall;
        for (uint32_t n = g->rooms * g->members; stall && n > 0; n--) {
            struct conn *c = &run.conns[g->first_conn + n - 1];
            if (c->sender)
                continue;
            c->stalled = 1;
            c->room->readers--;
            stall--;
        }
    }
}

/* One turn: wait at most until `until`, handle what is ready, send what is due. False when stdin spoke. */
static bool turn(uint64_t until) {
    struct epoll_event events[EVENTS];
    uint64_t before = now_us();
    uint64_t wake = run.sending && run.next_due < until ? run.next_due : until;
    uint64_t wait = wake > before && !run.flush_count ? wake - before : 0;
    struct timespec timeout = {(time_t)(wait / 1000000), (long)(wait % 1000000) * 1000};
    int n = epoll_pwait2(run.epoll, events, EVENTS, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        die(EXIT_INTERNAL, "epoll: %s", strerror(errno));
    uint64_t start = run.now = now_us();
    bool spoken = false;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL)
            spoken = true;
        else
            conn_event(events[i].data.ptr, events[i].events);
        if (run.sending && run.now >= run.next_due)
            senders_due(run.now);
    }
    uint64_t end = now_us();
    if (run.sending) {
        senders_due(end);
        if (start >= run.record_from && start < run.end)
            hist_add(&run.turn, (uint32_t)(end - start));
        uint64_t next = start + run.opt.read_gap_us;
        next = next < run.next_due ? next : run.next_due;
        if (next > end) {
            struct timespec at = {(time_t)(next / 1000000), (long)(next % 1000000) * 1000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        }
    }
    return !spoken;
}

static void connect_all(void) {
    uint64_t start = now_us(), deadline = start + (uint64_t)(run.opt.connect_timeout * 1e6), probed = start;
    bool probing = run.opt.proto != PROTO_JSON && run.opt.mode == MODE_RUN && run.sender_count;
    while (run.ready + run.failed + run.closed < run.conn_count) {
        uint64_t now = now_us();
        if (now > deadline)
            break;
        while (run.started < run.conn_count && run.connecting < run.opt.connect_parallel)
            conn_open(&run.conns[run.started]);
        if (probing) {
            bool again = now - probed > PROBE_EVERY_US;
            rooms_probe(again);
            probed = again ? now : probed;
        }
        turn(now + 20000);
    }
    run.connect_seconds = (double)(now_us() - start) / 1e6;
}

static double cpu_now(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void stop_reading(void) {
    for (uint32_t i = 0; i < run.conn_count; i++)
        if (run.conns[i].stalled && run.conns[i].fd >= 0)
            epoll_ctl(run.epoll, EPOLL_CTL_DEL, run.conns[i].fd, NULL);
}

static bool all_delivered(void) {
    for (uint32_t i = 0; i < run.opt.group_count; i++)
        if (run.groups[i].delivered < group_expected(&run.groups[i]))
            return false;
    return true;
}

static void measure(void) {
    senders_prepare();
    stop_reading();
    run.begin = now_us() + 1000;
    run.record_from = run.begin + (uint64_t)(run.opt.warmup * 1e6);
    run.end = run.record_from + (uint64_t)(run.opt.duration * 1e6);
    run.sending = true;
    senders_due(now_us()); /* sets the first wake-up */
    while (now_us() < run.record_from)
        turn(run.record_from);
    report_event("measure");
    uint64_t from = now_us();
    double cpu = cpu_now();
    run.bytes_in = run.reads = 0;
    for (uint32_t i = 0; i < run.opt.group_count; i++)
        run.groups[i].delivered_before = run.groups[i].delivered;
    while (now_us() < run.end)
        turn(run.end);
    run.window_seconds = (double)(now_us() - from) / 1e6;
    run.cpu_seconds = cpu_now() - cpu;
    report_event("measured");
    for (uint32_t i = 0; i < run.opt.group_count; i++)
        run.groups[i].delivered_after = run.groups[i].delivered;
    uint64_t deadline = now_us() + (uint64_t)(run.opt.drain * 1e6);
    while (run.opt.mode == MODE_RUN && now_us() < deadline && !(senders_done() && all_delivered()))
        turn(now_us() + 10000);
}

/* Answers pings until a line (or the end) on stdin. */
static void hold(void) {
    uint64_t deadline = now_us() + (uint64_t)(run.opt.hold_max * 1e6);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    report_event("ready");
    if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die(EXIT_INTERNAL, "stdin must be a pipe in idle mode");
    while (now_us() < deadline && turn(deadline)) {
    }
}

int main(int argc, char **argv) {
    options_read(argc, argv, &run);
    fill();
    run.buffer = must_alloc(1, READ_BYTES + FRAME_MAX + 64);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    const struct options *o = &run.opt;
    /* Whatever happens below, the process ends. */
    alarm((unsigned)(o->connect_timeout + o->warmup + o->duration + o->drain + (o->mode == MODE_IDLE ? o->hold_max : 0)) + 30);
    connect_all();
    if (run.ready < run.conn_count) {
        report_event("failed");
        fprintf(stderr, "loadgen: %u of %u connections ready: %s\n", run.ready, run.conn_count, run.first_error);
        return EXIT_CONNECT;
    }
    if (o->mode == MODE_IDLE)
        hold();
    else
        measure();
    report_result();
    for (uint32_t i = 0; i < run.conn_count; i++) {
        conn_send_frame(&run.conns[i], WS_CLOSE, "\x03\xe8", 2);
        conn_flush(&run.conns[i]);
    }
    return 0;
}
