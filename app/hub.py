"""The registry of the rooms that have members on this worker.

Subscribes with a room's first member and, a while after its last has left, unsubscribes. Owns the registry and the
striped locks under which a room is opened or read; a room that is open and settled is entered without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.backplane import keys
from app.backplane.broker import Page
from app.backplane.subscriber import Subscriber
from app.deadlines import Deadlines
from app.reader import Reader, Ready
from app.room import RECENT_BYTES, Client, Room

STRIPES = 64
LINGER_SECONDS = 10.0
SHRINK_SECONDS = 10.0
STRETCHED_ROOMS = 512
STRETCHED_BYTES = 16 * 1024 * 1024
"""What all rooms together keep beyond their latest events, for those who were away."""


class Hub:
    """Chat rooms by name, and all rooms by the channel they hear.

    Attributes:
        on_gap: told of a room that could not be read and is not settled; set by the relay.
        on_open, on_close: told of a room that is subscribed now, before its log is read, and of one that is no more.
        chats: channel -> chat room, open or opening.
        feeds: channel -> feed, a room without a sequence.
    """

    def __init__(self, subscriber: Subscriber, deadlines: Deadlines, reader: Reader) -> None:
        self._subscriber = subscriber
        self._deadlines = deadlines
        self._reader = reader
        self.on_gap: Callable[[Room], None] = lambda room: None
        self.on_open: Callable[[Room], None] = lambda room: None
        self.on_close: Callable[[Room], None] = lambda room: None
        self._stretched: dict[Room, None] = {}
        self._locks = [asyncio.Lock() for _ in range(STRIPES)]
        self._rooms: dict[str, Room] = {}
        self.chats: dict[bytes, Room] = {}
        self.feeds: dict[bytes, Room] = {}

    def lock(self, name: str) -> asyncio.Lock:
        """The lock under which the room of that name is opened, read and closed."""
        return self._locks[hash(name) % STRIPES]

    # Chat rooms

    def get(self, name: str) -> Room | None:
        """The room, if it is open here."""
        return self._rooms.get(name)

    def entered(self, name: str) -> Room | None:
        """The room if it is open and settled: then it can be joined without waiting."""
        room = self._rooms.get(name)
        return room if room is not None and room.settled else None

    async def enter(self, name: str) -> Room:
        """The room, open and settled; it stays so for LINGER_SECONDS at least.

        Raises:
            Unavailable, NotConfirmed: Redis did not answer; a failed opening leaves no trace.
        """
        async with self.lock(name):
            room = self._rooms.get(name)
            if room is None:
                room = await self._open(name)
            elif not room.settled:
                await self._settle(room)
            self._linger(room)
            return room

    async def refresh(self, room: Room) -> None:
        """Have the room's position at least where its log was at this moment; all who ask at once share a read."""
        asked = room.reads
        async with self.lock(room.name):
            if room.reads == asked:
                room.settled = False
            await self._settle(room)

    async def reach_back(self, room: Room, seq: int) -> None:
        """Have the room's events from `seq` on at hand for a while; all who ask at once share a read."""
        async with self.lock(room.name):
            if seq < room.recent_first:
                await self._reader.reach_back(room, seq)
            self._stretched.pop(room, None)
            self._stretched[room] = None
            self._deadlines.set(room, "shrink", SHRINK_SECONDS, lambda: self._shrink(room))
            self._shrink_others(room)

    def _shrink_others(self, last: Room) -> None:
        """Let the rooms that were reached back in longest ago go first where all together are too large."""
        while len(self._stretched) > STRETCHED_ROOMS or (
            last.recent_bytes > RECENT_BYTES and sum(room.recent_bytes for room in self._stretched) > STRETCHED_BYTES
        ):
            oldest = next(iter(self._stretched))
            if oldest is last:
                return
            self._deadlines.clear(oldest, "shrink")
            self._shrink(oldest)

    def _shrink(self, room: Room) -> None:
        self._stretched.pop(room, None)
        room.shrink()

    async def page(self, room: Room, first: int | None, limit: int, ready: Ready | None = None) -> Page:
        """A page of the room's log from a seq on, or the latest; see Reader.page."""
        return await self._reader.page(room, first, limit, ready)

    async def others_at(self, room: Room, seq: int) -> int:
        """How many events up to `seq` are no messages; see Reader.others_at."""
        return await self._reader.others_at(room, seq)

    async def _settle(self, room: Room) -> None:
        """Read the log of a room that may have members; where that fails, somebody has to try again."""
        try:
            await self._reader.settle(room)
        finally:
            if not room.settled:
                self.on_gap(room)

    async def confirm(self, room: Room) -> None:
        """Wait until the room's subscription is confirmed. Raises Unavailable if that takes too long."""
        await self._subscriber.subscribe(keys.events(room.name))

    async def _open(self, name: str) -> Room:
        room = Room(name)
        self._rooms[name] = self.chats[keys.events(name)] = room
        try:
            # Subscribe before reading the log: an event in between is then seen twice, never zero times.
            await self.confirm(room)
            self.on_open(room)
            await self._reader.settle(room)
        except BaseException:
            self._forget(room)
            raise
        return room

    def leave(self, client: Client, room: Room) -> None:
        """Take a member out of a room; the room stays open for a while after its last one."""
        room.leave(client)
        self._linger(room)

    def _linger(self, room: Room) -> None:
        if not room:
            self._deadlines.set(room, "linger", LINGER_SECONDS, lambda: self._close(room))

    def _close(self, room: Room) -> None:
        if not room and self._rooms.get(room.name) is room:
            if self.lock(room.name).locked():
                self._linger(room)
            else:
                self._forget(room)

    def _forget(self, room: Room) -> None:
        channel = keys.events(room.name)
        self._stretched.pop(room, None)
        self._rooms.pop(room.name, None)
        self.chats.pop(channel, None)
        self._subscriber.unsubscribe(channel)
        self.on_close(room)

    # Feeds

    async def enter_feed(self, name: str) -> Room:
        """A feed, subscribed; it stays so for LINGER_SECONDS at least. Raises Unavailable."""
        channel = keys.feed(name)
        async with self.lock(name):
            room = self.feeds.get(channel)
            if room is None:
                room = self.feeds[channel] = Room(name)
            try:
                await self._subscriber.subscribe(channel)
            finally:
                self._linger_feed(room)
            return room

    def leave_feed(self, client: Client, room: Room) -> None:
        """Take a client out of a feed."""
        room.leave(client)
        self._linger_feed(room)

    def _linger_feed(self, room: Room) -> None:
        if not room:
            self._deadlines.set(room, "linger", LINGER_SECONDS, lambda: self._close_feed(room))

    def _close_feed(self, room: Room) -> None:
        channel = keys.feed(room.name)
        if not room and self.feeds.get(channel) is room:
            if self.lock(room.name).locked():
                self._linger_feed(room)
            else:
                del self.feeds[channel]
                self._subscriber.unsubscribe(channel)
