"""Server frames (RFC 6455, section 5.2): final, unmasked, uncompressed, so one encoding fits every member.

Of clients' frames, only where they end.
"""

from __future__ import annotations

_TEXT, _BINARY, _CLOSE, _PING = 0x81, 0x82, 0x88, 0x89


def _header(opcode: int, size: int) -> bytes:
    if size < 126:
        return bytes((opcode, size))
    if size < 65536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big")
    return bytes((opcode, 127)) + size.to_bytes(8, "big")


# The headers of the sizes that chat messages have; a look-up instead of arithmetic per event.
_TEXT_HEADERS = tuple(_header(_TEXT, size) for size in range(2048))


def text(payload: bytes) -> bytes:
    """One text frame. The payload must be UTF-8 already."""
    size = len(payload)
    return (_TEXT_HEADERS[size] if size < 2048 else _header(_TEXT, size)) + payload


def texts(payloads: list[bytes]) -> bytes:
    """The frames of several texts, joined for one write."""
    return b"".join([text(payload) for payload in payloads])


def binary(payload: bytes) -> bytes:
    """One binary frame."""
    return _header(_BINARY, len(payload)) + payload


def close(code: int, reason: str = "") -> bytes:
    """A close frame. The reason is cut to the 123 bytes of UTF-8 that a control frame can hold."""
    body = code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode()
    return _header(_CLOSE, len(body)) + body


PING = _header(_PING, 0)
"""An empty ping; every connection may be sent the same one."""


def extent(data: bytes, pos: int, end: int, limit: int) -> tuple[int, int]:
    """Where the payload and the frame at `pos` begin and end.

    The frame end lies beyond `end` if bytes are missing, and is then a lower bound. The payload start is 0 for a
    frame that is unmasked or over the limit: it ends with its header, from which alone the library refuses it.
    """
    if end - pos < 2:
        return 0, pos + 2
    size = data[pos + 1]
    if size < 128:
        return 0, pos + 2
    size &= 127
    if size < 126:
        start = pos + 6
    elif size == 126:
        start = pos + 8
        if start > end:
            return 0, start
        size = data[pos + 2] << 8 | data[pos + 3]
    else:
        start = pos + 14
        if start > end:
            return 0, start
        size = int.from_bytes(data[pos + 2 : pos + 10], "big")
    return (start, start + size) if size <= limit else (0, start)
