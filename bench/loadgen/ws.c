#define _GNU_SOURCE
#include "ws.h"

#include <strings.h>

size_t ws_request(char *to, size_t room, const char *host, int port, const char *path) {
    int n = snprintf(to, room,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     path, host, port);
    if (n < 0 || (size_t)n >= room)
        die(EXIT_INTERNAL, "handshake request too long");
    return (size_t)n;
}

long ws_answer(const char *p, size_t len) {
    const char *end = memmem(p, len, "\r\n\r\n", 4);
    if (!end)
        return len > 16384 ? -1 : 0;
    if (len < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0)
        return -1;
    if (!memmem(p, (size_t)(end - p), WS_ACCEPT, strlen(WS_ACCEPT)))
        return -1;
    return end + 4 - p;
}

size_t ws_head(uint8_t *to, uint8_t opcode, size_t payload, uint32_t mask) {
    size_t n = 2;
    to[0] = (uint8_t)(WS_FINAL | opcode);
    if (payload < 126) {
        to[1] = (uint8_t)(0x80 | payload);
    } else if (payload < 65536) {
        to[1] = 0x80 | 126;
        to[2] = (uint8_t)(payload >> 8);
        to[3] = (uint8_t)payload;
        n = 4;
    } else {
        to[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            to[2 + i] = (uint8_t)((uint64_t)payload >> (56 - 8 * i));
        n = 10;
    }
    memcpy(to + n, &mask, 4);
    return n + 4;
}

void ws_mask(uint8_t *p, size_t len, uint32_t mask) {
    uint64_t wide = (uint64_t)mask << 32 | mask;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t v = load64(p + i) ^ wide;
        memcpy(p + i, &v, 8);
    }
    for (; i < len; i++)
        p[i] ^= (uint8_t)(mask >> (8 * (i & 3)));
}
