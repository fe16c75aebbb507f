"""The people of rooms in Redis: a lease for each worker, a roster for each room and worker, and what is published.

A roster counts only while its worker's lease runs: that alone has to be renewed, and a dead worker's people vanish
with it. Everything here is answered by callbacks, so that a room costs no task.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import hiredis
import msgspec

from app.backplane import keys
from app.backplane.link import Reply
from app.backplane.pipeline import Pipeline, Script
from app.errors import Unavailable

ROSTER_SECONDS = 3600
"""A roster lives so long unless it is looked after: what is left of dead workers."""

FIRST_BYTE = b"{"
"""A publication of people begins with a brace, which none of events does."""


class Moved(msgspec.Struct, tag="moved", tag_field="k"):
    """A worker's people in a room have changed: from version `prev` to `version`; `count` are there now.

    If `whole`, those in `joined` are all, whatever was before.
    """

    worker: str
    prev: int
    version: int
    count: int
    joined: dict[str, str]
    left: list[str]
    whole: bool = False


class Typed(msgspec.Struct, tag="typed", tag_field="k"):
    """Who of a worker's people is typing in a room, or has stopped."""

    worker: str
    on: dict[str, str]
    off: list[str]


News = Moved | Typed

_news: msgspec.json.Decoder[News] = msgspec.json.Decoder(News)
_encode = msgspec.json.Encoder().encode


def read_news(data: bytes) -> News:
    """A publication of people. Raises ValueError if it is none of ours."""
    return _news.decode(data)


class Held(NamedTuple):
    """What a renewal found: whether the own lease had not ended meanwhile, and whose leases run."""

    kept: bool
    alive: list[str]


class Written(NamedTuple):
    """A worker's roster of a room as it stands in Redis; version 0 and nobody if there is none."""

    version: int
    people: dict[str, str]


class Store(Protocol):
    """What presence needs of Redis.

    `write`, `read` and `versions` raise Unavailable when nothing was sent; else `done` is called exactly once, with
    None or False if it is not known how that went.
    """

    worker: str

    async def renew(self, seconds: float) -> Held:
        """Keep the own lease for so long. Raises Unavailable or NotConfirmed."""

    async def release(self, seconds: float) -> None:
        """Let the own lease end in so many seconds. Raises Unavailable or NotConfirmed."""

    def write(self, room: str, change: Moved, done: Callable[[bool], None]) -> None:
        """Store a change of the own roster and publish it; False too if it was not made of what is stored."""

    def read(self, room: str, workers: Sequence[str], done: Callable[[list[Written] | None], None]) -> None:
        """Those workers' rosters."""

    def versions(self, room: str, workers: Sequence[str], done: Callable[[list[int] | None], None]) -> None:
        """The versions of the own roster and of those workers'."""

    def tell(self, room: str, typed: Typed) -> None:
        """Publish without storing."""


class RedisRosters:
    """The store on Redis. `worker` is this process' own name among all, never used again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.worker = secrets.token_urlsafe(6)
        self._lease = Script("lease")
        self._roster = Script("roster")
        self._rosters = Script("rosters")
        self._versions = Script("versions")

    async def renew(self, seconds: float) -> Held:
        """See Store."""
        reply = await self._call_lease(seconds, "keep")
        return Held(reply[0] == 1, [worker.decode() for worker in reply[1:]])

    async def release(self, seconds: float) -> None:
        """See Store."""
        await self._call_lease(seconds, "end")

    async def _call_lease(self, seconds: float, what: str) -> Reply:
        try:
            milliseconds = max(1, int(seconds * 1000))
            return await self._pipeline.run_script(self._lease, 1, keys.LEASES, self.worker, milliseconds, what)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses: {str(error)[:100]}") from None

    def write(self, room: str, change: Moved, done: Callable[[bool], None]) -> None:
        """See Store."""
        pairs: list[str] = [part for pair in change.joined.items() for part in pair]
        arguments: tuple[str | bytes | int, ...] = (
            1,
            keys.roster(room, self.worker),
            keys.events(room),
            _encode(change),
            change.prev,
            change.version,
            change.count,
            ROSTER_SECONDS,
            int(change.whole),
            len(change.joined),
            *pairs,
            *change.left,
        )
        self._pipeline.post_script(self._roster, arguments, lambda reply: done(reply == 1))

    def read(self, room: str, workers: Sequence[str], done: Callable[[list[Written] | None], None]) -> None:
        """See Store."""

        def answer(reply: Reply) -> None:
            done([_written(each) for each in reply] if type(reply) is list else None)

        names = [keys.roster(room, worker) for worker in workers]
        self._pipeline.post_script(self._rosters, (len(names), *names), answer)

    def versions(self, room: str, workers: Sequence[str], done: Callable[[list[int] | None], None]) -> None:
        """See Store."""
        names = [keys.roster(room, worker) for worker in (self.worker, *workers)]
        arguments: tuple[str | int, ...] = (len(names), *names, ROSTER_SECONDS)
        self._pipeline.post_script(
            self._versions, arguments, lambda reply: done(reply if type(reply) is list else None)
        )

    def tell(self, room: str, typed: Typed) -> None:
        """See Store."""
        self._pipeline.post(("PUBLISH", keys.events(room), _encode(typed)), lambda reply: None)


def _written(fields: Sequence[bytes]) -> Written:
    people = {fields[i].decode(): fields[i + 1].decode() for i in range(0, len(fields), 2)}
    return Written(int(people.pop("", "0")), people)
