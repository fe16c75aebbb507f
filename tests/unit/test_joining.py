"""Entering a room with much to catch up: in parts, without a hole, at the pace of the one who enters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app import joining as module
from app.errors import Unavailable
from app.joining import newest, oldest
from tests.fakes.log import events
from tests.fakes.sent import Sent, running
from tests.fakes.worker import Visitor, Worker
from tests.support import until_async

TOTAL = 250


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """A worker that gives a few events at a time, and a room in which much has been said."""
    monkeypatch.setattr(module, "PART_BYTES", 1500)
    monkeypatch.setattr(module, "PART_EVENTS", 10)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    worker = Worker()
    await worker.broker.latest("lobby", 0)
    async with running(worker.relay.run()):
        await say(worker, TOTAL)
        yield worker
        await worker.tasks.cancel()


async def say(worker: Worker, count: int) -> None:
    """Somebody says something, so many times."""
    for _ in range(count):
        await Sent(text="x" * 30).through(worker.broker, "lobby")


def since(worker: Worker, seq: int = 0) -> dict[str, Any]:
    """A position in the room."""
    kept = worker.store.rooms["lobby"]
    return {"epoch": kept.epoch, "seq": seq, "mid": kept.mid_at(seq)}


async def resuming(worker: Worker, name: str = "Ada") -> tuple[Visitor, int]:
    """A visitor that has asked to resume from the beginning."""
    visitor = await worker.visitor(name)
    return visitor, visitor.say("join", room="lobby", since=since(worker))


def seen(visitor: Visitor) -> list[int]:
    """The seqs of all events given to a visitor, in the order given."""
    seqs: list[int] = []
    for message in visitor.heard:
        if message["type"] in ("joined", "resync"):
            seqs += [event["seq"] for event in message["messages"]]
        elif message["type"] == "message":
            seqs.append(message["seq"])
    return seqs


def inside(worker: Worker, visitor: Visitor) -> bool:
    """Whether a visitor is in the room."""
    room = worker.hub.get("lobby")
    return room is not None and visitor.member in room


async def test_what_was_missed_comes_in_parts(worker: Worker) -> None:
    """The reply carries the first, the rest follows as events; each is small, and nothing is left out."""
    ada, number = await resuming(worker)
    joined = await ada.reply(number)
    assert joined["recovered"] is True
    first = [event["seq"] for event in joined["messages"]]
    assert first == list(range(1, joined["seq"] + 1))
    assert (joined["seq"] < TOTAL, joined["mid"]) == (True, joined["messages"][-1]["mid"])
    await worker.idle()
    assert seen(ada) == list(range(1, TOTAL + 1))
    assert inside(worker, ada)
    assert max(len(write) for write in ada.transport.writes) < 4 * module.PART_BYTES
    await say(worker, 1)
    assert seen(ada)[-1] == TOTAL + 1


@pytest.mark.parametrize("seed", range(10))
async def test_events_said_meanwhile_come_after_it_once(worker: Worker, seed: int) -> None:
    """Several resume at once, from anywhere, while others talk: each gets its own without hole or repeat."""
    dice = random.Random(seed)
    starts = [dice.randrange(TOTAL) for _ in range(5)]
    visitors = []
    for start in starts:
        visitor = await worker.visitor()
        visitor.say("join", room="lobby", since=since(worker, start))
        visitors.append(visitor)
        await say(worker, dice.randrange(3))
    for _ in range(60):
        await say(worker, 1)
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
    await worker.idle()
    await say(worker, 1)
    top = worker.store.rooms["lobby"].seq
    for visitor, start in zip(visitors, starts, strict=True):
        assert seen(visitor) == list(range(start + 1, top + 1))
        assert inside(worker, visitor)


async def test_whoever_reads_slowly_is_given_no_more_than_it_takes(worker: Worker) -> None:
    """It is waited for, and nobody waits for it."""
    ada, number = await resuming(worker)
    await ada.reply(number)
    ada.transport.deaf = True
    ada.transport.set_write_buffer_limits(high=2000)
    await until_async(lambda: ada.connection.held, "it is behind")
    for _ in range(50):
        await asyncio.sleep(0)
    assert ada.transport.get_write_buffer_size() < 2000 + 4 * module.PART_BYTES
    assert not inside(worker, ada)
    bob, other = await resuming(worker, "Bob")
    await bob.reply(other)
    await until_async(lambda: inside(worker, bob), "the other one is in")
    ada.transport.take()
    await worker.idle()
    assert seen(ada) == list(range(1, TOTAL + 1))


async def test_whoever_stops_reading_is_cut_and_enters_nowhere(worker: Worker) -> None:
    """After the grace time, and its task ends with it."""
    ada, number = await resuming(worker)
    await ada.reply(number)
    ada.transport.deaf = True
    ada.transport.set_write_buffer_limits(high=2000)
    await until_async(lambda: ada.connection.held, "it is behind")
    worker.later(60)
    assert not ada.connection.is_open
    worker.later(60)
    await worker.idle()
    assert not inside(worker, ada)


async def test_whoever_vanishes_in_the_middle_enters_nowhere(worker: Worker) -> None:
    """Nothing is read for it any more."""
    ada, number = await resuming(worker)
    await ada.reply(number)
    ada.vanish()
    await worker.idle()
    assert not inside(worker, ada)


async def test_whoever_vanishes_while_its_last_part_is_read_enters_nowhere(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a member for ever: nobody takes out who has gone already."""
    ada, number = await resuming(worker)
    await ada.reply(number)
    monkeypatch.setattr(module, "PART_BYTES", 10**6)
    monkeypatch.setattr(module, "PART_EVENTS", TOTAL)
    room = worker.hub.get("lobby")
    assert room is not None
    room.shrink()
    reads = len(worker.broker.reads)
    worker.broker.gate.clear()
    await until_async(lambda: len(worker.broker.reads) > reads, "the last part is read")
    ada.vanish()
    await asyncio.sleep(0)
    worker.broker.gate.set()
    await worker.idle()
    assert not inside(worker, ada)
    assert ada.member.rooms == ()


