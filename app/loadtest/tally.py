"""What a generator counts between two reports: plain integers and latencies by bucket."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from app.traffic.mark import SPAN

FINE_US, FINE_BELOW_US, COARSE_US = 20, 20_000, 1_000

Buckets = defaultdict[int, int]


def bucket(age_us: int) -> int:
    """The lower edge of an age's bucket: 20 us wide below 20 ms, 1 ms wide above; of a wrapped clock 0."""
    if age_us < FINE_BELOW_US:
        return age_us // FINE_US * FINE_US
    return age_us // COARSE_US * COARSE_US if age_us < SPAN // 2 else 0


class Tally:
    """Counts since the last `take`, except where noted."""

    COUNTS = ("sent", "acked", "expected", "delivered", "twice", "late", "refused", "retried", "reconnects", "resumed")

    def __init__(self) -> None:
        self.delivery: Buckets = defaultdict(int)
        self.ack: Buckets = defaultdict(int)
        self.lag: Buckets = defaultdict(int)
        self.sent = self.acked = self.expected = self.delivered = self.twice = self.late = 0
        self.refused = self.retried = self.reconnects = self.resumed = 0

    def deliveries(self, times_us: list[int], now_us: int) -> None:
        """Events with these intended times were given to one member now."""
        self.delivered += len(times_us)
        counts = self.delivery
        for time_us in times_us:
            age = (now_us - time_us) % SPAN
            if age < FINE_BELOW_US:
                counts[age // FINE_US * FINE_US] += 1
            else:
                counts[bucket(age)] += 1

    def take(self) -> dict[str, Any]:
        """All counts, as JSON can carry them; they begin again at 0."""
        taken: dict[str, Any] = {name: getattr(self, name) for name in self.COUNTS}
        for name in ("delivery", "ack", "lag"):
            taken[name] = sorted(getattr(self, name).items())
        self.__init__()  # type: ignore[misc]
        return taken
