/* The open-model schedule: message i of a group is due at begin + i / rate, whatever the server does.
 * The senders of all its rooms take turns. What cannot leave yet (32 unacknowledged, socket full) waits
 * and its waiting counts as latency, because the intended time is in the text. */
#define _GNU_SOURCE
#include "loadgen.h"
#include "marker.h"
#include "ws.h"

/* A text in a packet of Socket.IO: an event with the name "m". */
#define SOCKETIO_BEFORE "42[\"m\",\""
#define SOCKETIO_BEHIND "\"]"

/* Ids have nine digits from the first to the last, so that a message is a copy of a draft with digits filled in. */
enum { ID_BASE = 100000000, ID_DIGITS = 9 };

static void put_digits(char *to, uint32_t number) {
    for (int i = ID_DIGITS - 1; i >= 0; i--, number /= 10)
        to[i] = (char)('0' + number % 10);
}

static void draft_message(struct sender *s) {
    const char *room = s->conn->room->name;
    char *draft = must_alloc(1, run.opt.text_bytes + 256);
    int n = 0;
    if (run.opt.proto == PROTO_JSON) {
        n = sprintf(draft, "{\"type\":\"send\",\"id\":");
        s->draft_id = (uint32_t)n;
        n += sprintf(draft + n, "%09d,\"room\":\"%s\",\"cid\":\"", 0, room);
        s->draft_cid = (uint32_t)n;
        n += sprintf(draft + n, "%09d\",\"text\":\"", 0);
    }
    n += sprintf(draft + n, "%s", run.opt.proto == PROTO_SOCKETIO ? SOCKETIO_BEFORE : "");
    s->draft_text = (uint32_t)n;
    for (uint32_t i = 0; i < run.opt.text_bytes; i++)
        draft[n++] = (char)('a' + i % 26);
    if (run.opt.proto == PROTO_JSON)
        n += sprintf(draft + n, "\"}");
    else if (run.opt.proto == PROTO_SOCKETIO)
        n += sprintf(draft + n, SOCKETIO_BEHIND);
    s->draft = draft;
    s->draft_len = (uint32_t)n;
}

void senders_prepare(void) {
    for (uint32_t i = 0; i < run.sender_count; i++)
        draft_message(&run.senders[i]);
    for (uint32_t i = 0; i < run.opt.group_count; i++) {
        struct group *g = &run.groups[i];
        uint64_t senders = (uint64_t)g->rooms * g->senders;
        g->total = senders && run.opt.mode == MODE_RUN ? (uint64_t)(g->rate * (run.opt.warmup + run.opt.duration)) : 0;
        if (senders && g->total / senders > 800000000u)
            die(EXIT_USAGE, "too many messages per sender");
    }
    run.flush = must_alloc(run.sender_count, sizeof *run.flush);
}

static uint64_t due_at(const struct group *g, uint64_t i) {
    return run.begin + (uint64_t)((double)i * 1e6 / g->rate);
}

uint64_t sender_intended(const struct sender *s, uint32_t counter) {
    const struct room *room = s->conn->room;
    const struct group *g = room->group;
    uint64_t slot = s->id - room->first_sender, index = (uint64_t)(room - run.rooms) - g->first_room;
    return due_at(g, ((uint64_t)counter * g->senders + slot) * g->rooms + index);
}

static void put_message(struct sender *s, uint32_t counter, uint64_t intended) {
    struct mark m = {(uint32_t)intended, s->id, counter};
    mark_write(s->draft + s->draft_text, m);
    if (run.opt.proto == PROTO_JSON) {
        put_digits(s->draft + s->draft_id, ID_BASE + counter);
        put_digits(s->draft + s->draft_cid, ID_BASE + counter);
    }
    conn_send_frame(s->conn, WS_TEXT, s->draft, s->draft_len);
}

static bool may_send(const struct sender *s) {
    if (s->conn->out_len - s->conn->out_pos > OUT_MAX)
        return false;
    return run.opt.proto != PROTO_JSON || (s->in_flight < run.opt.window && s->sent - s->ack_base < ACK_SPAN);
}

