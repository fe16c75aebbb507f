"""When something last happened in which room, in Redis: the newest rooms, and what a list says of each.

Of the rooms that those of one network have brought there the newest few come first, and all others behind these: nobody
fills the list alone.

Not on the way of a message: each worker notes the rooms that its own script calls touched, and writes them together,
once a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import hiredis

from app.backplane import keys
from app.backplane.link import Reply
from app.backplane.pipeline import Pipeline, Script
from app.errors import ParleyError, Unavailable
from app.protocol.names import DIRECT, handle

TOUCHED_MAX = 10_000
AT_ONCE = 500
ROOMS_MAX = 100_000
ROOMS_OF_NETWORK = 20
"""Most rooms that a network has come first in the list."""
PLACED_SECONDS = 60
"""How long a worker believes, more or less, that a room is still among the first where it was brought there."""
TRIM_EVERY = 60
PEOPLE_MAX = 5_000
NOBODY: Mapping[str, str] = MappingProxyType({})


class About(NamedTuple):
    """What is known of a room. `topic` is JSON, empty if there is none; `ts` is that of the last activity.

    `others` of its events are no messages.
    """

    room: str
    ts: int
    seq: int
    topic: bytes
    members: int
    epoch: str = ""
    others: int = 0


class Activity(Protocol):
    """The rooms of all workers by last activity."""

    def write(self, touched: dict[str, int], networks: Mapping[str, str] = NOBODY) -> dict[str, int]:
        """Note rooms and the times of their last events; gives back what could not be noted now.

        `networks` says where whoever wrote there last is; without it a room comes first.
        """

    async def newest(self, limit: int, workers: Iterable[str]) -> list[About]:
        """The rooms with the newest activity, newest first; people are those on these workers.

        Where there are more, each network has brought at most ROOMS_OF_NETWORK of them, as far as others are left.

        Raises:
            Unavailable, NotConfirmed: Redis did not answer.
        """

    async def room(self, room: str, workers: Iterable[str]) -> About | None:
        """One room, whatever it is; None if there is none. `ts` is 0 if nothing is kept. Raises as `newest`."""

    async def total(self) -> int:
        """How many rooms with activity there are. Raises as `newest`."""


class RedisActivity:
    """See Activity. Rooms idle for `kept_seconds` fall out, and the oldest beyond ROOMS_MAX."""

    def __init__(self, pipeline: Pipeline, kept_seconds: int) -> None:
        self._pipeline = pipeline
        self._kept_seconds = kept_seconds
        self._about = Script("about")
        self._places = Script("places")
        self._bring = Script("bring")
        # Room -> until when it is thought to be where it was brought; by the times of its events.
        self._placed: dict[str, int] = {}
        self._until_trim = 0

    def write(self, touched: dict[str, int], networks: Mapping[str, str] = NOBODY) -> dict[str, int]:
        """See Activity."""
        rooms = [(ts, room) for room, ts in touched.items() if not room.startswith(DIRECT)]
        if not rooms:
            return {}
        try:
            self._note(rooms, networks)
            self._until_trim -= 1
            if self._until_trim < 0:
                self._until_trim = TRIM_EVERY
                oldest = max(ts for ts, _ in rooms) - self._kept_seconds * 1000
                for name in (keys.ROOMS, keys.MORE_ROOMS):
                    self._pipeline.post(("ZREMRANGEBYSCORE", name, "-inf", oldest), _ignore)
                    self._pipeline.post(("ZREMRANGEBYRANK", name, 0, -ROOMS_MAX - 1), _ignore)
        except Unavailable:
            return touched if len(touched) <= TOUCHED_MAX else {}
        return {}

    def _note(self, rooms: Sequence[tuple[int, str]], networks: Mapping[str, str]) -> None:
        """Those whose place is known are renewed there; others are brought, and again after a while."""
        brought: dict[str, list[tuple[int, str]]] = {}
        plain: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        for ts, room in rooms:
            network = networks.get(room, "")
            if not network:
                plain.setdefault(("GT",), []).append((ts, room))
            elif self._placed.get(room, 0) > ts:
                plain.setdefault(("XX", "GT"), []).append((ts, room))
            else:
                brought.setdefault(network, []).append((ts, room))
        for how, pairs in plain.items():
            for start in range(0, len(pairs), AT_ONCE):
                self._pipeline.post(("ZADD", keys.ROOMS, *how, *_flat(pairs[start : start + AT_ONCE])), _ignore)
        if len(self._placed) > ROOMS_MAX:
            self._placed.clear()
        for network, pairs in brought.items():
            for start in range(0, len(pairs), AT_ONCE):
                self._bring_some(network, pairs[start : start + AT_ONCE])

    def _bring_some(self, network: str, pairs: Sequence[tuple[int, str]]) -> None:
        def answer(reply: Reply) -> None:
            if type(reply) is not int:
                for _, room in pairs:
                    self._placed.pop(room, None)

        names = (keys.ROOMS, keys.MORE_ROOMS, keys.rooms_of(handle(network)))
        arguments = (3, *names, ROOMS_OF_NETWORK, self._kept_seconds, *_flat(pairs))
        self._pipeline.post_script(self._bring, arguments, answer)
        for ts, room in pairs:
            self._placed[room] = ts + int(random.uniform(0.5, 1.5) * PLACED_SECONDS * 1000)

    async def _newest(self, limit: int) -> dict[str, int]:
        """Rooms and the times of their last events: the first ones, then the others."""
        times: dict[str, int] = {}
        for name in (keys.ROOMS, keys.MORE_ROOMS):
            if len(times) < limit:
                flat = await self._pipeline.call("ZREVRANGE", name, 0, limit - len(times) - 1, "WITHSCORES")
                times |= {flat[i].decode(): int(float(flat[i + 1])) for i in range(0, len(flat), 2)}
        return dict(sorted(times.items(), key=lambda item: -item[1]))

    async def newest(self, limit: int, workers: Iterable[str]) -> list[About]:
        """See Activity."""
        try:
            times = await self._newest(limit)
            if not times:
                return []
            living = list(workers)
            # The first alone: should Redis have forgotten the script, it learns it before the others.
            first, *rest = times
            replies = [await self._pipeline.run_script(self._about, *self._arguments(first, living))]
            replies += await self._all(rest, living)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses to read: {error}") from None
        return [
            _about(room, ts, reply)
            for (room, ts), reply in zip(times.items(), replies, strict=True)
            if type(reply) is list and reply[0] is not None
        ]

    async def room(self, room: str, workers: Iterable[str]) -> About | None:
        """See Activity."""
        try:
            (last,) = await self._pipeline.run_script(self._places, 2, keys.log(room), keys.meta(room))
            if not last:
                return None
            about = await self._pipeline.run_script(self._about, *self._arguments(room, list(workers)))
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses to read: {error}") from None
        return _about(room, last[2], about) if about[0] is not None else None

    async def total(self) -> int:
        """See Activity."""
        try:
            first = await self._pipeline.call("ZCARD", keys.ROOMS)
            return int(first) + int(await self._pipeline.call("ZCARD", keys.MORE_ROOMS))
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses to read: {error}") from None

    def _arguments(self, room: str, workers: Sequence[str]) -> tuple[str | int, ...]:
        names = [keys.roster(room, worker) for worker in workers]
        return (1 + len(names), keys.meta(room), *names, PEOPLE_MAX)

    async def _all(self, rooms: Sequence[str], workers: Sequence[str]) -> list[Reply]:
        """What the script says of each, all asked for in one write."""
        if not rooms:
            return []
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        replies: list[Reply] = []

        def answer(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) == len(rooms) and not answered.done():
                answered.set_result(None)

        for room in rooms:
            self._pipeline.post(("EVALSHA", self._about.sha, *self._arguments(room, workers)), answer)
        await answered
        for reply in replies:
            if isinstance(reply, ParleyError):
                raise reply
        return replies


def _flat(pairs: Sequence[tuple[int, str]]) -> list[int | str]:
    return [part for pair in pairs for part in pair]


def _about(room: str, ts: int, reply: Sequence[Reply]) -> About:
    return About(room, ts, reply[0], reply[1] or b"", reply[2], (reply[3] or b"").decode(), reply[4])


def _ignore(_reply: Reply) -> None:
    """What was not noted is noted with the room's next event."""
