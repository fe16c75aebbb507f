"""Token buckets: how much of something an owner may do a second. Pure; time is an argument, in seconds.

An owner has a bucket only while it uses it: none costs as much as a full one, and a sweep drops what has stayed full.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)

PAUSE_SECONDS = 1.0
"""Shortest time for which a bucket is shut after a refusal."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second on average, and at most `burst` at once after a rest."""

    per_second: float
    burst: float


class Bucket:
    """What an owner has left; below zero it owes. `taken` counts what was granted, for whoever sets it back.
    Until `shut_until` it is not refilled, by nobody.

    Time is looked at only when nothing is left, so that what `left` says is what there was at `since`, less what was
    taken since. A burst may therefore reach twice the rate's, once.
    """

    __slots__ = ("left", "shut_until", "since", "taken")

    def __init__(self, left: float, now: float) -> None:
        self.left = left
        self.since = now
        self.shut_until = 0.0
        self.taken = 0

    def refill(self, rate: Rate, now: float) -> None:
        """Add what time has brought."""
        self.left = min(rate.burst, self.left + max(0.0, now - self.since) * rate.per_second)
        self.since = now


class Buckets(Generic[Owner]):
    """The buckets of all owners for one rate; `by_owner` has no entry for a full one, and is changed here alone."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.by_owner: dict[Owner, Bucket] = {}

    def __len__(self) -> int:
        return len(self.by_owner)

    def take(self, owner: Owner, now: float, units: int = 1) -> float:
        """Take so many, if one is left. Returns 0.0, or the seconds after which to ask again; then nothing was taken.

        What there is too little for is owed: nothing is too large for a bucket, and nothing small overtakes it.
        A refusal shuts the bucket for those seconds, at least PAUSE_SECONDS: whatever the owner asked behind the
        refused one is refused as well, and so does not overtake it.
        """
        bucket = self.by_owner.get(owner)
        if bucket is None:
            bucket = self._new(owner, now)
        if bucket.left >= 1.0:
            bucket.left -= units
            bucket.taken += units
            return 0.0
        return self._take_refilled(bucket, now, units)

    def draw(self, owner: Owner, amount: float, now: float) -> float:
        """Take what has been used already, into debt. Returns the seconds after which the debt is paid; 0.0: none."""
        bucket = self.by_owner.get(owner)
        if bucket is None:
            bucket = self._new(owner, now)
        bucket.left -= amount
        if bucket.left < 0.0:
            bucket.refill(self.rate, now)
        return max(0.0, -bucket.left / self.rate.per_second)

    def lower(self, owner: Owner, left: float, now: float) -> None:
        """The owner has no more left than that: it has taken some elsewhere."""
        bucket = self.by_owner.get(owner) or self._new(owner, now)
        if now >= bucket.shut_until:
            bucket.refill(self.rate, now)
        bucket.left = min(bucket.left, left - (now - bucket.since) * self.rate.per_second)

    def sweep(self, now: float) -> None:
        """Drop the buckets that are as full as at the last sweep."""
        full = self.rate.burst
        for owner, bucket in list(self.by_owner.items()):
            if bucket.left >= full:
                del self.by_owner[owner]
            elif now >= bucket.shut_until:
                bucket.refill(self.rate, now)

    def _new(self, owner: Owner, now: float) -> Bucket:
        bucket = self.by_owner[owner] = Bucket(self.rate.burst, now)
        return bucket

    def _take_refilled(self, bucket: Bucket, now: float, units: int) -> float:
        if now >= bucket.shut_until:
            bucket.refill(self.rate, now)
            if bucket.left >= 1.0:
                bucket.left -= units
                bucket.taken += units
                return 0.0
            bucket.shut_until = now + max(PAUSE_SECONDS, (1.0 - bucket.left) / self.rate.per_second)
        return bucket.shut_until - now
