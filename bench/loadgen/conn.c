/* One websocket connection: connect, read into the shared buffer, write, close. */
#define _GNU_SOURCE
#include "loadgen.h"
#include "ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void watch(struct conn *c, int operation, bool write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};
    c->want_write = write;
    if (epoll_ctl(run.epoll, operation, c->fd, &event) < 0)
        die(EXIT_INTERNAL, "epoll_ctl: %s", strerror(errno));
}

static void fail_connect(struct conn *c, const char *what, int error) {
    const char *text = strerror(error);
    note_error(what, text, strlen(text));
    conn_close(c, 1006, what);
}

void conn_open(struct conn *c) {
    struct target *t = &run.opt.targets[(size_t)(c - run.conns) % run.opt.target_count];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t->port)};
    inet_pton(AF_INET, t->host, &address.sin_addr); /* checked by options_read */
    run.started++;
    run.connecting++;
    c->counted = 1;
    c->state = CONN_CONNECTING;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        fail_connect(c, "socket", errno);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (c->stalled) /* what the server's side holds back is the question, not what our own kernel would take */
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){STALLED_RCVBUF}, sizeof(int));
    int result = connect(c->fd, (struct sockaddr *)&address, sizeof address);
    if (result < 0 && errno != EINPROGRESS) {
        fail_connect(c, "connect", errno);
        return;
    }
    watch(c, EPOLL_CTL_ADD, true);
}

static void say_handshake(struct conn *c) {
    struct target *t = &run.opt.targets[(size_t)(c - run.conns) % run.opt.target_count];
    char path[256], request[1024];
    const char *slot = strstr(run.opt.path, "{room}");
    if (slot)
        snprintf(path, sizeof path, "%.*s%s%s", (int)(slot - run.opt.path), run.opt.path, c->room->name, slot + 6);
    else
        snprintf(path, sizeof path, "%s", run.opt.path);
    c->state = CONN_SHAKING;
    conn_put(c, request, ws_request(request, sizeof request, t->host, t->port, path));
    watch(c, EPOLL_CTL_MOD, false);
    conn_flush(c);
}

void conn_uncount(struct conn *c) {
    run.connecting -= c->counted;
    c->counted = 0;
}

void conn_ready(struct conn *c) {
    c->state = CONN_READY;
    conn_uncount(c);
    run.ready++;
}

void conn_joined(struct conn *c) {
    if (c->state != CONN_JOINING)
        return;
    if (run.opt.mode != MODE_RUN || !c->room->group->senders)
        conn_ready(c);
    else
        conn_uncount(c); /* ready when its room's probe arrives: who is in is not yet heard by all workers */
}

void conn_close(struct conn *c, uint16_t code, const char *why) {
    if (c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_READY) {
        run.ready--;
        run.closed++;
        note_error("connection lost", why, strlen(why));
    } else {
        conn_uncount(c);
        run.failed++;
    }
    c->state = CONN_CLOSED;
    c->close_code = code;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->out);
    free(c->carry);
    c->out = c->carry = NULL;
    c->out_len = c->out_pos = c->out_cap = c->carry_len = c->carry_cap = 0;
}

void conn_put(struct conn *c, const void *bytes, size_t len) {
    if (c->state == CONN_CLOSED)
        return;
    if (c->out_pos == c->out_len)
        c->out_pos = c->out_len = 0;
    if (c->out_len + len > c->out_cap) {
        c->out_cap = (uint32_t)(c->out_len + len) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out)
            die(EXIT_INTERNAL, "out of memory");
    }
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += (uint32_t)len;
}

void conn_flush(struct conn *c) {
    if (c->state == CONN_CLOSED || c->out_pos == c->out_len)
        return;
    ssize_t n = send(c->fd, c->out + c->out_pos, c->out_len - c->out_pos, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(c, 1006, strerror(errno));
        return;
    }
    if (n > 0)
        c->out_pos += (uint32_t)n;
    bool more = c->out_pos < c->out_len;
    if (more != c->want_write)
        watch(c, EPOLL_CTL_MOD, more);
}

void conn_send_frame(struct conn *c, uint8_t opcode, const void *payload, size_t len) {
    uint8_t head[WS_HEAD_MAX];
    uint32_t mask = rand_mask();
    conn_put(c, head, ws_head(head, opcode, len, mask));
    conn_put(c, payload, len);
    if (c->state != CONN_CLOSED)
        ws_mask(c->out + c->out_len - len, len, mask);
}

/* Keeps the start of an unfinished frame for the next read. */
static void keep_rest(struct conn *c, const uint8_t *rest, size_t len) {
    if (len > c->carry_cap) {
        c->carry_cap = (uint32_t)(len < 512 ? 512 : len);
        c->carry = realloc(c->carry, c->carry_cap);
        if (!c->carry)
            die(EXIT_INTERNAL, "out of memory");
    }
    if (len)
        memcpy(c->carry, rest, len);
    c->carry_len = (uint32_t)len;
}

static void conn_read(struct conn *c) {
    uint8_t *buffer = run.buffer;
    size_t have = c->carry_len;
    uint64_t delivered = c->delivered;
    if (have)
        memcpy(buffer, c->carry, have);
    ssize_t n = recv(c->fd, buffer + have, READ_BYTES, MSG_DONTWAIT);
    run.now = now_us();
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        conn_close(c, 1006, n == 0 ? "end of stream without a close frame" : strerror(errno));
        return;
    }
    run.bytes_in += (uint64_t)n;
    run.reads++;
    size_t total = have + (size_t)n, used = 0;
    if (c->state == CONN_SHAKING) {
        used = control_handshake(c, buffer, total);
        if (used == 0 || c->state == CONN_CLOSED) {
            if (c->state != CONN_CLOSED)
                keep_rest(c, buffer, total);
            return;
        }
    }
    if (run.opt.proto == PROTO_JSON)
        used += frames_json(c, buffer + used, total - used);
    else if (run.opt.proto == PROTO_SOCKETIO)
        used += frames_socketio(c, buffer + used, total - used);
    else
        used += frames_raw(c, buffer + used, total - used);
    if (c->state != CONN_CLOSED)
        keep_rest(c, buffer + used, total - used);
    if (c->delivered != delivered)
        run.last_delivery = run.now;
}

void conn_event(struct conn *c, uint32_t events) {
    if (c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_CONNECTING) {
        int error = 0;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
        if (error)
            fail_connect(c, "connect", error);
        else
            say_handshake(c);
        return;
    }
    if (events & EPOLLOUT) {
        conn_flush(c);
        if (c->sender && run.sending)
            sender_flush(c->sender);
    }
    if (c->state != CONN_CLOSED && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        conn_read(c);
}
