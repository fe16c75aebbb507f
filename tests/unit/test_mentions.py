"""Who is meant by @name."""

from __future__ import annotations

import pytest

from app.mentions import PEOPLE_MAX, mentioned

PEOPLE = [
    ("u1", "Ada"),
    ("u2", "Ada Lovelace"),
    ("u3", "Bob"),
    ("u4", "bob"),
    ("u5", "J\u00f6rg \u00df"),
    ("u6", "\U0001f600"),
]


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("hi @Ada", ["u1"]),
        ("@ada!", ["u1"]),
        ("@Ada Lovelace, look", ["u2"]),
        ("@Ada Lovelaces", ["u1"]),
        ("@Adam", []),
        ("ada@example.org and a@Bob", []),
        ("(@Bob)", ["u3", "u4"]),
        ("@Bob @Ada @Bob", ["u3", "u4", "u1"]),
        ("@@Ada", ["u1"]),
        ("@J\u00d6RG SS", ["u5"]),
        ("@J\u006f\u0308rg \u00df?", ["u5"]),
        ("@\U0001f600", ["u6"]),
        ("@", []),
        ("@ Ada", []),
        ("nobody", []),
        ("", []),
    ],
)
def test_names_are_found_where_they_are_meant(text: str, users: list[str]) -> None:
    """Longest first, in any case and form, not inside words, everybody of the name."""
    assert mentioned(text, PEOPLE) == users


def test_a_text_means_a_bounded_number_of_people() -> None:
    """However many are named, and however many share a name."""
    crowd = [(f"u{number}", f"n{number}") for number in range(100)]
    assert len(mentioned(" ".join(f"@n{number}" for number in range(100)), crowd)) == PEOPLE_MAX
    assert len(mentioned("@same", [(f"u{number}", "same") for number in range(100)])) == PEOPLE_MAX
    assert mentioned("@" * 4000, crowd) == []
