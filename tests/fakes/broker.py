"""A broker in memory, for the tests of what stands above it. tests/contract runs the broker's suite on it as well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from app.backplane.broker import Change, Page
from app.errors import ParleyError
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


def _mid(event: bytes) -> str:
    return event.split(b'"', 6)[5].decode()


class MemoryStore:
    """What brokers in memory share, in place of a Redis: rooms, and who listens to publications."""

    def __init__(self) -> None:
        self.rooms: dict[str, Kept] = {}
        self.listeners: list[Callable[[str, bytes], None]] = []
        self._epochs = count(1)
        self._tokens = count(1)

    def room(self, name: str) -> Kept:
        """The room; a new life if it has none."""
        return self.rooms.setdefault(name, Kept(f"epoch{next(self._epochs)}"))

    def store(self, name: str, changes: list[Change], kept_events: int) -> None:
        """What the publish script does."""
        room, token, ts = self.room(name), f"t{next(self._tokens)}", time.time_ns() // 10**6
        first, last, fresh = room.seq + 1, room.mid, list[bytes]()  # fresh: bodies
        answers = []
        for change in changes:
            cids = room.cids.setdefault(change.sender, {})
            known = cids.get(change.cid)
            if known is None:
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
            header = f"{room.epoch} {last}\n{first} {len(fresh)} {ts} {token}".encode()
            publication = b"\n".join([header, *fresh])
            for listener in self.listeners:
                listener(name, publication)
        for change, *answer in answers:
            change.stored(*answer)


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
        self._queued: dict[str, list[Change]] = {}

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
                self.store.store(room, changes, self.kept_events)
            else:
                for change in changes:
                    change.failed(self.loss)

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
        # The answer is made; it arrives later, when the gate is open.
        await asyncio.sleep(0)
        await self.gate.wait()
        return page
