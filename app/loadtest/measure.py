"""What was measured: latencies as histograms, counts, and one row of figures for every second of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from app.traffic.account import Account

HIGHEST_US = 3_600_000_000
DIGITS = 3
CURVE = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100)

Pairs = Iterable[tuple[int, int]]


class Latencies:
    """A histogram of microseconds."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, HIGHEST_US, DIGITS)

    def add(self, pairs: Pairs) -> None:
        """Values in microseconds with their counts."""
        for value, count in pairs:
            self._histogram.record_value(max(1, min(value, HIGHEST_US)), count)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    def ms(self, percentile: float) -> float:
        """The value in milliseconds that so many percent do not exceed; 0 without any."""
        if not self.count:
            return 0.0
        if percentile >= 100:
            return round(float(self._histogram.get_max_value()) / 1000, 3)
        return round(float(self._histogram.get_value_at_percentile(percentile)) / 1000, 3)

    def summary(self) -> dict[str, float]:
        """Count and the usual percentiles in milliseconds."""
        points = {"p50": 50, "p95": 95, "p99": 99, "p999": 99.9, "max": 100}
        return {"count": self.count} | {name: self.ms(percent) for name, percent in points.items()}

    def curve(self) -> list[tuple[float, float]]:
        """Percentile and milliseconds, from the least to the maximum."""
        return [(percent, self.ms(percent)) for percent in CURVE] if self.count else []


@dataclass(slots=True)
class Second:
    """A second of a run; `at` is since its beginning. CPU is in cores; latencies of what arrived meanwhile, in ms."""

    at: float
    phase: str
    sent: float = 0.0
    acked: float = 0.0
    expected: float = 0.0
    delivered: float = 0.0
    shown: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    page_p99: float = 0.0
    here: int = 0
    target: int = 0
    waiting: int = 0
    reconnects: int = 0
    server_cpu: float = 0.0
    engine_cpu: float = 0.0
    generator_cpu: float = 0.0
    pages_cpu: float = 0.0
    machine_cpu: float = 0.0
    others_cpu: float = 0.0
    lag_p99: float = 0.0


@dataclass(slots=True)
class Measure:
    """One load from its first message to its account.

    Attributes:
        rate, seconds: what was asked for; `begun`: seconds since the run began.
        counted: from so many seconds since the run began on, latencies count.
        delivery, ack: of sockets; page: from intended time to the row in the document.
        lag: how late the generator itself sent; page_lag: how late timers were in the pages.
        generator_cpu: highest share of a core that one generator used over some seconds.
        others_cpu: cores that strangers used, second by second.
        capacity: deliveries per second that a generator would be busy with all the time, by what it used.
    """

    rate: float
    seconds: float
    begun: float = 0.0
    counted: float = 0.0
    delivery: Latencies = field(default_factory=Latencies)
    ack: Latencies = field(default_factory=Latencies)
    page: Latencies = field(default_factory=Latencies)
    lag: Latencies = field(default_factory=Latencies)
    page_lag: Latencies = field(default_factory=Latencies)
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    shown: int = 0
    reconnects: int = 0
    resumed: int = 0
    retried: int = 0
    refused: int = 0
    generator_cpu: float = 0.0
    others_cpu: list[float] = field(default_factory=list)
    capacity: float = 0.0
    slices: list[float] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    crashed: int = 0
    whole: bool = True

    @property
    def others(self) -> float:
        """Cores that strangers used, on average."""
        return sum(self.others_cpu) / len(self.others_cpu) if self.others_cpu else 0.0

    def asdict(self) -> dict[str, Any]:
        """For the result file."""
        plain = ("rate", "seconds", "begun", "sent", "acked", "delivered", "shown", "reconnects", "resumed", "retried")
        return {name: getattr(self, name) for name in plain} | {
            "delivery_ms": self.delivery.summary(),
            "ack_ms": self.ack.summary(),
            "page_ms": self.page.summary(),
            "send_lag_ms": self.lag.summary(),
            "page_lag_ms": self.page_lag.summary(),
            "generator_cpu": round(self.generator_cpu, 3),
            "others_cpu": round(self.others, 3),
            "capacity": round(self.capacity),
            "slices_p99_ms": self.slices,
            "account": asdict(self.account),
            "whole": self.whole,
        }
