"""From publications to members: joined, in order, and healed where something is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import structlog

from app import relay as module
from app.backplane import keys
from app.backplane.broker import Page
from app.errors import Unavailable
from app.events import Position
from tests.fakes.broker import MemoryBroker
from tests.fakes.log import TS, publication
from tests.fakes.sent import Sent, running
from tests.fakes.wire import BINARY, TEXT, parse
from tests.fakes.worker import Worker
from tests.support import until_async

CHANNEL = keys.events("lobby")


class Client:
    """A member that keeps its writes apart."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    @property
    def seqs(self) -> list[int]:
        """The seqs of all events heard."""
        frames = [bytes(one.data) for data in self.writes for one in parse(data)]
        return [int(frame.split(b":")[1].split(b",")[0]) for frame in frames]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker whose relay heals gaps."""
    worker = Worker()
    async with running(worker.relay.run()):
        yield worker


async def member_of(worker: Worker, name: str = "lobby") -> Client:
    """A member of a room."""
    client = Client()
    (await worker.hub.enter(name)).join(client)
    return client


def position(worker: Worker) -> Position:
    """Where the room is."""
    room = worker.hub.get("lobby")
    assert room is not None
    return room.at


async def store(worker: Worker, count: int) -> None:
    """Store and publish events."""
    for _ in range(count):
        await Sent().through(worker.broker, "lobby")


async def store_past(worker: Worker, count: int) -> None:
    """Store and publish events on another worker."""
    broker = MemoryBroker(worker.store)
    for _ in range(count):
        await Sent().through(broker, "lobby")


async def test_all_events_of_a_room_in_one_read_are_one_write(worker: Worker) -> None:
    """However many publications they came in; other rooms in between do not tear them apart."""
    here = [await member_of(worker) for _ in range(3)]
    there = await member_of(worker, "other")
    epoch = worker.store.rooms["lobby"].epoch
    other_epoch = worker.store.rooms["other"].epoch
    worker.relay.deliver(
        [
            (CHANNEL, publication(1, 3, epoch)),
            (keys.events("other"), publication(1, 1, other_epoch)),
            (CHANNEL, publication(4, 4, epoch)),
            (keys.events("nobody"), publication(1, 1)),
        ]
    )
    for client in here:
        assert len(client.writes) == 1
        assert client.seqs == [1, 2, 3, 4]
    assert there.seqs == [1]
    assert worker.counters.deliveries == 3 * 4 + 1


async def test_the_time_from_redis_to_the_members_is_counted_by_redis_clock(worker: Worker) -> None:
    """Once for each event, however many members it has; a clock that is ahead makes no negative times."""
    epoch = (await worker.hub.enter("lobby")).at.epoch
    for _ in range(5):
        await member_of(worker)
    delivery = worker.counters.delivery_seconds
    worker.counters.redis_clock_offset_seconds = TS / 1000 + 3.0 - time.time()
    worker.relay.deliver([(CHANNEL, publication(1, 2, epoch)), (CHANNEL, publication(3, 3, epoch))])
    assert (worker.counters.events, sum(delivery.counts)) == (3, 3)
    assert delivery.sum == pytest.approx(9.0, abs=3.0)
    worker.counters.redis_clock_offset_seconds = -time.time()
    worker.relay.deliver([(CHANNEL, publication(4, 4, epoch)), (CHANNEL, publication(1, 1, epoch))])
    assert sum(delivery.counts) == 4
    assert delivery.counts[0] == 1


async def test_a_publication_heard_twice_is_delivered_once(worker: Worker) -> None:
    """And one that overlaps brings only what is new."""
    client = await member_of(worker)
    epoch = worker.store.rooms["lobby"].epoch
    for first, last in ((1, 2), (1, 2), (2, 4), (1, 3)):
        worker.relay.deliver([(CHANNEL, publication(first, last, epoch))])
    assert client.seqs == [1, 2, 3, 4]


async def test_feeds_go_out_as_they_came(worker: Worker) -> None:
    """Text as text, binary as binary, byte for byte, joined to one write."""
    client = Client()
    (await worker.hub.enter_feed("lobby")).join(client)
    channel = keys.feed("lobby")
    worker.relay.deliver([(channel, b"tgr\xc3\xbc\xc3\x9f"), (channel, b"b\x00\xff"), (channel, b"t")])
    assert len(client.writes) == 1
    assert [(int(one.opcode), bytes(one.data)) for one in parse(client.writes[0])] == [
        (TEXT, "grüß".encode()),
        (BINARY, b"\x00\xff"),
        (TEXT, b""),
    ]


async def test_a_foreign_publication_is_logged_and_harms_nobody(worker: Worker) -> None:
    """Whatever others publish on a room's channel."""
    client = await member_of(worker)
    with structlog.testing.capture_logs() as lines:
        for noise in (b"", b"hello", b"\xff\xfe", b"a b c d"):
            worker.relay.deliver([(CHANNEL, noise)])
    assert [(line["log_level"], line["seldom"]) for line in lines] == [("error", "lobby")] * 4
    assert worker.counters.foreign == 4
    await store(worker, 1)
    assert client.seqs == [1]


