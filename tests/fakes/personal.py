"""What Redis keeps of persons, in memory; tests/contract runs the same suite on it as on the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from app.backplane import keys
from app.backplane.personal import DIRECTS_MAX, MARKS_MAX, STRANGERS_MAX, Mark, Notice, Person, Place, encode
from app.errors import ParleyError
from app.events import head
from tests.fakes.broker import MemoryStore


class MemoryPersonal:
    """One worker's. `failure`, if set, meets every call, and with `mute` nothing is ever known to be done."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.failure: ParleyError | None = None
        self.mute = False
        self.reads = 0
        self.writes = 0

    def tell(self, notice: Notice) -> None:
        """See Personal."""
        self._check()
        self._publish(notice)

    def marks(self, who: str, done: Callable[[dict[str, Mark] | None], None]) -> None:
        """See Personal."""
        self._check()
        self.reads += 1
        self._later(done, None if self.mute else dict(self._store.marks.get(who, {})))

    def mark(self, room: str, mark: Mark, notice: Notice, done: Callable[[Mark | None], None]) -> None:
        """See Personal."""
        self._check()
        self.writes += 1
        marks = self._store.marks.setdefault(notice.to, {})
        held = marks.get(room)
        if held is None or held.epoch != mark.epoch or held.seq < mark.seq:
            marks.pop(room, None)
            while len(marks) >= MARKS_MAX:
                del marks[next(iter(marks))]
            held = marks[room] = mark
            self._publish(notice)
        self._later(done, None if self.mute else held)

    def directs(self, who: str, done: Callable[[dict[str, Person] | None], None]) -> None:
        """See Personal."""
        self._check()
        self._later(done, None if self.mute else dict(self._store.directs.get(who, {})))

    def direct(
        self,
        who: str,
        room: str,
        other: Person | None,
        new: Notice | None,
        always: Notice | None,
        done: Callable[[bool], None],
    ) -> None:
        """See Personal."""
        self._check()
        directs = self._store.directs.setdefault(who, {})
        own = self._store.own_directs.setdefault(who, set())
        other = other or directs.get(room)
        if other is None:
            self._later(done, not self.mute)
            return
        directs.pop(room, None)
        directs[room] = other
        if always is None:
            own.add(room)
        mine = own | set(self._store.marks.get(who, {}))
        for kind, most in ((mine, DIRECTS_MAX), (set(directs) - mine, STRANGERS_MAX)):
            known = [name for name in directs if name in kind]
            for name in known[: max(0, len(known) - most)]:
                del directs[name]
                own.discard(name)
        said = self._store.said_to.setdefault(who, set())
        if new is not None and always is not None:
            if room not in said:
                said.add(room)
                self._publish(new)
            self._publish(always)
        self._later(done, not self.mute)

    def places(self, rooms: Sequence[str], done: Callable[[list[Place | None]], None]) -> None:
        """See Personal."""
        self._check()
        found = [self._place(room) for room in rooms]
        self._later(done, found)

    def _place(self, name: str) -> Place | None:
        room = self._store.rooms.get(name)
        if room is None or self.mute:
            return None
        ts = head(room.log[-1]).ts if room.log else 0
        return Place(room.epoch, room.seq, ts, room.others)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _publish(self, notice: Notice) -> None:
        channel, data = keys.people(keys.shard(notice.to)), encode(notice)
        for listener in self._store.person_listeners:
            listener(channel, data)

    def _later(self, done: Callable[[object], None], answer: object) -> None:
        asyncio.get_running_loop().call_soon(done, answer)
