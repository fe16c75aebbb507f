"""Which pages may come in: exactly those, however others are spelled."""

from __future__ import annotations

import pytest

from app.origins import from_right, of_address, permitted, written

OWN = "https://parley.example"
TRICKS = [
    "https://evilparley.example",
    "https://parley.example.evil",
    "https://evil.parley.example",
    "https://parley.example:8443",
    "https://parley.example:443",
    "http://parley.example",
    "https://PARLEY.example",
    "HTTPS://parley.example",
    "https://parley.example/",
    "https://parley.example.",
    "https://user@parley.example",
    "https://parley.example@evil.example",
    "https://parley.example https://evil.example",
    "https://parley.example,https://evil.example",
    "//parley.example",
    "parley.example",
    "null",
    "",
    " ",
    "https://",
    "https://parley.\u0435xample",
    "file://",
]


@pytest.mark.parametrize("claimed", TRICKS)
def test_whatever_is_not_exactly_the_origin_is_refused(claimed: str) -> None:
    """Whether it is this server's own that counts, or a listed one."""
    assert not permitted([claimed], (), OWN)
    assert not permitted([claimed], {OWN}, "")


def test_the_own_origin_comes_in_where_none_is_listed() -> None:
    """It is the default."""
    assert permitted([OWN], (), OWN)


def test_a_list_replaces_the_own_origin() -> None:
    """Exactly what is listed comes in."""
    assert permitted(["https://a.example"], {"https://a.example", "https://b.example"}, OWN)
    assert not permitted([OWN], {"https://a.example"}, OWN)


def test_two_origins_are_refused() -> None:
    """Even twice the same."""
    assert not permitted([OWN, OWN], (), OWN)
    assert not permitted([OWN, "https://evil.example"], {OWN}, OWN)


def test_programs_come_in() -> None:
    """They send no Origin, and could send any."""
    assert permitted([], {OWN}, OWN)


def test_where_the_own_origin_is_not_known_no_page_comes_in() -> None:
    """Not even one that claims to be nothing."""
    assert not permitted([""], (), "")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://chat.example", "https://chat.example"),
        (" HTTPS://Chat.Example:443 ", "https://chat.example"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:08000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://chat.example:80", "https://chat.example:80"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_a_setting_is_brought_into_the_form_that_browsers_send(text: str, origin: str) -> None:
    """People write it as they like."""
    assert written(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "chat.example",
        "https://",
        "https://chat.example/",
        "https://a@b.example",
        "https://*.example",
        "https://chat.example:0",
        "https://chat.example:65536",
        "https://bücher.example",
        "https://a b",
    ],
)
def test_a_setting_that_is_no_origin_is_refused(text: str) -> None:
    """Wildcards, paths and names that browsers would spell otherwise."""
    with pytest.raises(ValueError, match="no origin"):
        written(text)


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", "localhost:8000", "http://localhost:8000"),
        ("https", "Chat.Example:443", "https://chat.example"),
        ("wss", "chat.example", "https://chat.example"),
        ("ws", "chat.example:80", "http://chat.example"),
        ("ftp", "chat.example", ""),
        ("", "chat.example", ""),
        ("https", "", ""),
        ("https", "a@b", ""),
        ("https", "evil.example/chat.example", ""),
        ("https", "\udcff", ""),
    ],
)
def test_the_own_origin_is_made_of_scheme_and_host(scheme: str, host: str, origin: str) -> None:
    """Empty where they are none."""
    assert of_address(scheme, host) == origin


@pytest.mark.parametrize(
    ("values", "place", "found"),
    [
        (["https"], 1, "https"),
        (["http, https"], 1, "https"),
        (["http", "https"], 1, "https"),
        (["http, https, http"], 2, "https"),
        (["https"], 2, "https"),
    ],
)
def test_what_proxies_say_is_read_from_the_right(values: list[str], place: int, found: str) -> None:
    """What stands before it is a client's claim."""
    assert from_right(values, place) == found
