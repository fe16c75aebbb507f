"""Reads rooms' logs: to open a room, to heal a gap, to reach back for those who were away.

Everything here is called under the room's lock, so that whoever waits for the same part of a log shares one read.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from app import frames
from app.backplane.broker import Broker, Page
from app.errors import Unavailable
from app.events import Batch, Position, head, is_message
from app.fanout import Fanout
from app.metrics import Counters
from app.protocol import bodies
from app.room import Room, Verdict

FIRST_PAGE = 100
RESYNC_PAGE = 50
PAGE = 500
REACH_BYTES = 4 * 1024 * 1024
READS_AGAIN = 5
PAGES_AT_ONCE = 2
COUNTED_MAX = 256
"""Rooms of which is remembered where among the last PAGE events those are that are no messages."""

_log = structlog.get_logger(component="reader")


Ready = Callable[[], Awaitable[None]]


class Counted(NamedTuple):
    """How many events up to a position are no messages, and the seqs of the last of them."""

    top: Position
    others: int
    seqs: list[int]


class Reader:
    """Brings rooms and their logs together. Raises Unavailable or NotConfirmed where Redis does not answer."""

    def __init__(self, broker: Broker, fanout: Fanout, counters: Counters) -> None:
        self._fanout = fanout
        self._broker = broker
        self._paging = asyncio.Semaphore(PAGES_AT_ONCE)
        self._counted: dict[str, Counted] = {}
        self._counters = counters

    async def settle(self, room: Room) -> None:
        """Read until the room's position is that of the log.

        Members get what was missing, in order, or a resync where that is not to be had. When this raises, the room
        stays unsettled and nothing is lost by trying again.
        """
        while not room.settled:
            room.reads += 1
            if room.position is None:
                page = await self._broker.latest(room.name, FIRST_PAGE)
                self._settle(room, page)
            else:
                await self._read_on(room, room.position)
            for batch in room.release():
                self._replay(room, batch)

    def _replay(self, room: Room, batch: Batch) -> None:
        """Take a batch that was held. What the log read did not cover unsettles the room again."""
        if not room.settled:
            return
        if room.receive(batch) is Verdict.DELIVER:
            self._write(room, batch.payloads)
        elif room.position is None or batch.epoch != room.position.epoch or batch.last > room.position.seq:
            room.settled = False

    async def _read_on(self, room: Room, position: Position) -> None:
        page = await self._broker.since(room.name, position, PAGE)
        if page.proved:
            reached = page.top
            if page.events:
                last = head(page.events[-1])
                reached = Position(page.top.epoch, last.seq, last.mid)
            room.catch_up(reached, page.events)
            room.topic, room.others = page.topic, page.others
            self._write(room, page.events)
            room.settled = reached.seq >= page.top.seq
            if page.events:
                self._counters.gaps_healed += 1
            else:
                self._counters.gaps_none += 1
            return
        page = await self._broker.latest(room.name, RESYNC_PAGE)
        lost = {"had": position.seq, "log": page.top.seq, "oldest": page.oldest}
        _log.warning("events lost", seldom=room.name, room=room.name, **lost)
        self._counters.resyncs += 1
        self._counted.pop(room.name, None)
        self._settle(room, page)
        self._fanout.send(room, frames.text(bodies.resync(room.name, page.top, True, page.events, page.topic)))

    def _settle(self, room: Room, page: Page) -> None:
        room.settle(page.top, page.events)
        room.topic, room.others = page.topic, page.others

    def _write(self, room: Room, payloads: list[bytes]) -> None:
        if payloads:
            self._counters.deliveries += len(room) * len(payloads)
            self._fanout.send(room, frames.texts(payloads))

    async def reach_back(self, room: Room, seq: int) -> None:
        """Have the events from `seq` on among the room's recent ones.

        As far as the log has them; not if they are more than REACH_BYTES: whoever needs these reads them in parts.
        """
        room.stretch()
        for _ in range(READS_AGAIN):
            events, known = await self._read_back(room, max(seq, 1))
            if known >= room.amended:
                room.prepend(events)
                return

    async def _read_back(self, room: Room, first: int) -> tuple[list[bytes], int]:
        """The events before the recent ones, with the first of these, and up to which seq they know of amendments.

        None if they are too many, or if the log loses its tail meanwhile: each page is proved to follow the one before.
        """
        events: list[bytes] = []
        wanted, known = first, room.at.seq
        if wanted >= room.recent_first:
            return events, known
        before: Position | None = None
        while first <= (last := min(room.recent_first, room.at.seq)):
            self._counters.reaches_back += 1
            most = min(PAGE, last - first + 1)
            following = self._broker.since(room.name, before, most) if before is not None else None
            page = await (following or self._broker.between(room.name, first, most))
            if page.top.epoch != room.at.epoch or not page.events or (before is not None and not page.proved):
                return [], room.amended
            known = min(known, page.top.seq)
            events += page.events
            if sum(map(len, page.events)) / len(page.events) * (room.recent_first - wanted) > REACH_BYTES:
                return [], room.amended
            newest = head(page.events[-1])
            before, first = Position(page.top.epoch, newest.seq, newest.mid), newest.seq + 1
        return events, known

    async def others_at(self, room: Room, seq: int) -> int:
        """How many events up to `seq` are no messages. Those more than PAGE events ago count as messages."""
        others = room.others_at(seq)
        if others is None:
            others = self._counted_at(room, seq)
        if others is None:
            async with self._paging:
                # Whoever waited may find what another one has read.
                others = self._counted_at(room, seq)
                if others is None:
                    await self._count(room)
                    others = self._counted_at(room, seq)
        return 0 if others is None else others

    def _counted_at(self, room: Room, seq: int) -> int | None:
        """The same by what was read once: what an event is never changes. None for what came later."""
        known = self._counted.get(room.name)
        if known is None or known.top.epoch != room.at.epoch or seq > known.top.seq:
            return None
        return known.others - (len(known.seqs) - bisect_right(known.seqs, seq))

    async def _count(self, room: Room) -> None:
        """Read where those events are: of a room that was counted before only what came since."""
        known = self._counted.pop(room.name, None)
        if known is not None and known.top.epoch == room.at.epoch and room.at.seq - known.top.seq < PAGE // 2:
            page, seqs = await self._broker.between(room.name, known.top.seq + 1, PAGE), known.seqs
        else:
            page, seqs = await self._broker.latest(room.name, PAGE), []
        seqs = seqs + [head(event).seq for event in page.events if not is_message(event)]
        self._counted[room.name] = Counted(page.top, page.others, seqs[-PAGE:])
        if len(self._counted) > COUNTED_MAX:
            del self._counted[next(iter(self._counted))]

    async def page(self, room: Room, first: int | None, limit: int, ready: Ready | None = None) -> Page:
        """A page of the log from a seq on, or the latest, that knows of every amendment delivered here.

        An answer may be overtaken by an amendment's publication: then its reader would never hear of it. At most
        PAGES_AT_ONCE are read at a time, so that what others send waits behind few of them, and none before it may be:
        `ready` waits for that.

        Raises:
            Unavailable, NotConfirmed: Redis does not answer, or the room is amended faster than it can be read.
        """
        for _ in range(READS_AGAIN):
            async with self._paging:
                if ready is not None:
                    await ready()
                latest = self._broker.latest(room.name, limit) if first is None else None
                page = await (latest or self._broker.between(room.name, first or 1, limit))
            if page.top.epoch != room.at.epoch or page.top.seq >= room.amended:
                return page
        raise Unavailable("the room changes faster than it can be read")