async def test_a_redis_that_is_away_in_the_middle_is_waited_for(worker: Worker) -> None:
    """The reply is given already: the rest comes when it is back."""
    ada, number = await resuming(worker)
    await ada.reply(number)
    room = worker.hub.get("lobby")
    assert room is not None
    room.shrink()
    worker.broker.failure = Unavailable("away")
    before = len(worker.broker.reads)
    await until_async(lambda: len(worker.broker.reads) > before + 3, "it tries again")
    worker.broker.failure = None
    await worker.idle()
    assert seen(ada) == list(range(1, TOTAL + 1))


async def test_a_log_that_is_lost_in_the_middle_is_a_resync(worker: Worker) -> None:
    """What follows is no longer to be had: told so, with the latest, and live from there."""
    ada, number = await resuming(worker)
    joined = await ada.reply(number)
    room = worker.hub.get("lobby")
    assert room is not None
    room.shrink()
    kept = worker.store.rooms["lobby"]
    del kept.log[:200]
    await worker.idle()
    (resync,) = [message for message in ada.heard if message["type"] == "resync"]
    assert (resync["lost"], resync["seq"], resync["epoch"]) == (True, TOTAL, joined["epoch"])
    given = [event["seq"] for event in resync["messages"]]
    assert given == list(range(given[0], TOTAL + 1))
    assert inside(worker, ada)
    await say(worker, 1)
    assert seen(ada)[-1] == TOTAL + 1


async def lose_tail(worker: Worker, kept: int) -> None:
    """Redis comes back with an older log, and somebody goes on where that ends, up to where the lost one ended."""
    worker.store.rooms["lobby"].lose_tail(kept)
    await say(worker, TOTAL - kept)
    room = worker.hub.get("lobby")
    assert room is not None
    mid = worker.store.rooms["lobby"].mid
    await until_async(lambda: room.settled and room.at.mid == mid, "the worker knows the new log")


def truth(worker: Worker) -> dict[int, str]:
    """The mids of the log."""
    kept = worker.store.rooms["lobby"]
    return {seq: kept.mid_at(seq) or "" for seq in range(1, kept.seq + 1)}


