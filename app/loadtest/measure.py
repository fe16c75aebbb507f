"""What was measured: latencies as histograms, counts, and one row of figures for every second of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hdrh.histogram import HdrHistogram

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
    lag_p99: float = 0.0


@dataclass(slots=True)
class Account:
    """The exact end of a load: deliveries that had to be, that were, and everything that must not be.

    Attributes:
        expected, given, lost, twice, late: deliveries to sockets and pages.
        conflicts: times that two readers, or a reader and an ack, disagree about which event a seq is.
        stored_twice: messages that are two events.
        own_order: messages that stand after a younger one of their sender.
        strange: events that nobody sent.
        resets: rooms whose log began again.
        wrong_rows: rows that pages show at the end and should not, or not there.
        unanswered: messages that were due and have no acknowledgement.
        refused: messages that the server refused for good.
        gone: members sent away for good.
        lost_in_pages: those of the lost that a page did not show.
    """

    expected: int = 0
    given: int = 0
    lost: int = 0
    twice: int = 0
    late: int = 0
    conflicts: int = 0
    stored_twice: int = 0
    own_order: int = 0
    strange: int = 0
    resets: int = 0
    wrong_rows: int = 0
    unanswered: int = 0
    refused: int = 0
    gone: int = 0
    lost_in_pages: int = 0

    def add(self, report: dict[str, Any]) -> None:
        """What one process says."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + report.get(one.name, 0))

    def since(self, before: Account) -> Account:
        """What came to it since an earlier account; `unanswered` and `gone` are as they are now."""
        return Account(
            **{
                one.name: getattr(self, one.name)
                - (0 if one.name in ("unanswered", "gone") else getattr(before, one.name))
                for one in fields(self)
            }
        )

    @property
    def disorder(self) -> int:
        """Whatever is out of order."""
        return self.late + self.conflicts + self.own_order + self.wrong_rows

    @property
    def violations(self) -> dict[str, int]:
        """What must not be, by name."""
        pages = f" ({self.lost_in_pages} in pages)" if self.lost_in_pages else ""
        found = {
            f"lost{pages}": self.lost,
            "twice": self.twice + self.stored_twice,
            "out of order": self.disorder,
            "sent by nobody": self.strange,
            "rooms that began again": self.resets,
            "unanswered": self.unanswered,
            "refused": self.refused,
            "sent away": self.gone,
        }
        return {name: count for name, count in found.items() if count}


@dataclass(slots=True)
class Measure:
    """One load from its first message to its account.

    Attributes:
        rate, seconds: what was asked for; `begun`: seconds since the run began.
        delivery, ack: of sockets; page: from intended time to the row in the document.
        lag: how late the generator itself sent; page_lag: how late timers were in the pages.
        generator_cpu: highest share of a core that one generator used over some seconds.
        capacity: deliveries per second that a generator would be busy with all the time, by what it used.
    """

    rate: float
    seconds: float
    begun: float = 0.0
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
    capacity: float = 0.0
    slices: list[float] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    crashed: int = 0
    whole: bool = True

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
            "capacity": round(self.capacity),
            "slices_p99_ms": self.slices,
            "account": asdict(self.account),
            "whole": self.whole,
        }
