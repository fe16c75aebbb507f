"""What measures are worth: passed, failed, invalid, partial."""

from __future__ import annotations

import pytest

from app.loadtest.measure import Latencies, Measure
from app.loadtest.plan import limits
from app.loadtest.verdict import judge, own_limit
from app.traffic.account import Account


def measure(ms: float = 20, **changes: object) -> Measure:
    """A load of 1000 deliveries that each took so long."""
    one = Measure(100, 10, account=Account(expected=1000, given=1000))
    one.delivery.add([(int(ms * 1000), 1000)])
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def lateness(ms: float) -> Latencies:
    """As a generator or a page reports it."""
    late = Latencies()
    late.add([(int(ms * 1000), 100)])
    return late


def test_all_there_and_fast_enough_passes():
    """Exit code 0."""
    verdict = judge([measure(20)], limits("p99=200ms"))
    assert (verdict.code, verdict.word) == (0, "PASS")
    assert "1000 of 1000 deliveries" in verdict.line


def test_too_slow_fails_and_says_by_how_much():
    """Exit code 1."""
    verdict = judge([measure(300)], limits("p99=200ms"))
    assert verdict.code == 1
    assert "p99 300" in verdict.line
    assert "more than 200" in verdict.line


def test_without_a_goal_only_exactness_counts():
    """However slow."""
    assert judge([measure(9000)], ()).code == 0


@pytest.mark.parametrize(
    "name", ["lost", "twice", "late", "conflicts", "stored_twice", "own_order", "strange", "resets", "wrong_rows"]
)
def test_anything_lost_doubled_or_out_of_order_fails(name: str):
    """Even one, even when fast."""
    verdict = judge([measure(1, account=Account(expected=1000, given=1000, **{name: 1}))], ())
    assert verdict.code == 1
    assert "1 " in verdict.broken[0]


@pytest.mark.parametrize("name", ["unanswered", "refused", "gone"])
def test_what_has_no_outcome_fails(name: str):
    """A message without its ack, a member that was sent away."""
    assert judge([measure(1, account=Account(given=1, **{name: 1}))], ()).code == 1


@pytest.mark.parametrize(
    "changes",
    [{"lag": lateness(80)}, {"generator_cpu": 0.95}, {"page_lag": lateness(400)}, {"crashed": 1}],
)
def test_a_load_test_that_was_the_limit_itself_is_invalid(changes: dict[str, object]):
    """Exit code 3: neither passed nor failed, not even when the goal was missed."""
    assert judge([measure(20, **changes)], ()).code == 3
    assert judge([measure(900, **changes)], limits("p99=200ms")).code == 3


def test_what_is_lost_is_lost_however_busy_the_generator_was():
    """No saturation explains it."""
    assert judge([measure(20, generator_cpu=1.0, account=Account(given=9, lost=1))], ()).code == 1


def test_a_load_that_delivered_nothing_proves_nothing():
    """Exit code 3."""
    assert judge([Measure(100, 10)], ()).code == 3
    assert judge([], ()).code == 3


def test_an_interrupted_load_has_a_partial_verdict():
    """Never a pass; a failure where there is one."""
    verdict = judge([measure(20)], (), interrupted=True)
    assert verdict.code == 3
    assert "partial" in verdict.line
    assert judge([measure(20, account=Account(given=9, lost=1))], (), interrupted=True).code == 1


@pytest.mark.parametrize(
    ("delay", "lag", "own"), [(150, 80, True), (900, 80, False), (900, 600, True), (900, 1, False)]
)
def test_a_step_that_failed_is_the_load_tests_fault_only_if_its_own_delay_explains_it(delay: int, lag: int, own: bool):
    """The goal is 200 ms."""
    assert own_limit(measure(delay, lag=lateness(lag)), limits("p99=200ms")) is own


def test_an_account_is_told_from_the_one_before():
    """Counts that go on are subtracted, states are not."""
    before, now = Account(expected=10, lost=2, unanswered=5), Account(expected=30, lost=3, unanswered=1)
    assert now.since(before) == Account(expected=20, lost=1, unanswered=1)


def test_latencies_have_their_percentiles_within_a_tenth_of_a_percent():
    """And the maximum exactly."""
    latencies = Latencies()
    latencies.add([(1000 * ms, 1) for ms in range(1, 1001)])
    assert latencies.ms(50) == pytest.approx(500, rel=0.002)
    assert latencies.ms(99) == pytest.approx(990, rel=0.002)
    assert latencies.ms(100) == pytest.approx(1000, rel=0.002)
    assert Latencies().ms(99) == 0
