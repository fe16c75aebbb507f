"""Who is meant by @name."""

from __future__ import annotations

import json

import pytest

from app.mentions import PEOPLE_MAX, authors, mentioned, with_authors

PEOPLE = [
    ("u1", "Ada"),
    ("u2", "Ada Lovelace"),
    ("u3", "Bob"),
    ("u4", "bob"),
    ("u5", "J\u00f6rg \u00df"),
    ("u6", "\U0001f600"),
    ("u7", "\u0930\u093e\u092e"),
    ("u8", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),
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
        ("@\u0930\u093e\u092e, @\u0930\u093e\u092e\u093e", ["u7"]),
        ("@\u0930\u093e\u092e\u093e \u0930\u093f@Ada", []),
        ("@\u0639\u0644\u06cc\u0631\u0636\u0627 @\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", ["u8"]),
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


def event(user: str, name: str, **more: str) -> bytes:
    """An event of somebody's."""
    return json.dumps({"seq": 1, "mid": "m", "ts": 1, "type": "message", "user": user, "name": name, **more}).encode()


def test_authors_of_events_are_people_under_their_last_name() -> None:
    """Of any event; what a service says has no person as its author."""
    events = [
        event("u1", "Ada", text='"user":"u9"'),
        event("u2", "Bob", type="reacted"),
        event("u1", "Ada L"),
        event("svc:Robot", "Robot"),
        b'{"seq":5,"mid":"m","ts":1,"type":"superseded"}',
    ]
    assert authors(events) == {"u1": "Ada L", "u2": "Bob"}
    assert authors([]) == {}


def test_who_is_there_is_meant_by_the_name_of_now_and_authors_beside_them() -> None:
    """Two of one name are both meant, who is there first; an old name of somebody who is there means nobody."""
    events = [event("u1", "Ada before"), event("u2", "Bob"), event("u3", "Bob"), event("u4", "Eve")]
    people = list(with_authors({"u5": "Bob", "u1": "Ada"}, events))
    assert mentioned("@bob", people) == ["u5", "u2", "u3"]
    assert mentioned("@Ada before", people) == ["u1"]
    assert mentioned("@Eve", people) == ["u4"]
