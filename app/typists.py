"""Who is typing: merged, short-lived, and the first to be dropped when there is too much to do.

Owns what it knows of each room where somebody types, on whichever worker, and nothing of any other. Each member's key
strokes change an entry; `sweep` tells the other workers and the members, at most once a second a room each.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from app import frames
from app.backplane.rosters import Store, Typed
from app.errors import Unavailable
from app.hub import Hub
from app.member import Member
from app.metrics import Counters
from app.protocol import replies
from app.room import Room

TYPING_SECONDS = 5.0
LEAST_SECONDS = 1.0
"""One user's typing counts once in so long."""
AGAIN_SECONDS = 3.0
"""An unchanged list is pushed again, since clients forget one after a while."""
MOST = 20
"""People of a room who are told to type; more are ignored."""


class _Typing:
    """One room. `people` is user -> name and when that is over; `on` and `off` are what the others do not know yet."""

    __slots__ = ("off", "on", "people", "push_at", "shown", "shown_at", "tell_at")

    def __init__(self) -> None:
        self.people: dict[str, tuple[str, float]] = {}
        self.on: dict[str, str] = {}
        self.off: set[str] = set()
        self.shown: dict[str, str] = {}
        self.shown_at = self.push_at = self.tell_at = 0.0


class Typists:
    """All who are typing in this worker's rooms. `rooms` has those where somebody types, or has just stopped."""

    def __init__(self, hub: Hub, store: Store, counters: Counters, clock: Callable[[], float]) -> None:
        self._hub = hub
        self._store = store
        self._counters = counters
        self._clock = clock
        self.rooms: dict[str, _Typing] = {}

    def type(self, room: Room, member: Member) -> None:
        """A member here is typing."""
        now = self._clock()
        typing = self.rooms.get(room.name)
        if typing is None:
            typing = self.rooms[room.name] = _Typing()
        before = typing.people.get(member.user)
        if before is None and len(typing.people) >= MOST:
            return
        if before is not None and before[1] > now + TYPING_SECONDS - LEAST_SECONDS:
            return
        typing.people[member.user] = (member.name, now + TYPING_SECONDS)
        typing.on[member.user] = member.name
        typing.off.discard(member.user)

    def stop(self, room: Room, member: Member) -> None:
        """A member here has sent what it was typing, or has left."""
        typing = self.rooms.get(room.name)
        if typing is not None and typing.people.pop(member.user, None) is not None:
            typing.on.pop(member.user, None)
            typing.off.add(member.user)

    def hear(self, room: Room, typed: Typed) -> None:
        """What another worker tells."""
        typing = self.rooms.get(room.name)
        if typing is None:
            typing = self.rooms[room.name] = _Typing()
        until = self._clock() + TYPING_SECONDS
        for user, name in typed.on.items():
            if user in typing.people or len(typing.people) < MOST:
                typing.people[user] = (name, until)
        for user in typed.off:
            typing.people.pop(user, None)

    def sweep(self, busy: bool = False) -> None:
        """Do what is due; while the worker is busy, only forget those whose time is over."""
        now = self._clock()
        for name, typing in list(self.rooms.items()):
            for user in [user for user, (_, until) in typing.people.items() if until <= now]:
                del typing.people[user]
                typing.on.pop(user, None)
            if not busy:
                self._tell(name, typing, now)
                self._push(name, typing, now)
            if not (typing.people or typing.shown or typing.off):
                del self.rooms[name]

    def _tell(self, name: str, typing: _Typing, now: float) -> None:
        if (typing.on or typing.off) and now >= typing.tell_at:
            typing.tell_at = now + 1.0
            with suppress(Unavailable):  # it will be over before Redis is back
                self._store.tell(name, Typed(self._store.worker, typing.on, sorted(typing.off)))
            typing.on, typing.off = {}, set()

    def _push(self, name: str, typing: _Typing, now: float) -> None:
        people = {user: name for user, (name, _) in typing.people.items()}
        changed = people.keys() != typing.shown.keys()
        if now < typing.push_at or not (changed or (people and now >= typing.shown_at + AGAIN_SECONDS)):
            return
        typing.shown, typing.shown_at, typing.push_at = people, now, now + 1.0
        room = self._hub.get(name)
        if room is None or not len(room):
            return
        users = [replies.Person(user, shown) for user, shown in people.items()]
        frame = frames.text(replies.encode(replies.Typists(name, users)))
        for client in room.members:
            if not client.behind:
                client.write(frame)
        self._counters.typing_pushes += len(room)
