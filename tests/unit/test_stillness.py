"""Which workers hang, by what they last wrote and how often it was looked."""

from __future__ import annotations

from app.metrics import Slot, WorkerState
from app.stillness import HUNG_LOOKS, Stillness


def slot(number: int, seen_ms: int, pid: int = 7) -> Slot:
    """What a worker wrote, and when."""
    return Slot(number, pid, WorkerState.READY, seen_ms, ())


def test_a_worker_that_writes_no_more_hangs() -> None:
    """The other one, which goes on writing, does not."""
    stillness = Stillness()
    for look in range(HUNG_LOOKS):
        assert stillness.look([slot(0, 1000), slot(1, look)]) == []
    assert stillness.look([slot(0, 1000), slot(1, 99)]) == [slot(0, 1000)]


def test_a_machine_that_slept_hangs_no_worker() -> None:
    """Everything is old when it wakes up: that is one look, and the next finds all of them writing."""
    stillness = Stillness()
    stillness.look([slot(0, 1000), slot(1, 1000)])
    assert stillness.look([slot(0, 1000), slot(1, 1000)]) == []
    assert stillness.look([slot(0, 9_000_000), slot(1, 9_000_000)]) == []


def test_a_worker_that_has_just_taken_the_place_has_its_time() -> None:
    """It is another process, or it has not written yet."""
    stillness = Stillness()
    for _ in range(HUNG_LOOKS):
        stillness.look([slot(0, 1000)])
    assert stillness.look([slot(0, 1000, pid=8)]) == []
    for _ in range(2 * HUNG_LOOKS):
        assert stillness.look([slot(0, 0, pid=0)]) == []
