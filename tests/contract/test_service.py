"""What the HTTP API keeps in Redis and reads from it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from app import apikeys
from app.apikeys import ApiKey
from app.backplane import keyring, keys
from app.backplane.broker import Amendment
from app.backplane.census import KEPT_SECONDS, Line, RedisCensus
from app.backplane.keyring import Keyring
from app.errors import BadRequest, Unavailable
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.contract.test_rosters import write
from tests.fakes.sent import Sent


def new_key() -> ApiKey:
    """A key to be kept."""
    return apikeys.make("Robot", ["send"], [], 5.0, time.time(), None)[0]


@pytest.fixture
async def ring(real: RedisStage) -> AsyncIterator[Keyring]:
    """A keyring without keys."""
    with witness(real.url) as client:
        client.delete(keys.API_KEYS)
        yield Keyring(await real.pipeline())
        client.delete(keys.API_KEYS)


async def test_keys_are_kept_until_they_are_revoked(ring: Keyring, real: RedisStage) -> None:
    """By their ids; what is none of ours harms nobody."""
    one, other = new_key(), new_key()
    for key in (one, other):
        await ring.add(key)
    assert sorted(await ring.all(), key=lambda key: key.id) == sorted([one, other], key=lambda key: key.id)
    with witness(real.url) as client:
        client.hset(keys.API_KEYS, "foreign", "no json")
        assert client.hget(keys.API_KEYS, one.id) == msgspec.json.encode(one)
    assert await ring.revoke(one.id) is True
    assert await ring.revoke(one.id) is False
    assert await ring.all() == [other]
    with witness(real.url) as client:
        client.set(keys.API_KEYS, "x")
        with pytest.raises(Unavailable):
            await ring.all()


async def test_there_is_a_most_of_keys(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that reading all of them stays cheap."""
    monkeypatch.setattr(keyring, "KEYS_MAX", 2)
    for _ in range(2):
        await ring.add(new_key())
    with pytest.raises(BadRequest, match="revoke some"):
        await ring.add(new_key())


async def test_each_worker_has_a_line_that_ends_after_it(real: RedisStage, room: str) -> None:
    """Those without one are left out."""
    census = RedisCensus(await real.pipeline())
    one, other = Line(3, 2, ["a", "b"]), Line(9000, 8000, None)
    await census.write(f"{room}-1", one)
    await census.write(f"{room}-2", other)
    assert await census.read([f"{room}-1", f"{room}-none", f"{room}-2"]) == [one, other]
    assert await census.read([]) == []
    with witness(real.url) as client:
        assert 0 < client.ttl(keys.census(f"{room}-1")) <= KEPT_SECONDS
        client.set(keys.census(f"{room}-1"), "x")
    with pytest.raises(Unavailable):
        await census.read([f"{room}-1"])


async def test_one_room_is_looked_at(stage: Stage, room: str) -> None:
    """Whatever it is, and whether it is listed or not; nothing is made by looking."""
    broker, activity, rosters = await stage.broker(), await stage.activity(), await stage.rosters()
    total = await activity.total()
    assert await activity.room(room, []) is None
    assert await activity.room(room, []) is None
    sent = await Sent().through(broker, room)
    topic = Sent()
    broker.amend(room, topic, Amendment("topic", 0, "u1", b'"Tea"'))
    await topic.answered()
    await write(rosters, room, 0, 1, {"u1": "Ada", "u2": "Bob"}, [], 2)
    found = await activity.room(room, [rosters.worker])
    assert found is not None
    assert (found.seq, found.topic, found.members, found.others) == (2, b'"Tea"', 2, 1)
    assert found.epoch == (await broker.latest(room, 0)).top.epoch
    assert found.ts >= sent.confirmed[2]
    assert await activity.total() == total
    activity.write({room: found.ts})
    assert await activity.total() == total + 1
