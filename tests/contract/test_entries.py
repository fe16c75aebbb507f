"""The entries of a log: none becomes large, and events are found in logs of any shape."""

from __future__ import annotations

import json
import random
from contextlib import AsyncExitStack

import pytest

from app.backplane import keys
from app.backplane.permissions import USER
from app.backplane.redis_broker import CALL_BYTES, CHANGES_AT_ONCE
from app.events import Position, head
from tests.contract.engines import witness
from tests.contract.stage import RedisStage
from tests.fakes.sent import Amends, Sent
from tests.support import Valkey

TEXT = "x" * 4000
LARGEST = 2 * CALL_BYTES + 1000


def entries(url: str, room: str) -> list[bytes]:
    """The log as it is stored."""
    with witness(url) as client:
        return list(client.lrange(keys.log(room), 0, -1))


def regroup(url: str, room: str, sizes: list[int]) -> None:
    """Make the log's entries have so many events each, as if they had shared calls."""
    bodies = [body for entry in entries(url, room) for body in entry.split(b"\n")[1:]]
    assert sum(sizes) == len(bodies)
    first = 1
    with witness(url) as client:
        now = 1000 * int(client.time()[0])
        client.delete(keys.log(room))
        for size in sizes:
            head_line = b"%d %d %d old" % (first, size, now + first)
            client.rpush(keys.log(room), b"\n".join([head_line, *bodies[first - 1 : first - 1 + size]]))
            first += size
        client.hset(keys.meta(room), "mid", f"old.{first - 1}")


async def fill(stage: RedisStage, room: str, texts: list[str]) -> list[Sent]:
    """Send messages, as many at once as share a call."""
    broker = await stage.broker()
    sent = [Sent(text=text) for text in texts]
    for start in range(0, len(sent), CHANGES_AT_ONCE):
        for one in sent[start : start + CHANGES_AT_ONCE]:
            broker.publish(room, one)
        for one in sent[start : start + CHANGES_AT_ONCE]:
            await one.answered()
    return sent


async def test_large_messages_do_not_share_an_entry(real: RedisStage, room: str) -> None:
    """Short ones do."""
    await fill(real, room, [TEXT] * 50 + ["x" * 128] * 50)
    stored = entries(real.url, room)
    assert max(map(len, stored)) < CALL_BYTES + 100
    assert stored[-1].startswith(b"51 50 ")


async def test_an_entry_that_edits_make_large_is_parted(real: RedisStage, room: str) -> None:
    """Events, their order and their heads are as before, and everything finds them in their new places."""
    sent = await fill(real, room, ["short"] * 50)
    before = await real.log(room)
    assert len(entries(real.url, room)) == 1
    broker = await real.broker()
    order = list(range(1, 51))
    random.Random(7).shuffle(order)
    for seq in order:
        await Amends("edit", seq, f"{seq} {TEXT}").through(broker, room)
    stored = entries(real.url, room)
    assert max(map(len, stored)) < LARGEST
    after = await real.log(room)
    assert [head(event) for event in after[:50]] == [head(event) for event in before]
    assert [json.loads(event)["text"] for event in after[:50]] == [f"{seq} {TEXT}" for seq in range(1, 51)]
    for one in sent:
        assert (await Sent(one.cid).through(broker, room)).confirmed == (*one.confirmed[:3], True)
    for seq in order:
        await Amends("delete", seq).through(broker, room)
    assert [json.loads(event).get("deleted") for event in (await real.log(room))[:50]] == [True] * 50
    assert (await broker.between(room, 1, 50)).events == (await real.log(room))[:50]


async def test_a_log_from_before_is_read_and_amended(real: RedisStage, room: str) -> None:
    """Entries of 50 large messages: found, given whole, and parted by what amends them."""
    await fill(real, room, [TEXT] * 100)
    regroup(real.url, room, [50, 50])
    log = await real.log(room)
    broker = await real.broker()
    assert (await broker.latest(room, 3)).events == log[-3:]
    assert (await broker.between(room, 49, 4)).events == log[48:52]
    for seq in (1, 25, 50, 51, 100):
        await Amends("react", seq, "\u2764", b"1").through(broker, room)
    after = await real.log(room)
    assert [head(event) for event in after[:100]] == [head(event) for event in log]
    assert [seq for seq in range(1, 101) if b"reactions" in after[seq - 1]] == [1, 25, 50, 51, 100]
    assert [entry.split(b" ")[:2] for entry in entries(real.url, room)[:3]] == [
        [b"1", b"1"],
        [b"2", b"23"],
        [b"25", b"1"],
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_events_are_found_in_logs_of_any_shape(real: RedisStage, room: str, seed: int) -> None:
    """By position, by seq, by cid and by amendment; few events an entry, then many, or all mixed."""
    dice = random.Random(seed)
    sizes = [[1] * 60 + [35] * 4, [35] * 4 + [1] * 60, [dice.randint(1, 9) for _ in range(40)], [1, 98, 1, 98, 2]][seed]
    count = sum(sizes)
    sent = await fill(real, room, ["t"] * count)
    regroup(real.url, room, sizes)
    log = await real.log(room)
    broker = await real.broker()
    epoch = (await broker.latest(room, 1)).top.epoch
    for seq in range(1, count + 1, 3):
        page = await broker.since(room, Position(epoch, seq, f"old.{seq}"), 5)
        assert (page.proved, page.events) == (True, log[seq : seq + 5])
        assert not (await broker.since(room, Position(epoch, seq, f"other.{seq}"), 0)).proved
    again = [Sent(one.cid) for one in sent[-60:]]
    for one in again:
        broker.publish(room, one)
    for one in again:
        await one.answered()
    first = count - 60
    times = [head(event).ts for event in log[first:]]
    assert [one.confirmed for one in again] == [
        (seq, f"old.{seq}", at, True) for seq, at in enumerate(times, first + 1)
    ]
    for seq in dice.sample(range(1, count + 1), 20):
        await Amends("edit", seq, f"new {seq}").through(broker, room)
        (event,) = (await broker.between(room, seq, 1)).events
        assert (json.loads(event)["text"], head(event)) == (f"new {seq}", head(log[seq - 1]))


async def test_an_entry_grows_where_it_may_not_be_parted(own_valkey: Valkey, room: str) -> None:
    """A user of Redis from before entries were parted may not insert: amendments go well as before."""
    async with AsyncExitStack() as stack:
        stage = RedisStage(own_valkey.url, stack, 5.0)
        await fill(stage, room, ["short"] * 50)
        with witness(own_valkey.url) as client:
            client.execute_command("ACL", "SETUSER", USER, "-linsert")
        broker = await stage.broker()
        for seq in range(1, 21):
            await Amends("edit", seq, TEXT).through(broker, room)
        assert len(entries(own_valkey.url, room)) == 21
        assert [json.loads(event)["text"] for event in (await stage.log(room))[:20]] == [TEXT] * 20
