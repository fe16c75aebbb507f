"""How many connections people have on each worker, on every engine."""

from __future__ import annotations

import asyncio

import pytest

from app.backplane import keys
from app.backplane.seats import KEPT_SECONDS
from app.protocol.names import handle
from app.seats import Store
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.support import DEADLINE_SECONDS


@pytest.fixture
def who(room: str) -> str:
    """Somebody no other test knows."""
    return handle(room)


async def take(store: Store, who: str, number: int) -> dict[str, int]:
    """What the others have."""
    answer: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
    store.take(who, number, answer.set_result)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await answer


async def test_each_worker_is_told_what_the_others_have(stage: Stage, who: str) -> None:
    """Its own number is not among them, and the last one it gave holds."""
    one, other, third = await stage.seats(), await stage.seats(), await stage.seats()
    assert await take(one, who, 2) == {}
    assert sorted((await take(other, who, 3)).values()) == [2]
    assert sorted((await take(one, who, 4)).values()) == [3]
    assert sorted((await take(third, who, 2)).values()) == [3, 4]


async def test_nothing_is_kept_of_who_has_none(stage: Stage, who: str) -> None:
    """0 takes the number back."""
    one, other = await stage.seats(), await stage.seats()
    await take(one, who, 2)
    assert await take(one, who, 0) == {}
    assert await take(other, who, 2) == {}


async def test_people_are_kept_apart(stage: Stage, who: str) -> None:
    """By their handles."""
    one, other = await stage.seats(), await stage.seats()
    await take(one, who, 5)
    assert await take(other, handle(who), 2) == {}


async def test_what_is_left_behind_is_forgotten_in_the_end(real: RedisStage, who: str) -> None:
    """As by a worker that was killed; and whoever has gone leaves no key."""
    one = await real.seats()
    await take(one, who, 2)
    with witness(real.url) as client:
        assert 0 < client.ttl(keys.seats(who)) <= KEPT_SECONDS
        await take(one, who, 0)
        assert not client.exists(keys.seats(who))


async def test_a_redis_that_has_forgotten_the_script_is_told_again(real: RedisStage, who: str) -> None:
    """The call that finds it out is answered all the same."""
    one, other = await real.seats(), await real.seats()
    with witness(real.url) as client:
        client.script_flush()
    assert await take(one, who, 2) == {}
    assert list((await take(other, who, 2)).values()) == [2]
