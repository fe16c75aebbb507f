"""The highest rate that a server carries: up in steps until one fails, then halving the interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.loadclient import Step

# A step this many times over the limit failed for good; a nearer one is tried once more.
HOPELESS = 3.0
# Tries of one rate; the third only where the machine stood still during the second.
ATTEMPTS = 3


@dataclass
class Search:
    """Bounds of a search. Rates are messages/s; to pass, all is delivered and p99 is within the limit."""

    run: Callable[[float], Step]
    after_failure: Callable[[], None]
    note: Callable[[str], None]
    p99_ms: float
    key: str
    factor: float = 1.6
    narrow_to: float = 1.08
    narrowing_steps: int = 4
    highest: float = 200_000.0
    lowest: float = 1.0
    tried: list[tuple[float, Step, bool]] = field(default_factory=list)

    def _passes(self, rate: float) -> bool:
        for attempt in range(1, ATTEMPTS + 1):
            step = self.run(rate)
            passed = step.passes(self.p99_ms, self.key)
            p99 = max(group[self.key]["p99"] for group in step.groups)
            self.tried.append((rate, step, passed))
            self._note(rate, step, p99, passed)
            if passed:
                return True
            self.after_failure()
            hopeless = step.incomplete or p99 > HOPELESS * self.p99_ms
            if not step.interrupted and (hopeless or attempt > 1):
                return False
        return False

    def _note(self, rate: float, step: Step, p99: float, passed: bool) -> None:
        delivered = sum(group["deliveries_per_second"] for group in step.groups)
        verdict = "passed" if passed else step.incomplete or "too slow"
        if step.client["saturated"]:
            verdict += ", machine stood still" if step.interrupted else ", load client saturated"
        cpu = " ".join(f"{who} {used:.2f}" for who, used in step.cores.items())
        self.note(f"{rate:9.0f} msg/s  {delivered:12,.0f} deliveries/s  p99 {p99:8.1f} ms  [{cpu}]  {verdict}")

    def find(self, first: float) -> tuple[float, Step] | None:
        """The highest passing rate with its step; None when not even ``lowest`` passes."""
        low, high = 0.0, math.inf
        rate = first
        while self.lowest <= rate <= self.highest:
            if self._passes(rate):
                low = rate
                if high < math.inf:
                    break
                rate *= self.factor
            else:
                high = rate
                if low:
                    break
                rate /= 2 * self.factor
        for _ in range(self.narrowing_steps):
            if not low or high == math.inf or high / low <= self.narrow_to:
                break
            middle = math.sqrt(low * high)
            if self._passes(middle):
                low = middle
            else:
                high = middle
        if not low:
            return None
        return low, next(step for rate, step, passed in reversed(self.tried) if passed and rate == low)
