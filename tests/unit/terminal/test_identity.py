"""Guests are kept for the next time, for their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.terminal.identity import GUESTS_MAX, Guest, Identities, default_path

URL = "ws://one/ws"


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path / "new" / "guests.json")


def test_nobody_is_known_at_first(identities: Identities) -> None:
    """Also where the file is damaged."""
    assert identities.find(URL, "") is None
    identities.path.parent.mkdir()
    identities.path.write_text('[{"url": 1}]')
    assert identities.find(URL, "") is None


def test_who_comes_without_a_name_is_who_came_last(identities: Identities) -> None:
    """At that server; by name it is the one of that name, and nobody for a new one."""
    ada, bob = Guest(URL, "Ada", "t1"), Guest(URL, "Bob", "t2")
    elsewhere = Guest("ws://two/ws", "Eve", "t3")
    for guest in (ada, bob, elsewhere):
        identities.keep(guest)
    assert identities.find(URL, "") == bob
    assert identities.find(URL, "Ada") == ada
    assert identities.find(URL, "Eve") is None


def test_a_newer_token_replaces_the_older(identities: Identities) -> None:
    """And its guest is now the last."""
    for guest in (Guest(URL, "Ada", "t1"), Guest(URL, "Bob", "t2"), Guest(URL, "Ada", "t3")):
        identities.keep(guest)
    assert identities.find(URL, "") == identities.find(URL, "Ada") == Guest(URL, "Ada", "t3")


def test_only_the_owner_can_read_it(identities: Identities) -> None:
    """The file and its directory, also after it was written again."""
    for token in ("t1", "t2"):
        identities.keep(Guest(URL, "Ada", token))
        assert stat.S_IMODE(identities.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(identities.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in identities.path.parent.iterdir()] == ["guests.json"]


def test_the_oldest_are_forgotten(identities: Identities) -> None:
    """So that the file does not grow."""
    for number in range(GUESTS_MAX + 3):
        identities.keep(Guest(URL, f"guest {number}", "t"))
    assert identities.find(URL, "guest 2") is None
    assert identities.find(URL, "guest 3") is not None


def test_the_place_follows_the_users_wishes() -> None:
    """XDG_DATA_HOME where it is absolute, else below the home directory."""
    assert default_path({"XDG_DATA_HOME": "/data", "HOME": "/home/ada"}) == Path("/data/parley/guests.json")
    assert Path("/home/ada") in default_path({"XDG_DATA_HOME": "data", "HOME": "/home/ada"}).parents
