"""What the broker on Redis promises beyond the contract's text: ages, windows, forgotten scripts."""

from __future__ import annotations

import asyncio

import pytest
import redis

from app.backplane import keys, redis_broker
from app.backplane.redis_broker import CHANGES_AT_ONCE, DEDUPE_CIDS, DEDUPE_SECONDS, EMPTY_SECONDS
from app.config import Settings
from app.errors import Unavailable
from app.events import head
from tests.contract.engines import Engine, witness
from tests.contract.stage import RedisStage
from tests.fakes.sent import Sent
from tests.support import until_async


def records(client: redis.Redis, room: str) -> list[bytes]:
    """The keys of the dedupe records of a room."""
    return [key for key in client.keys(f"{keys.PREFIX}*") if key.startswith(keys.cids(room, "").encode())]


def now_ms(client: redis.Redis) -> int:
    """The engine's clock."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def test_the_windows_are_those_of_the_contract() -> None:
    """64 cids, 10 minutes, and never more unacknowledged changes than half of what is remembered."""
    assert (DEDUPE_CIDS, DEDUPE_SECONDS) == (64, 600)
    most = {name: field.metadata["high"] for name, field in Settings.__dataclass_fields__.items()}["unacked"]
    assert 2 * most <= DEDUPE_CIDS


async def test_time_is_that_of_the_store(real: RedisStage, room: str) -> None:
    """`ts` comes from one clock, whichever worker stores."""
    broker = await real.broker()
    with witness(real.url) as client:
        before = now_ms(client)
        one = await Sent().through(broker, room)
        assert before <= one.confirmed[2] <= now_ms(client)


async def test_a_dedupe_record_outlives_its_window(real: RedisStage, room: str) -> None:
    """After any change, the first, a later one, one that cuts the record, it lives ten minutes more."""
    broker = await real.broker()
    with witness(real.url) as client:
        await Sent("first").through(broker, room)
        (record,) = records(client, room)
        assert client.ttl(record) >= DEDUPE_SECONDS
        for left in (DEDUPE_SECONDS + 5, DEDUPE_SECONDS - 5, 1):
            client.expire(record, left)
            await Sent().through(broker, room)
            assert client.ttl(record) >= DEDUPE_SECONDS
        assert (await Sent("first").through(broker, room)).dup
        for _ in range(4):
            client.expire(record, 5)
            for _ in range(DEDUPE_CIDS):
                broker.publish(room, Sent())
            await Sent().through(broker, room)
            assert client.ttl(record) >= DEDUPE_SECONDS


async def test_a_cid_is_new_when_its_window_is_over(
    real: RedisStage, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records vanish by themselves, so that a sender who is gone costs nothing."""
    monkeypatch.setattr(redis_broker, "DEDUPE_SECONDS", 1)
    broker = await real.broker()
    await Sent("a").through(broker, room)
    assert (await Sent("a").through(broker, room)).dup
    with witness(real.url) as client:
        await until_async(lambda: not records(client, room), "the record has expired")
    again = await Sent("a").through(broker, room)
    assert (again.seq, again.dup) == (2, False)


async def test_a_dedupe_record_is_bounded(real: RedisStage, room: str) -> None:
    """However much a sender sends, its record stays under four kilobytes."""
    broker = await real.broker()
    with witness(real.url) as client:
        for _ in range(20):
            for _ in range(CHANGES_AT_ONCE):
                broker.publish(room, Sent())
            await Sent().through(broker, room)
            (record,) = records(client, room)
            assert client.strlen(record) < 4096


