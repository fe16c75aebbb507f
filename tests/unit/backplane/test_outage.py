"""What the log is told while Redis is away, or refuses changes. Time is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.backplane.outage import AGAIN_SECONDS, TEXTS_MOST, Outage, Refusals


@pytest.fixture
def lines() -> Iterator[Callable[[], list[tuple[Any, ...]]]]:
    """What was logged since the last look: level, event, and the field that matters."""
    with capture_logs() as logged:

        def read() -> list[tuple[Any, ...]]:
            fields = ("error", "away_seconds", "refused")
            seen = [(one["log_level"], one["event"], *(one[name] for name in fields if name in one)) for one in logged]
            logged.clear()
            return seen

        yield read


def test_each_cause_of_an_outage_is_told_once_a_minute(lines: Callable[[], list[tuple[Any, ...]]]) -> None:
    """The second one as well, and what lasts again; how often it was tried is not."""
    outage = Outage("redis")
    for now in range(3):
        outage.failed("refused", float(now))
        outage.failed("no answer", float(now))
    assert lines() == [("warning", "redis unreachable", "refused"), ("warning", "redis unreachable", "no answer")]
    outage.failed("no answer", AGAIN_SECONDS)
    assert lines() == [("warning", "redis unreachable", "no answer")]


def test_causes_that_never_repeat_do_not_fill_the_log(lines: Callable[[], list[tuple[Any, ...]]]) -> None:
    """A few in a minute are told."""
    outage = Outage("redis")
    for number in range(100):
        outage.failed(f"cause {number}", 1.0)
    assert len(lines()) == TEXTS_MOST


def test_the_end_of_an_outage_is_told_with_its_length(lines: Callable[[], list[tuple[Any, ...]]]) -> None:
    """From the loss on, or from the first try; not where nothing had been away."""
    outage = Outage("redis pub/sub")
    outage.over(1.0)
    assert lines() == []
    outage.lost(2.0)
    outage.failed("refused", 4.0)
    outage.over(7.5)
    outage.over(8.0)
    assert lines() == [
        ("warning", "redis pub/sub unreachable", "refused"),
        ("info", "redis pub/sub connected", 5.5),
    ]


def test_refused_changes_are_told_at_their_begin_and_end(lines: Callable[[], list[tuple[Any, ...]]]) -> None:
    """In Redis' own words, again once a minute, and counted one by one."""
    refusals = Refusals()
    for now in (100.0, 101.0, 100.0 + AGAIN_SECONDS):
        refusals.refused("OOM command not allowed", 3, now)
    assert refusals.lasting
    assert lines() == [("error", "redis refuses changes", "OOM command not allowed")] * 2
    refusals.over()
    assert not refusals.lasting
    assert lines() == [("info", "redis takes changes again", 9)]
