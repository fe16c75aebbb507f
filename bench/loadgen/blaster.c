/* Pushes ready-made message frames to every connection as fast as the reader takes them: with it the load
 * client measures its own ceiling. Blocking writes, so that the slower side sets the pace.
 *
 *   blaster PORT CONNECTIONS FRAMES_PER_WRITE json|raw SECONDS
 *
 * Prints "ready" once it listens; ends by itself.
 */
#define _GNU_SOURCE
#include "marker.h"
#include "ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_ROOM = 512, TEXT_BYTES = 128 };

static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: " WS_ACCEPT "\r\n\r\n";
static const char JOINED[] = "{\"type\":\"joined\",\"id\":2,\"room\":\"r\",\"epoch\":\"e\",\"seq\":0,\"mid\":\"m0\"}";

static void send_all(int fd, const void *bytes, size_t len) {
    const char *p = bytes;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            exit(0); /* the load client has seen enough */
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

static size_t put_frame(uint8_t *to, const char *text, size_t len) {
    size_t head = 2;
    to[0] = WS_FINAL | WS_TEXT;
    if (len < 126) {
        to[1] = (uint8_t)len;
    } else {
        to[1] = 126;
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        head = 4;
    }
    memcpy(to + head, text, len);
    return head + len;
}

/* Reads the handshake and, in JSON mode, whatever the client says first; answers both. */
static void greet(int fd, bool json) {
    char in[4096];
    size_t have = 0;
    while (!memmem(in, have, "\r\n\r\n", 4)) {
        ssize_t n = recv(fd, in + have, sizeof in - have, 0);
        if (n <= 0)
            die(EXIT_INTERNAL, "blaster: handshake ended early");
        have += (size_t)n;
    }
    send_all(fd, ANSWER, sizeof ANSWER - 1);
    if (!json)
        return;
    uint8_t frame[256];
    if (recv(fd, in, sizeof in, 0) <= 0)
        die(EXIT_INTERNAL, "blaster: no hello");
    send_all(fd, frame, put_frame(frame, JOINED, sizeof JOINED - 1));
}

static size_t render(uint8_t *to, uint32_t first, uint32_t count, bool json) {
    char body[FRAME_ROOM], text[TEXT_BYTES + 1];
    size_t len = 0;
    memset(text, 'x', TEXT_BYTES);
    text[TEXT_BYTES] = 0;
    for (uint32_t i = 0; i < count; i++) {
        mark_write(text, (struct mark){(uint32_t)now_us(), 0, first + i});
        if (!json) {
            len += put_frame(to + len, text, TEXT_BYTES);
            continue;
        }
        int n = snprintf(body, sizeof body,
                         "{\"type\":\"message\",\"room\":\"bench-g0-00000\",\"seq\":%u,\"mid\":\"m%u\",\"cid\":\"1%08u\","
                         "\"user\":\"guest-0123456789\",\"name\":\"bench1\",\"text\":\"%s\",\"ts\":1763791200123}",
                         first + i + 1, first + i + 1, first + i, text);
        len += put_frame(to + len, body, (size_t)n);
    }
    return len;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: blaster PORT CONNECTIONS FRAMES_PER_WRITE json|raw SECONDS\n");
        return EXIT_USAGE;
    }
    int conns = atoi(argv[2]), batch = atoi(argv[3]), listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool json = strcmp(argv[4], "json") == 0;
    if (conns < 1 || conns > 100000 || batch < 1 || batch > 4096)
        die(EXIT_USAGE, "blaster: CONNECTIONS 1..100000, FRAMES_PER_WRITE 1..4096");
    alarm((unsigned)atoi(argv[5]));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        die(EXIT_INTERNAL, "blaster: %s", strerror(errno));
    puts("ready");
    fflush(stdout);
    int *fds = must_alloc((size_t)conns, sizeof *fds);
    for (int i = 0; i < conns; i++) {
        fds[i] = accept(listener, NULL, NULL);
        if (fds[i] < 0)
            die(EXIT_INTERNAL, "blaster: accept: %s", strerror(errno));
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        greet(fds[i], json);
    }
    uint8_t *buffer = must_alloc((size_t)batch, FRAME_ROOM + WS_HEAD_MAX);
    for (uint32_t next = 0;; next += (uint32_t)batch) {
        size_t len = render(buffer, next, (uint32_t)batch, json);
        for (int i = 0; i < conns; i++)
            send_all(fds[i], buffer, len);
    }
}
