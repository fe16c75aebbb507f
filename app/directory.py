"""The list of rooms: newest activity first, and how many people are in each. Read rarely, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from app.addresses import network
from app.backplane.activity import Activity
from app.backplane.personal import Place
from app.presence import Presence
from app.protocol import replies

ROOMS_MAX = 200
FRESH_SECONDS = 1.0
WRITE_SECONDS = 1.0


class Directory:
    """Lists rooms. `touched`, room -> time of its last event, is filled by the broker and emptied here.

    So is `writers`, room -> address of who wrote last.
    """

    def __init__(
        self,
        activity: Activity,
        presence: Presence,
        touched: dict[str, int],
        writers: dict[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._activity = activity
        self._presence = presence
        self._touched = touched
        self._writers = writers
        self._clock = clock
        self._rooms: list[replies.RoomEntry] = []
        self._places: dict[str, Place] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Write what was touched, once a second, for ever."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            self.write()

    def write(self) -> None:
        """Write what was touched since the last time."""
        if self._touched:
            touched, writers = dict(self._touched), dict(self._writers)
            self._touched.clear()
            self._writers.clear()
            left = self._activity.write(touched, {room: network(address) for room, address in writers.items()})
            self._touched.update(left)
            self._writers.update({room: writers[room] for room in left if room in writers})

    async def rooms(self, limit: int) -> list[replies.RoomEntry]:
        """Rooms by last activity, newest first, at most ROOMS_MAX; all who ask at once share a read.

        Raises:
            Unavailable, NotConfirmed: Redis did not answer.
        """
        async with self._lock:
            if self._clock() - self._read_at >= FRESH_SECONDS:
                found = await self._activity.newest(ROOMS_MAX, self._presence.workers)
                self._rooms = [
                    replies.RoomEntry(
                        room=each.room,
                        # What this worker sees of a room it has open is newer, and exact at any size.
                        members=each.members if (here := self._presence.count(each.room)) is None else here,
                        seq=each.seq,
                        ts=each.ts,
                        topic=msgspec.json.decode(each.topic, type=str) if each.topic else msgspec.UNSET,
                    )
                    for each in found
                ]
                self._places = {each.room: Place(each.epoch, each.seq, each.ts, each.others) for each in found}
                self._read_at = self._clock()
            return self._rooms[: min(limit, ROOMS_MAX)]

    def place(self, room: str) -> Place | None:
        """Where a room of the last list was then."""
        return self._places.get(room)
