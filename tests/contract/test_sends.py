"""How much users send over all workers, on every engine."""

from __future__ import annotations

import asyncio

import pytest

from app.backplane import keys
from app.backplane.sends import AT_ONCE, RedisSends, Sends
from app.protocol.names import handle
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.support import DEADLINE_SECONDS

SLACK_SECONDS = 5.0
"""A rate so slow that the time a test takes is nothing beside it."""


async def add(store: Sends, counts: dict[str, int]) -> dict[str, float]:
    """What is known of all these users then."""
    ahead: dict[str, float] = {}
    known = asyncio.Event()

    def done(user: str, seconds: float) -> None:
        ahead[user] = seconds
        if len(ahead) == len(counts):
            known.set()

    store.add(counts, done)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await known.wait()
    return ahead


async def test_workers_count_together(stage: Stage, room: str) -> None:
    """Each hears what all have added."""
    one, two = [await stage.sends(0.01, 1e6, 1.0) for _ in range(2)]
    ada, bob = handle(room), handle(room + "b")
    assert (await add(one, {ada: 5}))[ada] == pytest.approx(500, abs=SLACK_SECONDS)
    ahead = await add(two, {ada: 3, bob: 2})
    assert ahead[ada] == pytest.approx(800, abs=SLACK_SECONDS)
    assert ahead[bob] == pytest.approx(200, abs=SLACK_SECONDS)


async def test_nobody_is_ahead_by_more_than_allowed(stage: Stage, room: str) -> None:
    """A debt has an end, whatever was sent."""
    store = await stage.sends(0.01, 1000.0, 1.0)
    for _ in range(3):
        ahead = await add(store, {handle(room): 100})
    assert ahead[handle(room)] == pytest.approx(1000, abs=SLACK_SECONDS)


async def test_what_was_gathered_over_a_while_is_counted_from_its_beginning(stage: Stage, room: str) -> None:
    """What time has brought meanwhile is no debt; time before that is not saved up."""
    store = await stage.sends(0.01, 1e6, 150.0)
    assert (await add(store, {handle(room): 1}))[handle(room)] == 0
    assert (await add(store, {handle(room): 2}))[handle(room)] == pytest.approx(150, abs=SLACK_SECONDS)


async def test_many_users_are_told_of_at_once(stage: Stage, room: str) -> None:
    """In several calls where they are more than one should hold."""
    store = await stage.sends(0.01, 1e6, 1.0)
    users = {handle(f"{room}{number}"): number % 7 + 1 for number in range(AT_ONCE + 50)}
    ahead = await add(store, users)
    assert ahead.keys() == users.keys()
    assert all(ahead[user] == pytest.approx(100 * users[user], abs=SLACK_SECONDS) for user in users)


async def test_each_rate_has_counts_of_its_own(real: RedisStage, room: str) -> None:
    """A network is neither a user nor, as one whose guests send, one from where they come."""
    pipeline = await real.pipeline()
    for key in (keys.guest_sends, keys.newcomers, keys.sends):
        store = RedisSends(pipeline, 0.01, 1e6, 1.0, key)
        assert (await add(store, {room: 5}))[room] == pytest.approx(500, abs=SLACK_SECONDS)


async def test_nothing_is_left_of_those_who_are_no_longer_ahead(real: RedisStage, room: str) -> None:
    """Redis forgets them by itself, then and not much later."""
    store = await real.sends(1000.0, 60.0, 0.001)
    await add(store, {handle(room): 30_000})
    with witness(real.url) as client:
        assert 25_000 < client.pttl(keys.sends(handle(room))) <= 30_001
