"""Counters, the scoreboard shared by processes, and what Prometheus reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import (
    DECLARED,
    EXPOSITION_SECONDS,
    REPLICA,
    STALE_SECONDS,
    Counters,
    Exposition,
    Kind,
    Scoreboard,
    WorkerState,
    exposition,
    resident_bytes,
)
from app.protocol.codes import REASONS, CloseCode
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


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_to_close_is_counted_by_itself(code: CloseCode) -> None:
    """An operator can tell them apart: those kicked from those banned."""
    counters = Counters()
    counters.close(code)
    assert getattr(counters, f"closed_{code:d}") == 1


def test_every_declared_metric_is_a_counter_attribute_and_starts_at_zero() -> None:
    """The table and the slots are one list."""
    assert set(Counters().values()) == {0}
    assert len({(declared.name, *declared.labels.values()) for declared in DECLARED}) == len(DECLARED)
    with pytest.raises(AttributeError):
        Counters().undeclared = 1  # type: ignore[attr-defined]


def test_names_follow_the_rules_of_prometheus() -> None:
    """Counters end in _total, others do not; units are seconds and bytes; labels are few and known beforehand."""
    for declared in DECLARED:
        assert re.fullmatch(r"parley_[a-z_]+", declared.name)
        assert declared.name.endswith("_total") == (declared.kind is Kind.COUNTER), declared.name
        assert declared.name.endswith("_seconds") or declared.kind is not Kind.HISTOGRAM, declared.name
        assert not re.search(r"milli|_ms\b|_us\b|kilo|minutes", declared.name), declared.name
        assert declared.help.endswith("."), declared.name
    labels = {label for declared in DECLARED for label in declared.labels}
    assert labels == {"code", "limit", "reason", "repair", "result", "status"}


def test_who_asks_too_often_gets_the_same_again(board: Scoreboard) -> None:
    """The text is made anew after a while; until then it is the one that there is."""
    kept = Exposition(board)
    counters = Counters()
    board.write(0, WorkerState.READY, counters)
    first = kept.text(100.0)
    counters.sends = 7
    board.write(0, WorkerState.READY, counters)
    assert kept.text(100.0 + EXPOSITION_SECONDS / 2) is first
    assert kept.text(100.0 + EXPOSITION_SECONDS) == exposition(board) != first


def test_series_of_one_metric_agree() -> None:
    """Same type, same help, same labels."""
    for name in {declared.name for declared in DECLARED}:
        alike = [declared for declared in DECLARED if declared.name == name]
        assert len({(one.kind, one.help, tuple(one.labels)) for one in alike}) == 1, name


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
    plain = {one.name for one in DECLARED if one.kind is not Kind.HISTOGRAM}
    histograms = {one.name for one in DECLARED if one.kind is Kind.HISTOGRAM}
    suffixed = {name + suffix for name in histograms for suffix in ("_bucket", "_count", "_sum")}
    assert exported == plain | suffixed | set(REPLICA)
    assert {*(one.help for one in DECLARED), *REPLICA.values()} == {family.documentation for family in families}


def test_a_histogram_counts_in_buckets_that_include_their_end(board: Scoreboard) -> None:
    """As Prometheus wants it: cumulated, the last one all, with the sum in seconds."""
    counters = Counters()
    for seconds, times in ((0.0, 1), (0.005, 2), (0.0051, 3), (3600.0, 1)):
        counters.delivery_seconds.observe(seconds, times)
    board.write(0, WorkerState.READY, counters)
    families = text_string_to_metric_families(exposition(board).decode())
    (family,) = [one for one in families if one.name == "parley_delivery_seconds"]
    buckets = {one.labels["le"]: one.value for one in family.samples if one.name.endswith("_bucket")}
    assert [buckets[end] for end in ("0.0005", "0.0025", "0.005", "0.01", "10.0", "+Inf")] == [1, 1, 3, 6, 6, 7]
    assert samples(board, "parley_delivery_seconds_count") == {"0": 7}
    assert samples(board, "parley_delivery_seconds_sum") == {"0": pytest.approx(3600.0253)}


def test_series_of_one_metric_differ_by_their_label(board: Scoreboard) -> None:
    """A limit that was hit is counted under its name."""
    counters = Counters()
    counters.hit("unacked")
    counters.hit("unacked")
    board.write(0, WorkerState.READY, counters)
    families = text_string_to_metric_families(exposition(board).decode())
    (family,) = [one for one in families if one.name == "parley_limits_hit"]
    found = {one.labels["limit"]: one.value for one in family.samples}
    assert found["unacked"] == 2
    assert sum(found.values()) == 2
    with pytest.raises(AttributeError):
        counters.hit("nothing")


def test_a_worker_that_stopped_writing_is_not_alive(board: Scoreboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen, it keeps its slot but serves nobody."""
    board.write(0, WorkerState.READY, Counters())
    assert board.alive() == 1
    later = time.time_ns() + int((STALE_SECONDS + 1) * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert board.alive() == 0


def test_a_worker_that_drains_is_counted_as_such(board: Scoreboard) -> None:
    """So that a stop shows as one, and not as a loss."""
    board.write(1, WorkerState.DRAINING, Counters())
    assert samples(board, "parley_workers_draining") == {"": 1}
    assert samples(board, "parley_workers_alive") == {"": 0}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
def test_the_memory_in_use_is_told() -> None:
    """In bytes: that of an interpreter at least, less than the machine has."""
    assert 5e6 < resident_bytes() < 1e12
