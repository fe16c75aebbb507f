"""Bounded writes to one transport, and the verdict on a peer that does not read.

A broadcast is written at once. Replies wait for the end of the event-loop turn, so that all replies of a turn,
and a broadcast that comes in between, leave in one write: the number of writes is what costs, not the bytes.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, WriteTransport
from dataclasses import dataclass
from typing import Protocol

from app.deadlines import Deadlines


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How far a peer may fall behind.

    Attributes:
        soft_bytes: above this the peer counts as behind (the transport's high-water mark).
        grace_seconds: a peer that is behind and has not caught up anything for so long is cut.
        hard_bytes: a peer this far behind is cut at once.
        owed_bytes: what all peers together may have left of large answers: beyond, those are cut who have owed for
            longest. Whoever takes a byte now and then would keep them for ever otherwise.
    """

    soft_bytes: int = 256 * 1024
    grace_seconds: float = 2.0
    hard_bytes: int = 4 * 1024 * 1024
    owed_bytes: int = 4 * 1024 * 1024


LARGE_BYTES = 64 * 1024
"""Answers over that are written at once, and owed as far as they are not taken."""
COLLECT_SECONDS = 1.0


class Owner(Protocol):
    """Who is told the verdict."""

    def too_slow(self) -> None:
        """The peer is too far behind: close it, without touching anyone else."""


class OutboxPool:
    """What all outboxes of a worker share: the limits, those with replies to flush, those that are behind."""

    __slots__ = ("_late", "_loop", "_owed", "_owing", "_room", "behind", "cut", "deadlines", "large_bytes", "limits")

    def __init__(self, loop: AbstractEventLoop, deadlines: Deadlines, limits: OutboxLimits) -> None:
        self._loop = loop
        self._late: list[Outbox] = []
        # By outbox, in the order of their first debts; some may have been paid by now.
        self._owing: dict[Outbox, int] = {}
        self._owed = 0
        self._room: asyncio.Event | None = None
        self.deadlines = deadlines
        self.limits = limits
        self.large_bytes = min(LARGE_BYTES, limits.soft_bytes)
        self.cut = 0
        self.behind: set[Outbox] = set()

    def flush_later(self, outbox: Outbox) -> None:
        """Flush this outbox after the current turn of the loop."""
        if not self._late:
            self._loop.call_soon(self._flush)
        self._late.append(outbox)

    def owes(self, outbox: Outbox, size: int) -> None:
        """A peer that has been given a large answer has not taken all of it."""
        self._owing[outbox] = self._owing.get(outbox, 0) + size
        self._owed += size
        if self._owed > self.limits.owed_bytes and not self.deadlines.has(self, "owed"):
            # Many who come back at once are answered in one turn of the loop: they have a moment to take it.
            self.deadlines.set(self, "owed", COLLECT_SECONDS, self._collect)

    def forgive(self, outbox: Outbox) -> None:
        """A peer has caught up, or is gone."""
        if self._owing:
            self._owed -= self._owing.pop(outbox, 0)
            if self._room is not None and self._owed <= self.limits.owed_bytes:
                self._room.set()
                self._room = None

    async def room(self) -> None:
        """Wait until no more is owed than may be, before a large answer is made: COLLECT_SECONDS or a little more."""
        while self._owed > self.limits.owed_bytes:
            self._recount()
            if self._owed <= self.limits.owed_bytes:
                return
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def _recount(self) -> None:
        for outbox in [one for one in self._owing if not one.bytes_behind]:
            self.forgive(outbox)

    def owed_by(self, outbox: Outbox) -> bool:
        """Whether a peer owes anything."""
        return outbox in self._owing

    def _collect(self) -> None:
        """Cut the oldest debtors until no more is owed than may be."""
        self._recount()
        for outbox in list(self._owing):
            if self._owed <= self.limits.owed_bytes:
                return
            outbox.give_up()

    def _flush(self) -> None:
        late, self._late = self._late, []
        for outbox in late:
            outbox.flush()


