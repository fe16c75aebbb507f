"""Read marks: how far each person has read in each room, the same for all of a person's connections.

Owns the marks of persons who are here, read from Redis when first needed and forgotten when not needed for a while, and
the writes under way: of each mark at most one a second, the latest, and none is lost but by a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from msgspec import Raw

from app.backplane.personal import Mark, Notice, Personal
from app.deadlines import Deadlines
from app.errors import Unavailable
from app.hub import Hub
from app.member import Member
from app.protocol import bodies, replies, requests
from app.room import Room

REST_SECONDS = 1.0
KEPT_SECONDS = 30.0
FLUSH_SECONDS = 2.0
WAITING_MAX = 10_000

_log = structlog.get_logger(component="marks")

Place = tuple[str, str]
"""Whose mark (handle), in which room."""


class Marks:
    """Carries out `read`, and tells joins and lists how far somebody has read."""

    def __init__(self, hub: Hub, store: Personal, deadlines: Deadlines) -> None:
        self._hub = hub
        self._store = store
        self._deadlines = deadlines
        self._known: dict[str, dict[str, Mark]] = {}
        self._loading: dict[str, asyncio.Future[None]] = {}
        # What is being written or was just now; with what is to be written afterwards, and who asked for it.
        self._resting: dict[Place, tuple[Mark, str] | None] = {}
        self._unanswered = 0
        self._all_answered = asyncio.Event()

    # What is known

    def at_hand(self, member: Member) -> bool:
        """Whether the person's marks are known here. Somebody new has none."""
        return not member.marked or member.handle in self._known

    def load(self, member: Member) -> asyncio.Future[None]:
        """Read the person's marks; all who ask at once share a read. Done when that is over, well or not."""
        handle = member.handle
        loading = self._loading.get(handle)
        if loading is None:
            loading = self._loading[handle] = asyncio.get_running_loop().create_future()
            try:
                self._store.marks(handle, lambda marks: self._loaded(handle, marks))
            except Unavailable:
                self._loaded(handle, None)
        return loading

    def _loaded(self, handle: str, marks: dict[str, Mark] | None) -> None:
        if marks is not None:
            for (who, room), waiting in self._resting.items():
                if who == handle and waiting is not None:
                    marks[room] = waiting[0]
            self._known[handle] = marks
            self._keep(handle)
        self._loading.pop(handle).set_result(None)

    def _keep(self, handle: str) -> None:
        self._deadlines.set(handle, "marks", KEPT_SECONDS, lambda: self._forget(handle))

    def _forget(self, handle: str) -> None:
        self._known.pop(handle, None)

    def mark(self, member: Member, room: str) -> Mark | None:
        """The person's mark in the room of that name, as far as known."""
        return self._known.get(member.handle, {}).get(room)

    def of(self, member: Member, room: Room) -> int:
        """How far the person has read in a room, as far as known; 0 for not at all."""
        mark = self.mark(member, room.name)
        return mark.seq if mark is not None and mark.epoch == room.at.epoch else 0

    def heard(self, notice: Notice) -> None:
        """Another connection of a person has read on."""
        known = self._known.get(notice.to)
        if known is None or notice.mark is None:
            return
        room = bodies.read_room(notice.push)
        held = known.get(room)
        if held is None or held.epoch != notice.mark.epoch or held.seq < notice.mark.seq:
            known[room] = notice.mark

    # Reading on

    def read(self, member: Member, request: requests.Read, room: Room) -> Coroutine[Any, Any, None] | None:
        """Move a mark forward, and answer where it is, now or later.

        It goes no further than the last event that is known to be stored. Of one that is not relayed yet the member
        may have had the ack; how many messages there are up to it, the log says.
        """
        seq = min(request.seq, room.top)
        others = room.others_at(seq)
        if others is None or not self.at_hand(member):
            return self._read_later(member, request, room)
        self._read_on(member, request, room, Mark(room.at.epoch, seq, others))
        return None

    async def _read_later(self, member: Member, request: requests.Read, room: Room) -> None:
        if not self.at_hand(member):
            await asyncio.shield(self.load(member))
            if not self.at_hand(member):
                raise Unavailable("Redis did not say how far you have read")
        epoch, seq = room.at.epoch, min(request.seq, room.top)
        others = await self._hub.others_at(room, seq)
        self._read_on(member, request, room, Mark(epoch, seq, others))

    def _read_on(self, member: Member, request: requests.Read, room: Room, mark: Mark) -> None:
        handle = member.handle
        known = self._known.setdefault(handle, {})
        member.marked = True
        self._keep(handle)
        held = known.get(room.name)
        if held is None or held.epoch != mark.epoch or held.seq < mark.seq:
            held = known[room.name] = mark
            place = handle, room.name
            if place in self._resting:
                self._resting[place] = (held, member.conn)
            else:
                self._write(place, held, member.conn)
        member.reply(replies.encode(replies.ReadTo(room.name, held.seq, request.id)))

    # Writing

    def _write(self, place: Place, mark: Mark, conn: str) -> None:
        handle, room = place
        self._resting[place] = None
        self._deadlines.set(place, "mark", REST_SECONDS, lambda: self._rested(place))
        push = Raw(replies.encode(replies.ReadTo(room, mark.seq)))
        self._unanswered += 1
        try:
            self._store.mark(
                room, mark, Notice(handle, push, conn, mark=mark), lambda held: self._written(place, mark, conn, held)
            )
        except Unavailable:
            self._written(place, mark, conn, None)

    def _written(self, place: Place, mark: Mark, conn: str, held: Mark | None) -> None:
        self._unanswered -= 1
        if not self._unanswered:
            self._all_answered.set()
        if held is not None:
            known = self._known.get(place[0])
            if known is not None and (ours := known.get(place[1])) is not None and ours.epoch == held.epoch:
                known[place[1]] = max(ours, held)
        elif self._resting.get(place) is None:
            if len(self._resting) > WAITING_MAX:
                _log.warning("a read mark is lost")
                return
            if place not in self._resting:
                self._deadlines.set(place, "mark", REST_SECONDS, lambda: self._rested(place))
            self._resting[place] = (mark, conn)

    def _rested(self, place: Place) -> None:
        waiting = self._resting.pop(place)
        if waiting is not None:
            self._write(place, *waiting)

    async def flush(self) -> None:
        """Write what waits, and wait for Redis: the worker goes."""
        for place, waiting in list(self._resting.items()):
            if waiting is not None:
                self._write(place, *waiting)
        self._all_answered.clear()
        if self._unanswered:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._all_answered.wait()
            except TimeoutError:
                _log.warning("read marks may be lost", unanswered=self._unanswered)
