"""Options that the tools which make traffic have in common, and how the values of options are read.

Here and not beside the tools themselves, so that `parley --help` imports none of them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from app.traffic.stacks import Stack

_DURATION = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
RATE_MOST = 1e6
T = TypeVar("T")


def add_common(parser: argparse.ArgumentParser, does: str, report: str, rooms: int, rate: float) -> None:
    """The options of every such tool: which servers, how much traffic, where the report goes.

    `does` is a verb, `report` says what is written; `rooms` and `rate` are defaults. `stack` reads what was given.
    """
    add = parser.add_argument
    add("urls", nargs="*", metavar="URL", help=f"servers to {does}, for example http://127.0.0.1:8000")
    add(
        "--rooms",
        type=positive,
        default=rooms,
        metavar="N",
        help="rooms that all are spread over (default: %(default)s)",
    )
    add(
        "--rate",
        type=per_second,
        default=rate,
        metavar="N",
        help="messages a second, of all together (default: %(default)g)",
    )
    add("--workers", type=positive, default=2, metavar="N", help="of the server started (default: %(default)s)")
    add("--report", type=Path, metavar="DIR", help=report)
    parser.set_defaults(parser=parser)


def stack(parsed: argparse.Namespace) -> Stack:
    """The servers given by URL, else one that is started, with its log beside the report."""
    from app.traffic.stacks import Remote, Served

    if parsed.urls:
        return Remote(parsed.urls)
    if parsed.report is None:
        return Served(parsed.workers)
    parsed.report.mkdir(parents=True, exist_ok=True)
    return Served(parsed.workers, parsed.report / "server.log")


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
    """A whole number between these."""

    def typed(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            bounds = f"at least {least}" if most is None else f"between {least}{why} and {most}"
            raise argparse.ArgumentTypeError(f"must be {bounds}")
        return number

    return typed


count, positive = within(0), within(1)


def per_second(text: str) -> float:
    """A rate."""
    number = float(text)
    if not 0 < number <= RATE_MOST:
        raise argparse.ArgumentTypeError("must be above 0")
    return number
