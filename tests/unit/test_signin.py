"""Keys that are fetched: when they are, how often, and what is answered meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app import signin
from app.errors import Unauthorized, Unavailable
from app.signin import KeySet, Signin
from app.tokens import Expected, User
from tests.fakes.sent import running
from tests.support import until_async
from tests.unit.test_tokens import EC, RSA, jwk, signed


class Publisher:
    """Publishes keys, or fails to; counts how often it was asked."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked = 0

    def __call__(self, url: str) -> bytes:
        """What is at the URL."""
        assert url == "https://example.test/keys"
        self.asked += 1
        if not self.entries:
            raise OSError("out of order")
        return json.dumps({"keys": self.entries}).encode()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """One with a key, for a server that is in a hurry."""
    monkeypatch.setattr(signin, "GAP_SECONDS", 0.05)
    monkeypatch.setattr(signin, "WAIT_SECONDS", 3.0)
    publisher = Publisher()
    publisher.entries = [jwk(RSA, kid="old")]
    return publisher


async def outcome(users: Signin, token: str) -> User:
    """Who the token is for, however long it takes."""
    found = users.user(token)
    return found if isinstance(found, User) else await found


async def test_a_key_that_is_not_known_yet_is_fetched(publisher: Publisher) -> None:
    """The token with it waits; those after it need not."""
    remote = KeySet("https://example.test/keys", publisher)
    users = Signin([], Expected(), remote)
    async with running(remote.run()):
        assert (await outcome(users, signed(RSA, "RS256", "old"))).user == "u1"
        assert isinstance(users.user(signed(RSA, "RS256", "old")), User)
        publisher.entries = [jwk(EC, kid="new")]
        assert (await outcome(users, signed(EC, "ES256", "new"))).user == "u1"
        with pytest.raises(Unauthorized):
            await outcome(users, signed(RSA, "RS256", "old"))


async def test_unknown_keys_cause_few_fetches(publisher: Publisher) -> None:
    """All who wait share one, however many there are; each is refused when it has come."""
    remote = KeySet("https://example.test/keys", publisher)
    users = Signin([], Expected(), remote)
    async with running(remote.run()):
        await until_async(lambda: remote.keys, "keys are there")
        forged = [outcome(users, signed(RSA, "RS256", f"k{number}")) for number in range(200)]
        answers = await asyncio.gather(*forged, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unauthorized}
    assert publisher.asked <= 3


async def test_while_keys_cannot_be_had_the_known_ones_do(publisher: Publisher) -> None:
    """Others are told to come again, within a time."""
    remote = KeySet("https://example.test/keys", publisher)
    users = Signin([], Expected(), remote)
    async with running(remote.run()):
        await until_async(lambda: remote.keys, "keys are there")
        publisher.entries = []
        with pytest.raises(Unavailable):
            await outcome(users, signed(EC, "ES256", "new"))
        assert (await outcome(users, signed(RSA, "RS256", "old"))).user == "u1"


async def test_without_anybody_who_fetches_waiting_ends() -> None:
    """With Unavailable, and not too many wait."""
    remote = KeySet("https://example.test/keys", lambda url: b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signin, "WAIT_SECONDS", 0.05)
        with pytest.raises(Unavailable, match="cannot be had"):
            await remote.find("RS256", "k")
        patch.setattr(signin, "WAITING_MAX", 0)
        with pytest.raises(Unavailable, match="too many"):
            await remote.find("RS256", "k")


def test_a_secret_is_never_taken_from_a_key_set(publisher: Publisher) -> None:
    """HS256 is answered at once, without a fetch."""
    with pytest.raises(Unauthorized):
        Signin([], Expected(), KeySet("https://example.test/keys", publisher)).user(signed(kid="x"))
    assert publisher.asked == 0
