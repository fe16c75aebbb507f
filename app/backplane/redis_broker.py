"""The broker on Redis: one script call per room at a time, with all of the room's changes that wait.

The changes of one turn of the loop leave together. Those that come while a room's call is under way wait for its
answer, and under load a little longer (see Pace): the busier the path through Redis is, the more changes share a call,
and with it the cost of numbering, storing, publishing and writing to members. A call carries at most CHANGES_AT_ONCE
with CALL_BYTES of bodies, or one larger change, or one amendment: what it carries is an entry of the log, which is
copied whole whenever one of its events is looked up or amended. Of one room at most CALLS_AT_ONCE are under way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from hashlib import blake2b
from itertools import count, groupby
from math import ceil
from operator import attrgetter

import hiredis

from app.backplane import keys
from app.backplane.broker import Amendment, Change, Page
from app.backplane.link import Reply
from app.backplane.pace import Pace
from app.backplane.pipeline import Pipeline
from app.errors import BadRequest, Forbidden, NotConfirmed, ParleyError, Unavailable, UnknownMessage
from app.events import Position, expand, head
from app.protocol.replies import encode

CHANGES_AT_ONCE = 50
CALL_BYTES = 16_384
CALLS_AT_ONCE = 16
UNCONFIRMED_MAX = 20_000
TICK_SECONDS = 0.002
DEDUPE_SECONDS = 600
DEDUPE_CIDS = 64
EMPTY_SECONDS = 600
"""A room in which nothing was said is forgotten so long after its last read; open ones are read far more often."""
REFUSED: dict[bytes, Callable[[], ParleyError]] = {
    b"unknown": lambda: UnknownMessage("there is no such message, or it is no longer kept"),
    b"deleted": lambda: BadRequest("the message is deleted already"),
    b"foreign": lambda: Forbidden("the message is another user's"),
    b"full": lambda: BadRequest("the message has as many reactions as it can hold"),
}
"""Why scripts/amend.lua does not take an amendment."""


class _Queue(list[Change]):
    """The changes of a room that wait, in order.

    Attributes:
        size: bytes of their bodies.
        late: whether they could not leave with those before them.
    """

    __slots__ = ("late", "size")

    def __init__(self, changes: list[Change], size: int, late: bool = False) -> None:
        super().__init__(changes)
        self.size = size
        self.late = late


class RedisBroker:
    """See Broker for the contract. `kept_events` and `kept_seconds` bound each room's log.

    While it is `full`, Redis has no room for what would grow it; see Fullness.
    """

    def __init__(self, pipeline: Pipeline, kept_events: int, kept_seconds: int) -> None:
        self._pipeline = pipeline
        self._kept = (kept_events, kept_seconds)
        self._queued: dict[str, _Queue] = {}
        self._ready: list[str] = []
        # Room -> calls without an answer; 0 while it rests after them.
        self._under_way: dict[str, int] = {}
        self._resting: dict[int, list[str]] = {}
        self._pace = Pace()
        self._amendments: dict[Change, Amendment] = {}
        self._worker = secrets.token_urlsafe(4)
        self._calls = count(1)
        self._tail = (DEDUPE_SECONDS, DEDUPE_CIDS)
        self.unconfirmed = 0
        self.full = False
        self.touched: dict[str, int] = {}
        self.writers: dict[str, str] = {}

    def publish(self, room: str, change: Change, shrinks: bool = False) -> None:
        """Queue a change for the end of this turn; also where Redis is full if it `shrinks` it. See Broker."""
        if not self._pipeline.up:
            raise Unavailable("Redis cannot be reached; nothing was stored")
        if self.unconfirmed >= UNCONFIRMED_MAX:
            raise Unavailable("too many changes wait for Redis; nothing was stored", limit="unconfirmed")
        if self.full and not shrinks:
            raise _no_room()
        self.unconfirmed += 1
        queued = self._queued.get(room)
        if queued is not None:
            queued.append(change)
            before = queued.size
            queued.size = size = before + len(change.body)
            if (len(queued) == CHANGES_AT_ONCE or before < CALL_BYTES <= size) and self._under_way.get(room) == 0:
                self._wake(room)  # a call cannot carry more: nothing is gained by resting on
            return
        self._queued[room] = _Queue([change], len(change.body))
        if room not in self._under_way:
            self._flush_later(room)

    def amend(self, room: str, change: Change, amendment: Amendment) -> None:
        """Queue an amendment; see Broker."""
        self.publish(room, change, shrinks=amendment.kind == "delete")
        self._amendments[change] = amendment

    def _flush_later(self, room: str) -> None:
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._flush)
        self._ready.append(room)

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        now = asyncio.get_running_loop().time()
        for room in ready:
            calls = [_Call(self, self._pipeline, room, run, now) for run in self._runs(room)]
            self._under_way[room] = len(calls)
            for call in calls:
                call.post()

    def _runs(self, room: str) -> list[list[Change]]:
        """What the next calls of a room carry, at most CALLS_AT_ONCE, in order; the rest waits for their answers."""
        changes, amendments = self._queued.pop(room), self._amendments
        if len(changes) <= CHANGES_AT_ONCE and changes.size <= CALL_BYTES and not amendments:
            return [changes]
        runs: list[list[Change]] = []
        start = size = 0  # of the run that is being put together
        gone = 0  # bytes of the others
        for end, change in enumerate(changes):
            full = end - start == CHANGES_AT_ONCE or size + len(change.body) > CALL_BYTES
            if end > start and (full or change in amendments or changes[start] in amendments):
                runs.append(changes[start:end])
                start, gone, size = end, gone + size, 0
                if len(runs) == CALLS_AT_ONCE:
                    self._queued[room] = _Queue(changes[start:], changes.size - gone, late=True)
                    return runs
            size += len(change.body)
        return [*runs, changes[start:]]

    def answered(self, room: str, began: float, carried: int) -> None:
        """A call of the room is over, well or not; `began` by the loop's clock. The room rests before its next one.

        In it something gathers if the call carried several changes, or one has come since.
        """
        self._under_way[room] -= 1
        if self._under_way[room]:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting = self._queued.get(room)
        rest = self._pace.rest(now - began, now, carried > 1 or waiting is not None)
        if not rest or (waiting is not None and waiting.late):
            self._wake(room)
            return
        tick = ceil((now + rest) / TICK_SECONDS)
        if tick not in self._resting:
            self._resting[tick] = []
            loop.call_at(tick * TICK_SECONDS, self._rested, tick)
        self._resting[tick].append(room)

    def _rested(self, tick: int) -> None:
        for room in self._resting.pop(tick):
            if self._under_way.get(room) == 0:
                self._wake(room)

    def _wake(self, room: str) -> None:
        """End a room's rest, be it a later one than that whose time is over."""
        del self._under_way[room]
        if room in self._queued:
            self._flush_later(room)

    def command(self, room: str, groups: dict[str, list[Change]]) -> tuple[str | bytes | int, ...]:
        """The arguments of scripts/publish.lua after the script itself, for changes grouped by sender."""
        token = f"{self._worker}-{next(self._calls):x}"
        pairs: list[bytes] = []
        for changes in groups.values():
            pairs.append(b"".join([_digest(change.cid) for change in changes]))
            pairs.append(b"\n".join([change.body for change in changes]))
        return (
            2 + len(groups),
            keys.log(room),
            keys.meta(room),
            *[keys.cids(room, sender) for sender in groups],
            keys.events(room),
            *self._kept,
            token,
            token,
            *self._tail,
            *pairs,
        )

    def taken(self, change: Change) -> Amendment | None:
        """The amendment of a change that is on its way now; None if it is an ordinary one."""
        return self._amendments.pop(change, None) if self._amendments else None

    def broadcast(self, room: str, data: bytes, done: Callable[[ParleyError | None], None]) -> None:
        """Publish to the clients of a feed without storing; `done` is called once.

        Raises:
            Unavailable: Redis cannot be reached; nothing was sent.
        """

        def answer(reply: Reply) -> None:
            if isinstance(reply, ParleyError):
                done(reply)
            elif isinstance(reply, Exception):
                done(Unavailable(f"Redis refuses: {str(reply)[:100]}"))
            else:
                done(None)

        self._pipeline.post(("PUBLISH", keys.feed(room), data), answer)

    # Reads

    async def latest(self, room: str, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, 0, limit)

    async def since(self, room: str, position: Position, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, position.seq + 1, limit, position.epoch, position.mid)

    async def between(self, room: str, first: int, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, first, limit)

    async def _read(self, room: str, first: int, limit: int, epoch: str = "", mid: str = "") -> Page:
        new = "" if self.full else new_epoch()
        arguments = (2, keys.log(room), keys.meta(room), new, EMPTY_SECONDS, first, limit, epoch, mid)
        try:
            reply = await self._pipeline.run_script(self._pipeline.read, *arguments)
            top = Position(reply[0].decode(), reply[1], reply[2].decode())
            events = [event for entry in reply[5] for event in expand(entry)]
        except hiredis.ReplyError as error:
            if str(error).startswith("FULL"):
                raise _no_room() from None
            raise Unavailable(f"Redis refuses to read: {error}") from None
        except ValueError as error:
            raise Unavailable(f"the log of {room} holds what is none of ours: {error}") from None
        if first and events:
            start = max(0, first - head(events[0]).seq)
            events = events[start : start + limit]
        return Page(top, reply[3], reply[4] == 1, events if first else events[-limit:], reply[6], reply[7])


