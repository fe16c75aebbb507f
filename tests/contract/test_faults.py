"""Redis is killed, frozen, made read-only or out of memory: every change is answered once, and never falsely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from app.backplane.broker import Broker
from app.backplane.redis_broker import RedisBroker
from app.errors import NotConfirmed, ParleyError, Unavailable
from app.events import head
from tests.contract.engines import Engine, witness
from tests.contract.stage import RedisStage
from tests.fakes.sent import Sent
from tests.support import free_port, until_async

Trouble = Callable[[Engine], None]


def kill(engine: Engine) -> None:
    """It is gone, and so are its connections."""
    engine.kill()


def freeze(engine: Engine) -> None:
    """It is there, and says nothing."""
    engine.freeze()


def make_read_only(engine: Engine) -> None:
    """A replica of a master that cannot be reached: reads are answered, writes refused."""
    with witness(engine.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))


def fill_memory(engine: Engine) -> None:
    """No byte is left, and nothing may be evicted."""
    with witness(engine.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)


def mend(engine: Engine, trouble: Trouble) -> None:
    """Undo the trouble."""
    if trouble is kill:
        engine.start()
    elif trouble is freeze:
        engine.thaw()
    else:
        with witness(engine.url) as client:
            if trouble is make_read_only:
                client.execute_command("REPLICAOF", "NO", "ONE")
            else:
                client.config_set("maxmemory", 0)


class Load:
    """Callers that send without pause until told to stop, each waiting for no more than a few answers."""

    def __init__(self, broker: Broker, room: str) -> None:
        self._broker = broker
        self._room = room
        self._stop = False
        self.sent: list[Sent] = []
        self.refused: list[Sent] = []

    async def caller(self, number: int) -> None:
        for turn in count():
            if self._stop:
                return
            one = Sent(f"c{number}-{turn}", sender=f"u{number}/s")
            try:
                self._broker.publish(self._room, one)
            except Unavailable:
                self.refused.append(one)
                await asyncio.sleep(0.01)
                continue
            self.sent.append(one)
            if turn % 8 == 0:
                await one.answered()

    def stored(self) -> int:
        """How many have been confirmed."""
        return sum(isinstance(answer, tuple) for one in self.sent for answer in one.answers)

    def failures(self) -> list[ParleyError]:
        """Why those that failed did."""
        return [answer for one in self.sent for answer in one.answers if isinstance(answer, ParleyError)]

    async def stop(self, callers: list[asyncio.Task[None]]) -> None:
        """No more calls; wait for the answers to those made."""
        self._stop = True
        await asyncio.gather(*callers)
        for one in self.sent:
            await one.answered()


@pytest.mark.parametrize("trouble", [kill, freeze, make_read_only, fill_memory])
async def test_every_change_is_answered_once_and_truly(
    engine: Engine, impatient: RedisStage, room: str, trouble: Trouble
) -> None:
    """In full flight: what was confirmed is in the log, what was not can be sent again, and each cid is one event."""
    with witness(engine.url) as client:
        client.config_set("appendfsync", "always")
    broker = await impatient.broker()
    load = Load(broker, room)
    callers = [asyncio.create_task(load.caller(number), name=f"caller {number}") for number in range(4)]
    await until_async(lambda: load.stored() > 100, "sends go well")
    await asyncio.to_thread(trouble, engine)
    await until_async(lambda: load.failures() or load.refused, "the trouble is felt")
    so_far = load.stored()
    await load.stop(callers)
    if trouble is not freeze:
        assert load.stored() - so_far < 1000
    await asyncio.to_thread(mend, engine, trouble)

    assert all(len(one.answers) == 1 for one in load.sent)
    assert broker.unconfirmed == 0
    kinds = {type(error) for error in load.failures()}
    assert kinds <= ({NotConfirmed, Unavailable} if trouble in (kill, freeze) else {Unavailable})
    assert all(error.temporary for error in load.failures())
    assert not any(one.answers for one in load.refused)

    # A failure after which nothing is known: the same cid again, on another worker, until it is confirmed.
    other = await impatient.broker()
    failed = [one for one in load.sent if isinstance(one.answers[0], ParleyError)] + load.refused[:20]
    assert failed
    retried = [await _until_stored(other, room, one) for one in failed]
    log = await impatient.log(room)
    assert [head(event).seq for event in log] == list(range(1, len(log) + 1))
    cids = [event.split(b'"cid":"')[1].split(b'"')[0].decode() for event in log]
    assert len(set(cids)) == len(cids)
    for one in [one for one in load.sent if isinstance(one.answers[0], tuple)] + retried:
        assert head(log[one.seq - 1]) == one.confirmed[:3]
        assert cids[one.seq - 1] == one.cid
    await impatient.healthy()


async def _until_stored(broker: Broker, room: str, failed: Sent) -> Sent:
    async with asyncio.timeout(60):
        while True:
            again = Sent(failed.cid, failed.sender)
            try:
                await again.through(broker, room)
            except Unavailable:
                await asyncio.sleep(0.02)
                continue
            if isinstance(again.answers[0], tuple):
                return again


@pytest.mark.parametrize("trouble", [kill, freeze])
async def test_reads_of_a_redis_that_is_away_fail_soon(
    engine: Engine, impatient: RedisStage, room: str, trouble: Trouble
) -> None:
    """With an error of ours, and go well again by themselves when it is back."""
    broker = await impatient.broker()
    await Sent().through(broker, room)
    await asyncio.to_thread(trouble, engine)
    with pytest.raises((Unavailable, NotConfirmed)):
        await broker.latest(room, 5)
    await asyncio.to_thread(mend, engine, trouble)

    async def read() -> int:
        while True:
            try:
                return (await broker.latest(room, 5)).top.seq
            except (Unavailable, NotConfirmed):
                await asyncio.sleep(0.02)

    async with asyncio.timeout(60):
        assert await read() == 1


@pytest.mark.parametrize("trouble", [make_read_only, fill_memory])
async def test_reads_go_on_where_only_writing_fails(
    engine: Engine, impatient: RedisStage, room: str, trouble: Trouble
) -> None:
    """History can be read from a store that takes nothing."""
    broker = await impatient.broker()
    await Sent().through(broker, room)
    silent = (await broker.latest(f"{room}-silent", 5)).top
    await asyncio.to_thread(trouble, engine)
    assert len((await broker.latest(room, 5)).events) == 1
    assert len((await broker.between(room, 1, 5)).events) == 1
    assert (await broker.since(f"{room}-silent", silent, 0)).proved


async def test_a_room_cannot_be_begun_where_writing_fails(engine: Engine, impatient: RedisStage, room: str) -> None:
    """Its epoch would have to be stored: refused for now, instead of invented."""
    pipeline = await impatient.pipeline()
    broker = RedisBroker(pipeline, 100, 600)
    await asyncio.to_thread(make_read_only, engine)
    with pytest.raises(Unavailable):
        await broker.latest(room, 5)
    await asyncio.to_thread(mend, engine, make_read_only)
    await until_async(lambda: pipeline.up, "it has connected anew")
    assert (await Sent().through(broker, room)).seq == 1


async def test_a_change_without_a_connection_is_refused_at_once(
    engine: Engine, impatient: RedisStage, room: str
) -> None:
    """Nothing is kept for later: whoever sends knows now."""
    pipeline = await impatient.pipeline()
    broker = RedisBroker(pipeline, 100, 600)
    await asyncio.to_thread(engine.kill)
    await until_async(lambda: not pipeline.up, "the loss is noticed")
    one = Sent()
    with pytest.raises(Unavailable):
        broker.publish(room, one)
    with pytest.raises(Unavailable):
        await broker.latest(room, 1)
    with pytest.raises(Unavailable):
        broker.broadcast(room, b"x", lambda error: None)
    assert (one.answers, broker.unconfirmed) == ([], 0)
    await asyncio.to_thread(engine.start)
    await until_async(lambda: pipeline.up, "the connection is back")
    assert pipeline.reconnects == 1


async def test_what_was_queued_when_the_connection_died_is_answered(
    engine: Engine, impatient: RedisStage, room: str
) -> None:
    """A change handed in in the very turn in which the connection is lost gets its answer too."""
    pipeline = await impatient.pipeline()
    broker = RedisBroker(pipeline, 100, 600)
    one = Sent()
    broker.publish(room, one)
    assert pipeline._link is not None
    pipeline._link.drop()
    await one.answered()
    assert isinstance(one.answers[0], (Unavailable, NotConfirmed))
    await until_async(lambda: pipeline.up, "the connection is back")
    again = await Sent(one.cid).through(broker, room)
    assert again.seq == 1