void sender_flush(struct sender *s) {
    struct room *room = s->conn->room;
    if (s->conn->state != CONN_READY)
        return;
    while (s->sent < s->due && may_send(s)) {
        uint64_t intended = sender_intended(s, s->sent);
        if (!s->blocked && intended >= run.record_from)
            hist_add(&run.lag, run.now > intended ? (uint32_t)(run.now - intended) : 0);
        put_message(s, s->sent, intended);
        s->sent++;
        s->in_flight++;
        room->sent++;
        room->group->sent++;
    }
    s->blocked = s->sent < s->due;
    conn_flush(s->conn);
}

static void want_flush(struct sender *s) {
    if (!s->queued) {
        s->queued = true;
        run.flush[run.flush_count++] = s;
    }
}

static void flush_wanted(void) {
    for (uint32_t i = 0; i < run.flush_count; i++) {
        run.flush[i]->queued = false;
        sender_flush(run.flush[i]);
    }
    run.flush_count = 0;
}

void senders_due(uint64_t now) {
    run.now = now;
    run.next_due = UINT64_MAX; /* nothing more to come */
    for (uint32_t i = 0; i < run.opt.group_count; i++) {
        struct group *g = &run.groups[i];
        for (; g->next < g->total && due_at(g, g->next) <= now; g->next++) {
            uint64_t room = g->next % g->rooms, slot = g->next / g->rooms % g->senders;
            struct sender *s = &run.senders[g->first_sender + room * g->senders + slot];
            s->due++;
            want_flush(s);
        }
        if (g->next < g->total && due_at(g, g->next) < run.next_due)
            run.next_due = due_at(g, g->next);
    }
    flush_wanted();
}

void sender_acked(struct conn *c, uint64_t id, bool refused) {
    struct sender *s = c->sender;
    struct group *g = c->room->group;
    uint64_t counter = id - ID_BASE;
    if (!s || id < ID_BASE || counter >= s->sent) {
        g->bad++;
        return;
    }
    if (counter < s->ack_base || s->ack_bits >> (counter - s->ack_base) & 1) {
        g->ack_twice++;
        return;
    }
    s->ack_bits |= 1ull << (counter - s->ack_base);
    while (s->ack_bits & 1) {
        s->ack_bits >>= 1;
        s->ack_base++;
    }
    s->in_flight--;
    if (refused) {
        c->room->refused++;
        g->refused++;
    } else {
        uint64_t intended = sender_intended(s, (uint32_t)counter);
        c->room->acked++;
        g->acked++;
        if (intended >= run.record_from)
            hist_add(&g->ack, run.now > intended ? (uint32_t)(run.now - intended) : 0);
    }
    if (s->sent < s->due && run.sending)
        want_flush(s); /* joined with whatever else is due when the loop comes round */
}

bool senders_done(void) {
    for (uint32_t i = 0; i < run.sender_count; i++) {
        const struct sender *s = &run.senders[i];
        if (s->conn->state == CONN_READY && (s->sent < s->due || (run.opt.proto == PROTO_JSON && s->in_flight)))
            return false;
    }
    return true;
}

/* Such servers do not say when a member hears all others: one message per room until every member has seen one. */
void rooms_probe(bool again) {
    char text[TEXT_MAX + 32];
    bool socketio = run.opt.proto == PROTO_SOCKETIO;
    int before = sprintf(text, "%s", socketio ? SOCKETIO_BEFORE : "");
    memset(text + before, 'p', run.opt.text_bytes);
    mark_write(text + before, (struct mark){(uint32_t)now_us(), MARK_PROBE, 0});
    size_t len = (size_t)before + run.opt.text_bytes;
    len += (size_t)sprintf(text + len, "%s", socketio ? SOCKETIO_BEHIND : "");
    for (uint32_t i = 0; i < run.room_count; i++) {
        struct room *r = &run.rooms[i];
        uint32_t joining = 0, joined = 0;
        struct conn *speaker = NULL;
        for (struct conn *c = run.conns + r->first_conn; c < run.conns + r->first_conn + r->members; c++) {
            bool waits = c->state == CONN_JOINING && !c->counted; /* in, as far as it was told */
            joining += waits;
            joined += c->state == CONN_READY;
            if (waits || c->state == CONN_READY)
                speaker = c;
        }
        if (!joining || joining + joined < r->members || (r->probed && !again))
            continue;
        r->probed = true;
        conn_send_frame(speaker, WS_TEXT, text, len);
        conn_flush(speaker);
    }
}
