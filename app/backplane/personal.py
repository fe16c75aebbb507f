"""What Redis keeps of a person, read marks and direct rooms, and the way to all of a person's connections.

A person is named by its handle (see app.protocol.names). Answered by callbacks: what is asked with a join must not cost
a task. What is only told may be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from app.backplane import keys
from app.backplane.link import Argument, Reply
from app.backplane.pipeline import Pipeline, Script
from app.protocol.replies import Person as Person

MARKS_MAX = 500
DIRECTS_MAX = 200
"""Most direct rooms of a person that it has opened, written or read in."""
STRANGERS_MAX = 100
"""Most others: those in which somebody has written to a person that has done nothing there yet."""
PLACES_AT_ONCE = 50
"""Rooms asked for in one script call: few calls, none of which holds Redis up."""
EXTRA_SECONDS = 86400

T = TypeVar("T")


class Mark(NamedTuple):
    """How far a user has read in a room: up to `seq` of this epoch; `others` of those events were no messages."""

    epoch: str
    seq: int
    others: int


class Place(NamedTuple):
    """Where a room is: its last event and the time of that, in milliseconds; `others` of its events are no messages."""

    epoch: str
    seq: int
    ts: int
    others: int


class Notice(msgspec.Struct, array_like=True, frozen=True):
    """What a person's connections are to be told.

    Attributes:
        to: the person's handle.
        push: the message, as JSON.
        skip: a connection that knows it already.
        elsewhere: only for connections that have not joined this room, if it is not empty.
        mark: the epoch, seq and others of a read mark, if that is what the push tells.
    """

    to: str
    push: msgspec.Raw
    skip: str = ""
    elsewhere: str = ""
    mark: Mark | None = None


encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
read_notice: Callable[[bytes], Notice] = msgspec.json.Decoder(Notice).decode
_person: Callable[[bytes], Person] = msgspec.json.Decoder(Person).decode


class Personal(Protocol):
    """What the chat keeps and tells of persons. All raise Unavailable when nothing was sent.

    `done` is called exactly once, with None if it is not known how that went.
    """

    def tell(self, notice: Notice) -> None:
        """Tell a person's connections."""

    def marks(self, who: str, done: Callable[[dict[str, Mark] | None], None]) -> None:
        """All read marks of a person, by room."""

    def mark(self, room: str, mark: Mark, notice: Notice, done: Callable[[Mark | None], None]) -> None:
        """Move a mark forward and tell the person's connections; the mark that holds then."""

    def directs(self, who: str, done: Callable[[dict[str, Person] | None], None]) -> None:
        """All direct rooms of a person, and with whom they are."""

    def direct(
        self,
        who: str,
        room: str,
        other: Person | None,
        new: Notice | None,
        always: Notice | None,
        done: Callable[[bool], None],
    ) -> None:
        """Note a direct room of a person's with another; whether it is known to be noted.

        Both notices come with a message there of the other's: one for the first, one for each. Without them the person
        itself has done something: it has opened the room, or, without `other`, written in one that is noted, if it is.
        """

    def places(self, rooms: Sequence[str], done: Callable[[list[Place | None]], None]) -> None:
        """Where each of some rooms is; None for one that is not there, or is not known."""


class RedisPersonal:
    """See Personal. Kept a day longer than the rooms' events, `kept_seconds`."""

    def __init__(self, pipeline: Pipeline, kept_seconds: int) -> None:
        self._pipeline = pipeline
        self._kept_seconds = kept_seconds + kept_seconds // 4 + EXTRA_SECONDS
        self._mark = Script("mark")
        self._direct = Script("direct")
        self._places = Script("places")

    def tell(self, notice: Notice) -> None:
        """See Personal."""
        self._pipeline.post(("PUBLISH", keys.people(keys.shard(notice.to)), encode(notice)), _ignore)

    def marks(self, who: str, done: Callable[[dict[str, Mark] | None], None]) -> None:
        """See Personal."""

        def answer(reply: Reply) -> None:
            done(_pairs(reply, _mark))

        self._pipeline.post(("HGETALL", keys.marks(who)), answer)

    def mark(self, room: str, mark: Mark, notice: Notice, done: Callable[[Mark | None], None]) -> None:
        """See Personal."""
        who = notice.to
        arguments = (1, keys.marks(who), room, *mark, self._kept_seconds, MARKS_MAX, *_told(who), encode(notice))

        def answer(reply: Reply) -> None:
            done(Mark(mark.epoch, *reply) if type(reply) is list else None)

        self._pipeline.post_script(self._mark, arguments, answer)

    def directs(self, who: str, done: Callable[[dict[str, Person] | None], None]) -> None:
        """See Personal."""

        def answer(reply: Reply) -> None:
            done(_pairs(reply, lambda value: _person(value.partition(b" ")[2])))

        self._pipeline.post(("HGETALL", keys.directs(who)), answer)

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
        told = [encode(notice) if notice is not None else b"" for notice in (new, always)]
        whom = encode(other) if other is not None else b""
        names: tuple[Argument, ...] = (2, keys.directs(who), keys.marks(who))
        arguments = (*names, room, whom, self._kept_seconds, DIRECTS_MAX, STRANGERS_MAX, *_told(who), *told)
        self._pipeline.post_script(self._direct, arguments, lambda reply: done(type(reply) is int))

    def places(self, rooms: Sequence[str], done: Callable[[list[Place | None]], None]) -> None:
        """See Personal."""
        found: list[Place | None] = [None] * len(rooms)
        waiting = set(range(0, len(rooms), PLACES_AT_ONCE))

        def answer(start: int, reply: Reply) -> None:
            if type(reply) is list:
                for number, place in enumerate(reply, start):
                    found[number] = Place(place[0].decode(), *place[1:]) if place is not None else None
            waiting.discard(start)
            if not waiting:
                done(found)

        for start in sorted(waiting):
            names = [
                name for room in rooms[start : start + PLACES_AT_ONCE] for name in (keys.log(room), keys.meta(room))
            ]
            self._pipeline.post_script(self._places, (len(names), *names), partial(answer, start))


def _told(who: str) -> tuple[bytes]:
    return (keys.people(keys.shard(who)),)


def _mark(value: bytes) -> Mark:
    epoch, seq, others, _ = value.decode().split(" ")
    return Mark(epoch, int(seq), int(others))


def _pairs(reply: Reply, read: Callable[[bytes], T]) -> dict[str, T] | None:
    """A hash as a dict; None for anything else."""
    if type(reply) is not list:
        return None
    try:
        return {reply[i].decode(): read(reply[i + 1]) for i in range(0, len(reply), 2)}
    except ValueError:
        return None


def _ignore(_reply: Reply) -> None:
    """Whether it was heard does not matter."""
