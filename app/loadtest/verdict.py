"""The judge of a load test: pure functions from what was measured to what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.loadtest.measure import Measure
from app.loadtest.plan import Limit

LAG_MOST_MS = 50.0
CPU_MOST = 0.9
PAGE_LAG_MOST_MS = 250.0

PASS, FAIL, USAGE, INVALID = 0, 1, 2, 3


@dataclass(slots=True)
class Verdict:
    """What came of it.

    Attributes:
        broken: what was lost, doubled or out of order and the like, each as `12 lost`.
        missed: limits of the goal that were not met, in words.
        doubts: why the figures are not to be trusted; the load test itself was the limit, or it is not whole.
        found: the highest rate that met the goal, if that was searched.
    """

    broken: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    interrupted: bool = False
    found: float | None = None
    summary: str = ""

    @property
    def code(self) -> int:
        """The exit code."""
        if self.broken:
            return FAIL
        if self.doubts or self.interrupted:
            return INVALID
        return FAIL if self.missed else PASS

    @property
    def word(self) -> str:
        """PASS, FAIL or INVALID."""
        return {PASS: "PASS", FAIL: "FAIL", INVALID: "INVALID"}[self.code]

    @property
    def line(self) -> str:
        """The verdict in one line."""
        reasons = [*self.broken, *self.missed, *self.doubts]
        partial = "interrupted, a partial verdict; " if self.interrupted else ""
        return f"{self.word}: {partial}{'; '.join(reasons) + '; ' if reasons else ''}{self.summary}"

    def asdict(self) -> dict[str, Any]:
        """For the result file."""
        return {
            "code": self.code,
            "word": self.word,
            "line": self.line,
            "valid": not self.doubts,
            "interrupted": self.interrupted,
            "broken": self.broken,
            "missed": self.missed,
            "doubts": self.doubts,
            "found": self.found,
        }


def broken(measure: Measure) -> list[str]:
    """What no load excuses."""
    return [f"{count} {name}" for name, count in measure.account.violations.items()]


def missed(measure: Measure, slo: Sequence[Limit]) -> list[str]:
    """The limits that the delivery latency of the sockets does not keep."""
    return [
        f"{limit.name} {measure.delivery.ms(limit.percentile):.1f} ms, more than {limit.most_ms:g}"
        for limit in slo
        if not measure.delivery.count or measure.delivery.ms(limit.percentile) > limit.most_ms
    ]


def doubts(measure: Measure) -> list[str]:
    """Why a measure says more about the load test than about the server; empty if it does not."""
    found = []
    if measure.lag.ms(99) > LAG_MOST_MS:
        found.append(f"the generator was late itself (p99 {measure.lag.ms(99):.0f} ms)")
    if measure.generator_cpu > CPU_MOST:
        found.append(f"the generator used {measure.generator_cpu:.0%} of its core")
    if measure.page_lag.ms(99) > PAGE_LAG_MOST_MS:
        found.append(f"the pages were busy (timers late, p99 {measure.page_lag.ms(99):.0f} ms)")
    if measure.crashed:
        found.append(f"{measure.crashed} pages crashed")
    return found


def own_limit(measure: Measure, slo: Sequence[Limit]) -> bool:
    """Whether the load test held up a measure that did not pass: the goal was kept, or half the delay is its own."""
    return bool(doubts(measure)) and (not missed(measure, slo) or measure.lag.ms(99) > measure.delivery.ms(99) / 2)


def judge(measures: Sequence[Measure], slo: Sequence[Limit], *, interrupted: bool = False) -> Verdict:
    """The verdict on loads at a given rate; each has to hold."""
    verdict = Verdict(interrupted=interrupted)
    for measure in measures:
        verdict.broken += broken(measure)
        verdict.missed += missed(measure, slo)
        verdict.doubts += doubts(measure)
    verdict.summary = _summary(measures)
    if not any(measure.account.given for measure in measures):
        verdict.doubts.append("nothing was delivered")
    return verdict


def _summary(measures: Sequence[Measure]) -> str:
    if not measures:
        return "nothing was measured"
    worst = max(measures, key=lambda measure: measure.delivery.ms(99))
    given = sum(measure.account.given for measure in measures)
    expected = sum(measure.account.expected for measure in measures)
    percentiles = ", ".join(f"p{percent} {worst.delivery.ms(percent):.1f}" for percent in (50, 95, 99))
    return (
        f"{sum(measure.acked for measure in measures)} messages, {given} of {expected} deliveries, "
        f"{percentiles}, max {worst.delivery.ms(100):.1f} ms"
    )