class Outbox:
    """What leaves for one peer. Frames go out whole, in the order written, and none after `close`."""

    __slots__ = ("_behind", "_drained", "_late", "_late_bytes", "_mark", "_owner", "_pool", "_transport", "closed")

    def __init__(self, transport: WriteTransport, pool: OutboxPool, owner: Owner) -> None:
        self._transport = transport
        self._pool = pool
        self._owner = owner
        self._late: list[bytes] | None = None
        self._late_bytes = 0
        self._behind = False
        self._mark = 0
        self._drained: asyncio.Event | None = None
        self.closed = False
        transport.set_write_buffer_limits(high=pool.limits.soft_bytes)

    @property
    def behind(self) -> bool:
        """Whether the peer has left more than the soft limit unread."""
        return self._behind and not self.closed

    @property
    def bytes_behind(self) -> int:
        """Bytes accepted here that the kernel has not taken yet."""
        return 0 if self.closed else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Write whole frames now, never waiting. Ignored once closed; a peer over the hard limit is cut instead."""
        if self._late is not None:
            data = b"".join(self._late) + data
            self._late, self._late_bytes = None, 0
        if self._behind:
            if self.closed:
                return
            if self._transport.get_write_buffer_size() + len(data) > self._pool.limits.hard_bytes:
                self._cut()
                return
            self._mark += len(data)
        self._transport.write(data)

    def reply(self, frame: bytes) -> None:
        """Write a frame with whatever else this turn of the loop brings for the peer, up to LARGE_BYTES."""
        if self._late is None:
            self._late = [frame]
            self._late_bytes = len(frame)
            self._pool.flush_later(self)
        else:
            self._late.append(frame)
            self._late_bytes += len(frame)
        if self._late_bytes > self._pool.large_bytes:
            self.flush()
            if self.bytes_behind:
                # All of it stays in memory until its last byte is taken.
                self._pool.owes(self, len(frame))

    async def room(self) -> None:
        """Wait until there is room for a large answer, whoever it is for."""
        await self._pool.room()

    async def drained(self) -> None:
        """Wait until the peer is not behind, or the outbox is closed: one that stays behind is cut after its grace."""
        self.flush()
        if self.behind:
            self._drained = self._drained or asyncio.Event()
            await self._drained.wait()
        else:
            await asyncio.sleep(0)

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def flush(self) -> None:
        """Write the replies that wait."""
        if self._late is not None:
            self.write(b"")

    def pause(self) -> None:
        """The transport holds more than the soft limit."""
        if not self.closed:
            self._behind = True
            self._pool.behind.add(self)
            self._mark = self._transport.get_write_buffer_size()
            self._pool.deadlines.set(self, "slow", self._pool.limits.grace_seconds, self._judge)

    def resume(self) -> None:
        """The transport has caught up."""
        self._behind = self.closed
        self._pool.behind.discard(self)
        self._pool.deadlines.clear(self, "slow")
        self._pool.forgive(self)
        self._wake()

    def close(self) -> None:
        """Accept nothing more. What was written already may still leave."""
        self.closed = self._behind = True
        self._late = None
        self._pool.behind.discard(self)
        self._pool.deadlines.clear(self, "slow")
        self._pool.forgive(self)
        self._wake()

    def _judge(self) -> None:
        """Grace is over: cut, unless the peer has taken at least something of what was written for it."""
        behind = self._transport.get_write_buffer_size()
        if behind >= self._mark:
            if self._pool.owed_by(self):
                self.give_up()
            else:
                self._cut()
        else:
            self._mark = behind
            self._pool.deadlines.set(self, "slow", self._pool.limits.grace_seconds, self._judge)

    def give_up(self) -> None:
        """Cut the peer, and let go at once of what it has not taken: it would not hear last words."""
        self._cut()
        self._transport.abort()

    def _cut(self) -> None:
        self._pool.cut += 1
        self._owner.too_slow()
