"""Rooms and their logs brought together: opened, healed, reached back."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Unavailable
from app.events import head
from app.reader import FIRST_PAGE, PAGE, PAGES_AT_ONCE, RESYNC_PAGE
from app.room import HELD_BATCHES, Room
from tests.fakes.sent import Sent
from tests.fakes.wire import parse
from tests.fakes.worker import Worker
from tests.support import until_async


class Client:
    """A member that keeps what it is sent, as JSON."""

    def __init__(self) -> None:
        self.heard: list[dict] = []

    def write(self, data: bytes) -> None:
        self.heard += [json.loads(bytes(frame.data)) for frame in parse(data)]

    @property
    def seqs(self) -> list[int]:
        """The seqs in the order heard."""
        return [event["seq"] for event in self.heard]


async def store(worker: Worker, count: int, room: str = "lobby") -> None:
    """Store and publish so many events, each in a publication of its own."""
    for _ in range(count):
        await Sent().through(worker.broker, room)


async def open_room(worker: Worker) -> tuple[Room, Client]:
    """A room with one member."""
    room = await worker.hub.enter("lobby")
    client = Client()
    room.join(client)
    return room, client


async def heal(worker: Worker, room: Room) -> None:
    """What the relay does about a gap."""
    room.settled = False
    await worker.reader.settle(room)


async def test_a_room_opens_with_its_latest_events() -> None:
    """At the log's position, with a first page at hand."""
    worker = Worker()
    await store(worker, FIRST_PAGE + 20)
    room = await worker.hub.enter("lobby")
    assert (room.at.seq, room.recent_first) == (FIRST_PAGE + 20, 21)
    assert room.latest(FIRST_PAGE) == worker.store.rooms["lobby"].log[20:]


async def test_what_was_missed_is_written_to_the_members_in_order() -> None:
    """A gap of any length, in as many pages as it takes."""
    worker = Worker()
    room, client = await open_room(worker)
    await store(worker, 3)
    worker.subscriber.active.clear()
    await store(worker, 2 * PAGE + 7)
    await heal(worker, room)
    assert client.seqs == list(range(1, 2 * PAGE + 11))
    assert room.at.seq == 2 * PAGE + 10


async def test_what_arrives_while_the_log_is_read_is_delivered_after_it() -> None:
    """Held, then taken in where the read ends: once and in order."""
    worker = Worker()
    room, client = await open_room(worker)
    worker.subscriber.active.clear()
    await store(worker, 5)
    worker.broker.gate.clear()
    healing = asyncio.ensure_future(heal(worker, room))
    await until_async(lambda: len(worker.broker.reads) == 2, "the log is read")
    await worker.subscriber.subscribe(worker.subscriber.asked[0])
    await store(worker, 5)
    assert client.seqs == []
    worker.broker.gate.set()
    await healing
    assert client.seqs == list(range(1, 11))
    await store(worker, 1)
    assert client.seqs == list(range(1, 12))


async def test_a_hole_behind_the_read_is_read_as_well() -> None:
    """What was held does not follow the read's end: read again, instead of delivering with a hole."""
    worker = Worker()
    room, client = await open_room(worker)
    channel = worker.subscriber.asked[0]
    worker.subscriber.active.clear()
    await store(worker, 5)
    worker.broker.gate.clear()
    healing = asyncio.ensure_future(heal(worker, room))
    await until_async(lambda: len(worker.broker.reads) == 2, "the log is read")
    await store(worker, 5)
    worker.subscriber.confirm(channel)
    await store(worker, 5)
    worker.broker.gate.set()
    await healing
    assert client.seqs == list(range(1, 16))


async def test_more_than_can_be_held_is_read_from_the_log() -> None:
    """A flood during a slow read costs memory for a bounded number of batches, and loses nothing."""
    worker = Worker()
    room, client = await open_room(worker)
    worker.broker.gate.clear()
    healing = asyncio.ensure_future(heal(worker, room))
    await until_async(lambda: len(worker.broker.reads) == 2, "the log is read")
    await store(worker, HELD_BATCHES + 100)
    worker.broker.gate.set()
    await healing
    assert client.seqs == list(range(1, HELD_BATCHES + 101))


