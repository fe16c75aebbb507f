"""What was looked at, what was found, what it means for the promises, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Grade(Enum):
    """GOOD needs nothing; WEAK works, with less than could be had; BAD breaks a promise or the server."""

    GOOD = "good"
    WEAK = "weak"
    BAD = "bad"


class Finding(NamedTuple):
    """One thing that was looked at. `means` is for the guarantees; `advice` is empty where nothing is to be done."""

    topic: str
    grade: Grade
    found: str
    means: str
    advice: str = ""


def good(topic: str, found: str, means: str) -> Finding:
    """All is well."""
    return Finding(topic, Grade.GOOD, found, means)


def weak(topic: str, found: str, means: str, advice: str) -> Finding:
    """It works, with less than could be had."""
    return Finding(topic, Grade.WEAK, found, means, advice)


def bad(topic: str, found: str, means: str, advice: str) -> Finding:
    """A promise is not kept, or the server does not work."""
    return Finding(topic, Grade.BAD, found, means, advice)
