"""What a step of the search for a rate says about its rate, and about what held it up."""

from __future__ import annotations

import pytest

from app.loadtest.highest import judged, not_the_server, warm_up
from app.loadtest.measure import Measure
from app.loadtest.plan import Plan, limits
from app.traffic.account import Account
from app.traffic.search import Outcome

SLO = limits("p99=200ms")


def step(ms: float, *, others: float = 0.0, lag_ms: float = 0.0, lost: int = 0) -> Measure:
    """A step whose deliveries all took so long."""
    one = Measure(100, 4, account=Account(expected=1000, given=1000 - lost, lost=lost), others_cpu=[others, others])
    one.delivery.add([(int(ms * 1000), 1000)])
    one.lag.add([(int(lag_ms * 1000), 100)])
    return one


@pytest.mark.parametrize(
    ("measure", "outcome"),
    [
        (step(150), Outcome.PASSED),
        (step(150, others=1.0), Outcome.PASSED),
        (step(250), Outcome.MISSED),
        (step(150, lag_ms=80), Outcome.MISSED),
        (step(700), Outcome.HOPELESS),
        (step(150, lost=1), Outcome.HOPELESS),
        (step(700, others=0.5), Outcome.DISTURBED),
    ],
)
def test_a_step_says_what_it_can(measure: Measure, outcome: Outcome):
    """What passes beside others passes; what fails beside them says nothing; what is far off is not tried again."""
    found, reasons = judged(measure, SLO)
    assert found is outcome
    assert bool(reasons) is (outcome is not Outcome.PASSED)


def test_what_held_up_a_step_is_named_unless_it_was_the_server():
    """That decides whether the rate found is the servers'."""
    assert not_the_server(step(250), SLO) == ""
    assert "the generator was late itself" in not_the_server(step(250, lag_ms=200), SLO)
    assert "other programs used 0.50 cores" in not_the_server(step(250, others=0.5), SLO)


@pytest.mark.parametrize(
    ("sockets", "rate", "seconds"), [(400, 3200, 16), (40, 100_000, 3), (2000, 200, 3), (100, 500, 25.6)]
)
def test_servers_are_warmed_up_until_they_know_each_sender(sockets: int, rate: float, seconds: float):
    """Unless that takes too long."""
    plan = Plan(browsers=0, pages=0, sockets=sockets, rooms=10, rate=rate, ramp=1, duration=60)
    assert warm_up(plan) == pytest.approx(seconds)
