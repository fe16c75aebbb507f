"""One table of deadlines, swept by hand."""

from __future__ import annotations

import pytest

from app.deadlines import Deadlines
from tests.fakes.loop import Clock


class Table:
    """A table, its clock, and what has run."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.ran: list[str] = []

    def set(self, owner: object, kind: str, seconds: float, name: str = "") -> None:
        self.deadlines.set(owner, kind, seconds, lambda: self.ran.append(name or kind))

    def later(self, seconds: float) -> list[str]:
        """Let time pass, sweep, and say what has run so far."""
        self.clock.pass_(seconds)
        self.deadlines.sweep()
        return self.ran


@pytest.fixture
def table() -> Table:
    """An empty table."""
    return Table()


def test_an_action_runs_once_when_its_time_has_come(table: Table) -> None:
    """Not before, and not again."""
    table.set(table, "hello", 2)
    assert table.later(1.9) == []
    assert table.later(0.1) == ["hello"]
    assert table.later(100) == ["hello"]
    assert len(table.deadlines) == 0


def test_an_action_that_was_cleared_never_runs(table: Table) -> None:
    """And clearing what is not there is no error."""
    table.set(table, "hello", 2)
    table.deadlines.clear(table, "hello")
    table.deadlines.clear(table, "other")
    assert table.later(10) == []


def test_setting_anew_replaces(table: Table) -> None:
    """At most one deadline per owner and kind; the last one counts, sooner or later than the first."""
    table.set(table, "hello", 2, "first")
    table.set(table, "hello", 5, "second")
    assert table.later(4) == []
    assert table.later(1) == ["second"]


def test_owners_and_kinds_are_apart(table: Table) -> None:
    """One owner's deadlines do not touch another's, nor one kind another."""
    one, two = object(), object()
    table.set(one, "a", 1, "one a")
    table.set(one, "b", 1, "one b")
    table.set(two, "a", 1, "two a")
    table.deadlines.clear(one, "a")
    assert table.later(1) == ["one b", "two a"]


def test_an_action_may_clear_and_set_others(table: Table) -> None:
    """What a sweep has cleared does not run in it, and what it has set waits for its own time."""

    def first() -> None:
        table.ran.append("first")
        table.deadlines.clear(table, "victim")
        table.set(table, "again", 0)

    table.deadlines.set(table, "first", 1, first)
    table.set(table, "victim", 1)
    assert table.later(1) == ["first"]
    assert table.later(0) == ["first", "again"]
