"""Server frames (RFC 6455, section 5.2): final, unmasked, uncompressed, so one encoding fits every member."""

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
