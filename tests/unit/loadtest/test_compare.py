"""Better, worse or the same, by the spread of repeats."""

from __future__ import annotations

from typing import Any

from app.loadtest.compare import compare, different, verdict


def result(p99s: list[float], *, found: float | None = None, **plan: Any) -> dict[str, Any]:
    """A result file as far as a comparison reads it, with a load for each value."""
    loads = [{"delivery_ms": {"count": 1, "p50": value / 2, "p99": value}} for value in p99s]
    asked = {"find_max": found is not None, "sockets": 10, "rooms": 1, "pages": 0, "rate": 5, "duration": 9}
    return {
        "plan": {**asked, "text_bytes": 128, **plan},
        "verdict": {"found": found},
        "machine": {"cpu": "x"},
        "loads": loads,
        "seconds": [],
    }


def words(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """The words of all figures."""
    return {change.word for change in compare(before, now)}


def test_spreads_that_do_not_touch_tell_better_from_worse():
    """By the figure that counts."""
    assert words(result([100, 104, 98]), result([50, 55, 52])) == {"better"}
    assert words(result([50, 55, 52]), result([100, 104, 98])) == {"worse"}


def test_spreads_that_overlap_are_the_same():
    """However far apart the medians are."""
    assert words(result([50, 100, 150]), result([90, 140, 190])) == {"same"}


def test_a_difference_too_small_to_matter_is_the_same():
    """However narrow the spreads are."""
    assert words(result([100, 100, 100]), result([103, 103, 103])) == {"same"}


def test_a_single_load_is_judged_by_its_seconds():
    """The middle half of them."""
    before, now = result([100]), result([300])
    for one, base in ((before, 100), (now, 300)):
        one["seconds"] = [
            {"phase": "load", "delivered": 1, "p50": base, "p99": base + wobble} for wobble in (0, 5, 10, 400, 2, 3)
        ]
    assert words(before, now) == {"worse"}


def test_searches_are_compared_by_the_rate_found():
    """More is better; within a tenth is the same."""
    assert words(result([1], found=1000), result([1], found=1300)) == {"better"}
    assert words(result([1], found=1000), result([1], found=700)) == {"worse"}
    assert words(result([1], found=1000), result([1], found=1080)) == {"same"}


def test_what_did_not_do_the_same_is_not_compared():
    """A search and a load have no figure in common."""
    assert verdict(compare(result([1]), result([1], found=5))) == "not comparable"


def test_what_was_asked_for_differently_is_said():
    """By name."""
    assert different(result([1]), result([1], sockets=20)) == ["sockets"]


def test_worse_in_anything_is_worse_in_all():
    """One word for the whole."""
    before, now = result([100, 101, 102]), result([200, 201, 202])
    for load in now["loads"]:
        load["delivery_ms"]["p50"] = 1.0
    assert verdict(compare(before, now)) == "worse"
