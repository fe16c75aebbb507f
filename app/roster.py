"""Who is in one room, as one worker knows it: its own people, and those of the other workers.

Pure: no I/O and no clock. A person is a user, however many connections it has, on however many workers. Each worker is
a *place*, a bit of its own; a person is there while any bit is set. Up to `limit` people are known by name, more are
counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.protocol import replies
from app.protocol.lookalikes import NOBODY, alike

HERE = 1
"""The place of this worker itself."""

NAMED_AGAIN = 0.9
"""Names come back when a room has become so much smaller than the limit, not with each one who leaves."""

KEPT_ABOVE = 20
"""Of smaller rooms, which are many, the summary is made anew each time: it would take more memory than its people."""

COMPARED_MAX = 1000
"""In rooms with more names none is marked as confusable."""

_masks: dict[int, int] = {}


class Roster:
    """The people of one room.

    Attributes:
        room: its name.
        version: of what this worker last wrote for the others; 0 where it has nobody here.
        versions: place -> version of what was last heard from there; no entry where nobody is there.
        unwritten: what the others do not know yet: user -> name, or None for one that has left.
        whole: everybody here has to be written anew, not only `unwritten`.
    """

    __slots__ = (
        "_alike",
        "_changed",
        "_full",
        "_here",
        "_names",
        "_places",
        "_seen",
        "_shown",
        "_summary",
        "_tabs",
        "_told",
        "limit",
        "room",
        "unwritten",
        "version",
        "versions",
        "whole",
    )

    def __init__(self, room: str, limit: int) -> None:
        self.room = room
        self.limit = limit
        self.version = 0
        self.versions: dict[int, int] = {}
        self.unwritten: dict[str, str | None] = {}
        self.whole = False
        self._places: dict[str, int] = {}
        self._names: dict[str, str] | None = {}
        self._tabs: dict[str, int] = {}  # connections here of those who have other than one
        self._here = 0
        # Since the last push: who came or went, and whether they had been there.
        self._changed: dict[str, bool] = {}
        self._seen = False
        # Whose names look alike, as the members were told; and as those were shown who joined since.
        self._alike = self._shown = NOBODY
        self._full = False
        self._told = 0
        self._summary: bytes | None = None

    def __len__(self) -> int:
        """How many people are there."""
        return len(self._places)

    def __contains__(self, user: object) -> bool:
        return user in self._places

    @property
    def here(self) -> int:
        """How many of them are here on this worker."""
        return self._here

    @property
    def people(self) -> Mapping[str, str]:
        """User -> name; empty in a room that is only counted."""
        return self._names or {}

    @property
    def counted(self) -> bool:
        """Whether people are only counted."""
        return self._names is None

    @property
    def wants_names(self) -> bool:
        """Whether the room has become small enough to be known by name again: see `name_all`."""
        return self._names is None and len(self._places) <= NAMED_AGAIN * self.limit

    # Connections here

    def enter(self, user: str, name: str) -> None:
        """A connection of a user has joined here."""
        if self._places.get(user, 0) & HERE:
            tabs = self._tabs.pop(user, 1) + 1
            if tabs != 1:
                self._tabs[user] = tabs
            if self._names is None or self._names[user] == name:
                return
        else:
            self._here += 1
        self.unwritten[user] = name
        self._put(user, self._places.get(user, 0) | HERE, name)

    def leave(self, user: str) -> None:
        """A connection of a user has left for good."""
        if self._one_less(user) <= 0:
            self._remove(user)

    def lose(self, user: str) -> bool:
        """A connection was lost; true if it was the user's last here: then `expire` comes after the grace."""
        left = self._one_less(user)
        if left <= 0:
            self._tabs[user] = 0
        return left <= 0

    def expire(self, user: str) -> None:
        """The grace of a lost user is over: it has left, unless it has come back."""
        if self._tabs.get(user, 1) == 0:
            self._remove(user)

    def _one_less(self, user: str) -> int:
        """How many connections the user has left here."""
        if not self._places.get(user, 0) & HERE:
            return 1
        left = self._tabs.pop(user, 1) - 1
        if left > 1:
            self._tabs[user] = left
        return left

    def _remove(self, user: str) -> None:
        self._tabs.pop(user, None)
        if self._places.get(user, 0) & HERE:
            self._here -= 1
            self.unwritten[user] = None
            self._put(user, self._places[user] & ~HERE)

    def local(self) -> list[str]:
        """The users here on this worker."""
        return [user for user, places in self._places.items() if places & HERE]

    # Other workers

    def take(self, place: int, prev: int, version: int, joined: Mapping[str, str], left: list[str], count: int) -> bool:
        """Take a change heard from another place; False if one before it was missed, and that place has to be read.

        Args:
            prev: the version that the change was made of, 0 if nobody was there.
            count: how many people are there with it.
        """
        known = self.versions.get(place, 0)
        if version <= known:
            return True
        if prev != known:
            return False
        if not count:
            self.replace(place, version, {})
            return True
        for user, name in joined.items():
            self._put(user, self._places.get(user, 0) | place, name)
        for user in left:
            self._put(user, self._places.get(user, 0) & ~place)
        self.versions[place] = version
        return True

    def replace(self, place: int, version: int, people: Mapping[str, str]) -> None:
        """Take the whole of another place as it was written or read."""
        for user in [user for user, places in self._places.items() if places & place and user not in people]:
            self._put(user, self._places[user] & ~place)
        for user, name in people.items():
            self._put(user, self._places.get(user, 0) | place, name)
        if people:
            self.versions[place] = version
        else:
            self.versions.pop(place, None)

    def drop(self, place: int) -> None:
        """Nobody is there any more."""
        if place in self.versions:
            self.replace(place, 0, {})

    def forget_others(self) -> None:
        """Know only who is here."""
        for place in list(self.versions):
            self.drop(place)

    def name_all(self, names: Mapping[str, str]) -> bool:
        """Know people by name again; False, and nothing changes, if somebody's name is missing."""
        known = {**names, **{user: name for user, name in self.unwritten.items() if name is not None}}
        if not known.keys() >= self._places.keys():
            return False
        self._names = {user: known[user] for user in self._places}
        self._full = True
        self._summary = None
        return True

    # Changes

    def _put(self, user: str, places: int, name: str = "") -> None:
        """A user is in these places from now on."""
        before = user in self._places
        if places:
            # Ints above 256 are objects of their own each; one for each mask will do.
            self._places[user] = _masks.setdefault(places, places)
        elif before:
            del self._places[user]
        names = self._names
        if names is None:
            self._summary = None
            return
        renamed = False
        if not places:
            names.pop(user, None)
        elif name or not before:
            renamed = before and names[user] != name
            names[user] = name
        if before == bool(places) and not renamed:
            return
        self._summary = None
        self._changed[user] = self._changed.get(user, before) and not renamed
        if len(names) > self.limit:
            self._names = None
            self._told = -1
            self._changed.clear()
        elif len(self._changed) > 2 * self.limit:
            self._full = True
            self._changed.clear()

    # What members are told

    def summary(self) -> bytes:
        """What an answer to one who joins says of who is there: `"members":2,"presence":[...]`."""
        self._seen = True
        if self._summary is not None:
            return self._summary
        summary = b'"members":%d' % len(self._places)
        if self._names is not None:
            look = self._look()
            if look:
                self._shown |= look
            summary += b',"presence":' + replies.encode(self._persons(self._names, look))
        if len(self._places) > KEPT_ABOVE:
            self._summary = summary
        return summary

    def push(self) -> bytes | None:
        """What members have to be told since the last push; None if nothing."""
        count = len(self._places)
        if self._names is None:
            self._alike = self._shown = NOBODY
            if count == self._told:
                return None
            self._told = count
            return replies.encode(replies.Presence(room=self.room, members=count))
        changed, self._changed = self._changed, {}
        full, self._full = self._full, False
        # Who joined in between was told another truth than those before: for that one, going and coming back counts.
        seen, self._seen = self._seen, False
        self._told = count
        if not full and not changed:
            return None
        look, before = self._look(), self._alike
        again = look | before | self._shown if seen else look ^ before
        self._alike, self._shown = look, NOBODY
        if full:
            return self.full()
        names = self._names
        joined = {user: names[user] for user, was in changed.items() if user in names and (seen or not was)}
        left = [user for user, was in changed.items() if user not in names and (seen or was)]
        joined |= {user: names[user] for user in again if user in names}
        if not joined and not left:
            return None
        return replies.encode(replies.Presence(self.room, count, self._persons(joined, look), left))

    def full(self) -> bytes:
        """Everything, for those who have missed a push."""
        if self._names is None:
            return replies.encode(replies.Presence(self.room, len(self._places)))
        people = self._persons(self._names, self._look())
        return replies.encode(replies.Presence(self.room, len(self._places), presence=people))

    def _look(self) -> frozenset[str]:
        """Whose names look alike."""
        names = self._names
        return alike(names) if names is not None and 1 < len(names) <= COMPARED_MAX else NOBODY

    @staticmethod
    def _persons(names: Mapping[str, str], look: frozenset[str]) -> list[replies.Person]:
        return [replies.Person(user, name, user in look) for user, name in names.items()]
