"""How much may still be done by an owner of a rate, over all its connections, workers and hosts.

Three rates are counted so: a user's changes, the changes of all guests of a network together, and the guests that come
new from there.

Every worker grants from a bucket of its own, at once. Once a second it adds what it has granted to what all workers
know together, and lowers its buckets to what that leaves. Whoever sends through W workers at once can therefore get
ahead of the rate by the W bursts granted before they have heard of each other, which is then missing everywhere until
time has made up for it: in the long run the rate holds. Who sends less than LEAST_PART of a burst between two sweeps
is not told of at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from app import deadlines
from app.backplane.sends import Sends
from app.deadlines import Deadlines
from app.errors import RateLimited, Unavailable
from app.limits import Buckets, Rate
from app.protocol.replies import encode

SHARE_SECONDS = 1.0
GATHERED_SECONDS = SHARE_SECONDS + deadlines.SWEEP_SECONDS
SWEEP_SECONDS = 10.0
AHEAD_SECONDS = 60.0
"""Nobody has to wait longer than so for what it got too much, whatever it was."""

LEAST_PART = 0.1
UNIT_BYTES = 1024
SHORT_CHARS = UNIT_BYTES // 6
"""A text of so many characters is one unit whatever they are: none is stored in more than six bytes."""


def units(text: str) -> int:
    """As how many changes one with this text counts: one for each KiB of it that is begun, as it is stored."""
    if len(text) <= SHORT_CHARS:
        return 1
    quotes = 2
    return -((quotes - len(encode(text))) // UNIT_BYTES)


class Counted(NamedTuple):
    """What is counted: the limit that a refusal names, and what it says, with the rate for so many seconds in it."""

    limit: str
    reason: str
    seconds: int = 1


SENDS = Counted("sends", "you send more than {:g} changes, or KiB of text, a second")
GUEST_SENDS = Counted(
    "guest_sends", "all guests from your address send more than {:g} changes, or KiB of text, a second"
)
NEWCOMERS = Counted("guests", "more than {:g} new guests a minute from your address", 60)


class Quota:
    """What owners of one kind of bucket may still do."""

    def __init__(self, rate: Rate, sends: Sends, deadlines: Deadlines, counted: Counted = SENDS) -> None:
        self._buckets: Buckets[str] = Buckets(rate)
        self._by_owner = self._buckets.by_owner
        self._sends = sends
        self._deadlines = deadlines
        self._clock = deadlines.clock
        self._limit = counted.limit
        self._reason = counted.reason.format(rate.per_second * counted.seconds)
        self._least = max(1.0, rate.burst * LEAST_PART)
        self._swept_at = 0.0

    def take(self, owner: str, units: int = 1) -> None:
        """An owner does something that counts as so many. Raises RateLimited: then it is not counted.

        It is let through as long as one is left, and pays the rest afterwards.
        """
        bucket = self._by_owner.get(owner)
        if bucket is not None and bucket.left >= 1.0:
            bucket.left -= units
            bucket.taken += units
            return
        seconds = self._buckets.take(owner, self._clock(), units)
        if seconds:
            raise RateLimited(self._reason, round(seconds, 3), limit=self._limit)
        if not self._deadlines.has(self, "share"):
            self._again()

    def give_back(self, owner: str, units: int) -> None:
        """What was taken in this turn of the loop was not done after all."""
        bucket = self._by_owner[owner]
        bucket.left += units
        bucket.taken -= units

    def _again(self) -> None:
        self._deadlines.set(self, "share", SHARE_SECONDS, self._share)

    def _share(self) -> None:
        """Tell the other workers, and hear from them; as long as there is anybody to tell of."""
        counts = {owner: bucket.taken for owner, bucket in self._by_owner.items() if bucket.taken >= self._least}
        if counts:
            for owner in counts:
                self._by_owner[owner].taken = 0
            try:
                self._sends.add(counts, self._heard)
            except Unavailable:
                # Nobody can send either; what was granted is told later.
                for owner, count in counts.items():
                    self._by_owner[owner].taken += count
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._buckets.sweep(now)
        if self._by_owner:
            self._again()

    def _heard(self, owner: str, ahead_seconds: float) -> None:
        """So far ahead of the rate is an owner, by all that was told; what was granted since comes on top."""
        rate, bucket = self._buckets.rate, self._by_owner.get(owner)
        granted = bucket.taken if bucket is not None else 0
        self._buckets.lower(owner, rate.burst - ahead_seconds * rate.per_second - granted, self._clock())


@dataclass(frozen=True, slots=True)
class Quotas:
    """A worker's. None: not limited.

    Attributes:
        sends: changes, by the user's handle.
        guest_sends: changes of guests, by their network; see app.addresses.crowd.
        newcomers: guests that were never here before, by their network.
    """

    sends: Quota
    guest_sends: Quota | None = None
    newcomers: Quota | None = None