async def test_what_is_not_to_be_had_is_a_resync() -> None:
    """The log no longer reaches back: members are told so, with the latest page and where they are now."""
    worker = Worker()
    worker.broker.kept_events = 60
    room, client = await open_room(worker)
    worker.subscriber.active.clear()
    await store(worker, 200)
    await heal(worker, room)
    (push,) = client.heard
    kept = worker.store.rooms["lobby"]
    assert (push["type"], push["lost"], push["room"]) == ("resync", True, "lobby")
    assert (push["epoch"], push["seq"], push["mid"]) == (kept.epoch, 200, kept.mid)
    assert [event["seq"] for event in push["messages"]] == list(range(201 - RESYNC_PAGE, 201))
    assert worker.counters.resyncs == 1
    await worker.subscriber.subscribe(worker.subscriber.asked[0])
    await store(worker, 1)
    assert client.heard[-1]["seq"] == 201


async def test_a_new_life_of_the_log_is_a_resync() -> None:
    """Its numbers begin anew; nothing of the old life is mixed in."""
    worker = Worker()
    room, client = await open_room(worker)
    await store(worker, 5)
    del worker.store.rooms["lobby"]
    await store(worker, 2)
    await worker.reader.settle(room)
    push = client.heard[-1]
    assert (push["type"], push["seq"]) == ("resync", 2)
    assert [event["mid"] for event in push["messages"]] == [head(event).mid for event in room.latest(9)]
    await store(worker, 1)
    assert client.seqs == [1, 2, 3, 4, 5, 2, 3]


async def test_a_resync_tells_the_topic() -> None:
    """Its change may be among what is not to be had; a new life of the log may have none."""
    worker = Worker()
    room, client = await open_room(worker)
    await store(worker, 1)
    for topic, told in ((b'"plans"', "plans"), (b"", "")):
        del worker.store.rooms["lobby"]
        await store(worker, 1)
        worker.store.rooms["lobby"].topic = topic
        await worker.reader.settle(room)
        assert [push["topic"] for push in client.heard if push["type"] == "resync"][-1] == told


async def test_a_read_that_fails_changes_nothing() -> None:
    """The room stays unsettled, and the next try brings everything."""
    worker = Worker()
    room, client = await open_room(worker)
    worker.subscriber.active.clear()
    await store(worker, 3)
    worker.broker.failure = Unavailable("away")
    room.settled = False
    try:
        await worker.reader.settle(room)
    except Unavailable:
        assert not room.settled
    worker.broker.failure = None
    await worker.reader.settle(room)
    assert client.seqs == [1, 2, 3]


async def test_few_pages_are_read_at_a_time() -> None:
    """However many ask: the others wait here, not in front of what everybody sends to Redis."""
    worker = Worker()
    await store(worker, 5)
    room, _ = await open_room(worker)
    reads = len(worker.broker.reads)
    worker.broker.gate.clear()
    asking = [asyncio.ensure_future(worker.reader.page(room, None, 3)) for _ in range(3 * PAGES_AT_ONCE)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(worker.broker.reads) - reads == PAGES_AT_ONCE
    worker.broker.gate.set()
    assert [len(page.events) for page in await asyncio.gather(*asking)] == [3] * len(asking)


async def test_reaching_back_puts_older_events_at_hand() -> None:
    """From a seq on, in as many pages as it takes, also while new events arrive."""
    worker = Worker()
    await store(worker, 3 * PAGE)
    room, _ = await open_room(worker)
    worker.broker.gate.clear()
    reaching = asyncio.ensure_future(worker.reader.reach_back(room, 10))
    await until_async(lambda: len(worker.broker.reads) == 2, "the log is read")
    await store(worker, 20)
    worker.broker.gate.set()
    await reaching
    assert room.after(9) == worker.store.rooms["lobby"].log[9:]
    assert room.at.seq == 3 * PAGE + 20


async def test_reaching_back_to_the_beginning() -> None:
    """Before the first event there is nothing to read, and its place can be proved."""
    worker = Worker()
    await store(worker, FIRST_PAGE + 50)
    room, _ = await open_room(worker)
    for seq in (0, -5):
        await worker.reader.reach_back(room, seq)
        assert (room.recent_first, room.mid_at(0)) == (1, "")


async def test_reaching_back_into_a_new_life_gives_nothing() -> None:
    """Events of another epoch are never put before this room's."""
    worker = Worker()
    await store(worker, FIRST_PAGE + 50)
    room, _ = await open_room(worker)
    first = room.recent_first
    del worker.store.rooms["lobby"]
    worker.subscriber.active.clear()
    await store(worker, FIRST_PAGE + 50)
    await worker.reader.reach_back(room, 1)
    assert room.recent_first == first


@pytest.mark.parametrize("kept", [5, PAGE, PAGE + 300, 2 * PAGE + 10])
async def test_reaching_back_into_another_tail_gives_nothing(kept: int) -> None:
    """Where the log has lost its end and goes on otherwise, its events are not put before those that are lost."""
    worker = Worker()
    await store(worker, 3 * PAGE)
    room, _ = await open_room(worker)
    first, ours = room.recent_first, room.latest(1000)
    worker.broker.gate.clear()
    reaching = asyncio.ensure_future(worker.reader.reach_back(room, 10))
    await until_async(lambda: len(worker.broker.reads) == 2, "the first page is read")
    worker.subscriber.active.clear()
    worker.store.rooms["lobby"].lose_tail(kept)
    await store(worker, 3 * PAGE - kept)
    worker.broker.gate.set()
    await reaching
    assert (room.recent_first, room.latest(1000)) == (first, ours)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["store", "burst", "deaf", "hear", "gap", "read", "answer", "join"]), max_size=40))
