"""What one connection may send and ask a second, by kind; see app.limits for how it is counted.

Lists are counted by user: each costs Redis much, and somebody with many connections has one list.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.deadlines import Deadlines
from app.errors import RateLimited
from app.limits import Buckets, Rate

KINDS = ("frames", "bytes", "joins", "histories", "lists", "pings", "requests", "refusals")
SWEEP_SECONDS = 5.0


class Allowances:
    """The allowances of this worker's connections, by kind. What has no rate is not limited."""

    def __init__(self, rates: Mapping[str, Rate], deadlines: Deadlines) -> None:
        self._by_kind: dict[str, Buckets[object]] = {kind: Buckets(rate) for kind, rate in rates.items()}
        self._deadlines = deadlines
        self._clock = deadlines.clock

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def take(self, kind: str, owner: object) -> None:
        """One of a kind. Raises RateLimited: then it is not counted."""
        buckets = self._by_kind.get(kind)
        if buckets is None:
            return
        seconds = buckets.take(owner, self._clock())
        self._sweep_later()
        if seconds:
            whose = "you have used up your" if kind == "lists" else "this connection has used up its"
            raise RateLimited(f"{whose} {kind} for now", round(seconds, 3), limit=kind)

    def draw(self, kind: str, owner: object, amount: float) -> float:
        """So much of a kind was used already. Returns the seconds after which that is made up for; 0.0: all is well."""
        buckets = self._by_kind.get(kind)
        if buckets is None:
            return 0.0
        self._sweep_later()
        return buckets.draw(owner, amount, self._clock())

    def draw_seconds(self, kind: str, owner: object, seconds: float) -> float:
        """Draw what so many seconds bring."""
        buckets = self._by_kind.get(kind)
        return self.draw(kind, owner, seconds * buckets.rate.per_second) if buckets is not None else 0.0

    def _sweep_later(self) -> None:
        if not self._deadlines.has(self, "sweep"):
            self._deadlines.set(self, "sweep", SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = self._clock()
        for buckets in self._by_kind.values():
            buckets.sweep(now)
        if len(self):
            self._sweep_later()
