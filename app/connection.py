"""One websocket after its handshake: bytes in, messages out, and the close in both directions (RFC 6455).

The common frame, a whole unfragmented text or binary message, is unmasked and checked here. Every other frame goes,
whole, through the websockets library's sans-I/O protocol, which is sound because that protocol only ever sees whole
frames; it is made when first needed and put back when it is between messages again. An idle connection owns a few
slots, no task and no timer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Protocol, cast

from websockets.frames import Opcode
from websockets.protocol import OPEN, State
from websockets.server import ServerProtocol

from app import frames
from app.admission import Admission
from app.allowances import Allowances
from app.deadlines import Deadlines
from app.frames import extent
from app.outbox import Outbox, OutboxPool
from app.protocol.codes import REASONS, CloseCode
from app.receiver import Receiver

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

FRAMES_AT_ONCE = 1000
TURN_SECONDS = 0.001
LOOK_EVERY = 4
"""A turn takes so many frames of a connection, or as many as take so long; the clock is looked at every so many."""
CLOSING_FRAMES = 2000
"""Among so many in one read the answer to a close is looked for."""
DROPPED_BYTES = 1024 * 1024
CLOSE_SECONDS = 2.0
FRAGMENTS = 64
CHAT_BYTES = 65_536
LOT = 64
BLOCK_BYTES = 1024

_OPEN, _CLOSING, _FAILED, _CLOSED = range(4)
_BY_WRITER, _BY_RECEIVER, _BY_TURN, _BY_RATE = 1, 2, 4, 8


class Connections:
    """All websockets of this worker, and what they share.

    Attributes:
        open: every connection whose transport is not gone yet.
        admission: counts them.
        deadlines: for closing handshakes and slow peers.
        message_bytes: limit of a message over all its fragments.
        fragments_max: most fragments of a message, empty ones included.
        allowances: of `frames` and `bytes`, counted in lots of LOT frames and blocks.
        on_closed: told of each connection that this side ends, and the close code.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pool: OutboxPool,
        message_bytes: int,
        admission: Admission | None = None,
        allowances: Allowances | None = None,
    ) -> None:
        self.loop = loop
        self.admission = Admission() if admission is None else admission
        self.pool = pool
        self.deadlines: Deadlines = pool.deadlines
        self.message_bytes = message_bytes
        self.fragments_max = FRAGMENTS if message_bytes <= CHAT_BYTES else FRAGMENTS + message_bytes // 16
        self.allowances = Allowances({}, pool.deadlines) if allowances is None else allowances
        self.open: dict[Connection, None] = {}
        self.on_closed: Callable[[Connection, int], None] = lambda connection, code: None
        self._gone = asyncio.Event()
        self._spare: ServerProtocol | None = None

    def take_library(self) -> ServerProtocol:
        """A protocol object in state OPEN, between messages."""
        spare, self._spare = self._spare, None
        return spare or ServerProtocol(state=OPEN, max_size=self.message_bytes)

    def put_back(self, library: ServerProtocol) -> None:
        """Keep one that is in state OPEN and between messages for the next control frame."""
        self._spare = library

    def forget(self, connection: Connection) -> None:
        """A connection's transport is gone."""
        if connection in self.open:
            del self.open[connection]
            self.admission.leave(connection.address)
        if not self.open:
            self._gone.set()

    async def gone(self, seconds: float) -> bool:
        """Wait until no connection is open; False if that takes longer than `seconds`."""
        self._gone.clear()
        try:
            async with asyncio.timeout(seconds):
                if self.open:
                    await self._gone.wait()
        except TimeoutError:
            return False
        return True

    async def heartbeat(self) -> None:
        """Ping every peer once and cut those silent since two pings; a few hundred per turn of the loop."""
        for number, connection in enumerate(list(self.open)):
            connection.beat()
            if number % 200 == 199:
                await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """The asyncio protocol of a websocket. It gets its `receiver` before anything arrives.

    `address` is where the client is, as app.addresses has it; empty where that is not known.
    """

    __slots__ = (
        "_all",
        "_blocks",
        "_fragments",
        "_frames",
        "_holds",
        "_library",
        "_need",
        "_pending",
        "_seen",
        "_state",
        "address",
        "outbox",
        "receiver",
        "silent",
        "transport",
    )

    receiver: Receiver

    def __init__(self, transport: asyncio.Transport, connections: Connections, address: str = "") -> None:
        self.transport = transport
        self.address = sys.intern(address)  # many come from behind the same one
        self._all = connections
        self.outbox = Outbox(transport, connections.pool, self)
        self.silent = 0
        self._state = _OPEN
        self._holds = 0
        self._pending: bytearray | None = None
        self._need = 0
        self._library: ServerProtocol | None = None
        self._fragments: list[bytes] | None = None
        self._seen = 0
        self._frames = self._blocks = 0
        connections.open[self] = None
        connections.admission.enter(address)

    @property
    def is_open(self) -> bool:
        """Whether messages still flow."""
        return self._state == _OPEN

    @property
    def held(self) -> bool:
        """Whether reading is stopped."""
        return self._holds != 0

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer. Handles whole frames and keeps the rest; linear in the bytes received."""
        self.silent = 0
        pending = self._pending
        if pending is not None:
            pending += data
            if self._holds or len(pending) < self._need:
                return
            data = bytes(pending)
            self._pending = None
        elif data[0] == 0x81 and len(data) > 7 and self._library is None and self._state == _OPEN and not self._holds:
            # By far the most reads: one text frame, whole. Everything else goes the long way.
            size, start = data[1] - 128, 6
            if size == 126:
                size, start = data[2] << 8 | data[3], 8
            if len(data) == start + size and 0 < size != 127 and size <= self._all.message_bytes:
                self._message(0x81, apply_mask(data[start:], data[start - 4 : start]))
                if size < BLOCK_BYTES and self._frames < LOT - 1:
                    self._frames += 1
                else:
                    self._count(1, size)
                return
        self._parse(data)

    def eof_received(self) -> bool:
        """The peer will send no more: let the transport flush and close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, for whatever reason."""
        self._state = _CLOSED
        self._pending = self._library = self._fragments = None
        self.outbox.close()
        self._all.deadlines.clear(self, "close")
        self._all.deadlines.clear(self, "rate")
        self._all.forget(self)
        self.receiver.lost()

    def pause_writing(self) -> None:
        """The peer does not take what is written: read no more of its requests until it does."""
        self.outbox.pause()
        self._hold(_BY_WRITER)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.outbox.resume()
        self._release(_BY_WRITER)

    # Reading on and off

    def hold(self) -> None:
        """Stop reading from the peer, for its receiver's sake."""
        self._hold(_BY_RECEIVER)

    def release(self) -> None:
        """Go on reading from the peer."""
        self._release(_BY_RECEIVER)

    def _hold(self, reason: int) -> None:
        if self._state == _OPEN:
            if not self._holds:
                self.transport.pause_reading()
            self._holds |= reason

    def _release(self, reason: int) -> None:
        if self._holds & reason:
            self._holds &= ~reason
            if not self._holds and self._state != _CLOSED:
                if self._pending is not None:
                    # What is pending may hold whole frames; take them before any new bytes, in a turn of their own.
                    self._holds = _BY_TURN
                    self._all.loop.call_soon(self._go_on)
                else:
                    self.transport.resume_reading()

    def _go_on(self) -> None:
        self._holds &= ~_BY_TURN
        if self._holds or self._state == _CLOSED:
            return
        pending, self._pending = self._pending, None
        if pending is not None:
            self._parse(bytes(pending))
        if not self._holds and self._state != _CLOSED:
            self.transport.resume_reading()

    # Frames

    def _parse(self, data: bytes) -> None:
        pos, end, taken, most, begun = 0, len(data), 0, FRAMES_AT_ONCE, 0.0
        while pos < end and self._state < _FAILED:
            if self._state == _CLOSING and taken >= CLOSING_FRAMES:
                self._turn_away()
                break
            if self._holds or (taken >= most and self._state == _OPEN):
                self._stash(data[pos:], 0)
                if not self._holds:
                    self._hold(_BY_TURN)
                    self._all.loop.call_soon(self._go_on)
                break
            start, stop = extent(data, pos, end, self._all.message_bytes)
            if stop > end:
                self._stash(data[pos:], stop - pos)
                break
            taken += 1
            if not taken % LOOK_EVERY:
                now = perf_counter()
                begun = begun or now
                if now - begun > TURN_SECONDS:
                    most = taken
            first = data[pos]
            if (first == 0x81 or first == 0x82) and start and self._library is None and self._state == _OPEN:
                self._message(first, apply_mask(data[start:stop], data[start - 4 : start]))
            else:
                self._rare(data[pos:stop])
            pos = stop
        if self._state == _FAILED:
            self._drop(end - pos)
            return
        if self._state == _CLOSING:
            # Reading is not held any more: whoever floods on instead of closing is not listened to for long.
            self._drop(pos)
            return
        self._count(taken, pos)

    def _count(self, count: int, size: int) -> None:
        """So many frames and bytes were read. Whoever is in debt then is not read until time has paid it."""
        # In small numbers, which cost no memory: most connections seldom fill a lot.
        self._frames = count = self._frames + count
        self._blocks = blocks = self._blocks + size // BLOCK_BYTES
        if (count < LOT and blocks < LOT) or self._state != _OPEN:
            return
        self._frames = self._blocks = 0
        draw = self._all.allowances.draw
        by_frames = draw("frames", self, count)
        by_bytes = draw("bytes", self, blocks * BLOCK_BYTES) if blocks else 0.0
        seconds, limit = max((by_frames, "frames"), (by_bytes, "bytes"))
        if seconds:
            self._hold(_BY_RATE)
            self._all.deadlines.set(self, "rate", seconds, lambda: self._release(_BY_RATE))
            self.receiver.throttled(limit, seconds)

    def _stash(self, rest: bytes, need: int) -> None:
        self._pending = bytearray(rest)
        self._need = need

    def _message(self, first: int, payload: bytes) -> None:
        if first == 0x82:
            self.receiver.binary(payload)
            return
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.NOT_UTF8, frames.close(CloseCode.NOT_UTF8, "invalid UTF-8"))
                return
        self.receiver.text(payload)

    def _rare(self, frame: bytes) -> None:
        """A frame that is not a whole message: control, fragment, or wrong."""
        if self._state == _CLOSING:
            if frame[0] & 0x0F == Opcode.CLOSE:
                self.transport.close()
            return
        library = self._library or self._all.take_library()
        self._library = library
        library.receive_data(frame)
        for event in library.events_received():
            # The library yields frames only, once the connection is open.
            self._event(cast("_Frame", event))
        writes = library.data_to_send()
        if library.state is not OPEN:
            self._ended(library, b"".join(writes))
            return
        for data in writes:
            self.outbox.reply(data)
        if library.current_size is None and self._fragments is None and self._state == _OPEN:
            self._library = None
            self._all.put_back(library)

    def _event(self, frame: _Frame) -> None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY or frame.opcode is Opcode.CONT:
            if self._fragments is None:
                if frame.fin:
                    self._message(0x80 | frame.opcode, bytes(frame.data))
                    return
                self._fragments, self._seen = [], frame.opcode
            self._fragments.append(bytes(frame.data))
            if len(self._fragments) > self._all.fragments_max:
                self._fragments = None
                self._fail(CloseCode.TOO_BIG, frames.close(CloseCode.TOO_BIG, "too many fragments"))
            elif frame.fin:
                payload, self._fragments = b"".join(self._fragments), None
                self._message(0x80 | self._seen, payload)

    # Ends

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, wait up to CLOSE_SECONDS for the peer's, and end the connection. Idempotent."""
        if self._state == _OPEN:
            self._state = _CLOSING
            self._seen = 0
            self.outbox.flush()
            self.outbox.close()
            self.transport.write(frames.close(code, reason))
            self._all.on_closed(self, code)
            if self._holds:
                self._holds = 0
                self.transport.resume_reading()
            self._all.deadlines.set(self, "close", CLOSE_SECONDS, self.transport.abort)

    def too_slow(self) -> None:
        """The outbox' verdict: the peer does not read."""
        self.close(CloseCode.SLOW_CONSUMER, REASONS[CloseCode.SLOW_CONSUMER])

    def beat(self) -> None:
        """Write the receiver's heartbeat; cut the peer if nothing came from it since the last two."""
        if self._state == _OPEN:
            if self.silent >= 2:
                self.close(CloseCode.NO_PONG, REASONS[CloseCode.NO_PONG])
                return
            # Who is not read cannot be heard.
            self.silent += not self._holds
            self.outbox.write(self.receiver.heartbeat)

    def _ended(self, library: ServerProtocol, last: bytes) -> None:
        """The library has sent or answered a close: write its last words and let go of the transport."""
        if self._state == _OPEN:
            if library.close_rcvd is not None and library.state in (State.CLOSING, State.CLOSED):
                self._state = _CLOSING
                if library.close_rcvd.code == CloseCode.BYE:
                    self.receiver.goodbye()
                self.outbox.flush()
                self.outbox.close()
                self.transport.write(last)
                self.transport.close()
                self._all.deadlines.set(self, "close", CLOSE_SECONDS, self.transport.abort)
            else:
                self._fail(
                    library.close_sent.code if library.close_sent is not None else CloseCode.PROTOCOL_ERROR, last
                )

    def _fail(self, code: int, last: bytes) -> None:
        """The peer broke the protocol: say so, then read and drop for a while, so that it can hear it.

        Closing at once with unread input makes the kernel send a reset, which may overtake the close frame.
        """
        if self._state != _OPEN:
            return
        self._state = _FAILED
        self.outbox.flush()
        self.outbox.close()
        self.transport.write(last)
        self._all.on_closed(self, code)
        self._turn_away()
        self._seen = 0
        self._all.deadlines.set(self, "close", CLOSE_SECONDS, self.transport.abort)

    def _turn_away(self) -> None:
        """Look at nothing more that the peer sends, and let it see the end: it broke the protocol, or floods on."""
        self._state = _FAILED
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def _drop(self, size: int) -> None:
        self._seen += size
        if self._seen > DROPPED_BYTES:
            self.transport.abort()


class _Frame(Protocol):
    """What this module reads of a frame of the library."""

    opcode: Opcode
    data: bytes
    fin: bool
