"""How long rooms rest between script calls."""

from __future__ import annotations

from app.backplane.pace import FREE_SECONDS, REST_MAX_SECONDS, Pace


def test_nobody_rests_while_answers_are_quick() -> None:
    """A message in a quiet place leaves at once."""
    pace = Pace()
    assert [pace.rest(FREE_SECONDS / 2) for _ in range(100)] == [0.0] * 100


def test_one_slow_answer_is_not_yet_load() -> None:
    """A hiccup of a few milliseconds is smoothed away."""
    pace = Pace()
    assert pace.rest(8 * FREE_SECONDS) == 0.0


def test_the_slower_the_answers_the_longer_the_rest() -> None:
    """Calls that take longer for a while are made less often."""
    pace = Pace()
    rests = [pace.rest(3 * FREE_SECONDS) for _ in range(200)]
    assert rests == sorted(rests)
    assert rests[-1] > FREE_SECONDS


def test_a_rest_is_bounded() -> None:
    """However long Redis takes."""
    pace = Pace()
    assert max(pace.rest(2.0) for _ in range(100)) == REST_MAX_SECONDS


def test_the_rest_ends_with_the_load() -> None:
    """Soon after answers are quick again nobody rests."""
    pace = Pace()
    for _ in range(100):
        pace.rest(0.02)
    assert [pace.rest(FREE_SECONDS / 4) for _ in range(60)][-1] == 0.0