def _digest(cid: str) -> bytes:
    """Stands for a cid in a dedupe record: 8 bytes, so that two of a sender's kept cids never share one."""
    return blake2b(cid.encode(), digest_size=8).digest()


def _no_room() -> Unavailable:
    return Unavailable(
        "the server's store is nearly full and takes nothing new; nothing was stored", limit="store_full"
    )


def new_epoch() -> str:
    """A name for a room's new life."""
    return secrets.token_urlsafe(6)


def _arguments(amendment: Amendment) -> tuple[str | bytes | int, ...]:
    """What scripts/amend.lua asks for."""
    kind, of, user, value, more, foreign, mid = amendment
    return kind, of, encode(user), b"1" if foreign else b"", value, more, mid


_author = attrgetter("author")


class _Call:
    """One script call on its way, and the changes it carries, by sender."""

    __slots__ = ("_amendment", "_began", "_broker", "_count", "_groups", "_pipeline", "_room")

    def __init__(self, broker: RedisBroker, pipeline: Pipeline, room: str, changes: list[Change], began: float) -> None:
        self._began = began
        self._count = len(changes)
        self._broker = broker
        self._pipeline = pipeline
        self._room = room
        self._groups: dict[str, list[Change]] = {}
        for change in changes:
            self._groups.setdefault(change.author.sender, []).append(change)
        self._amendment = broker.taken(changes[0])

    def post(self) -> None:
        try:
            script, command = self._pipeline.publish, self._broker.command(self._room, self._groups)
            if self._amendment is not None:
                script, command = self._pipeline.amend, (*command, *_arguments(self._amendment))
            self._pipeline.post(("EVALSHA", script.sha, *command), self.answer)
        except Unavailable as error:
            self._broker.answered(self._room, self._began, self._count)
            self._fail(error)

    def answer(self, reply: Reply) -> None:
        self._broker.answered(self._room, self._began, self._count)
        if type(reply) is list:
            if self._pipeline.refusals.lasting:
                self._pipeline.refusals.over()
            self._confirm(reply)
        elif isinstance(reply, NotConfirmed):
            self._fail(reply)
        elif str(reply).startswith("NOSCRIPT"):
            # Nothing was executed. The same call again would come behind later ones that find the script there.
            self._pipeline.load_scripts()
            self._fail(Unavailable("Redis had forgotten the script; nothing was stored"))
        else:
            words = str(reply)[:100]
            self._pipeline.refusals.refused(words, self._count, asyncio.get_running_loop().time())
            self._fail(Unavailable(f"Redis refuses: {words}"))

    def _confirm(self, reply: list[Reply]) -> None:
        if type(reply[3]) is bytes:
            self._fail(REFUSED[reply[3]]())
            return
        epoch, ts, token = reply[0].decode(), int(reply[1]), reply[2].decode()
        self._broker.touched[self._room] = ts
        self._broker.writers[self._room] = next(iter(self._groups.values()))[0].author.address
        for changes, result in zip(self._groups.values(), reply[3:], strict=True):
            self._broker.unconfirmed -= len(changes)
            if type(result) is int:
                for author, run in groupby(changes, _author):
                    together = list(run)
                    author.stored(together, epoch, result, token, ts)
                    result += len(together)
                continue
            for change, seq in zip(changes, result, strict=True):
                if type(seq) is int:
                    change.author.stored([change], epoch, seq, token, ts)
                else:
                    number, mid, at = seq.decode().split(" ")
                    change.author.found(change, epoch, int(number), mid, int(at))

    def _fail(self, error: ParleyError) -> None:
        for changes in self._groups.values():
            self._broker.unconfirmed -= len(changes)
            for author, run in groupby(changes, _author):
                author.failed(list(run), error)
