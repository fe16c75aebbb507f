"""Bans, mutes and kicks in Redis: what holds, what was done by whom, and how all workers hear of it.

What holds has a version; each publication says which version it was made of, so that a worker which has missed one
knows it, and reads everything. A kick is over at once, and is kept for KICK_SECONDS for those that have missed it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import hiredis
import msgspec

from app.backplane import keys
from app.backplane.link import Reply
from app.backplane.pipeline import Pipeline, Script
from app.errors import Forbidden, Unavailable
from app.sanctions import KICK, Held, Sanction

KICK_SECONDS = 60
HELD_MAX = 20_000
HELD_FOR_EVERYWHERE = 2_000
"""So many of HELD_MAX are left to what is imposed everywhere: no room's moderators can use them up."""
WRITTEN_MAX = 1_000
"""Most that is written down of a room, and of what was done everywhere; Redis may keep some more."""
WRITTEN_SECONDS = 180 * 86400
PAGE = 1000

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[Sanction] = msgspec.json.Decoder(Sanction)


class News(NamedTuple):
    """A publication: made of version `before`, after which it is `after`.

    `held` holds from then on; without it, `keys` do not hold any longer, and `sanction` says who ended them.
    """

    before: int
    after: int
    held: Held | None
    sanction: Sanction
    keys: list[str]


class Done(NamedTuple):
    """What became of a change: when, until when (infinite: for ever), and how many keys it changed.

    If it changed any, what holds was of version `before`, and is of version `after` with it.
    """

    at: float
    until: float
    changed: int
    before: int
    after: int


class Known(NamedTuple):
    """All that holds, by key, and the version of it."""

    version: int
    held: dict[str, Held]


class Written(NamedTuple):
    """What was done, when, and until when it was to hold (infinite: for ever). `id` is its place in the record."""

    id: str
    sanction: Sanction
    at: float
    until: float


class Store(Protocol):
    """What moderation needs of Redis. All raise Unavailable or NotConfirmed; what is repeated does no harm."""

    async def impose(self, sanction: Sanction, seconds: float) -> Done:
        """Have a sanction hold, for ever with 0 seconds.

        Raises:
            Forbidden: HELD_MAX hold; for a room, already if no more than HELD_FOR_EVERYWHERE are left.
        """

    async def lift(self, sanction: Sanction, names: Sequence[str]) -> Done:
        """End what these keys hold. Nothing is written down where nothing held."""

    async def note(self, sanction: Sanction) -> None:
        """Write down what was done."""

    async def version(self) -> int:
        """That of what holds; 0 if nothing ever did."""

    async def read(self) -> Known:
        """All that holds."""

    async def written(self, room: str, before: str, limit: int) -> list[Written]:
        """The last `limit` (at most PAGE) things done in a room, or with "" everywhere, newest first.

        With `before`, those before that id.
        """


class RedisModeration:
    """See Store."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._script = Script("moderate")

    async def impose(self, sanction: Sanction, seconds: float) -> Done:
        """See Store."""
        done = await self._change("hold", sanction, seconds, sanction.key)
        if done is None:
            raise Forbidden(f"at most {most_held(sanction.room)} bans and mutes can hold", limit="sanctions")
        return done

    async def lift(self, sanction: Sanction, names: Sequence[str]) -> Done:
        """See Store."""
        done = await self._change("lift", sanction, 0, *names)
        assert done is not None
        return done

    async def note(self, sanction: Sanction) -> None:
        """See Store."""
        await self._change("note", sanction, 0)

    async def _change(self, what: str, sanction: Sanction, seconds: float, *names: str) -> Done | None:
        seconds = KICK_SECONDS if sanction.kind == KICK else seconds
        bounds: tuple[str | bytes | int, ...] = (
            f"{seconds:.3f}",
            most_held(sanction.room),
            WRITTEN_MAX,
            WRITTEN_SECONDS,
            keys.MODERATION,
        )
        kept_in = (keys.SANCTIONS, keys.SANCTION_ENDS, keys.deeds(sanction.room), keys.FORMER_DEEDS)
        try:
            reply = await self._pipeline.run_script(self._script, 4, *kept_in, what, _encode(sanction), *bounds, *names)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses it: {error}") from None
        return Done(reply[0] / 1000, _end(reply[1]), reply[2], reply[3], reply[0]) if reply else None

    async def version(self) -> int:
        """See Store."""
        return int(await self._call("HGET", keys.SANCTIONS, "") or 0)

    async def read(self) -> Known:
        """See Store."""
        flat = await self._call("HGETALL", keys.SANCTIONS)
        pairs = {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
        version = int(pairs.pop("", 0))
        return Known(version, {name: _held(value) for name, value in pairs.items()})

    async def written(self, room: str, before: str, limit: int) -> list[Written]:
        """See Store. What an older release wrote down is found among the PAGE last things that it did."""
        limit = min(limit, PAGE)
        found = await self._entries(keys.deeds(room), before, limit)
        if len(found) < limit:
            former = await self._entries(keys.FORMER_DEEDS, before, PAGE)
            found += [each for each in former if each.sanction.room == room]
            found = sorted(found, key=_place, reverse=True)[:limit]
        return found

    async def _entries(self, stream: str, before: str, limit: int) -> list[Written]:
        end = f"({before}" if before else "+"
        entries = await self._call("XREVRANGE", stream, end, "-", "COUNT", limit)
        return [_written(name.decode(), fields) for name, fields in entries]

    async def _call(self, *command: str | int) -> Reply:
        try:
            return await self._pipeline.call(*command)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses it: {error}") from None


def most_held(room: str) -> int:
    """How many may hold in all where one more is for a room, or with "" for everywhere."""
    return HELD_MAX - HELD_FOR_EVERYWHERE if room else HELD_MAX


def read_news(data: bytes) -> News:
    """A publication. Raises ValueError if it is none of ours."""
    head, body, *names = data.split(b"\n")
    what, before, after, ends = head.decode().split(" ")
    sanction = _decode.decode(body)
    held = Held(sanction, int(after) / 1000, _end(int(ends))) if what == "hold" else None
    return News(int(before), int(after), held, sanction, [name.decode() for name in names])


def _held(value: bytes) -> Held:
    at, ends, body = value.split(b" ", 2)
    return Held(_decode.decode(body), int(at) / 1000, _end(int(ends)))


def _written(name: str, fields: list[bytes]) -> Written:
    ends, body = fields[1], fields[3]
    return Written(name, _decode.decode(body), int(name.partition("-")[0]) / 1000, _end(int(ends)))


def _place(deed: Written) -> tuple[int, ...]:
    """For the order of entries of several streams."""
    return tuple(map(int, deed.id.split("-")))


def _end(milliseconds: int) -> float:
    return milliseconds / 1000 if milliseconds else math.inf
