"""How much each user may still send, over all its connections, workers and hosts.

Every worker grants from a bucket of its own, at once. Once a second it adds what it has granted to what all workers
know together, and lowers its buckets to what that leaves. Whoever sends through W workers at once can therefore get
ahead of the rate by the W bursts granted before they have heard of each other, which is then missing everywhere until
time has made up for it: in the long run the rate holds. Who sends less than LEAST_PART of a burst between two sweeps
is not told of at all.
"""

from __future__ import annotations

from app import deadlines
from app.backplane.sends import Sends
from app.deadlines import Deadlines
from app.errors import RateLimited, Unavailable
from app.limits import Buckets, Rate

SHARE_SECONDS = 1.0
GATHERED_SECONDS = SHARE_SECONDS + deadlines.SWEEP_SECONDS
SWEEP_SECONDS = 10.0
AHEAD_SECONDS = 60.0
"""Nobody has to wait longer than so for what it got too much, whatever it was."""

LEAST_PART = 0.1


class Quota:
    """The sends of this worker's users."""

    def __init__(self, rate: Rate, sends: Sends, deadlines: Deadlines) -> None:
        self._buckets: Buckets[str] = Buckets(rate)
        self._by_user = self._buckets.by_owner
        self._sends = sends
        self._deadlines = deadlines
        self._clock = deadlines.clock
        self._least = max(1.0, rate.burst * LEAST_PART)
        self._swept_at = 0.0

    def take(self, user: str) -> None:
        """A user, by its handle, makes a change. Raises RateLimited: then it is not counted."""
        bucket = self._by_user.get(user)
        if bucket is not None and bucket.left >= 1.0:
            bucket.left -= 1.0
            bucket.taken += 1
            return
        seconds = self._buckets.take(user, self._clock())
        if seconds:
            rate = self._buckets.rate.per_second
            raise RateLimited(f"you send more than {rate:g} changes a second", round(seconds, 3), limit="sends")
        if not self._deadlines.has(self, "share"):
            self._again()

    def _again(self) -> None:
        self._deadlines.set(self, "share", SHARE_SECONDS, self._share)

    def _share(self) -> None:
        """Tell the other workers, and hear from them; as long as there is anybody to tell of."""
        counts = {user: bucket.taken for user, bucket in self._by_user.items() if bucket.taken >= self._least}
        if counts:
            for user in counts:
                self._by_user[user].taken = 0
            try:
                self._sends.add(counts, self._heard)
            except Unavailable:
                # Nobody can send either; what was granted is told later.
                for user, count in counts.items():
                    self._by_user[user].taken += count
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._buckets.sweep(now)
        if self._by_user:
            self._again()

    def _heard(self, user: str, ahead_seconds: float) -> None:
        """So far ahead of the rate is a user, by all that was told; what was granted since comes on top."""
        rate, bucket = self._buckets.rate, self._by_user.get(user)
        granted = bucket.taken if bucket is not None else 0
        self._buckets.lower(user, rate.burst - ahead_seconds * rate.per_second - granted, self._clock())
