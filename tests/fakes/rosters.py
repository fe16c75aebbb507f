"""The people of rooms in memory, for the tests of what stands above. tests/contract runs the same suite on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

import msgspec

from app.backplane.activity import NOBODY, About
from app.backplane.rosters import Held, Moved, Typed, Written
from app.errors import Unavailable
from app.protocol.names import DIRECT
from tests.fakes.broker import MemoryStore

_workers = count(1)


class MemoryRosters:
    """See Store. Answers come in the next turn of the loop; while not `up`, nothing can be sent.

    `losing` answers that it is not known how that went, and does nothing.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.worker = f"w{next(_workers)}"
        self.up = True
        self.losing = False
        self.calls: list[tuple[str, str]] = []
        self._store = store

    async def renew(self, seconds: float) -> Held:
        """See Store. Leases last until the test takes them away."""
        self._check("renew", "")
        kept = self.worker in self._store.leases
        self._store.leases.add(self.worker)
        return Held(kept, sorted(self._store.leases))

    async def release(self, seconds: float) -> None:
        """See Store."""
        self._check("release", "")
        self._store.leases.discard(self.worker)

    def write(self, room: str, change: Moved, done: Callable[[bool], None]) -> None:
        """See Store."""
        self._check("write", room)
        key = room, self.worker
        stored = self._store.rosters.get(key, Written(0, {}))
        well = not self.losing and (change.whole or stored.version == change.prev)
        if well:
            people = {} if change.whole else stored.people
            people = {user: name for user, name in {**people, **change.joined}.items() if user not in change.left}
            if change.count:
                self._store.rosters[key] = Written(change.version, people)
            else:
                self._store.rosters.pop(key, None)
            self._publish(room, msgspec.json.encode(change))
        asyncio.get_running_loop().call_soon(done, well)

    def read(self, room: str, workers: Sequence[str], done: Callable[[list[Written] | None], None]) -> None:
        """See Store."""
        self._check("read", room)
        found = [self._store.rosters.get((room, worker), Written(0, {})) for worker in workers]
        asyncio.get_running_loop().call_soon(done, None if self.losing else found)

    def versions(self, room: str, workers: Sequence[str], done: Callable[[list[int] | None], None]) -> None:
        """See Store."""
        self._check("versions", room)
        found = [self._store.rosters.get((room, worker), Written(0, {})).version for worker in (self.worker, *workers)]
        asyncio.get_running_loop().call_soon(done, None if self.losing else found)

    def tell(self, room: str, typed: Typed) -> None:
        """See Store."""
        self._check("tell", room)
        self._publish(room, msgspec.json.encode(typed))

    def _publish(self, room: str, data: bytes) -> None:
        for listener in list(self._store.listeners):
            listener(room, data)

    def _check(self, what: str, room: str) -> None:
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        self.calls.append((what, room))


class MemoryActivity:
    """What app/backplane/activity.py is to a Redis."""

    def __init__(self, store: MemoryStore) -> None:
        self.up = True
        self.reads = 0
        self.networks: dict[str, str] = {}
        self._store = store

    def write(self, touched: dict[str, int], networks: Mapping[str, str] = NOBODY) -> dict[str, int]:
        """See Activity. Here all rooms come first; who wrote is kept for tests to see."""
        self.networks = dict(networks)
        if not self.up:
            return touched
        for room, ts in touched.items():
            if not room.startswith(DIRECT):
                self._store.active[room] = max(ts, self._store.active.get(room, 0))
        return {}

    async def newest(self, limit: int, workers: Iterable[str]) -> list[About]:
        """See Activity."""
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        self.reads += 1
        living = list(workers)
        await asyncio.sleep(0)
        latest = sorted(self._store.active.items(), key=lambda pair: -pair[1])[:limit]
        return [self._about(room, ts, living) for room, ts in latest]

    async def room(self, room: str, workers: Iterable[str]) -> About | None:
        """See Activity."""
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        await asyncio.sleep(0)
        kept = self._store.rooms.get(room)
        if kept is None:
            return None
        ts = json.loads(kept.log[-1])["ts"] if kept.log else 0
        return self._about(room, ts, list(workers))

    async def total(self) -> int:
        """See Activity."""
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        return len(self._store.active)

    def _about(self, room: str, ts: int, living: list[str]) -> About:
        people = {user for worker in living for user in self._store.rosters.get((room, worker), Written(0, {})).people}
        kept = self._store.rooms[room]
        return About(room, ts, kept.seq, kept.topic, len(people), kept.epoch, kept.others)
