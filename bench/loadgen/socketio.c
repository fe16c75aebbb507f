/* Socket.IO over a websocket (Engine.IO 4, Socket.IO 5): open, connect, join with acknowledgement, ping.
 *
 *   server 0{"sid":...}  client 40  server 40{"sid":...}  client 420["join","room"]  server 430[]
 *   then 42["m","text"] both ways; server 2 (ping), client 3 (pong)
 */
#define _GNU_SOURCE
#include "loadgen.h"
#include "ws.h"

static void say(struct conn *c, const char *text, size_t len) {
    conn_send_frame(c, WS_TEXT, text, len);
    conn_flush(c);
}

static void say_join(struct conn *c) {
    char text[128];
    int n = snprintf(text, sizeof text, "420[\"join\",\"%s\"]", c->room->name);
    say(c, text, (size_t)n);
}

static bool starts(const char *p, size_t len, const char *with) {
    size_t n = strlen(with);
    return len >= n && memcmp(p, with, n) == 0;
}

void control_socketio(struct conn *c, const char *p, size_t len) {
    if (starts(p, len, "0{")) {
        say(c, "40", 2);
    } else if (starts(p, len, "40")) {
        say_join(c);
    } else if (starts(p, len, "430")) {
        conn_joined(c);
    } else if (len == 1 && *p == '2') {
        say(c, "3", 1);
    } else if (starts(p, len, "44") || starts(p, len, "41")) {
        note_error("refused", p, len);
        c->room->group->bad++;
    } else {
        run.others++;
    }
}
