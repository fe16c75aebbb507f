/* Websocket wire format, client side: handshake text, frame heads, masking (RFC 6455). */
#ifndef WS_H
#define WS_H

#include "util.h"

enum { WS_CONTINUATION = 0x0, WS_TEXT = 0x1, WS_BINARY = 0x2, WS_CLOSE = 0x8, WS_PING = 0x9, WS_PONG = 0xA };
enum { WS_FINAL = 0x80, WS_HEAD_MAX = 14 };

/* The key and its answer are the example of RFC 6455, so that no SHA-1 is needed here. */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Length of the request written to `to`. */
size_t ws_request(char *to, size_t room, const char *host, int port, const char *path);

/* Bytes of the whole answer when it is a right 101; 0 when it is not complete yet; -1 when it is refused. */
long ws_answer(const char *p, size_t len);

/* Writes the head of a masked client frame to `to`; its length. `mask` is in memory order. */
size_t ws_head(uint8_t *to, uint8_t opcode, size_t payload, uint32_t mask);

/* XORs in place, eight bytes at a time. */
void ws_mask(uint8_t *p, size_t len, uint32_t mask);

#endif
