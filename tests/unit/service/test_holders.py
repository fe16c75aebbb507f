"""Who may ask for what over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.apikeys import ApiKey, make
from app.errors import Forbidden, RateLimited, Unauthorized, Unavailable
from app.protocol.operations import OPERATIONS, Operation
from app.service.holders import FRESH_SECONDS, Holders, check
from app.service.rates import Rates
from tests.fakes.loop import Clock

NOW = 1_800_000_000.0


class Ring:
    """The keys in Redis."""

    def __init__(self) -> None:
        self.keys: list[ApiKey] = []
        self.reads = 0
        self.failure: Exception | None = None

    async def all(self) -> list[ApiKey]:
        """See Keyring."""
        self.reads += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return list(self.keys)

    def new(self, **more: Any) -> str:
        """Add a key; how it is shown."""
        key, shown = new_key(**more)
        self.keys.append(key)
        return shown


def new_key(scopes: list[str] | None = None, rooms: list[str] | None = None, **more: Any) -> tuple[ApiKey, str]:
    """A key and how it is shown."""
    given = {"name": "Robot", "rate": 2.0, "now": NOW, "seconds": None, **more}
    return make(scopes=scopes or ["send"], rooms=rooms or [], **given)


def new_holders(ring: Ring, clock: Clock, filed: list[ApiKey] | None = None) -> Holders:
    """Those who hold these keys, at a time."""
    return Holders(ring, filed or [], clock, lambda: NOW)  # type: ignore[arg-type]


def bearer(shown: str) -> list[str]:
    """The header."""
    return [f"Bearer {shown}"]


async def test_the_holder_of_a_key_is_found_and_the_keys_are_read_seldom() -> None:
    """However many ask at once and after each other."""
    ring, clock = Ring(), Clock()
    holders, shown = new_holders(ring, clock), ring.new()
    found = await asyncio.gather(*(holders.holder(bearer(shown)) for _ in range(50)))
    assert {key.id for key in found} == {ring.keys[0].id}
    assert (await holders.holder([f"bearer  {shown} "])).name == "Robot"
    assert ring.reads == 1


async def test_a_revoked_key_is_good_for_a_second_at_most() -> None:
    """Then the keys are read anew."""
    ring, clock = Ring(), Clock()
    holders, shown = new_holders(ring, clock), ring.new()
    await holders.holder(bearer(shown))
    ring.keys.clear()
    clock.pass_(FRESH_SECONDS)
    with pytest.raises(Unauthorized):
        await holders.holder(bearer(shown))


async def test_a_new_key_is_good_at_once() -> None:
    """Though the keys were read a moment ago; those that are none cause one read together."""
    ring, clock = Ring(), Clock()
    holders = new_holders(ring, clock)
    await holders.holder(bearer(ring.new()))
    clock.pass_(0.3)
    assert (await holders.holder(bearer(ring.new(name="Second")))).name == "Second"
    reads = ring.reads
    clock.pass_(0.3)
    unknown = [holders.holder(bearer(new_key()[1])) for _ in range(50)]
    refused = await asyncio.gather(*unknown, return_exceptions=True)
    assert {type(error) for error in refused} == {Unauthorized}
    assert ring.reads == reads + 1


@pytest.mark.parametrize(
    "headers", [[], [""], ["Bearer"], ["Bearer pk_1_2"], ["Basic eDp5"], ["Bearer " + "x" * 10_000]]
)
async def test_what_is_no_key_is_refused_without_asking(headers: list[str]) -> None:
    """Redis hears nothing of it."""
    ring = Ring()
    with pytest.raises(Unauthorized):
        await new_holders(ring, Clock()).holder(headers)
    with pytest.raises(Unauthorized):
        await new_holders(ring, Clock()).holder(bearer(ring.new()) * 2)
    assert ring.reads == 0


async def test_a_secret_of_another_key_is_none() -> None:
    """And neither is one that has ended."""
    ring = Ring()
    one, other = ring.new(), ring.new()
    holders = new_holders(ring, Clock())
    mixed = "_".join([*one.split("_")[:2], other.split("_")[2]])
    for shown in (mixed, ring.new(seconds=-5)):
        with pytest.raises(Unauthorized):
            await holders.holder(bearer(shown))


async def test_without_redis_the_keys_of_the_file_are_good() -> None:
    """The others are refused for now."""
    ring = Ring()
    shown = ring.new()
    ring.failure = Unavailable("away")
    key, filed = new_key(name="Filed")
    holders = new_holders(ring, Clock(), [key])
    assert (await holders.holder(bearer(filed))).name == "Filed"
    with pytest.raises(Unavailable):
        await holders.holder(bearer(shown))
    ring.failure = None
    assert (await holders.holder(bearer(shown))).name == "Robot"


def operation(scope: str, **more: Any) -> Operation:
    """An operation for this scope."""
    return next(one for one in OPERATIONS if one.scope == scope)._replace(**more)


def test_a_key_is_for_its_scopes_and_rooms() -> None:
    """And for what is about no room, unless that needs a key for all."""
    key = new_key(scopes=["send", "counts"], rooms=["team-*"])[0]
    check(key, operation("send"), "team-red")
    check(key, operation("counts"), "")
    for asked, room in (
        (operation("send"), "ops"),
        (operation("read"), "team-red"),
        (operation("counts", everywhere=True), ""),
        (operation("send"), "dm:a.b"),
    ):
        with pytest.raises(Forbidden):
            check(key, asked, room)
    check(new_key(scopes=["counts"])[0], operation("counts", everywhere=True), "")


def test_a_key_asks_as_often_as_it_may() -> None:
    """A second's worth at once, then one by one; each key by itself."""
    clock = Clock()
    rates, key, other = Rates(clock), new_key(rate=2.0)[0], new_key(rate=2.0)[0]
    for _ in range(3):
        rates.take(key)
    with pytest.raises(RateLimited) as refused:
        rates.take(key)
    assert refused.value.retry_seconds == pytest.approx(0.5)
    assert refused.value.limit == "api_rate"
    rates.take(other)
    clock.pass_(0.5)
    rates.take(key)
    with pytest.raises(RateLimited):
        rates.take(key)
    clock.pass_(3600)
    for _ in range(3):
        rates.take(key)
    with pytest.raises(RateLimited):
        rates.take(key)


def test_keys_that_ask_no_more_are_forgotten() -> None:
    """What is remembered of them is bounded."""
    clock = Clock()
    rates = Rates(clock)
    for _ in range(5000):
        rates.take(new_key(rate=1000.0)[0])
        clock.pass_(0.01)
    assert len(rates) < 2500
