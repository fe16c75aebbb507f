"""How the values of options are read: times, counts, rates. What is none is refused with what it should look like.

Each reader is a `type` for argparse, which shows the message of an ArgumentTypeError and hides that of a ValueError.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
RATE_MOST = 1e6
_DURATION = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read `10s`, `500ms`, `2m` or a plain number of seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time like 10s, 500ms or 2m")
    return float(match["value"]) * _SECONDS[match["unit"]]


def of(read: Callable[[str], T]) -> Callable[[str], T]:
    """An argument's type from a function that raises ValueError with a message worth showing."""

    def typed(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def within(least: int, most: int | None = None, why: str = "") -> Callable[[str], int]:
    """A whole number between these; `why` says what the lower bound is."""

    def typed(text: str) -> int:
        number = _number(int, text, "a whole number")
        if number < least or (most is not None and number > most):
            bounds = f"at least {least}" if most is None else f"between {least}{why} and {most}"
            raise argparse.ArgumentTypeError(f"must be {bounds}")
        return number

    return typed


def above_zero(most: float) -> Callable[[str], float]:
    """A number above 0, at most this."""

    def typed(text: str) -> float:
        number = _number(float, text, "a number")
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(f"must be above 0 and at most {most:.0f}")
        return number

    return typed


count, positive = within(0), within(1)
per_second = above_zero(RATE_MOST)


def _number(kind: Callable[[str], T], text: str, wanted: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not {wanted}") from None
