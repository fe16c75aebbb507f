"""How the values of options are written on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from app.arguments import above_zero, count, seconds, within


@pytest.mark.parametrize(("text", "expected"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1.5", 1.5), ("1h", 3600)])
def test_a_time_has_a_unit_or_is_in_seconds(text: str, expected: float):
    """As people write them."""
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "soon", "10x", "-5s"])
def test_what_is_no_time_is_refused(text: str):
    """With what it should look like."""
    with pytest.raises(ValueError, match="10s"):
        seconds(text)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (count, "x", "'x' is not a whole number"),
        (count, "1.5", "'1.5' is not a whole number"),
        (count, "-1", "must be at least 0"),
        (within(1, 9), "10", "must be between 1 and 9"),
        (above_zero(10), "x", "'x' is not a number"),
        (above_zero(10), "0", "must be above 0 and at most 10"),
        (above_zero(10), "nan", "must be above 0 and at most 10"),
        (above_zero(10), "11", "must be above 0 and at most 10"),
    ],
)
def test_what_is_no_number_or_out_of_bounds_is_refused_in_words(read: Callable[[str], float], text: str, said: str):
    """Argparse would show the name of a function otherwise."""
    with pytest.raises(ArgumentTypeError, match=f"^{said}$"):
        read(text)


def test_the_bounds_of_a_number_belong_to_it():
    """As they stand in the message."""
    assert (within(1, 9)("1"), within(1, 9)("9"), above_zero(10)("10")) == (1, 9, 10)
