"""From publications to outboxes: every event once, in order, to every local member; gaps healed from the log.

Owns the list of rooms with a gap. All frames of a room that arrived in one read of the subscriber are joined and
written once per member, without waiting for anybody (see app.fanout for big rooms).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import structlog

from app import frames
from app.backplane.broker import Broker
from app.backplane.rosters import FIRST_BYTE
from app.backplane.subscriber import Message
from app.errors import ParleyError
from app.events import Batch
from app.fanout import Fanout
from app.hub import Hub
from app.metrics import Counters
from app.reader import Reader
from app.room import Room, Verdict

HEALS_AT_ONCE = 64
HEAL_RETRY_SECONDS = 0.5
AUDIT_SECONDS = 15.0
AUDIT_GRACE_SECONDS = 2.0

_log = structlog.get_logger(component="relay")


class Relay:
    """Delivers what the subscriber hears.

    `on_people` gets what is published about a room's people, `on_other` what comes on channels that are no room's.
    """

    def __init__(self, hub: Hub, reader: Reader, fanout: Fanout, broker: Broker, counters: Counters) -> None:
        self._hub = hub
        self._fanout = fanout
        self._reader = reader
        self._broker = broker
        self._counters = counters
        self._gaps: dict[Room, None] = {}
        self._wake = asyncio.Event()
        self.on_people: Callable[[Room, bytes], None] = lambda room, data: None
        self.on_other: Callable[[bytes, bytes], None] = lambda channel, data: None
        hub.on_gap = self.gap

    # Live

    def deliver(self, publications: list[Message]) -> None:
        """All publications of one read, in order. Synchronous: nobody can join or read in between."""
        chats, feeds = self._hub.chats, self._hub.feeds
        ready: dict[Room, list[bytes]] = {}
        times: dict[int, int] = {}
        for channel, data in publications:
            room = chats.get(channel)
            if room is not None:
                self._take(room, data, ready, times)
            elif channel in feeds:
                frame = frames.text(data[1:]) if data[:1] == b"t" else frames.binary(data[1:])
                ready.setdefault(feeds[channel], []).append(frame)
            else:
                self.on_other(channel, data)
        for room, frames_of_room in ready.items():
            self._counters.deliveries += len(room) * len(frames_of_room)
            self._fanout.send(room, b"".join(frames_of_room))
        if times:
            self._count(times)

    def _count(self, times: dict[int, int]) -> None:
        """Note how long events took, given how many have which time: those of a millisecond count together."""
        counters = self._counters
        now = time.time() + counters.redis_clock_offset_seconds
        for ts, events in times.items():
            counters.events += events
            counters.delivery_seconds.observe(max(0.0, now - ts / 1000), events)

    def _take(self, room: Room, data: bytes, ready: dict[Room, list[bytes]], times: dict[int, int]) -> None:
        if data[:1] == FIRST_BYTE:
            self.on_people(room, data)
            return
        try:
            batch = Batch.parse(data)
        except ValueError:
            self._counters.foreign += 1
            _log.error("a publication that is none of ours", seldom=room.name, room=room.name)
            return
        if not room.settled:
            room.hold(batch)
            return
        verdict = room.receive(batch)
        if verdict is Verdict.DELIVER:
            ready.setdefault(room, []).extend([frames.text(payload) for payload in batch.payloads])
            times[batch.ts] = times.get(batch.ts, 0) + len(batch.payloads)
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
        for room in self._hub.chats.values():
            self.gap(room)  # one that is being opened as well: its read may have come before

    # Gaps

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
            async with self._hub.lock(room.name):
                if self._hub.get(room.name) is room:
                    await self._hub.confirm(room)
                    # Whoever settled it meanwhile may have read before the subscription was confirmed.
                    room.settled = False
                    await self._reader.settle(room)
        except ParleyError:
            return False
        except Exception:
            _log.exception("a room could not be healed", seldom=room.name, room=room.name)
            return False
        return True

    # Audit: pub/sub drops silently, and nothing follows a lost last event

    async def audit(self) -> None:
        """Compare every room's position with its log every AUDIT_SECONDS, for ever."""
        while True:
            await asyncio.sleep(AUDIT_SECONDS * random.uniform(0.8, 1.2))
            rooms = [room for room in self._hub.chats.values() if len(room)]
            for start in range(0, len(rooms), HEALS_AT_ONCE):
                await asyncio.gather(*(self._compare(room) for room in rooms[start : start + HEALS_AT_ONCE]))

    async def _compare(self, room: Room) -> None:
        position = room.position
        if position is None or not room.settled:
            self.gap(room)
            return
        try:
            page = await self._broker.since(room.name, position, 0)
        except ParleyError:
            return
        except Exception:
            _log.exception("a room could not be compared with its log", seldom=room.name, room=room.name)
            return
        if page.proved and page.top.seq > position.seq:
            await asyncio.sleep(AUDIT_GRACE_SECONDS)
        now = room.position
        if room.settled and now is not None and (not page.proved or now.seq < page.top.seq):
            self.gap(room)
