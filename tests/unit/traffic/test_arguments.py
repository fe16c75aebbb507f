"""How the values of options are written on the command line."""

from __future__ import annotations

import pytest

from app.traffic.arguments import seconds


@pytest.mark.parametrize(("text", "expected"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1.5", 1.5), ("1h", 3600)])
def test_a_time_has_a_unit_or_is_in_seconds(text: str, expected: float):
    """As people write them."""
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "soon", "10x", "-5s"])
def test_what_is_no_time_is_refused(text: str):
    """With what it should look like."""
    with pytest.raises(ValueError, match="10s"):
        seconds(text)