async def test_digests_are_found_at_their_places_only(
    real: RedisStage, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that look like a digest across the border of two entries make no duplicate."""
    monkeypatch.setattr(redis_broker, "_digest", bytes.fromhex)
    broker = await real.broker()
    first = await Sent("1122334455667788").through(broker, room)
    assert first.seq == 1
    straddling = "5566778800000000"
    for expected in ((2, False), (2, True)):
        one = await Sent(straddling).through(broker, room)
        assert (one.seq, one.dup) == expected
    assert (await Sent("1122334455667788").through(broker, room)).confirmed == (*first.confirmed[:3], True)


def _backdate(client: redis.Redis, room: str, seconds: int) -> None:
    """Make the stored events older than they are."""
    log = client.lrange(keys.log(room), 0, -1)
    client.delete(keys.log(room))
    for entry in log:
        first, count, ts, rest = entry.split(b" ", 3)
        client.rpush(keys.log(room), b" ".join([first, count, b"%d" % (int(ts) - seconds * 1000), rest]))


async def test_a_log_is_trimmed_by_age(real: RedisStage, room: str) -> None:
    """Events older than promised go while the room is written to; younger ones stay, and the numbers go on."""
    broker = await real.broker(kept_seconds=1000)
    for _ in range(40):
        await Sent().through(broker, room)
    with witness(real.url) as client:
        _backdate(client, room, 1001)
        for _ in range(10):
            await Sent().through(broker, room)
        _backdate(client, room, 900)
        for _ in range(14):
            await Sent().through(broker, room)
    page = await broker.latest(room, 100)
    assert [head(event).seq for event in page.events] == list(range(41, 65))
    assert (page.oldest, page.top.seq) == (41, 64)


async def test_a_silent_room_vanishes_after_its_time(real: RedisStage, room: str) -> None:
    """Everything of a room expires: the events no sooner than promised, the numbers a day after them."""
    broker = await real.broker(kept_seconds=1000)
    await Sent().through(broker, room)
    with witness(real.url) as client:
        assert 1000 <= client.ttl(keys.log(room)) <= 1250
        assert 86400 + 1000 <= client.ttl(keys.meta(room)) <= 86400 + 1250
        client.expire(keys.log(room), 1000 + 125)
        client.hset(keys.meta(room), "renewed", now_ms(client) // 1000 - 126)
        await Sent().through(broker, room)
        assert client.ttl(keys.log(room)) > 1000 + 125
        for key in client.keys(f"{keys.PREFIX}{{{room}}}:*"):
            assert client.ttl(key) > 0, key


async def test_a_room_where_nothing_was_said_lives_for_minutes(real: RedisStage, room: str) -> None:
    """From its last read on, as the same room; with its first event as long as others."""
    broker = await real.broker(kept_seconds=1000)
    position = (await broker.latest(room, 10)).top
    with witness(real.url) as client:
        assert 0 < client.ttl(keys.meta(room)) <= EMPTY_SECONDS
        for _ in range(3):
            client.expire(keys.meta(room), 5)
            page = await broker.since(room, position, 0)
            assert (page.proved, page.top) == (True, position)
            assert EMPTY_SECONDS - 5 < client.ttl(keys.meta(room)) <= EMPTY_SECONDS
        await Sent().through(broker, room)
        assert 86400 + 1000 <= client.ttl(keys.meta(room)) <= 86400 + 1250
        assert (await broker.latest(room, 10)).top.epoch == position.epoch
        assert client.ttl(keys.meta(room)) > 86400


async def test_a_log_that_was_lost_alone_leaves_the_numbers(real: RedisStage, room: str) -> None:
    """Events gone, position kept: the sequence goes on, and nothing before is proved but the position itself."""
    broker = await real.broker()
    sent = [await Sent().through(broker, room) for _ in range(5)]
    with witness(real.url) as client:
        client.delete(keys.log(room))
    page = await broker.latest(room, 10)
    assert (page.top.seq, page.oldest, page.events) == (5, 6, [])
    assert (await broker.since(room, page.top, 10)).proved
    assert not (await broker.since(room, page.top._replace(seq=4, mid=sent[3].confirmed[1]), 10)).proved
    assert (await Sent().through(broker, room)).seq == 6
    page = await broker.between(room, 1, 10)
    assert (page.oldest, [head(event).seq for event in page.events]) == (6, [6])


async def test_a_redis_that_forgot_the_scripts_is_told_again(impatient: RedisStage, room: str) -> None:
    """After SCRIPT FLUSH sends are refused once, then go on; reads notice nothing; nothing is stored twice."""
    broker = await impatient.broker()
    with witness(impatient.url) as client:
        client.script_flush()
        sent = [Sent() for _ in range(120)]
        for one in sent:
            broker.publish(room, one)
        for one in sent:
            await one.answered()
        assert {type(one.answers[0]) for one in sent} == {Unavailable}
        again = [Sent(one.cid) for one in sent]
        for one in again:
            broker.publish(room, one)
        for one in again:
            await one.answered()
        assert [one.seq for one in again] == list(range(1, 121))
        client.script_flush()
        assert len((await broker.latest(room, 200)).events) == 120
        assert len(await impatient.log(room)) == 120


async def test_a_wrong_value_in_redis_is_refused_for_now(real: RedisStage, room: str) -> None:
    """A key of another type under a room's name: every change is answered, nothing is half stored."""
    broker = await real.broker()
    await Sent().through(broker, room)
    with witness(real.url) as client:
        client.set(keys.log(room), "not a list")
        one = await Sent().through(broker, room)
        (error,) = one.answers
        assert isinstance(error, Unavailable)
        with pytest.raises(Unavailable):
            await broker.latest(room, 5)
        client.delete(keys.log(room))
        again = await Sent(one.cid).through(broker, room)
        assert (again.seq, again.dup) == (2, False)


async def test_feeds_are_published_and_not_stored(real: RedisStage, room: str) -> None:
    """Any bytes, as they are; done once."""
    broker = await real.broker()
    data = bytes(range(256)) + b"\r\n$5\r\n"
    done: list[object] = []
    with witness(real.url) as client:
        channel = client.pubsub(ignore_subscribe_messages=True)
        channel.subscribe(keys.feed(room))
        channel.get_message(timeout=60)
        broker.broadcast(room, data, done.append)
        await until_async(lambda: done, "the feed is published")
        message = await asyncio.to_thread(channel.get_message, timeout=60)
        channel.close()
        assert message is not None
        assert message["data"] == data
        assert done == [None]
        assert client.keys(f"{keys.PREFIX}{{{room}}}*") == []


def test_the_engine_is_what_it_says(engine: Engine) -> None:
    """The suite runs against Valkey and against Redis, not twice against one of them."""
    with witness(engine.url) as client:
        info = client.info("server")
    assert "redis_version" in info
    is_valkey = type(engine).__name__ == "EmbeddedValkey"
    assert ("valkey_version" in info) == is_valkey


async def test_a_broken_entry_of_a_log_is_an_error_of_ours(real: RedisStage, room: str) -> None:
    """What others have written there harms the reading of this room, and nothing else."""
    broker = await real.broker()
    await Sent().through(broker, room)
    with witness(real.url) as client:
        for wrong in (b"", b"{}", b"1 2 1763791200123 token\n,}", b"x 1 1 token\n,}"):
            client.lset(keys.log(room), 0, wrong)
            with pytest.raises(Unavailable):
                await broker.latest(room, 5)
    assert (await Sent().through(broker, room + "-b")).seq == 1
