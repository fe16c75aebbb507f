"""From publications to outboxes: every event once, in order, to every local member; gaps healed from the log.

Owns the list of rooms with a gap. All frames of a room that arrived in one read of the subscriber are joined and
written once per member, without waiting for anybody.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from app import frames
from app.backplane.broker import Broker
from app.backplane.subscriber import Message
from app.errors import ParleyError
from app.events import Batch, Position, head
from app.hub import Hub
from app.metrics import Counters
from app.protocol import messages as wire
from app.room import Room, Verdict

FIRST_PAGE = 100
RESYNC_PAGE = 50
HEAL_PAGE = 500
HEALS_AT_ONCE = 64
HEAL_RETRY_SECONDS = 0.5
AUDIT_SECONDS = 15.0
AUDIT_GRACE_SECONDS = 2.0

_log = structlog.get_logger("relay")


class Relay:
    """Delivers what the subscriber hears. `hub` is set once by the composition root, before anything arrives."""

    hub: Hub

    def __init__(self, broker: Broker, counters: Counters) -> None:
        self._broker = broker
        self._counters = counters
        self._gaps: dict[Room, None] = {}
        self._wake = asyncio.Event()

    # Live

    def deliver(self, publications: list[Message]) -> None:
        """All publications of one read, in order. Synchronous: nobody can join or read in between."""
        chats, feeds = self.hub.chats, self.hub.feeds
        ready: dict[Room, list[bytes]] = {}
        for channel, data in publications:
            room = chats.get(channel)
            if room is not None:
                self._take(room, data, ready)
            elif channel in feeds:
                frame = frames.text(data[1:]) if data[:1] == b"t" else frames.binary(data[1:])
                ready.setdefault(feeds[channel], []).append(frame)
        for room, frames_of_room in ready.items():
            self._counters.deliveries += len(room) * len(frames_of_room)
            room.send_message(b"".join(frames_of_room))

    def _take(self, room: Room, data: bytes, ready: dict[Room, list[bytes]]) -> None:
        try:
            batch = Batch.parse(data)
        except ValueError:
            _log.error("a publication that is none of ours", room=room.name)
            return
        if not room.settled:
            room.hold(batch)
            return
        verdict = room.receive(batch)
        if verdict is Verdict.DELIVER:
            ready.setdefault(room, []).extend([frames.text(payload) for payload in batch.payloads])
        elif verdict is Verdict.GAP:
            room.hold(batch)
            self.gap(room)

    def gap(self, room: Room) -> None:
        """Events may be missing: hold what comes until the log has been read."""
        room.settled = False
        self._gaps[room] = None
        self._wake.set()

    def subscribed_again(self) -> None:
        """The subscriber was away: what was published meanwhile has to be read, in every room."""
        for room in self.hub.chats.values():
            if room.position is not None:
                self.gap(room)

    # Reading the log

    async def run(self) -> None:
        """Heal rooms with a gap, HEALS_AT_ONCE at a time, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._gaps:
                rooms = list(self._gaps)[:HEALS_AT_ONCE]
                for room in rooms:
                    del self._gaps[room]
                healed = await asyncio.gather(*(self._heal(room) for room in rooms))
                failed = [room for room, well in zip(rooms, healed, strict=True) if not well]
                if failed:
                    await asyncio.sleep(random.uniform(0.5, 1) * HEAL_RETRY_SECONDS)
                    self._gaps.update(dict.fromkeys(failed))

    async def _heal(self, room: Room) -> bool:
        try:
            async with self.hub.lock(room.name):
                if self.hub.get(room.name) is room:
                    await self.hub.confirm(room)
                    await self.settle(room)
        except ParleyError:
            return False
        self._counters.gaps_healed += 1
        return True

    async def settle(self, room: Room) -> None:
        """Read until the room's position is that of the log; call it under the room's lock.

        Members get what was missing, in order, or a resync where that is not to be had.

        Raises:
            Unavailable, NotConfirmed: Redis did not answer; the room stays unsettled.
        """
        while not room.settled:
            if room.position is None:
                page = await self._broker.latest(room.name, FIRST_PAGE)
                room.settle(page.top, page.events)
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
        page = await self._broker.since(room.name, position, HEAL_PAGE)
        if page.proved:
            reached = page.top
            if page.events:
                last = head(page.events[-1])
                reached = Position(page.top.epoch, last.seq, last.mid)
            room.catch_up(reached, page.events)
            self._write(room, page.events)
            room.settled = reached.seq >= page.top.seq
            return
        page = await self._broker.latest(room.name, RESYNC_PAGE)
        _log.warning("events lost", room=room.name, had=position.seq, log=page.top.seq, oldest=page.oldest)
        self._counters.resyncs += 1
        room.settle(page.top, page.events)
        room.send_message(frames.text(wire.resync(room.name, page.top, True, page.events)))

    def _write(self, room: Room, payloads: list[bytes]) -> None:
        if payloads:
            self._counters.deliveries += len(room) * len(payloads)
            room.send_message(frames.texts(payloads))

    # Audit: pub/sub drops silently, and nothing follows a lost last event

    async def audit(self) -> None:
        """Compare every room's position with its log every AUDIT_SECONDS, for ever."""
        while True:
            await asyncio.sleep(AUDIT_SECONDS * random.uniform(0.8, 1.2))
            rooms = [room for room in self.hub.chats.values() if room.settled and len(room)]
            for start in range(0, len(rooms), HEALS_AT_ONCE):
                await asyncio.gather(*(self._compare(room) for room in rooms[start : start + HEALS_AT_ONCE]))

    async def _compare(self, room: Room) -> None:
        position = room.position
        if position is None:
            return
        try:
            page = await self._broker.since(room.name, position, 0)
        except ParleyError:
            return
        if page.proved and page.top.seq > position.seq:
            await asyncio.sleep(AUDIT_GRACE_SECONDS)
        now = room.position
        if room.settled and now is not None and (not page.proved or now.seq < page.top.seq):
            self.gap(room)
