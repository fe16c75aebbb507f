"""Which rooms a token grants, and what everybody may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingError
from app.grants import Grants, Right, Rules


def granted(claim: Any, room: str) -> Right | None:
    """The right that a claim gives in a room."""
    grants = Grants.claimed(claim)
    assert grants is not None
    return grants.right(room)


def test_a_pattern_is_a_name_or_the_beginning_of_names() -> None:
    """Nothing else matches, in any case or form."""
    claim = {"ops": "moderate", "team-*": "write", "*": "read"}
    assert granted(claim, "ops") is Right.MODERATE
    assert granted(claim, "team-red") is Right.WRITE
    assert granted(claim, "OPS") is Right.READ
    assert granted({"ops": "read"}, "ops2") is None
    assert granted({"ops": "read"}, "op") is None


def test_the_greatest_right_that_fits_holds() -> None:
    """Whatever the order; a list of rights is the greatest of them."""
    assert granted({"a*": "read", "ab": ["read", "write"]}, "ab") is Right.WRITE
    assert granted({"ab": "moderate", "*": "read"}, "ab") is Right.MODERATE


def test_without_the_claim_there_are_no_grants_and_an_empty_one_grants_nothing() -> None:
    """The rules for everybody decide then."""
    assert Grants.claimed(None) is None
    assert granted({}, "lobby") is None


@pytest.mark.parametrize(
    "claim",
    [
        "lobby",
        ["lobby"],
        5,
        {"lobby": "own"},
        {"lobby": []},
        {"lobby": ["read", 5]},
        {"lobby": {"read": True}},
        {"lobby": None},
        {"": "read"},
        {"a*b": "read"},
        {"x" * 65: "read"},
        {f"r{number}": "read" for number in range(101)},
    ],
)
def test_a_claim_of_any_other_form_is_refused(claim: Any) -> None:
    """A right is never guessed."""
    with pytest.raises(ValueError, match=r"\w"):
        Grants.claimed(claim)


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    """Rooms without one are open."""
    path = tmp_path / "rooms.toml"
    path.write_text('[rooms]\n"news" = "read only"\n"team-hall" = "open"\n"team-*" = "members only"\n')
    rules = Rules.read(path)
    assert [rules.everybody(room) for room in ("news", "team-hall", "team-red", "lobby")] == [
        Right.READ,
        Right.WRITE,
        Right.NONE,
        Right.WRITE,
    ]


def test_moderators_are_named_by_their_ids(tmp_path: Path) -> None:
    """For the rooms of all patterns that fit; the pattern of all rooms is everywhere."""
    path = tmp_path / "rooms.toml"
    path.write_text('[moderators]\n"news" = ["u1", "u2"]\n"n*" = ["u3"]\n"*" = ["u4"]\n')
    rules = Rules.read(path)
    users = ("u1", "u2", "u3", "u4", "u5")
    assert [user for user in users if rules.moderates(user, "news")] == ["u1", "u2", "u3", "u4"]
    assert [user for user in users if rules.moderates(user, "lobby")] == ["u4"]
    assert [user for user in users if rules.moderates_everywhere(user)] == ["u4"]
    assert rules.everybody("news") is Right.WRITE


def test_everywhere_is_only_what_says_so() -> None:
    """A claim for all rooms' names one by one, or less than to moderate, is not."""
    claims = [{"*": "moderate"}, {"*": ["read", "moderate"], "a": "read"}, {"a*": "moderate"}, {"*": "write"}, {}]
    assert [grants.everywhere for claim in claims if (grants := Grants.claimed(claim))] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "rooms",
        "rooms = 5",
        '[rooms]\n"a" = "closed"',
        "[rooms]\na = 5",
        '[rooms]\n"a*b" = "open"',
        "[room]\n",
        "moderators = 5",
        '[moderators]\na = "u1"',
        "[moderators]\na = [5]",
        '[moderators]\na = [""]',
        '[moderators]\n"a*b" = ["u1"]',
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    """One line with its path; a room is never open by mistake."""
    path = tmp_path / "rooms.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=r"--room-rules: .*rooms\.toml: "):
        Rules.read(path)
    with pytest.raises(SettingError, match="No such file"):
        Rules.read(tmp_path / "none.toml")
