"""The search for the highest rate, on servers that are functions."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.traffic.search import DISTURBED_MAX, TRIES_MAX, Outcome, Search


def search(carries: Callable[[float], bool], first: float = 200.0, **settings: float) -> Search:
    """Run a search to its end."""
    one = Search(first, **settings)  # type: ignore[arg-type]
    while not one.done:
        one.tell(Outcome.PASSED if carries(one.rate) else Outcome.MISSED)
    return one


@given(st.floats(10, 100_000), st.floats(10, 10_000), st.sampled_from([1, 3]))
def test_the_rate_found_is_just_below_what_is_too_much(capacity: float, first: float, rounds: int):
    """Within a few percent, wherever the search begins, in a bounded number of tries."""
    one = search(lambda rate: rate <= capacity, first, rounds=rounds)
    assert one.found is not None
    assert 0.94 * capacity <= one.found <= capacity
    assert len(one.results) == rounds
    assert one.tries < TRIES_MAX


def test_a_search_repeats_within_ten_percent_on_a_server_that_hesitates_near_its_limit():
    """Between 97 and 103 % of the capacity it is a matter of luck."""
    dice = random.Random(7)

    def carries(rate: float) -> bool:
        return rate < 970 or (rate < 1030 and dice.random() < 0.5)

    found = [search(carries).found or 0.0 for _ in range(50)]
    assert max(found) <= 1.1 * min(found)


def test_a_search_repeats_within_ten_percent_where_short_tries_flatter():
    """What rough tries pass, finer ones may not: nothing of the rough ones is trusted."""
    one = Search(200)
    while not one.done:
        limit = 1000 if one.fine else 1300
        one.tell(Outcome.PASSED if one.rate <= limit else Outcome.MISSED)
    assert one.found == pytest.approx(1000, rel=0.06)
    assert all(result <= 1000 for result in one.results)


def test_one_hiccup_decides_nothing():
    """A rate is too much only if it fails again."""
    failures = {400.0}

    def carries(rate: float) -> bool:
        if rate in failures:
            failures.discard(rate)
            return False
        return rate <= 1000

    assert (search(carries).found or 0) > 900


def test_what_is_far_off_is_not_tried_again():
    """A second try would only cost time."""
    one = Search(200)
    assert one.tell(Outcome.HOPELESS)
    assert one.rate < 200


def test_a_disturbed_try_decides_nothing_until_there_are_too_many():
    """A machine that is never quiet ends the patience."""
    one = Search(200)
    for _ in range(DISTURBED_MAX):
        assert not one.tell(Outcome.DISTURBED)
        assert one.rate == 200
    assert not one.tell(Outcome.DISTURBED)
    assert one.tell(Outcome.DISTURBED)
    assert one.rate < 200


def test_a_disturbance_in_every_other_try_changes_nothing():
    """What passes counts nevertheless: nobody gets faster by being disturbed."""
    quiet, one, disturbed = search(lambda rate: rate <= 1000), Search(200), False
    while not one.done:
        disturbed = not disturbed
        outcome = Outcome.PASSED if one.rate <= 1000 and not disturbed else Outcome.MISSED
        one.tell(Outcome.DISTURBED if disturbed else outcome)
    assert one.found == quiet.found


def test_a_server_that_carries_nothing_ends_the_search():
    """There is no such rate."""
    one = search(lambda rate: False)
    assert one.found is None
    assert one.low == 0


def test_a_server_that_gives_up_in_the_fine_tries_ends_the_search():
    """The interval moves down to the lowest rate, and there is none."""
    one = Search(200)
    while not one.done:
        one.tell(Outcome.PASSED if one.rate < 900 and not one.fine else Outcome.HOPELESS)
    assert one.found is None


@pytest.mark.parametrize("highest", [1000.0, 3000.0])
def test_the_search_goes_no_higher_than_it_may(highest: float):
    """A limit of the tool is the answer then."""
    one = Search(200, highest=highest)
    while not one.done:
        assert one.rate <= highest
        one.tell(Outcome.PASSED)
    assert one.found == highest
