"""Whether one result is better than another, worse or the same, judged by the spread of repeats. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

LEAST_CHANGE = 0.05
"""Medians closer than this are the same, however narrow the spreads."""
SEARCH_SPREAD = 0.1
"""A search repeats within this on a quiet machine."""
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Samples:
    """A figure measured several times. `low` and `high` bound what it usually is."""

    values: list[float]
    low: float
    high: float

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Change:
    """One figure, before and now."""

    name: str
    before: Samples
    now: Samples
    more_is_better: bool

    @property
    def word(self) -> str:
        """better, worse or same."""
        before, now = self.before, self.now
        if abs(now.middle - before.middle) <= LEAST_CHANGE * abs(before.middle):
            return "same"
        if now.low > before.high:
            return "better" if self.more_is_better else "worse"
        if now.high < before.low:
            return "worse" if self.more_is_better else "better"
        return "same"

    def __str__(self) -> str:
        before, now = self.before, self.now
        return (
            f"{self.name}: {self.word}, {before.middle:,.1f} ({before.low:,.1f} to {before.high:,.1f}) before, "
            f"{now.middle:,.1f} ({now.low:,.1f} to {now.high:,.1f}) now"
        )


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """All figures that both results have; empty if they did not do the same. The arguments are of result files."""
    if before["plan"]["find_max"] != now["plan"]["find_max"]:
        return []
    if now["plan"]["find_max"]:
        rates = [_searched(result) for result in (before, now)]
        return [Change("highest rate, messages/s", rates[0], rates[1], True)] if rates[0] and rates[1] else []
    changes = []
    for name in ("p50", "p99"):
        samples = [_latencies(result, name) for result in (before, now)]
        if samples[0] and samples[1]:
            changes.append(Change(f"{name}, ms", samples[0], samples[1], False))
    return changes


def different(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What was asked for differently, so that a comparison says less."""
    names = ("sockets", "rooms", "pages", "rate", "duration", "text_bytes")
    found = [name for name in names if before["plan"][name] != now["plan"][name]]
    return found + (["machine"] if before["machine"].get("cpu") != now["machine"].get("cpu") else [])


def verdict(changes: list[Change]) -> str:
    """One word for all: worse if anything is, better if something is."""
    words = {change.word for change in changes}
    return next((word for word in ("worse", "better") if word in words), "same") if changes else "not comparable"


def _searched(result: dict[str, Any]) -> Samples | None:
    found = result["verdict"]["found"]
    return Samples([found], found * (1 - SEARCH_SPREAD / 2), found * (1 + SEARCH_SPREAD / 2)) if found else None


def _latencies(result: dict[str, Any], name: str) -> Samples | None:
    """By repeats where there are enough; else by the seconds of the run, the middle half of them."""
    repeats = [load["delivery_ms"][name] for load in result["loads"] if load["delivery_ms"]["count"]]
    if len(repeats) >= REPEATS:
        return Samples(repeats, min(repeats), max(repeats))
    seconds = [row[name] for row in result["seconds"] if row["phase"] == "load" and row["delivered"]]
    if len(seconds) < REPEATS:
        return None
    low, _, high = quantiles(seconds, n=4)
    return Samples(seconds, low, high)
