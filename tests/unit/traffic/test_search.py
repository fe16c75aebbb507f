"""The search for the highest rate, on servers that are functions."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.traffic.search import TRIES_MAX, Search


def search(carries: Callable[[float], bool], first: float = 200.0) -> Search:
    """Run a search to its end."""
    one = Search(first)
    while not one.done:
        one.tell(carries(one.rate))
    return one


@given(st.floats(10, 100_000), st.floats(10, 10_000))
def test_the_rate_found_is_just_below_what_is_too_much(capacity: float, first: float):
    """Within a few percent, wherever the search begins, in a bounded number of tries."""
    one = search(lambda rate: rate <= capacity, first)
    assert one.found is not None
    assert 0.9 * capacity <= one.found <= capacity
    assert one.tries <= TRIES_MAX + 1


def test_a_search_repeats_within_ten_percent_on_a_server_that_hesitates_near_its_limit():
    """Between 97 and 103 % of the capacity it is a matter of luck."""
    dice = random.Random(7)

    def carries(rate: float) -> bool:
        return rate < 970 or (rate < 1030 and dice.random() < 0.5)

    found = [search(carries).found or 0.0 for _ in range(50)]
    assert max(found) <= 1.1 * min(found)


def test_one_hiccup_decides_nothing():
    """A rate is too much only if it fails again."""
    failures = {400.0}

    def carries(rate: float) -> bool:
        if rate in failures:
            failures.discard(rate)
            return False
        return rate <= 1000

    assert (search(carries).found or 0) > 900


def test_a_server_that_carries_nothing_ends_the_search():
    """There is no such rate."""
    one = search(lambda rate: False)
    assert one.found is None
    assert one.low == 0


def test_what_is_found_was_validated():
    """A rate that passes once and not when held gives way to a lower one."""
    one = Search(200)
    held: list[float] = []
    while not one.done:
        rate = one.rate
        if one.validating:
            held.append(rate)
        one.tell(rate <= (900 if one.validating else 1000))
    assert one.found is not None
    assert one.found <= 900 < max(held)


@pytest.mark.parametrize("highest", [1000.0, 3000.0])
def test_the_search_goes_no_higher_than_it_may(highest: float):
    """A limit of the tool is the answer then."""
    one = Search(200, highest=highest)
    while not one.done:
        assert one.rate <= highest
        one.tell(True)
    assert one.found == highest
