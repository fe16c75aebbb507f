"""How long rooms rest between script calls."""

from __future__ import annotations

from app.backplane.pace import FREE_SECONDS, REST_MAX_SECONDS, SMOOTH_SECONDS, SPARSE_SECONDS, Pace
from tests.fakes.loop import Clock


class Calls:
    """Calls of rooms, `apart` seconds after one another."""

    def __init__(self, apart: float = 0.002) -> None:
        self.pace = Pace()
        self.clock = Clock()
        self.apart = apart

    def rest(self, took_seconds: float, gathers: bool = True) -> float:
        """The rest after one more of them, of a room where changes gather or not."""
        self.clock.pass_(self.apart)
        return self.pace.rest(took_seconds, self.clock(), gathers)

    def rests(self, took_seconds: float, seconds: float, gathers: bool = True) -> list[float]:
        """Those of so long."""
        return [self.rest(took_seconds, gathers) for _ in range(round(seconds / self.apart))]


def test_nobody_rests_while_answers_are_quick() -> None:
    """A message in a quiet place leaves at once."""
    assert set(Calls().rests(FREE_SECONDS / 2, 1.0)) == {0.0}


def test_one_slow_answer_is_not_yet_load() -> None:
    """A hiccup is smoothed away."""
    calls = Calls()
    calls.rests(FREE_SECONDS / 2, 5.0)
    assert calls.rest(20 * FREE_SECONDS) == 0.0


def test_the_slower_the_answers_the_longer_the_rest() -> None:
    """Calls that take longer for a while are made less often."""
    rests = Calls().rests(3 * FREE_SECONDS, 5 * SMOOTH_SECONDS)
    assert rests == sorted(rests)
    assert rests[-1] > FREE_SECONDS


def test_a_rest_is_bounded() -> None:
    """However long Redis takes."""
    assert max(Calls().rests(2.0, 5.0)) == REST_MAX_SECONDS


def test_the_rest_ends_with_the_load() -> None:
    """A few seconds after answers are quick again nobody rests; where there are few of them, after as few."""
    for apart, seconds in ((0.0005, 3 * SMOOTH_SECONDS), (0.1, 6.0)):
        calls = Calls(apart)
        calls.rests(0.02, 20.0)
        assert calls.rests(FREE_SECONDS / 4, seconds)[-1] == 0.0


def test_answers_that_come_quickly_count_for_less() -> None:
    """The signal does not follow a burst of answers: what the rests do to it takes longer."""
    ends = []
    for apart in (0.0005, 0.005):
        calls = Calls(apart)
        calls.rests(FREE_SECONDS / 2, 5.0)
        calls.rests(3 * FREE_SECONDS, SMOOTH_SECONDS / 10)
        ends.append(calls.pace.round_trip)
    assert max(ends) < 1.1 * min(ends)


def test_where_nothing_gathers_it_depends_on_how_many_call() -> None:
    """Many such rooms share the load by resting; a quiet one beside a busy one would only wait."""
    for apart, rests in ((SPARSE_SECONDS / 4, True), (SPARSE_SECONDS * 4, False)):
        calls = Calls(apart)
        last = calls.rests(3 * FREE_SECONDS, 5 * SMOOTH_SECONDS, gathers=False)[-1]
        assert (last > 0.0) is rests
        assert calls.rest(3 * FREE_SECONDS) > 0.0
