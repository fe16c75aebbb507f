"""What the report makes of a history."""

from __future__ import annotations

import pytest

from app.traffic.faults import FaultMark
from app.traffic.history import Away, ClientHistory, Event, History, Record, Seen
from app.verify.checker import Verdict, Violation
from app.verify.report import Run, longest_silence, silences


def test_the_longest_silence_counts_from_the_fault_to_the_end():
    """Before the first and after the last delivery it is silent too; what lies outside does not count."""
    times = [0.0, 1.0, 1.5, 4.0, 9.0]
    assert longest_silence(times, 1.0, 5.0) == 2.5
    assert longest_silence(times, 4.5, 8.0) == 3.5


def test_a_fault_is_measured_by_those_it_alone_disturbed():
    """A client that the tool itself had cut says nothing about the fault; the slowest of the others does."""
    event = Event(1, "m1", "u", "x", "t")
    steady: list[Record] = [Seen(at, "r", event) for at in (1.0, 2.5, 3.0, 3.8)]
    slow: list[Record] = [Seen(at, "r", event) for at in (1.0, 2.0, 3.6)]
    cut: list[Record] = [Seen(1.0, "r", event), Away(1.5, "", 8.0), Seen(9.9, "r", event)]
    clients = [ClientHistory(f"c{number}", "u", True, records) for number, records in enumerate((steady, slow, cut))]
    fault = FaultMark("freeze-redis", 2.0, 3.0, 4.0, "", True)
    (silence,) = silences(History(clients, {}, [fault], 10.0))
    assert silence.nobody == pytest.approx(0.6)
    assert silence.worst_client == pytest.approx(1.6)
    assert silence.back == pytest.approx(0.8)


def test_the_exit_code_says_what_was_proved():
    """0 a proof, 1 a violation even if little was tested, 2 nothing was tested."""

    def code(violations: list[Violation], problems: list[str]) -> int:
        sizes = {"seed": 1, "clients": 1, "sockets": 0, "rooms": 1, "rate": 1.0}
        return Run("", "", **sizes, history=History(), verdict=Verdict(violations), problems=problems).code

    broken = [Violation("lost", "r", "c", "gone")]
    assert (code([], []), code(broken, []), code(broken, ["few"]), code([], ["none"])) == (0, 1, 1, 2)
