"""A websocket for thousands of simulated members in one process: no task, no queue, no timer per connection.

The handshake and whole, unmasked, uncompressed server frames are all that it understands; it hands on what was read
as it was read, so that the reader may know the same bytes again when the next member is given them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
HEAD_MAX = 16_384
FRAME_MAX = 32 * 2**20
UNSENT_MAX = 2**20
ABNORMAL, PROTOCOL_ERROR = 1006, 1002
NO_MASK = bytes(4)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WireError(Exception):
    """The peer does not speak what this reader understands."""


class Owner(Protocol):
    """Who is told what happens on a wire."""

    def opened(self) -> None:
        """The handshake is done."""

    def received(self, data: bytes) -> bytes:
        """Bytes of frames; returns those of the unfinished frame at the end. Raises WireError."""

    def closed(self, code: int) -> None:
        """The connection is gone; told once, also when it never came about."""


class Wire(asyncio.Protocol):
    """One connection; `dial` makes it."""

    __slots__ = ("_code", "_ended", "_head", "_owner", "_rest", "_take", "_transport", "_url")

    def __init__(self, url: str, owner: Owner) -> None:
        self._url = url
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._head = b""
        self._take: Callable[[bytes], bytes] = self._shake
        self._code = ABNORMAL
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # by what it does; uvloop's class is another
        parts = urlsplit(self._url)
        key = base64.b64encode(os.urandom(16))
        self._head = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        path = (parts.path or "/ws") + (f"?{parts.query}" if parts.query else "")
        request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        request += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n"
        self._transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        """Hand on what came; the handshake takes what comes first."""
        if self._rest:
            data = self._rest + data
        try:
            self._rest = self._take(data)
        except WireError:
            self._code = PROTOCOL_ERROR
            self.abort()

    def _shake(self, data: bytes) -> bytes:
        """Read the answer to the handshake; what follows it goes on to the owner."""
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            if len(data) > HEAD_MAX:
                raise WireError("endless head")
            return data
        if b" 101 " not in head.split(b"\r\n", 1)[0] or self._head not in head:
            raise WireError("handshake refused")
        self._head = b""
        self._take = self._owner.received
        self._owner.opened()
        return self._take(rest) if rest else b""

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner."""
        self._transport = None
        self.end()

    def end(self) -> None:
        """Tell the owner, once."""
        if not self._ended:
            self._ended = True
            self._owner.closed(self._code)

    @property
    def unsent(self) -> int:
        """Bytes that the kernel did not take yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def send(self, *texts: bytes) -> None:
        """Send texts, each a frame, in one write."""
        self._write(b"".join([masked(TEXT, text) for text in texts]))

    def control(self, first: int, payload: bytes) -> None:
        """A control frame arrived: answer a ping, note and answer a close."""
        if first == PING:
            self._write(masked(PONG, payload))
        elif first == CLOSE:
            self._code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self._write(masked(CLOSE, payload[:2]))
            if self._transport is not None:
                self._transport.close()
        elif first != PONG:
            raise WireError("a fragmented or unknown frame")

    def say_goodbye(self) -> None:
        """Close with 1000; the server's answer ends the connection."""
        self._write(masked(CLOSE, (1000).to_bytes(2, "big")))

    def abort(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame. Its mask is of zeros, which costs nothing: no proxy on the way is to be protected from us."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 128 | size))
    elif size < 65536:
        head = bytes((first, 254)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 255)) + size.to_bytes(8, "big")
    return head + NO_MASK + payload


def split(data: bytes, take: Callable[[int, bytes], None]) -> int:
    """Call `take(first byte, payload)` for every whole frame; how many bytes they were. Raises WireError."""
    at, end = 0, len(data)
    while end - at >= 2:
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        elif size > 127:
            raise WireError("a masked frame from a server")
        if start > end or start + size > end:
            if size > FRAME_MAX:
                raise WireError("a frame beyond all bounds")
            break
        take(data[at], data[start : start + size])
        at = start + size
    return at


async def dial(wire: Wire, url: str, seconds: float) -> None:
    """Connect a wire to a websocket's address within so many seconds; its owner is told how that went."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            await loop.create_connection(
                lambda: wire,
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                ssl=ssl.create_default_context() if secure else None,
            )
    except (OSError, TimeoutError):
        wire.end()
