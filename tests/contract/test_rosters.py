"""The people of rooms, leases and the list of rooms, on every engine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from app.backplane import activity as activities
from app.backplane import keys
from app.backplane.broker import Amendment
from app.backplane.rosters import ROSTER_SECONDS, Moved, Store, Typed, Written, read_news
from app.errors import Unavailable
from tests.contract.engines import Engine, witness
from tests.contract.stage import RedisStage, Stage
from tests.fakes.sent import Sent
from tests.support import DEADLINE_SECONDS, until_async


async def ask(call: Callable[..., None], *arguments: Any) -> Any:
    """What a call is answered."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    call(*arguments, answer.set_result)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await answer


async def forever(call: Callable[..., None], *arguments: Any) -> None:
    """Call until that raises."""
    while True:
        await ask(call, *arguments)


async def write(
    store: Store, room: str, prev: int, version: int, joined: dict[str, str], left: list[str], count: int
) -> Moved:
    """Store a change."""
    change = Moved(store.worker, prev, version, count, joined, left)
    assert await ask(store.write, room, change) is True
    return change


async def test_what_is_written_is_read_and_heard(stage: Stage, room: str) -> None:
    """By other workers, with its version; only of those asked for."""
    here, there = await stage.rosters(), await stage.rosters()
    heard = await stage.hear(room)
    first = await write(here, room, 0, 1, {"u1": "Ada", "u2": "Bób"}, [], 2)
    second = await write(here, room, 1, 5, {"u3": "Cyd"}, ["u1"], 2)
    await write(there, room, 0, 2, {"u1": "Ada"}, [], 1)
    await until_async(lambda: len(heard) == 3, "all is heard")
    assert [read_news(data) for data in heard[:2]] == [first, second]
    assert await ask(there.read, room, [here.worker, "nobody"]) == [
        Written(5, {"u2": "Bób", "u3": "Cyd"}),
        Written(0, {}),
    ]
    assert await ask(there.versions, room, [here.worker, "nobody"]) == [2, 5, 0]
    assert await ask(there.versions, f"{room}-other", [here.worker]) == [0, 0]


async def test_a_roster_written_anew_replaces_what_was(stage: Stage, room: str) -> None:
    """Whatever that was."""
    store = await stage.rosters()
    await write(store, room, 0, 1, {"u1": "Ada", "u2": "Bob"}, [], 2)
    assert await ask(store.write, room, Moved(store.worker, 0, 9, 1, {"u3": "Cyd"}, [], True))
    assert await ask(store.read, room, [store.worker]) == [Written(9, {"u3": "Cyd"})]


async def test_a_change_of_another_version_is_not_written(stage: Stage, room: str) -> None:
    """Nor told; it says so."""
    store = await stage.rosters()
    heard = await stage.hear(room)
    assert await ask(store.write, room, Moved(store.worker, 7, 8, 1, {"u1": "Ada"}, [])) is False
    assert await ask(store.read, room, [store.worker]) == [Written(0, {})]
    await write(store, room, 0, 9, {"u1": "Ada"}, [], 1)
    assert await ask(store.write, room, Moved(store.worker, 8, 10, 0, {}, ["u1"])) is False
    assert await ask(store.read, room, [store.worker]) == [Written(9, {"u1": "Ada"})]
    await until_async(lambda: heard, "what was written is heard")
    assert len(heard) == 1


async def test_a_roster_of_nobody_is_gone(stage: Stage, room: str) -> None:
    """Nothing is left of it."""
    store = await stage.rosters()
    await write(store, room, 0, 1, {"u1": "Ada"}, [], 1)
    await write(store, room, 1, 2, {}, ["u1"], 0)
    assert await ask(store.read, room, [store.worker]) == [Written(0, {})]
    assert await ask(store.versions, room, []) == [0]


async def test_thousands_at_once_are_one_write(stage: Stage, room: str) -> None:
    """More than a call in Lua takes arguments."""
    store = await stage.rosters()
    crowd = {f"u{number}": f"User {number}" for number in range(9_000)}
    await write(store, room, 0, 1, crowd, [], len(crowd))
    assert await ask(store.read, room, [store.worker]) == [Written(1, crowd)]
    left = [f"u{number}" for number in range(1, 9_000)]
    await write(store, room, 1, 2, {}, left, 1)
    assert await ask(store.read, room, [store.worker]) == [Written(2, {"u0": "User 0"})]


async def test_typing_is_told_and_not_kept(stage: Stage, room: str) -> None:
    """Only heard."""
    store = await stage.rosters()
    heard = await stage.hear(room)
    typed = Typed(store.worker, {"u1": "Ada"}, ["u2"])
    store.tell(room, typed)
    await until_async(lambda: heard, "it is heard")
    assert read_news(heard[0]) == typed
    assert await ask(store.versions, room, []) == [0]