async def test_a_gap_is_healed_from_the_log(worker: Worker) -> None:
    """A lost publication shows with the next one, and both are delivered in order."""
    client = await member_of(worker)
    await store(worker, 2)
    worker.subscriber.active.clear()
    await store(worker, 3)
    worker.subscriber.confirm(CHANNEL)
    await store(worker, 1)
    await until_async(lambda: len(client.seqs) == 6, "the gap is healed")
    await store(worker, 1)
    assert client.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert worker.counters.gaps_healed == 1


async def test_a_gap_is_healed_as_soon_as_redis_answers(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often reading fails before."""
    monkeypatch.setattr(module, "HEAL_RETRY_SECONDS", 0.001)
    client = await member_of(worker)
    worker.subscriber.active.clear()
    await store(worker, 3)
    worker.subscriber.confirm(CHANNEL)
    worker.broker.failure = Unavailable("away")
    before = len(worker.broker.reads)
    worker.relay.deliver([(CHANNEL, publication(9, 9, worker.store.rooms["lobby"].epoch))])
    await until_async(lambda: len(worker.broker.reads) >= before + 3, "it tries again and again")
    assert client.seqs == []
    worker.broker.failure = None
    await until_async(lambda: client.seqs == [1, 2, 3], "the gap is healed")


async def test_many_rooms_are_healed_at_once(worker: Worker) -> None:
    """After a reconnect each room is read once, however many there are."""
    names = [f"room{number}" for number in range(module.HEALS_AT_ONCE * 2 + 5)]
    clients = [await member_of(worker, name) for name in names]
    worker.subscriber.lose()
    for name in names:
        await Sent().through(worker.broker, name)
    before = len(worker.broker.reads)
    worker.subscriber.come_back()
    await until_async(lambda: all(client.seqs == [1] for client in clients), "every room is healed")
    assert len(worker.broker.reads) - before == len(names)


async def test_after_a_reconnect_the_log_is_read_when_the_subscription_stands(worker: Worker) -> None:
    """Not before: what is published until then would be missing."""
    client = await member_of(worker)
    worker.subscriber.prompt = False
    worker.subscriber.lose()
    await store(worker, 1)
    before = len(worker.broker.reads)
    worker.subscriber.come_back()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(worker.broker.reads), client.seqs) == (before, [])
    await store(worker, 1)
    worker.subscriber.confirm(CHANNEL)
    await until_async(lambda: client.seqs == [1, 2], "both are delivered")


async def test_a_lost_last_event_is_found_by_the_audit(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing follows it that would show the gap; the log's top does."""
    monkeypatch.setattr(module, "AUDIT_SECONDS", 0.001)
    monkeypatch.setattr(module, "AUDIT_GRACE_SECONDS", 0.001)
    client = await member_of(worker)
    await store(worker, 1)
    worker.subscriber.active.clear()
    await store(worker, 1)
    async with running(worker.relay.audit()):
        await until_async(lambda: client.seqs == [1, 2], "the audit finds it")


async def test_a_rewritten_log_is_found_by_the_audit(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that lost its tail and has other events under the same numbers: members are told."""
    monkeypatch.setattr(module, "AUDIT_SECONDS", 0.001)
    monkeypatch.setattr(module, "AUDIT_GRACE_SECONDS", 0.001)
    client = await member_of(worker)
    await store(worker, 5)
    kept = worker.store.rooms["lobby"]
    kept.seq, kept.mid = 3, kept.mid_at(3) or ""
    del kept.log[3:]
    async with running(worker.relay.audit()):
        await until_async(lambda: worker.counters.resyncs, "the audit finds it")
    assert b'"resync"' in client.writes[-1]


async def test_an_audit_of_healthy_rooms_reads_little_and_changes_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No gap is seen where there is none; rooms without members are left alone."""
    monkeypatch.setattr(module, "AUDIT_SECONDS", 0.001)
    client = await member_of(worker)
    await worker.hub.enter("empty")
    await store(worker, 3)
    async with running(worker.relay.audit()):
        before = len(worker.broker.reads)
        await until_async(lambda: len(worker.broker.reads) >= before + 3, "three audits")
    assert set(worker.broker.reads[before:]) == {"lobby"}
    assert (client.seqs, worker.counters.gaps_healed, worker.counters.resyncs) == ([1, 2, 3], 0, 0)


async def test_an_audit_that_cannot_read_changes_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis away is no gap; the next audit tries again."""
    monkeypatch.setattr(module, "AUDIT_SECONDS", 0.001)
    monkeypatch.setattr(module, "AUDIT_GRACE_SECONDS", 0.001)
    client = await member_of(worker)
    worker.subscriber.active.clear()
    await store(worker, 1)
    worker.broker.failure = Unavailable("away")
    async with running(worker.relay.audit()):
        before = len(worker.broker.reads)
        await until_async(lambda: len(worker.broker.reads) >= before + 3, "three audits")
        assert client.seqs == []
        worker.broker.failure = None
        await until_async(lambda: client.seqs == [1], "the audit finds it")


async def test_a_joiner_during_resubscription_costs_the_room_no_event(worker: Worker) -> None:
    """Joining reads the log before the subscription is confirmed; the log is read once more after it."""
    client = await member_of(worker)
    worker.subscriber.prompt = False
    worker.subscriber.lose()
    worker.subscriber.come_back()
    await worker.hub.enter("lobby")
    await store(worker, 1)
    assert client.seqs == []
    worker.subscriber.confirm(CHANNEL)
    await until_async(lambda: client.seqs == [1], "the event is found")


async def test_a_room_that_is_being_opened_is_read_again_after_a_reconnect(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published between its first read and the new subscription would wait for the audit otherwise."""
    read, answer = worker.broker.latest, asyncio.Event()

    async def slow(room: str, limit: int) -> Page:
        page = await read(room, limit)
        await answer.wait()
        return page

    monkeypatch.setattr(worker.broker, "latest", slow)
    opening = asyncio.create_task(member_of(worker))
    await until_async(lambda: worker.hub.get("lobby") is not None, "it is being opened")
    worker.subscriber.lose()
    await store_past(worker, 1)
    worker.subscriber.come_back()
    answer.set()
    await opening
    await until_async(lambda: position(worker).seq == 1, "it was read again")


@pytest.mark.parametrize("failure", [Unavailable("away"), ValueError("a bug")])
async def test_a_room_whose_log_cannot_be_read_is_tried_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Whoever asked for the read is refused; the room's members hear everything as soon as it can be read."""
    monkeypatch.setattr(module, "HEAL_RETRY_SECONDS", 0.001)
    client = await member_of(worker)
    room = worker.hub.get("lobby")
    assert room is not None
    worker.broker.failure = failure  # type: ignore[assignment]
    with pytest.raises(type(failure)):
        await worker.hub.refresh(room)
    await store_past(worker, 3)
    assert client.seqs == []
    worker.broker.failure = None
    await until_async(lambda: client.seqs == [1, 2, 3], "they are delivered")