@pytest.mark.parametrize("stretched", [True, False], ids=["at hand", "read"])
@pytest.mark.parametrize("kept", [1, 20, TOTAL - 1])
async def test_a_tail_that_is_lost_between_two_parts_is_told(worker: Worker, kept: int, stretched: bool) -> None:
    """If what was given is in the log no more, the client learns of it: nothing stands in for it silently."""
    ada, number = await resuming(worker)
    joined = await ada.reply(number)
    room = worker.hub.get("lobby")
    assert room is not None
    if not stretched:
        room.shrink()
    await lose_tail(worker, kept)
    await worker.idle()
    given = {event["seq"]: event["mid"] for event in joined["messages"]}
    lost = False
    for message in ada.heard:
        if message["type"] == "message":
            assert message["seq"] == max(given) + 1
            given[message["seq"]] = message["mid"]
        elif message["type"] == "resync":
            lost = lost or message["lost"]
            given = {event["seq"]: event["mid"] for event in message["messages"]}
    after = truth(worker)
    assert {seq: after[seq] for seq in given} == given
    assert max(given) == TOTAL
    assert lost or joined["seq"] <= kept
    assert inside(worker, ada)
    await say(worker, 1)
    assert seen(ada)[-1] == TOTAL + 1


async def test_a_position_beyond_a_log_that_lost_its_tail_enters_with_a_resync(worker: Worker) -> None:
    """What was given is beyond all there is now: told at once, not when the log has grown as long again."""
    ada, number = await resuming(worker)
    joined = await ada.reply(number)
    worker.store.rooms["lobby"].lose_tail(3)
    assert joined["seq"] > 4
    room = worker.hub.get("lobby")
    assert room is not None
    await say(worker, 1)
    await until_async(lambda: room.settled and room.at.seq == 4, "the worker knows the new log")
    await worker.idle()
    (resync, *_) = [message for message in ada.heard if message["type"] == "resync"]
    assert (resync["lost"], resync["seq"]) == (True, 4)
    assert inside(worker, ada)


async def test_a_tail_that_is_lost_before_the_first_part_is_a_fresh_join(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position was proved and is there no more: the latest page, and not called recovered."""
    lost_at = TOTAL - 50
    at = since(worker, lost_at + 10)
    proved = module.Joining._proved

    async def then_lost(*given: Any) -> bool:
        answer = await proved(*given)
        await lose_tail(worker, lost_at)
        return answer

    monkeypatch.setattr(module.Joining, "_proved", then_lost)
    ada = await worker.visitor("Ada")
    joined = await ada.ask("join", room="lobby", since=at)
    assert (joined["recovered"], joined["seq"]) == (False, TOTAL)
    after = truth(worker)
    assert all(event["mid"] == after[event["seq"]] for event in joined["messages"])


async def test_a_resume_before_redis_answers_is_refused_for_now(worker: Worker) -> None:
    """Nothing was given yet, so the client may ask again."""
    ada = await worker.visitor()
    worker.broker.failure = Unavailable("away")
    error = await ada.ask("join", room="lobby", since=since(worker))
    assert (error["code"], error["temporary"]) == ("unavailable", True)
    worker.broker.failure = None
    assert (await ada.ask("join", room="lobby", since=since(worker)))["recovered"] is True


async def test_requests_behind_a_long_resume_wait_for_it(worker: Worker) -> None:
    """They take effect in the order sent, so a send right after the join is the sender's own last event."""
    ada, number = await resuming(worker)
    sent = ada.say("send", room="lobby", cid="mine", text="x")
    ack = await ada.reply(sent)
    assert (ack["type"], ack["seq"]) == ("ack", TOTAL + 1)
    assert (await ada.reply(number))["type"] == "joined"
    assert seen(ada) == list(range(1, TOTAL + 2))


@pytest.mark.parametrize("most", [0, 1, 50, 500, 10_000])
def test_parts_hold_as_much_as_fits_and_at_least_one(most: int) -> None:
    """From either end."""
    everything = events(1, 20)
    size = len(everything[0])
    fits = max(1, min(20, most // size))
    assert abs(len(oldest(everything, most)) - fits) <= 1
    for part in (oldest(everything, most), newest(everything, most)):
        assert len(part) >= 1
        assert sum(map(len, part)) <= most or len(part) == 1
    assert oldest(everything, most) == everything[: len(oldest(everything, most))]
    assert newest(everything, most) == everything[-len(newest(everything, most)) :]
    assert oldest([], most) == newest([], most) == []