async def test_a_lease_is_seen_by_others_until_it_ends(real: RedisStage) -> None:
    """By the clock of the store; whoever let it end is told so."""
    here, there = await real.rosters(), await real.rosters()
    assert (await here.renew(30)).kept is False
    held = await there.renew(30)
    assert {here.worker, there.worker} <= set(held.alive)
    assert (await here.renew(30)).kept is True
    await here.release(0.2)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while here.worker in (await there.renew(30)).alive:
            pass
    assert (await here.renew(30)).kept is False
    assert here.worker in (await there.renew(30)).alive


async def test_a_lease_is_not_written_with_every_renewal(real: RedisStage) -> None:
    """Each write costs the append-only file; a quarter of the lease passes in between."""
    store = await real.rosters()
    with witness(real.url) as client:
        await store.renew(60)
        first = client.zscore(keys.LEASES, store.worker)
        await store.renew(60)
        assert client.zscore(keys.LEASES, store.worker) == first
        client.zadd(keys.LEASES, {store.worker: first - 20_000})
        await store.renew(60)
        assert client.zscore(keys.LEASES, store.worker) >= first


async def test_a_clock_that_went_back_makes_no_lease_longer(real: RedisStage) -> None:
    """After a failover to a machine whose clock is behind, the dead do not stay for the difference."""
    here, there = await real.rosters(), await real.rosters()
    with witness(real.url) as client:
        await here.renew(30)
        usual = client.zscore(keys.LEASES, here.worker)
        for worker in (here.worker, there.worker):
            client.zadd(keys.LEASES, {worker: usual + 3_600_000})
        assert set((await here.renew(30)).alive) >= {here.worker, there.worker}
        for worker in (here.worker, there.worker):
            assert usual <= client.zscore(keys.LEASES, worker) < usual + 60_000


async def test_what_dead_workers_leave_vanishes(real: RedisStage, room: str) -> None:
    """Unless it is looked after."""
    store = await real.rosters()
    name = keys.roster(room, store.worker)
    with witness(real.url) as client:
        await write(store, room, 0, 1, {"u1": "Ada"}, [], 1)
        assert ROSTER_SECONDS - 5 <= client.ttl(name) <= ROSTER_SECONDS
        client.expire(name, 100)
        await ask(store.versions, room, [])
        assert client.ttl(name) > 100


async def test_forgotten_scripts_are_sent_again(real: RedisStage, room: str) -> None:
    """Nobody notices."""
    store, activity = await real.rosters(), await real.activity()
    broker = await real.broker()
    await Sent().through(broker, room)
    with witness(real.url) as client:
        client.script_flush()
        await write(store, room, 0, 1, {"u1": "Ada"}, [], 1)
        client.script_flush()
        assert await ask(store.read, room, [store.worker]) == [Written(1, {"u1": "Ada"})]
        await store.renew(30)
        activity.write(broker.touched)
        client.script_flush()
        assert room in [about.room for about in await activity.newest(100, [])]


async def test_without_a_store_nothing_is_promised(impatient: RedisStage, engine: Engine, room: str) -> None:
    """What was on its way is answered with not knowing; afterwards nothing is taken."""
    store = await impatient.rosters()
    engine.freeze()
    change = Moved(store.worker, 0, 1, 1, {"u1": "Ada"}, [])
    assert await ask(store.write, room, change) is False
    engine.thaw()
    await impatient.healthy()
    engine.kill()
    try:
        with pytest.raises(Unavailable):
            await forever(store.write, room, change)
        with pytest.raises(Unavailable):
            await store.renew(5)
    finally:
        engine.start()


# The list of rooms


async def test_rooms_are_listed_by_last_activity(stage: Stage, room: str) -> None:
    """With seq, topic, and people counted once each on the workers that live."""
    broker, activity = await stage.broker(), await stage.activity()
    here, there = await stage.rosters(), await stage.rosters()
    for name in ("a", "b"):
        await Sent().through(broker, f"{room}-{name}")
    topic = Sent()
    broker.amend(f"{room}-a", topic, Amendment("topic", 0, "u1", b'"Tea"'))
    await topic.answered()
    await write(here, f"{room}-a", 0, 1, {"u1": "Ada", "u2": "Bob"}, [], 2)
    await write(there, f"{room}-a", 0, 1, {"u2": "Bob", "u3": "Cyd"}, [], 2)
    assert activity.write({f"{room}-a": 2_000_000_000_002, f"{room}-b": 2_000_000_000_001}) == {}
    assert activity.write({f"{room}-a": 5}) == {}

    async def listed(*workers: str) -> list[tuple[str, int, bytes, int]]:
        found = await activity.newest(100, workers)
        return [(one.room[-1], one.seq, one.topic, one.members) for one in found if one.room.startswith(room)]

    assert await listed(here.worker, there.worker) == [("a", 2, b'"Tea"', 3), ("b", 1, b"", 0)]
    assert await listed(here.worker) == [("a", 2, b'"Tea"', 2), ("b", 1, b"", 0)]
    assert len(await activity.newest(1, [])) == 1


