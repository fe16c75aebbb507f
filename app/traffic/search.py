"""The search for the highest rate that meets a goal: up in steps until one fails, then halving, then validated.

Pure: `Search` says which rate to try next and is told how that went.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

UP = 2.0
CLOSE_ENOUGH = 1.04
BACK_OFF = 0.96
VALIDATIONS = 3
VALIDATIONS_PASSED = 2
TRIES_MAX = 40
ATTEMPTS = 2


@dataclass(slots=True)
class Search:
    """Rates in messages a second.

    A rate counts as carried at the first attempt that passes, and as too much after ATTEMPTS that failed: one hiccup of
    the machine decides nothing. The rate found is then held VALIDATIONS times as long; it stands if most of those pass,
    else a little less is validated.
    """

    first: float
    lowest: float = 1.0
    highest: float = 1e6
    low: float = 0.0
    high: float = math.inf
    validating: bool = False
    found: float | None = None
    done: bool = False
    tries: int = 0
    _failed: int = 0
    _held: list[bool] = field(default_factory=list)
    _rate: float = 0.0

    @property
    def rate(self) -> float:
        """The rate to try next. Meaningless once done."""
        if not self._rate:
            self._rate = self.first
        return self._rate

    def tell(self, passed: bool) -> None:
        """How the last try went."""
        self.tries += 1
        if self.validating:
            self._validated(passed)
        elif passed:
            self.low, self._failed = self._rate, 0
            self._next()
        else:
            self._failed += 1
            if self._failed >= ATTEMPTS:
                self.high, self._failed = self._rate, 0
                self._next()
        if self.tries >= TRIES_MAX:
            self.done = True

    def _next(self) -> None:
        if not self.low:
            self._rate = self.high / (2 * UP)
            self.done = self._rate < self.lowest
        elif math.isinf(self.high):
            if self._rate >= self.highest:
                self.done, self.found = True, self.low
            self._rate = min(self.highest, self._rate * UP)
        elif self.high / self.low <= CLOSE_ENOUGH:
            self.validating, self._rate = True, self.low
        else:
            self._rate = math.sqrt(self.low * self.high)

    def _validated(self, passed: bool) -> None:
        self._held.append(passed)
        if self._held.count(True) >= VALIDATIONS_PASSED:
            self.found, self.done = self._rate, True
        elif self._held.count(False) > VALIDATIONS - VALIDATIONS_PASSED:
            self._held.clear()
            self._rate *= BACK_OFF
            self.done = self._rate < self.lowest
