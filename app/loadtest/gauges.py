"""The figures of a run as they come in: the second being filled, the last five for the panel, all for the plots."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import Any

from app.loadtest.measure import Latencies, Measure, Second
from app.loadtest.meter import Meter

SHOWN_SECONDS = 5
CPU_TICKS = 6


class Gauges:
    """Owns the series. Reports of the generators and the pages go in; `close_second` makes a row of them.

    `twice`, `late` and `reconnects` are counted since the beginning.
    """

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.seconds: list[Second] = []
        self.phase = "start"
        self.measure: Measure | None = None
        self.meter = Meter()
        self.twice = self.late = self.reconnects = 0
        self._latest: dict[str, dict[str, Any]] = {}
        self._cpu: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=CPU_TICKS))
        self._recent: deque[dict[int, int]] = deque(maxlen=SHOWN_SECONDS)
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._delivery: defaultdict[int, int] = defaultdict(int)
        self._page: defaultdict[int, int] = defaultdict(int)
        self._lag: defaultdict[int, int] = defaultdict(int)

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    def tick(self, name: str, report: dict[str, Any]) -> None:
        """A report of a generator or, under the name `pages`, of the pages."""
        self._latest[name] = report
        self.twice += report["twice"]
        self.late += report["late"]
        self.reconnects += report["reconnects"]
        if name == "pages":
            self._sums["shown"] += report["delivered"]
            self._sums["reconnects"] += report["reconnects"]
            _pour(report["delivery"], self._page)
        else:
            for count in ("sent", "acked", "expected", "delivered", "reconnects"):
                self._sums[count] += report[count]
            _pour(report["delivery"], self._delivery)
            _pour(report["lag"], self._lag)
            self._cpu[name].append(report["cpu"])
        if self.measure is not None:
            self._into(self.measure, name, report)

    def _into(self, measure: Measure, name: str, report: dict[str, Any]) -> None:
        measure.reconnects += report["reconnects"]
        counts = self.clock() >= measure.counted
        if name == "pages":
            measure.shown += report["delivered"]
            measure.crashed = max(measure.crashed, report["crashed"])
            if counts:
                measure.page.add(report["delivery"])
                measure.page_lag.add(report["lag"])
            return
        for count in ("sent", "acked", "delivered", "resumed", "retried", "refused"):
            setattr(measure, count, getattr(measure, count) + report[count])
        if counts:
            measure.delivery.add(report["delivery"])
            measure.ack.add(report["ack"])
            measure.lag.add(report["lag"])
        cpu = self._cpu[name]
        if len(cpu) == cpu.maxlen and self.phase == "load":
            measure.generator_cpu = max(measure.generator_cpu, sum(cpu) / len(cpu))
        if report["cpu"] > 0.05 and report["delivered"]:
            rate = report["delivered"] / report["seconds"]
            measure.capacity = max(measure.capacity, rate / report["cpu"])

    def close_second(self) -> Second:
        """The row of the second that ends now."""
        cores = self.meter.read()
        sums, latencies = self._sums, _latencies(self._delivery)
        second = Second(
            at=round(self.clock(), 2),
            phase=self.phase,
            **{name: sums[name] for name in ("sent", "acked", "expected", "delivered", "shown")},
            p50=latencies.ms(50),
            p95=latencies.ms(95),
            p99=latencies.ms(99),
            max=latencies.ms(100),
            page_p99=_latencies(self._page).ms(99),
            here=self.latest("here"),
            target=self.latest("target"),
            waiting=self.latest("waiting"),
            reconnects=int(sums["reconnects"]),
            server_cpu=cores.get("server", 0.0),
            engine_cpu=cores.get("engine", 0.0),
            generator_cpu=round(sum(cpu[-1] for cpu in self._cpu.values() if cpu), 3),
            pages_cpu=cores.get("pages", 0.0),
            machine_cpu=cores["machine"],
            others_cpu=cores["others"] if "server" in cores else 0.0,
            lag_p99=_latencies(self._lag).ms(99),
        )
        self.seconds.append(second)
        self._recent.append(dict(self._delivery))
        self._sums = defaultdict(float)
        self._delivery, self._page, self._lag = defaultdict(int), defaultdict(int), defaultdict(int)
        if self.measure is not None and self.phase == "load":
            self.measure.slices.append(second.p99)
            self.measure.others_cpu.append(second.others_cpu)
        return second

    def recent(self) -> Latencies:
        """Delivery latencies of the last five seconds."""
        merged: defaultdict[int, int] = defaultdict(int)
        for counts in self._recent:
            _pour(counts.items(), merged)
        return _latencies(merged)

    def latest(self, name: str) -> int:
        """A state, summed over all processes' latest reports."""
        return sum(int(report.get(name, 0)) for report in self._latest.values())

    def reported_since(self, moment: float) -> bool:
        """Whether every process that ever reported has done so after a moment of time.monotonic()."""
        return bool(self._latest) and all(report["at"] > moment for report in self._latest.values())


def _pour(pairs: Any, into: defaultdict[int, int]) -> None:
    for value, count in pairs:
        into[value] += count


def _latencies(counts: dict[int, int]) -> Latencies:
    latencies = Latencies()
    latencies.add(counts.items())
    return latencies
