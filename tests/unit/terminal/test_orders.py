"""What a typed line means."""

from __future__ import annotations

import pytest

from app.terminal.orders import HELP, Order, Words, Wrong, addressees, understand

PEOPLE = {"u1": "Ada", "u2": "Ada Lovelace", "u3": "Bob", "u4": "bob"}


@pytest.mark.parametrize("line", ["", "   ", "\n"])
def test_nothing_is_nothing(line: str) -> None:
    """An empty line is not sent."""
    assert understand(line) is None


def test_words_are_sent_as_they_are() -> None:
    """Spaces and slashes inside included; two slashes at the start stand for one."""
    assert understand("  and / or ") == Words("  and / or ")
    assert understand("//etc/hosts") == Words("/etc/hosts")


def test_an_order_has_a_name_and_the_rest() -> None:
    """Spaces around are nothing."""
    assert understand("/join  tea ") == Order("join", "tea")
    assert understand("/topic two words") == Order("topic", "two words")
    assert understand("/who") == Order("who", "")


@pytest.mark.parametrize(("line", "said"), [("/jion tea", "no /jion"), ("/", "no /;"), ("/join", "/join ROOM")])
def test_what_is_not_understood_is_not_sent(line: str, said: str) -> None:
    """It says what there is instead."""
    meaning = understand(line)
    assert isinstance(meaning, Wrong)
    assert said in meaning.message


def test_all_orders_are_understood() -> None:
    """Each of the list, with something after it."""
    assert all(understand(f"/{name} x") == Order(name, "x") for name in HELP)


@pytest.mark.parametrize(
    ("rest", "users", "text"),
    [
        ("ada hi there", ["u1"], "hi there"),
        ("Ada Lovelace hi", ["u2"], "hi"),
        ("ada lovelace", ["u2"], ""),
        ("bob hi", ["u3", "u4"], "hi"),
        ("u4 hi", ["u4"], "hi"),
        ("Adam hi", [], ""),
    ],
)
def test_people_are_found_by_the_longest_name(rest: str, users: list[str], text: str) -> None:
    """Case makes no difference; several of one name are all given; an id names one."""
    assert addressees(rest, PEOPLE) == (users, text)
