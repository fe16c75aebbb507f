"""A transport without a socket. tests/contract/test_transport.py holds it against those of asyncio and uvloop."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.loop import Loop


class Transport(asyncio.Transport):
    """Keeps what is written in `sent`, or in its buffer while its peer is `deaf`.

    `receive` is the peer's sending; what it sends while reading is paused comes later, as with a socket.
    """

    def __init__(self, loop: Loop, *, has_eof: bool = True) -> None:
        super().__init__()
        self.loop = loop
        self.protocol: Any = None
        self.sent = bytearray()
        self.writes: list[bytes] = []
        self.deaf = False
        self.closing = False
        self.aborted = False
        self.eof_written = False
        self.gone = False
        self._has_eof = has_eof
        self._buffer = bytearray()
        self._backlog: list[bytes] = []
        self._reading = True
        self._paused = False
        self._high, self._low = 65536, 16384

    # What a protocol calls

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self.aborted or self.gone:
            return
        self.writes.append(bytes(data))
        if not self.deaf:
            self.sent += data
            return
        self._buffer += data
        if len(self._buffer) > self._high and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return self._has_eof

    def write_eof(self) -> None:
        if not self._has_eof:
            raise NotImplementedError
        self.eof_written = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._reading = False
            if not self._buffer:
                self.loop.call_soon(self._lose)

    def abort(self) -> None:
        if not self.aborted:
            self.closing = self.aborted = True
            self._reading = False
            self._buffer.clear()
            self.loop.call_soon(self._lose)

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self.closing and not self._reading:
            self._reading = True
            self.loop.call_soon(self._deliver)

    # What a test does

    def receive(self, data: bytes) -> None:
        """The peer sends."""
        self._backlog.append(data)
        self._deliver()

    def take(self, size: int | None = None) -> None:
        """The peer reads `size` bytes of what waits for it, or everything and is not deaf any more."""
        self.deaf = size is not None
        size = len(self._buffer) if size is None else size
        self.sent += self._buffer[:size]
        del self._buffer[:size]
        if self._paused and len(self._buffer) <= self._low:
            self._paused = False
            self.protocol.resume_writing()
        if self.closing and not self._buffer and not self.aborted:
            self.loop.call_soon(self._lose)

    def _deliver(self) -> None:
        while self._reading and self._backlog:
            self.protocol.data_received(self._backlog.pop(0))

    def _lose(self) -> None:
        if not self.gone:
            self.gone = True
            self.protocol.connection_lost(None)
