"""Direct rooms, of two people, and telling somebody elsewhere that there is something for them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import structlog
from msgspec import Raw

from app.backplane.personal import Notice, Personal
from app.deadlines import Deadlines
from app.errors import BadRequest, NotConfirmed, Unavailable
from app.member import Member
from app.people import People
from app.protocol import replies, requests
from app.protocol.names import direct_handles, direct_room, handle
from app.protocol.replies import Person

AGAIN_SECONDS = 1.0
TRIES = 30
WAITING_MAX = 10_000
"""Most notes that wait to be tried again; what comes then is given up at once."""

WROTE_SECONDS = 60.0
WROTE_MAX = 10_000
"""So often, at most, a writer's own room is noted again; of so many it is remembered."""

_log = structlog.get_logger(component="direct")


class Direct:
    """Opens direct rooms, and keeps each among those of both people."""

    def __init__(self, store: Personal, people: People, deadlines: Deadlines) -> None:
        self._store = store
        self._people = people
        self._deadlines = deadlines
        self._waiting = 0
        self._wrote: dict[tuple[str, str], float] = {}

    def open(
        self, member: Member, request: requests.OpenDirect, seen: Iterable[Mapping[str, str]]
    ) -> Coroutine[Any, Any, None] | None:
        """Answer which room it is, now or later. `seen` are, by user, the names of those whom the member can see.

        Raises:
            BadRequest, Unavailable: nobody talks with himself; Redis cannot be asked.
        """
        if request.user == member.user:
            raise BadRequest("a direct room is for two")
        here = self._people.here(handle(request.user))
        elsewhere = (people[request.user] for people in seen if request.user in people)
        name = here[0].name if here else next(elsewhere, None)
        if name is None:
            return self._open_later(member, request)
        self._answer(member, request, name)
        return None

    async def _open_later(self, member: Member, request: requests.OpenDirect) -> None:
        """Nobody here knows the name: it may be known from before."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[dict[str, Person] | None] = loop.create_future()
        self._store.directs(member.handle, lambda rooms: None if found.done() else found.set_result(rooms))
        rooms = await found
        if rooms is None:
            raise NotConfirmed("Redis did not say whom you know")
        before = rooms.get(direct_room(member.handle, handle(request.user)))
        self._answer(member, request, before.name if before is not None else request.user)

    def _answer(self, member: Member, request: requests.OpenDirect, name: str) -> None:
        other = Person(request.user, name)
        room = direct_room(member.handle, handle(request.user))
        self._note(member.handle, room, other, None, None)
        member.reply(replies.encode(replies.Direct(room, other, request.id)))

    def sent(self, member: Member, room: str, seq: int) -> None:
        """A message of a member is stored in a direct room: the other is told, and has the room from then on."""
        pair = direct_handles(room)
        if pair is None:
            return
        other = pair[0] if pair[1] == member.handle else pair[1]
        person = Person(member.user, member.name)
        first = Notice(other, Raw(replies.encode(replies.Direct(room, person))))
        self._note(other, room, person, first, self._mention(other, member, room, seq))
        self._note_own(member.handle, room)

    def _note_own(self, who: str, room: str) -> None:
        """Somebody has written: the room is the writer's own as well. Noted now and then, not with every message."""
        now = self._deadlines.clock()
        if now - self._wrote.get((who, room), -math.inf) < WROTE_SECONDS:
            return
        if len(self._wrote) >= WROTE_MAX:
            self._wrote.clear()
        self._wrote[who, room] = now
        self._note(who, room, None, None, None)

    def mentioned(self, users: list[str], member: Member, room: str, seq: int) -> None:
        """Tell those who are elsewhere that a message is meant for them."""
        for user in users:
            if user != member.user:
                try:
                    self._store.tell(self._mention(handle(user), member, room, seq))
                except Unavailable:
                    return

    def _mention(self, to: str, member: Member, room: str, seq: int) -> Notice:
        push = replies.encode(replies.Mentioned(room, seq, member.user, member.name))
        return Notice(to, Raw(push), elsewhere=room)

    def _note(self, who: str, room: str, other: Person | None, new: Notice | None, always: Notice | None) -> None:
        """Keep a room among somebody's; again while Redis does not confirm that."""
        self._try(_Note(who, room, other, new, always))

    def _try(self, note: _Note) -> None:
        def done(well: bool) -> None:
            if not well:
                self._again_later(note)

        try:
            self._store.direct(note.who, note.room, note.other, note.new, note.always, done)
        except Unavailable:
            done(False)

    def _again_later(self, note: _Note) -> None:
        """Each note waits by itself: those of one room may tell of different messages."""
        note.tries -= 1
        if not note.tries or self._waiting >= WAITING_MAX:
            _log.warning("somebody is not told of a direct room", seldom="direct", waiting=self._waiting)
            return

        def again() -> None:
            self._waiting -= 1
            self._try(note)

        self._waiting += 1
        self._deadlines.set(note, "direct", AGAIN_SECONDS, again)


class _Note:
    """A room that is to be kept among somebody's; see Personal.direct. Equal to itself alone."""

    __slots__ = ("always", "new", "other", "room", "tries", "who")

    def __init__(self, who: str, room: str, other: Person | None, new: Notice | None, always: Notice | None) -> None:
        self.who = who
        self.room = room
        self.other = other
        self.new = new
        self.always = always
        self.tries = TRIES
