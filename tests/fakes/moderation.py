"""What Redis keeps of bans and mutes, in memory; tests/contract runs the same suite on it as on the real one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from app.backplane import keys, moderation
from app.backplane.moderation import KICK_SECONDS, Done, Known, Written
from app.errors import Forbidden, ParleyError
from app.sanctions import KICK, Held, Sanction
from tests.fakes.broker import MemoryStore


@dataclass
class Kept:
    """What all workers share."""

    version: int = 0
    held: dict[str, Held] = field(default_factory=dict)
    deeds: dict[str, list[Written]] = field(default_factory=dict)
    written: int = 0


class MemoryModeration:
    """One worker's. `failure`, if set, meets every call; while `deaf` nothing is published."""

    def __init__(self, store: MemoryStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        store.moderation = store.moderation or Kept()
        self.kept: Kept = store.moderation
        self.failure: ParleyError | None = None
        self.deaf = False
        self.reads = 0

    async def impose(self, sanction: Sanction, seconds: float) -> Done:
        """See Store."""
        now = self._begin()
        seconds = KICK_SECONDS if sanction.kind == KICK else seconds
        if sanction.key not in self.kept.held and len(self.kept.held) >= moderation.most_held(sanction.room):
            raise Forbidden("too many", limit="sanctions")
        at = max(int(now * 1000), self.kept.version + 1)
        until = math.ceil((now + seconds) * 1000) / 1000 if seconds else math.inf
        self.kept.held[sanction.key] = Held(sanction, at / 1000, until)
        self._write(sanction, now, until)
        before = self.kept.version
        self._publish("hold", sanction, at, until, [sanction.key])
        return Done(at / 1000, until, 1, before, at)

    async def lift(self, sanction: Sanction, names: Sequence[str]) -> Done:
        """See Store."""
        now = self._begin()
        lifted = sum(self.kept.held.pop(name, None) is not None for name in names)
        before = self.kept.version
        at = max(int(now * 1000), before + 1)
        if lifted:
            self._write(sanction, now, math.inf)
            self._publish("lift", sanction, at, math.inf, list(names))
        return Done(at / 1000, math.inf, lifted, before, at)

    async def note(self, sanction: Sanction) -> None:
        """See Store."""
        self._write(sanction, self._begin(), math.inf)

    async def version(self) -> int:
        """See Store."""
        self._begin()
        return int(self.kept.version)

    async def read(self) -> Known:
        """See Store."""
        self._begin()
        self.reads += 1
        return Known(self.kept.version, dict(self.kept.held))

    async def written(self, room: str, before: str, limit: int) -> list[Written]:
        """See Store."""
        self._begin()
        deeds = list(reversed(self.kept.deeds.get(room, ())))
        if before:
            deeds = [one for one in deeds if int(one.id.split("-")[1]) < int(before.split("-")[1])]
        return deeds[:limit]

    def _begin(self) -> float:
        if self.failure is not None:
            raise self.failure
        now = self._clock()
        for name in [name for name, held in self.kept.held.items() if held.until <= now]:
            del self.kept.held[name]
        return now

    def _write(self, sanction: Sanction, now: float, until: float) -> None:
        self.kept.written += 1
        there = self.kept.deeds.setdefault(sanction.room, [])
        there.append(Written(f"{int(now * 1000)}-{self.kept.written}", sanction, now, until))
        del there[: -moderation.WRITTEN_MAX]

    def _publish(self, what: str, sanction: Sanction, at: int, until: float, names: list[str]) -> None:
        before, self.kept.version = self.kept.version, at
        ends = 0 if math.isinf(until) else round(until * 1000)
        parts = [f"{what} {before} {at} {ends}".encode(), msgspec.json.encode(sanction), *map(str.encode, names)]
        if not self.deaf:
            for listener in self._store.person_listeners:
                listener(keys.MODERATION, b"\n".join(parts))
