"""A broker in memory, for the tests of what stands above it. tests/contract runs the broker's suite on it as well."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from app.backplane.broker import Amendment, Change, Page
from app.backplane.rosters import Written
from app.errors import BadRequest, Forbidden, ParleyError, UnknownMessage
from app.events import Position

DEDUPE_CIDS = 64


@dataclass
class Kept:
    """What the store knows of one room."""

    epoch: str
    seq: int = 0
    mid: str = ""
    log: list[bytes] = field(default_factory=list)
    cids: dict[str, dict[str, int]] = field(default_factory=dict)
    topic: bytes = b""
    others: int = 0

    @property
    def oldest(self) -> int:
        """Seq of the oldest event kept."""
        return self.seq - len(self.log) + 1

    def mid_at(self, seq: int) -> str | None:
        """The mid of a kept event; at 0 the empty one, as long as nothing was trimmed."""
        if seq == self.seq:
            return self.mid
        if seq == 0:
            return "" if self.oldest == 1 else None
        return _mid(self.log[seq - self.oldest]) if self.oldest <= seq < self.seq else None

    def lose_tail(self, kept: int) -> None:
        """The events after `kept` are lost: their seqs will be used again, in the same epoch."""
        del self.log[kept - self.oldest + 1 :]
        self.seq, self.mid = kept, _mid(self.log[-1])

    def fold(self, amendment: Amendment, seq: int, ts: int) -> list[tuple[int, bytes]]:
        """What scripts/amend.lua does: change what is stored; seqs and bodies of that. Raises ClientFault."""
        value = json.loads(amendment.value or b'""')
        if amendment.kind == "topic":
            self.topic = amendment.value if value else b""
            return [(0, amendment.value)]
        index = amendment.of - self.oldest
        message = json.loads(self.log[index]) if 0 <= index < len(self.log) else {}
        if message.get("type") != "message" or amendment.mid not in ("", message["mid"]):
            raise UnknownMessage("there is no such message, or it is no longer kept")
        if message.get("deleted"):
            raise BadRequest("the message is deleted already")
        if amendment.kind == "react":
            _react(message, value, amendment.user, bool(amendment.more))
            return [self._replace(index, message)]
        if message["user"] != amendment.user and not amendment.foreign:
            raise Forbidden("the message is another user's")
        changed = self._supersede(message.pop("edit", 0))
        reactions = message.pop("reactions", None)
        message.pop("edited", None), message.pop("mentions", None)
        if amendment.kind == "delete":
            message |= {"text": "", "deleted": True}
        else:
            message |= {"text": value, "edited": ts, "edit": seq}
            message |= {"mentions": json.loads(amendment.more)} if amendment.more else {}
            message |= {"reactions": reactions} if reactions else {}
        return [*changed, self._replace(index, message)]

    def _supersede(self, edit: int) -> list[tuple[int, bytes]]:
        index = edit - self.oldest
        if edit == 0 or index < 0:
            return []
        event = json.loads(self.log[index])
        kept = {name: event[name] for name in event if name not in ("text", "mentions")}
        return [self._replace(index, kept | {"type": "superseded"})]

    def _replace(self, index: int, event: dict[str, Any]) -> tuple[int, bytes]:
        self.log[index] = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        return event["seq"], b"," + self.log[index].split(b",", 3)[3]


def _react(message: dict[str, Any], emoji: str, user: str, on: bool) -> None:
    reactions = {one["emoji"]: one["users"] for one in message.pop("reactions", [])}
    users = reactions.setdefault(emoji, [])
    if on and user not in users:
        users.append(user)
    elif not on and user in users:
        users.remove(user)
    if len(reactions) > 20 or len(users) > 200:
        raise BadRequest("the message has as many reactions as it can hold")
    if kept := [{"emoji": emoji, "users": users} for emoji, users in reactions.items() if users]:
        message["reactions"] = kept


def _mid(event: bytes) -> str:
    return event.split(b'"', 6)[5].decode()


class MemoryStore:
    """What brokers in memory share, in place of a Redis: rooms, and who listens to publications."""

    def __init__(self) -> None:
        self.rooms: dict[str, Kept] = {}
        self.sends: dict[str, dict[str, float]] = {}
        self.listeners: list[Callable[[str, bytes], None]] = []
        self.leases: set[str] = set()
        self.active: dict[str, int] = {}
        self.rosters: dict[tuple[str, str], Written] = {}
        self.person_listeners: list[Callable[[bytes, bytes], None]] = []
        self.marks: dict[str, dict[str, Any]] = {}
        self.directs: dict[str, dict[str, Any]] = {}
        self.said_to: dict[str, set[str]] = {}
        self.own_directs: dict[str, set[str]] = {}
        self.moderation: Any = None
        self.seats: dict[str, dict[str, int]] = {}
        self._epochs = count(1)
        self._tokens = count(1)

    def room(self, name: str) -> Kept:
        """The room; a new life if it has none."""
        return self.rooms.setdefault(name, Kept(f"epoch{next(self._epochs)}"))

    def store(self, name: str, changes: list[Change], kept_events: int, amendment: Amendment | None = None) -> None:
        """What the publish script does; with an amendment there is one change."""
        room, token, ts = self.room(name), f"t{next(self._tokens)}", time.time_ns() // 10**6
        first, last, fresh = room.seq + 1, room.mid, list[bytes]()  # fresh: bodies
        answers = []
        folds: list[tuple[int, bytes]] = []
        for change in changes:
            cids = room.cids.setdefault(change.author.sender, {})
            known = cids.get(change.cid)
            if known is None:
                if amendment is not None:
                    try:
                        folds = room.fold(amendment, room.seq + 1, ts)
                    except ParleyError as error:
                        change.author.failed([change], error)
                        return
                    room.others += 1
                room.seq += 1
                room.mid = f"{token}.{room.seq}"
                room.log.append(b'{"seq":%d,"mid":"%s","ts":%d' % (room.seq, room.mid.encode(), ts) + change.body)
                fresh.append(change.body)
                cids[change.cid] = room.seq
                for old in list(cids)[:-DEDUPE_CIDS]:
                    del cids[old]
                answers.append((change, room.seq, room.mid, ts, False))
            else:
                mid = room.mid_at(known)
                at = int(room.log[known - room.oldest].split(b",")[2].split(b":")[1].rstrip(b"}")) if mid else 0
                answers.append((change, known, mid or "", at, True))
        del room.log[:-kept_events]
        if fresh:
            header = f"{room.epoch} {last} {len(folds)} {first} {len(fresh)} {ts} {token}".encode()
            publication = b"\n".join([header, *fresh, *(b"%d %b" % fold for fold in folds)])
            for listener in self.listeners:
                listener(name, publication)
        for change, seq, mid, at, known in answers:
            if known:
                change.author.found(change, room.epoch, seq, mid, at)
            else:
                change.author.stored([change], room.epoch, seq, token, at)


class MemoryBroker:
    """One worker's broker.

    `failure`, if set, meets every call, and `loss` every change on its way; reads wait while `gate` is closed.
    """

    def __init__(self, store: MemoryStore, kept_events: int = 10_000) -> None:
        self.store = store
        self.kept_events = kept_events
        self.failure: ParleyError | None = None
        self.loss: ParleyError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads: list[str] = []
        self.touched: dict[str, int] = {}
        self.writers: dict[str, str] = {}
        self._queued: dict[str, list[Change]] = {}
        self._amendments: dict[Change, Amendment] = {}

    def amend(self, room: str, change: Change, amendment: Amendment) -> None:
        """See Broker."""
        self.publish(room, change)
        self._amendments[change] = amendment

    def publish(self, room: str, change: Change) -> None:
        """See Broker."""
        if self.failure is not None:
            raise self.failure
        if not self._queued:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queued.setdefault(room, []).append(change)

    def _flush(self) -> None:
        queued, self._queued = self._queued, {}
        for room, changes in queued.items():
            if self.loss is None:
                self.touched[room] = time.time_ns() // 10**6
                self.writers[room] = changes[0].author.address
                for amended, run in itertools.groupby(changes, self._amendments.get):
                    self.store.store(room, list(run), self.kept_events, amended)
            else:
                for change in changes:
                    change.author.failed([change], self.loss)

    async def latest(self, room: str, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, None, limit)

    async def since(self, room: str, position: Position, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, position.seq + 1, limit, position)

    async def between(self, room: str, first: int, limit: int) -> Page:
        """See Broker."""
        return await self._read(room, first, limit)

    async def _read(self, name: str, first: int | None, limit: int, position: Position | None = None) -> Page:
        self.reads.append(name)
        if self.failure is not None:
            raise self.failure
        room = self.store.room(name)
        limit = max(limit, 0)
        start = max(len(room.log) - limit, 0) if first is None else max(first - room.oldest, 0)
        proved = position is not None and position.epoch == room.epoch and position.mid == room.mid_at(position.seq)
        page = Page(Position(room.epoch, room.seq, room.mid), room.oldest, proved, room.log[start : start + limit])
        page = page._replace(topic=room.topic, others=room.others)
        # The answer is made; it arrives later, when the gate is open.
        await asyncio.sleep(0)
        await self.gate.wait()
        return page
