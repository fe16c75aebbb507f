"""What a load test is to do, and the goal it is held to."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LIMIT = re.compile(r"(?:p(?P<percent>\d{1,2}(?:\.\d+)?)|(?P<max>max))=(?P<value>\d+(?:\.\d+)?)(?P<unit>ms|s)")


@dataclass(frozen=True, slots=True)
class Limit:
    """A percentile of the delivery latency and what it may be at most; 100 is the maximum."""

    percentile: float
    most_ms: float

    @property
    def name(self) -> str:
        """Like p99, or max."""
        return "max" if self.percentile == 100 else f"p{self.percentile:g}"

    def __str__(self) -> str:
        return f"{self.name}={self.most_ms:g}ms"


def limits(text: str) -> tuple[Limit, ...]:
    """Read `p99=200ms` or several, separated by commas. Raises ValueError."""
    found = []
    for part in text.split(","):
        match = _LIMIT.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is not like p99=200ms, p99.9=1s or max=2s")
        percent = 100.0 if match["max"] else float(match["percent"])
        found.append(Limit(percent, float(match["value"]) * (1000 if match["unit"] == "s" else 1)))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A load test. `rate` is messages per second of all together; times are seconds.

    Attributes:
        kill_at: when, after the load began, a worker of the own stack is killed; None: never.
        find_max: search the highest rate that meets `slo` instead of holding `rate`.
        repeat: how often the load is repeated; the spread of repeats is what a comparison goes by.
        generators: processes that the sockets are spread over.
    """

    browsers: int
    pages: int
    sockets: int
    rooms: int
    rate: float
    ramp: float
    duration: float
    slo: tuple[Limit, ...] = ()
    kill_at: float | None = None
    find_max: bool = False
    repeat: int = 1
    text_bytes: int = 128
    generators: int = 1
    browser: str = ""
    token: str = ""

    @property
    def members(self) -> int:
        """Sockets and pages."""
        return self.sockets + self.pages
