"""Guests: made once, recognised by their token, and nobody else's."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import GUEST_SECONDS, Guests, Identity
from app.errors import BadRequest, Unauthorized

SECRET = "a secret of at least thirty-two characters"
OTHER = "another secret of more than thirty-two characters"


@pytest.fixture
def guests() -> Guests:
    """The guests of one server."""
    return Guests(SECRET)


def forged(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token with some claims other than ours; None takes one away."""
    whole = {"sub": "g1", "name": "Ada", "aud": "parley-guest", "exp": int(time.time()) + 60, **claims}
    return jwt.encode({key: value for key, value in whole.items() if value is not None}, secret, algorithm=algorithm)


def test_a_token_brings_the_same_guest_back(guests: Guests) -> None:
    """User and name, on every worker that has the same secret."""
    ada = guests.new("Ada")
    assert Guests(SECRET).again(guests.token(ada)) == ada


def test_a_secret_that_signed_before_is_still_recognised(guests: Guests) -> None:
    """As long as it is listed; new tokens are made by the first."""
    ada = guests.new("Ada")
    both = Guests(OTHER, SECRET)
    assert both.again(guests.token(ada)) == ada
    assert Guests(OTHER).again(both.token(ada)) == ada
    with pytest.raises(Unauthorized):
        Guests(OTHER).again(guests.token(ada))


def test_guests_of_one_name_are_different_users(guests: Guests) -> None:
    """Names are for display; users are told apart by what nobody can guess."""
    users = {guests.new("Ada").user for _ in range(200)}
    assert len(users) == 200
    assert all(len(user) >= 12 for user in users)


def test_a_guests_name_follows_the_rules(guests: Guests) -> None:
    """In its one form, or refused."""
    assert guests.new("  \uff21da ").name == "Ada"
    with pytest.raises(BadRequest):
        guests.new("")


def test_a_token_is_good_for_its_time(guests: Guests) -> None:
    """It says until when, by the clock of its making."""
    claims = jwt.decode(guests.token(Identity("g1", "Ada")), SECRET, algorithms=["HS256"], audience="parley-guest")
    assert abs(claims["exp"] - time.time() - GUEST_SECONDS) < 60


WRONG = {
    "empty": "",
    "no token": "hello",
    "dots": "..",
    "not ASCII": "é.é.é",
    "of another server": forged(OTHER),
    "too old": forged(exp=int(time.time()) - 1),
    "without an end": forged(exp=None),
    "without a user": forged(sub=None),
    "without a name": forged(name=None),
    "user a number": forged(sub=5),
    "end a text": forged(exp="tomorrow"),
    "for another audience": forged(aud="other"),
    "without an audience": forged(aud=None),
    "another algorithm": forged(OTHER * 2, algorithm="HS512"),
    "no algorithm": jwt.encode({"sub": "g1", "name": "A", "aud": "parley-guest", "exp": 2**40}, None, algorithm="none"),
    "cut off": forged()[:-4],
    "with a tail": forged() + "AAAA",
}


@pytest.mark.parametrize("case", WRONG)
def test_any_other_token_is_refused(guests: Guests, case: str) -> None:
    """Forged, foreign, expired or broken: Unauthorized, in words that tell nothing more."""
    with pytest.raises(Unauthorized, match="not valid here, or has expired"):
        guests.again(WRONG[case])


@given(st.text(max_size=100))
def test_any_text_is_refused(text: str) -> None:
    """No input raises anything else."""
    with pytest.raises(Unauthorized):
        Guests(SECRET).again(text)


@given(st.integers(0, 10_000))
def test_a_token_changed_anywhere_is_refused(place: int) -> None:
    """The signature covers every character."""
    token = forged()
    place %= len(token) - 1  # The last character holds unused bits.
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    with pytest.raises(Unauthorized):
        Guests(SECRET).again(changed)


def test_ids_of_guests_are_told_from_those_of_others(guests: Guests) -> None:
    """By how they begin; who came before ids did so is still the same guest."""
    assert guests.new("Ada").user.startswith("guest:")
    assert guests.again(forged(sub="gAbCdEfGhIjKl")) == Identity("gAbCdEfGhIjKl", "Ada")
