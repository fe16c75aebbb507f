"""How long rooms rest between script calls."""

from __future__ import annotations

from app.backplane.pace import FREE_SECONDS, REST_MAX_SECONDS, SPARSE_SECONDS, Pace


def rest(pace: Pace, took_seconds: float) -> float:
    """After a call of a room where changes gather."""
    return pace.rest(took_seconds, 0.0, gathers=True)


def test_nobody_rests_while_answers_are_quick() -> None:
    """A message in a quiet place leaves at once."""
    pace = Pace()
    assert [rest(pace, FREE_SECONDS / 2) for _ in range(100)] == [0.0] * 100


def test_one_slow_answer_is_not_yet_load() -> None:
    """A hiccup of a few milliseconds is smoothed away."""
    pace = Pace()
    assert rest(pace, 8 * FREE_SECONDS) == 0.0


def test_the_slower_the_answers_the_longer_the_rest() -> None:
    """Calls that take longer for a while are made less often."""
    pace = Pace()
    rests = [rest(pace, 3 * FREE_SECONDS) for _ in range(200)]
    assert rests == sorted(rests)
    assert rests[-1] > FREE_SECONDS


def test_a_rest_is_bounded() -> None:
    """However long Redis takes."""
    pace = Pace()
    assert max(rest(pace, 2.0) for _ in range(100)) == REST_MAX_SECONDS


def test_the_rest_ends_with_the_load() -> None:
    """Soon after answers are quick again nobody rests."""
    pace = Pace()
    for _ in range(100):
        rest(pace, 0.02)
    assert [rest(pace, FREE_SECONDS / 4) for _ in range(60)][-1] == 0.0


def test_where_nothing_gathers_it_depends_on_how_many_call() -> None:
    """Many such rooms share the load by resting; a quiet one beside a busy one would only wait."""
    for apart, rests in ((SPARSE_SECONDS / 4, True), (SPARSE_SECONDS * 4, False)):
        pace, now = Pace(), 0.0
        for _ in range(200):
            now += apart
            last = pace.rest(3 * FREE_SECONDS, now, gathers=False)
        assert (last > 0.0) is rests
        assert pace.rest(3 * FREE_SECONDS, now + apart, gathers=True) > 0.0
