"""The search for the highest rate that meets a goal: up until one fails, then halving, over and over, then the median.

Pure: `Search` says which rate to try next and is told how that went.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from statistics import median

WIDE = 1.12
COARSE = 1.3
DISTURBED_MAX = 5
TRIES_MAX = 80


class Outcome(Enum):
    """How a try went."""

    PASSED = "passed"
    MISSED = "missed"  # nearly: a hiccup may have done it, so it is tried once more
    HOPELESS = "hopeless"  # far off: no second try
    DISTURBED = "disturbed"  # failed while others used the machine: says nothing, and is tried again


@dataclass(slots=True)
class Search:
    """Rates in messages a second. What disturbs a machine only takes away, so one pass is enough and one miss is not.

    From `first` the rate goes up by `up` until one fails, and the interval is halved. With one round, that goes on
    until it is as narrow as `narrow`. With more, each round halves an interval of its own around what the one before
    found, without trusting its ends, and the median of the rounds is the answer.

    Attributes:
        low, high: what passed and what was too much, in this round; ends not proved yet may be mere guesses.
        results: of the rounds that are over.
    """

    first: float
    up: float = 2.0
    narrow: float = 1.06
    rounds: int = 3
    lowest: float = 1.0
    highest: float = 1e6
    low: float = 0.0
    high: float = math.inf
    results: list[float] = field(default_factory=list)
    done: bool = False
    tries: int = 0
    _rate: float = 0.0
    _again: bool = False
    _disturbed: int = 0
    _fine: bool = False
    _proved_low: bool = True
    _proved_high: bool = True

    @property
    def rate(self) -> float:
        """The rate to try next. Meaningless once done."""
        return self._rate or self.first

    @property
    def fine(self) -> bool:
        """Whether the next try counts for the answer, and is worth more time."""
        return self._fine

    @property
    def found(self) -> float | None:
        """The answer so far: the median of the rounds, None before the first is over."""
        return median(self.results) if self.results else None

    def tell(self, outcome: Outcome) -> bool:
        """How the try went; whether that decided about its rate."""
        self.tries += 1
        self._rate = self.rate
        self.done = self.tries >= TRIES_MAX
        if outcome is Outcome.DISTURBED and self._disturbed < DISTURBED_MAX:
            self._disturbed += 1
            return False
        if outcome in (Outcome.MISSED, Outcome.DISTURBED) and not self._again:
            self._again = True
            return False
        if outcome is Outcome.PASSED:
            self.low, self._proved_low = self._rate, True
        else:
            self.high, self._proved_high = self._rate, True
        self._again, self._disturbed = False, 0
        self._next()
        return True

    def _next(self) -> None:
        if not self.low:
            self._rate = self.high / (2 * self.up)
            self.done = self.done or self._rate < self.lowest
        elif math.isinf(self.high):
            if self._rate >= self.highest:
                self.results, self.done = [self.low], True
            self._rate = min(self.highest, self._rate * self.up)
        elif not self._fine and self.rounds > 1 and self.high / self.low <= COARSE:
            self._begin_round(math.sqrt(self.low * self.high))
        elif self.high / self.low > self.narrow:
            self._rate = math.sqrt(self.low * self.high)
        elif not self._proved_low:
            self._move(self.low / WIDE**2, self.high)
        elif not self._proved_high:
            self._move(self.low, self.high * WIDE**2)
        else:
            self.results.append(self.low)
            self.done = self.done or len(self.results) >= self.rounds
            self._begin_round(self.low)

    def _begin_round(self, middle: float) -> None:
        self._fine, self._proved_low, self._proved_high = True, False, False
        self._move(middle / WIDE, min(self.highest, middle * WIDE))

    def _move(self, low: float, high: float) -> None:
        """Go on between these; the loop ends below `lowest`."""
        self.low, self.high, self._rate = low, high, math.sqrt(low * high)
        self.done = self.done or self._rate < self.lowest