async def test_a_list_tells_how_many_events_are_no_messages(stage: Stage, room: str) -> None:
    """And of which life of the room it speaks, so that what is unread can be counted."""
    broker, activity = await stage.broker(), await stage.activity()
    await Sent().through(broker, room)
    topic = Sent()
    broker.amend(room, topic, Amendment("topic", 0, "u1", b'"Tea"'))
    await topic.answered()
    activity.write({room: 2_000_000_000_003})
    (found,) = [about for about in await activity.newest(100, []) if about.room == room]
    assert (found.epoch, found.seq, found.others) == ((await broker.latest(room, 0)).top.epoch, 2, 1)


async def test_direct_rooms_are_not_noted(stage: Stage, room: str) -> None:
    """They are nobody else's business."""
    broker, activity = await stage.broker(), await stage.activity()
    await Sent().through(broker, f"dm:{room}")
    activity.write({f"dm:{room}": 2_000_000_000_009})
    assert f"dm:{room}" not in [about.room for about in await activity.newest(100, [])]


async def test_nobody_fills_the_list_of_rooms_alone(
    real: RedisStage, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a network's rooms the newest few come before those of others, wherever it writes; the rest come behind."""
    monkeypatch.setattr(activities, "ROOMS_OF_NETWORK", 2)
    broker, one, two = await real.broker(), await real.activity(), await real.activity()
    with witness(real.url) as client:
        client.delete(keys.ROOMS, keys.MORE_ROOMS)
    at = itertools.count(2_000_000_000_000)

    async def write(activity: activities.Activity, name: str, network: str) -> None:
        await Sent().through(broker, f"{room}-{name}")
        assert activity.write({f"{room}-{name}": next(at)}, {f"{room}-{name}": network}) == {}

    async def listed(limit: int) -> list[str]:
        return [about.room.rpartition("-")[2] for about in await two.newest(limit, [])]

    for name in ("real1", "real2"):
        await write(one, name, "198.51.100.1")
    await write(two, "service", "")
    for number in range(6):
        await write((one, two)[number % 2], f"spam{number}", "203.0.113.7")
    assert await listed(5) == ["spam5", "spam4", "service", "real2", "real1"]
    assert await listed(100) == ["spam5", "spam4", "spam3", "spam2", "spam1", "spam0", "service", "real2", "real1"]
    assert await one.total() == 9
    # What others brought is theirs, whoever writes there; what nobody else wrote in is anybody's to bring.
    await write(await real.activity(), "real1", "203.0.113.7")
    await write(await real.activity(), "spam0", "192.0.2.9")
    assert set(await listed(6)) == {"spam0", "spam5", "spam4", "service", "real2", "real1"}
    await write(await real.activity(), "spam1", "203.0.113.7")
    assert set(await listed(6)) == {"spam0", "spam1", "spam5", "service", "real2", "real1"}
    assert await one.total() == 9
    # A worker that knows the place of a room leaves it there.
    await write(one, "real2", "198.51.100.1")
    assert (await listed(1), await one.total()) == (["real2"], 9)


async def test_idle_rooms_fall_out(real: RedisStage, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the oldest, where there are too many."""
    broker, activity = await real.broker(), await real.activity()
    with witness(real.url) as client:
        client.delete(keys.ROOMS, keys.MORE_ROOMS)
        client.zadd(keys.ROOMS, {"long ago": 1})
        await Sent().through(broker, room)
        activity.write(broker.touched)
        assert [about.room for about in await activity.newest(100, [])] == [room]
        assert client.zrange(keys.ROOMS, 0, -1) == [room.encode()]
        monkeypatch.setattr(activities, "ROOMS_MAX", 2)
        monkeypatch.setattr(activities, "TRIM_EVERY", 0)
        (now,) = broker.touched.values()
        activity = await real.activity()
        activity.write({f"{room}-{number}": now + number for number in range(1, 5)})
        await activity.newest(1, [])
        assert client.zrange(keys.ROOMS, 0, -1) == [f"{room}-3".encode(), f"{room}-4".encode()]