def test_members_hear_each_event_once_and_in_order_whatever_happens(script: list[str]) -> None:
    """Events, lost publications, gaps and slow reads in any order: everyone hears what follows its joining."""

    async def play() -> None:
        worker = Worker()
        room = await worker.hub.enter("lobby")
        channel = worker.subscriber.asked[0]
        members: list[tuple[int, Client]] = []
        reads: set[asyncio.Future[None]] = set()
        for doing in script:
            if doing == "store":
                await store(worker, 1)
            elif doing == "burst":
                for _ in range(3):
                    worker.broker.publish("lobby", Sent())
                await store(worker, 1)
            elif doing == "deaf":
                worker.subscriber.active.clear()
            elif doing == "hear":
                worker.subscriber.confirm(channel)
            elif doing == "gap":
                worker.broker.gate.clear()
                reads.add(asyncio.ensure_future(_under_lock(worker, room)))
            elif doing == "read":
                reads.add(asyncio.ensure_future(worker.hub.reach_back(room, max(1, room.at.seq - 5))))
            elif doing == "answer":
                worker.broker.gate.set()
            else:
                members.append((room.at.seq, Client()))
                room.join(members[-1][1])
            await asyncio.sleep(0)
            for start, client in members:
                assert client.seqs == list(range(start + 1, room.at.seq + 1))
        worker.broker.gate.set()
        worker.subscriber.confirm(channel)
        await asyncio.gather(*reads)
        await worker.hub.refresh(room)
        for start, client in members:
            assert client.seqs == list(range(start + 1, worker.store.rooms["lobby"].seq + 1))

    async def _under_lock(worker: Worker, room: Room) -> None:
        async with worker.hub.lock("lobby"):
            await heal(worker, room)

    asyncio.run(play())


async def test_what_was_counted_once_is_not_read_again() -> None:
    """However many marks are set far back; of what came since only that is read."""
    worker = Worker()
    ada = await worker.visitor("Ada")
    await ada.ask("join", room="lobby")
    for number in range(40):
        await ada.ask("send", room="lobby", cid=f"c{number}", text="x")
        await ada.ask("react", room="lobby", cid=f"r{number}", seq=1, emoji="\u2764")
    room = worker.hub.get("lobby")
    assert room is not None

    async def counts() -> list[int]:
        room.settle(room.at, [])  # nothing is at hand
        return [await worker.hub.others_at(room, seq) for seq in range(room.at.seq)]

    before = len(worker.broker.reads)
    assert await counts() == [seq // 2 for seq in range(room.at.seq)]
    assert len(worker.broker.reads) == before + 1
    await ada.ask("react", room="lobby", cid="more", seq=1, emoji="\u2764")
    await until_async(lambda: room.at.seq == 81, "it was heard")
    assert await counts() == [seq // 2 for seq in range(81)]
    assert len(worker.broker.reads) <= before + 2
