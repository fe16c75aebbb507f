/* Everything that is not a delivery: the handshake's answer, welcome, joined, errors, ping, close. */
#define _GNU_SOURCE
#include "loadgen.h"
#include "marker.h"
#include "ws.h"

/* The first thing that went wrong is kept for the report. */
void note_error(const char *what, const char *text, size_t len) {
    if (run.first_error[0])
        return;
    int n = snprintf(run.first_error, sizeof run.first_error, "%s: ", what);
    for (size_t i = 0; i < len && (size_t)n + 1 < sizeof run.first_error; i++)
        run.first_error[n++] = (text[i] < ' ' || text[i] == '"' || text[i] == '\\' || text[i] > '~') ? '.' : text[i];
    run.first_error[n] = 0;
}

/* First number behind `"key":`. Good for the server's own envelope, where our keys come before any text. */
bool find_number(const char *p, size_t len, const char *key, uint64_t *number) {
    char quoted[40];
    int n = snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = memmem(p, len, quoted, (size_t)n), *end = p + len;
    if (!at)
        return false;
    for (at += n; at < end && *at == ' '; at++) {
    }
    if (at == end || *at < '0' || *at > '9')
        return false;
    for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++)
        *number = *number * 10 + (uint64_t)(*at - '0');
    return true;
}

static bool is_type(const char *p, size_t len, const char *type) {
    char wanted[48];
    int n = snprintf(wanted, sizeof wanted, "\"type\":\"%s\"", type);
    return memmem(p, len < 160 ? len : 160, wanted, (size_t)n) != NULL;
}

static void say_hello(struct conn *c) {
    char text[256];
    int n = snprintf(text, sizeof text, "{\"type\":\"hello\",\"id\":1,\"name\":\"bench%u\"}", c->name);
    conn_send_frame(c, WS_TEXT, text, (size_t)n);
    n = snprintf(text, sizeof text, "{\"type\":\"join\",\"id\":2,\"room\":\"%s\"}", c->room->name);
    conn_send_frame(c, WS_TEXT, text, (size_t)n);
    conn_flush(c);
}

/* Bytes of the answer, or 0 for more to come. */
size_t control_handshake(struct conn *c, uint8_t *p, size_t len) {
    long n = ws_answer((const char *)p, len);
    if (n < 0) {
        const char *line = memchr(p, '\r', len);
        note_error("handshake refused", (const char *)p, line ? (size_t)(line - (const char *)p) : 0);
        conn_close(c, 1006, "handshake refused");
        return len;
    }
    if (n == 0)
        return 0;
    c->state = CONN_JOINING;
    if (run.opt.proto == PROTO_JSON)
        say_hello(c);
    else if (run.opt.proto == PROTO_RAW)
        conn_joined(c); /* an open socket is all that such a server says */
    return (size_t)n;
}

void control_frame(struct conn *c, uint8_t first, const uint8_t *p, size_t len) {
    switch (first) {
    case WS_FINAL | WS_BINARY:
        run.others++;
        break;
    case WS_FINAL | WS_PING:
        conn_send_frame(c, WS_PONG, p, len);
        conn_flush(c);
        break;
    case WS_FINAL | WS_PONG:
        break;
    case WS_FINAL | WS_CLOSE: {
        uint16_t code = len >= 2 ? (uint16_t)(p[0] << 8 | p[1]) : 1005;
        note_error("closed by the server", (const char *)p + (len > 2 ? 2 : len), len > 2 ? len - 2 : 0);
        conn_close(c, code, "closed by the server");
        break;
    }
    default:
        conn_close(c, 1002, "fragmented or reserved frame");
    }
}

static void on_joined(struct conn *c, const char *p, size_t len) {
    uint64_t seq;
    if (!find_number(p, len, "seq", &seq)) {
        c->room->group->bad++;
        return;
    }
    c->seq.next = (uint32_t)seq + 1;
    if (c->state == CONN_JOINING)
        conn_ready(c);
}

void control_json(struct conn *c, const char *p, size_t len) {
    struct group *g = c->room->group;
    uint64_t id, unacked;
    if (is_type(p, len, "ack")) {
        if (find_number(p, len, "id", &id))
            sender_acked(c, id, false);
        else
            g->bad++;
    } else if (is_type(p, len, "joined")) {
        on_joined(c, p, len);
    } else if (is_type(p, len, "welcome")) {
        if (find_number(p, len, "unacked", &unacked) && unacked > 0 && unacked < run.opt.window)
            run.opt.window = (uint32_t)unacked;
    } else if (is_type(p, len, "error")) {
        note_error("error reply", p, len);
        if (find_number(p, len, "id", &id) && id > 2)
            sender_acked(c, id, true);
        else
            g->bad++;
    } else if (is_type(p, len, "resync")) {
        uint64_t seq;
        g->resyncs++;
        if (find_number(p, len, "seq", &seq))
            c->seq.next = (uint32_t)seq + 1;
    } else if (is_type(p, len, "message")) {
        g->bad++; /* a message in a shape the fast path does not know: never counted in silence */
    } else {
        run.others++;
    }
}
