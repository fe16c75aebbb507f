"""Counters, the scoreboard shared by processes, and what Prometheus reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import DECLARED, Counters, Scoreboard, WorkerState, exposition
from tests.support import ROOT


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    """A scoreboard for three workers."""
    board = Scoreboard.create(3)
    yield board
    board._map.close()
    os.close(board.fd)


def counted(**values: int) -> Counters:
    """Counters with some values."""
    counters = Counters()
    for name, value in values.items():
        setattr(counters, name, value)
    return counters


def samples(board: Scoreboard, name: str) -> dict[str, float]:
    """A metric's value by worker, as Prometheus reads it."""
    families = text_string_to_metric_families(exposition(board).decode())
    return {one.labels.get("worker", ""): one.value for f in families for one in f.samples if one.name == name}


def test_every_declared_metric_is_a_counter_attribute_and_starts_at_zero() -> None:
    """The table and the slots are one list."""
    assert Counters().values() == [0] * len(DECLARED)
    assert len({declared.name for declared in DECLARED}) == len(DECLARED)
    with pytest.raises(AttributeError):
        Counters().undeclared = 1  # type: ignore[attr-defined]


def test_names_follow_the_rules_of_prometheus() -> None:
    """Counters end in _total, gauges do not."""
    for declared in DECLARED:
        assert declared.name.endswith("_total") == (declared.kind.__name__ == "CounterMetricFamily"), declared.name


def test_a_fresh_board_has_no_workers(board: Scoreboard) -> None:
    """All slots are dead until a worker writes."""
    assert [slot.state for slot in board.slots()] == [WorkerState.DEAD] * 3
    assert (board.alive(), board.expected) == (0, 3)
    assert samples(board, "parley_workers_expected") == {"": 3}


def test_each_worker_writes_its_own_slot(board: Scoreboard) -> None:
    """What one writes all read, and no slot touches another."""
    board.write(0, WorkerState.READY, counted(connections=5, deliveries=2**40))
    board.write(2, WorkerState.DEAF, counted(connections=7))
    slots = board.slots()
    assert [slot.pid for slot in slots] == [os.getpid(), 0, os.getpid()]
    assert [slot.state for slot in slots] == [WorkerState.READY, WorkerState.DEAD, WorkerState.DEAF]
    assert samples(board, "parley_connections") == {"0": 5, "2": 7}
    assert samples(board, "parley_deliveries_total") == {"0": 2**40, "2": 0}


def test_another_process_maps_the_same_board(board: Scoreboard) -> None:
    """A worker gets the descriptor only; what it writes the supervisor sees."""
    code = """
from app.metrics import Counters, Scoreboard, WorkerState
import os, sys
counters = Counters()
counters.joins = 9
Scoreboard(int(sys.argv[1]), 3).write(1, WorkerState.READY, counters)
print(os.getpid())
"""
    command = [sys.executable, "-c", code, str(board.fd)]
    child = subprocess.run(command, pass_fds=(board.fd,), cwd=ROOT, check=True, capture_output=True, text=True)
    assert (board.slots()[1].pid, board.slots()[1].state) == (int(child.stdout), WorkerState.READY)
    assert samples(board, "parley_joins_total") == {"1": 9}


def test_a_dead_workers_values_vanish(board: Scoreboard) -> None:
    """Its slot is cleared by the supervisor, so nothing stale is exported."""
    board.write(1, WorkerState.READY, counted(connections=5))
    board.clear(1)
    assert samples(board, "parley_connections") == {}
    assert board.alive() == 0


@pytest.mark.parametrize(
    ("state", "alive"),
    [("DEAD", 0), ("STARTING", 0), ("READY", 1), ("DEAF", 1), ("DRAINING", 0)],
)
def test_alive_are_the_workers_that_serve(board: Scoreboard, state: str, alive: int) -> None:
    """A worker that starts or leaves does not count; one that waits for Redis does."""
    board.write(0, WorkerState[state], Counters())
    assert board.alive() == alive
    assert samples(board, "parley_workers_alive") == {"": alive}


def test_every_declared_metric_is_exported(board: Scoreboard) -> None:
    """Under its name, with its help, in a text that Prometheus' own parser reads."""
    board.write(0, WorkerState.READY, Counters())
    families = list(text_string_to_metric_families(exposition(board).decode()))
    exported = {one.name for family in families for one in family.samples}
    assert {f"parley_{declared.name}" for declared in DECLARED} <= exported
    assert {declared.help for declared in DECLARED} <= {family.documentation for family in families}
