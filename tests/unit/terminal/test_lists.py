"""Lists that are asked for."""

from __future__ import annotations

from app.client.room import Room
from app.terminal import lists
from app.terminal.orders import HELP
from app.terminal.transcript import plain


def room(members: int | None, *names: str) -> Room:
    made = Room("tea")
    made.members = members
    made.people = {f"u{number}": name for number, name in enumerate(names)}
    return made


def test_people_are_named_in_order() -> None:
    """As far as the server names them."""
    assert plain(lists.who(room(2, "bob", "Ada"))) == "2 people are here: Ada, bob"
    assert plain(lists.who(room(1, "Ada"))) == "1 person is here: Ada"
    assert plain(lists.who(room(513))) == "513 people are here"
    assert plain(lists.who(room(3, "Ada", "Bob"))) == "3 people are here: Ada, Bob and 1 more"
    assert "not said" in plain(lists.who(room(None)))


def test_more_than_a_hundred_are_counted() -> None:
    """The list stays readable."""
    words = plain(lists.who(room(150, *(f"guest {number:03}" for number in range(150)))))
    assert words.endswith("guest 099 and 50 more")


def test_rooms_are_listed_with_what_is_new() -> None:
    """One's direct rooms by the other's name."""
    reply = {
        "rooms": [
            {"room": "tea", "members": 3, "topic": "Cake\x1b", "unread": 4},
            {"room": "lobby", "members": 0, "unread": 0},
        ],
        "direct": [{"room": "d1", "with": {"user": "u2", "name": "Bob"}, "unread": 1}],
    }
    assert [plain(line) for line in lists.rooms(reply)] == [
        "#tea  3 here, 4 unread  Cake\u241b",
        "#lobby  0 here",
        "@Bob, 1 unread",
    ]
    assert [plain(line) for line in lists.rooms({"rooms": []})] == ["there are no rooms yet"]


def test_every_order_is_listed() -> None:
    """In rows that fit a narrow terminal."""
    rows = [plain(line) for line in lists.orders()]
    assert [row.split()[0] for row in rows] == [f"/{name}" for name in HELP]
    assert max(map(len, rows)) <= 80
