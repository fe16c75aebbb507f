"""What a generator counts between two reports: plain integers and latencies by bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import monotonic_ns
from typing import Any

from app.traffic.mark import SPAN

FINE_US, FINE_BELOW_US, COARSE_US = 20, 20_000, 1_000
MASK = SPAN - 1

Buckets = defaultdict[int, int]


def now_us() -> int:
    """Microseconds of the clock that all processes of a run share."""
    return monotonic_ns() // 1000


def bucket(age_us: int) -> int:
    """The lower edge of an age's bucket: 20 us wide below 20 ms, 1 ms wide above; of a wrapped clock 0."""
    if age_us < FINE_BELOW_US:
        return age_us - age_us % FINE_US
    return age_us - age_us % COARSE_US if age_us < SPAN // 2 else 0


class Tally:
    """Counts since the last `take`, except where noted."""

    COUNTS = ("sent", "acked", "expected", "delivered", "twice", "late", "refused", "retried", "reconnects", "resumed")

    def __init__(self) -> None:
        self.delivery: Buckets = defaultdict(int)
        self.ack: Buckets = defaultdict(int)
        self.lag: Buckets = defaultdict(int)
        self.sent = self.acked = self.expected = self.delivered = self.twice = self.late = 0
        self.refused = self.retried = self.reconnects = self.resumed = 0

    def deliveries(self, times_us: Sequence[int]) -> None:
        """Events with these intended times were given to one member now."""
        now, counts = monotonic_ns() // 1000, self.delivery
        self.delivered += len(times_us)
        for time_us in times_us:
            age = now - time_us & MASK
            counts[age - age % FINE_US if age < FINE_BELOW_US else bucket(age)] += 1

    def shown(self, time_us: int, at_us: int) -> None:
        """An event with this intended time was shown at another moment than now."""
        self.delivered += 1
        self.delivery[bucket(at_us - time_us & MASK)] += 1

    def take(self) -> dict[str, Any]:
        """All counts, as JSON can carry them; they begin again at 0."""
        taken: dict[str, Any] = {name: getattr(self, name) for name in self.COUNTS}
        for name in ("delivery", "ack", "lag"):
            taken[name] = sorted(getattr(self, name).items())
        self.__init__()  # type: ignore[misc]
        return taken
