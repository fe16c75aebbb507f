"""Read marks through workers that share a store."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from app.errors import Unavailable
from app.marks import KEPT_SECONDS, REST_SECONDS
from tests.fakes.sent import running
from tests.fakes.worker import Visitor, Worker
from tests.support import until_async

_cids = itertools.count(1)


async def fill(visitor: Visitor, count: int, room: str = "r") -> None:
    """So many messages in a room."""
    for _ in range(count):
        assert (await visitor.ask("send", room=room, cid=f"k{next(_cids)}", text="x"))["type"] == "ack"


async def room_of(count: int) -> tuple[Worker, Visitor]:
    """A worker, and somebody in the room r with so many messages."""
    worker = Worker()
    ada = await worker.visitor("Ada")
    await ada.ask("join", room="r")
    await fill(ada, count)
    return worker, ada


async def again(worker: Worker, visitor: Visitor, name: str = "Ada") -> tuple[Visitor, str]:
    """The same guest on a connection of its own, and its guest token."""
    token = next(message["guest"] for message in visitor.heard if message["type"] == "welcome")
    return await worker.visitor(name, guest=token), token


def reads(visitor: Visitor) -> list[int]:
    """The marks a visitor was told of without asking."""
    return [push["seq"] for push in visitor.pushes if push["type"] == "read"]


async def test_a_mark_only_moves_forward() -> None:
    """The reply tells where it is; what is not there yet cannot have been read."""
    _, ada = await room_of(5)
    for asked, held in ((2, 2), (1, 2), (4, 4), (4, 4), (99, 5), (0, 5)):
        assert await ada.ask("read", room="r", seq=asked) == {"type": "read", "id": ada.last, "room": "r", "seq": held}


async def test_a_mark_is_in_joined_on_every_worker() -> None:
    """For the same user; others have their own, and who has none is told none."""
    worker, ada = await room_of(5)
    await ada.ask("read", room="r", seq=3)
    other = Worker(worker.store)
    for one in (worker, other):
        tab, _ = await again(one, ada)
        assert (await tab.ask("join", room="r"))["read"] == 3
        await tab.ask("leave", room="r")
        assert (await tab.ask("join", room="r"))["read"] == 3
        assert "read" not in await tab.ask("join", room="elsewhere")
        bob = await one.visitor("Bob")
        assert "read" not in await bob.ask("join", room="r")


async def test_the_other_connections_of_a_user_are_told() -> None:
    """On all workers, once each, and not the one that asked."""
    worker, ada = await room_of(5)
    other = Worker(worker.store)
    here, _ = await again(worker, ada)
    there, _ = await again(other, ada)
    bob = await worker.visitor("Bob")
    await ada.ask("read", room="r", seq=3)
    await until_async(lambda: reads(there) == [3] and reads(here) == [3], "both are told")
    assert reads(ada) == reads(bob) == []
    await there.ask("join", room="r")
    assert (await there.ask("read", room="r", seq=2))["seq"] == 3
    assert reads(here) == [3]


async def test_a_new_guest_costs_no_read_and_a_known_one_one() -> None:
    """However many rooms are joined, by however many connections that come at once."""
    worker, ada = await room_of(1)
    assert worker.personal.reads == 0
    await ada.ask("read", room="r", seq=1)
    assert worker.personal.reads == 0
    other = Worker(worker.store)
    tabs = [other.connect() for _ in range(3)]
    token = next(message["guest"] for message in ada.heard if message["type"] == "welcome")
    for tab in tabs:
        tab.say("hello", guest=token)
        for room in ("r", "a", "b"):
            tab.say("join", room=room)
    await until_async(lambda: all(len(tab.heard) == 4 for tab in tabs), "all have joined")
    assert other.personal.reads == 1
    assert [tab.heard[1]["read"] for tab in tabs] == [1, 1, 1]


async def test_writes_are_merged() -> None:
    """The first at once, then at most one a second with the latest; the replies come at once."""
    worker, ada = await room_of(30)
    for seq in range(1, 31):
        assert (await ada.ask("read", room="r", seq=seq))["seq"] == seq
    assert worker.personal.writes == 1
    worker.later(REST_SECONDS)
    assert worker.personal.writes == 2
    (marks,) = worker.store.marks.values()
    assert marks["r"].seq == 30
    worker.later(REST_SECONDS)
    worker.later(REST_SECONDS)
    assert worker.personal.writes == 2


async def test_what_waits_is_written_when_the_worker_goes() -> None:
    """A drain loses no mark."""
    worker, ada = await room_of(5)
    for seq in (1, 5):
        await ada.ask("read", room="r", seq=seq)
    await worker.commands.marks.flush()
    (marks,) = worker.store.marks.values()
    assert marks["r"].seq == 5


@pytest.mark.parametrize("how", ["away", "unconfirmed"])
async def test_a_mark_that_redis_did_not_take_is_written_again(how: str) -> None:
    """The person has its answer; the write follows when Redis is back."""
    worker, ada = await room_of(5)
    worker.personal.failure = Unavailable("away") if how == "away" else None
    worker.personal.mute = how == "unconfirmed"
    assert (await ada.ask("read", room="r", seq=4))["seq"] == 4
    await asyncio.sleep(0)
    worker.later(REST_SECONDS)
    await asyncio.sleep(0)
    worker.personal.failure, worker.personal.mute = None, False
    before = worker.personal.writes
    worker.later(REST_SECONDS)
    assert worker.personal.writes == before + 1
    await asyncio.sleep(0)
    (marks,) = worker.store.marks.values()
    assert marks["r"].seq == 4
    worker.later(REST_SECONDS)
    worker.later(REST_SECONDS)
    assert worker.personal.writes == before + 1


async def test_without_redis_a_join_says_nothing_of_marks_and_a_read_is_refused_for_now() -> None:
    """For somebody whose marks are not known here; joining does not depend on them."""
    worker, ada = await room_of(2)
    await ada.ask("read", room="r", seq=2)
    worker.later(KEPT_SECONDS)
    worker.personal.mute = True
    tab, _ = await again(worker, ada)
    joined = await tab.ask("join", room="r")
    assert (joined["type"], "read" in joined) == ("joined", False)
    refused = await tab.ask("read", room="r", seq=2)
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    worker.personal.mute = False
    assert (await tab.ask("read", room="r", seq=1))["seq"] == 2


async def test_marks_are_forgotten_and_read_again() -> None:
    """Nobody's marks stay in memory for long; the next who needs them asks Redis."""
    worker, ada = await room_of(3)
    await ada.ask("read", room="r", seq=3)
    worker.later(KEPT_SECONDS)
    worker.later(KEPT_SECONDS)
    assert len(worker.deadlines) == 0
    before = worker.personal.reads
    assert (await ada.ask("read", room="r", seq=1))["seq"] == 3
    assert worker.personal.reads == before + 1


async def test_a_mark_of_another_life_of_the_room_counts_for_nothing() -> None:
    """Redis lost the room: its numbers begin anew."""
    worker, ada = await room_of(5)
    await ada.ask("read", room="r", seq=5)
    del worker.store.rooms["r"]
    other = Worker(worker.store)
    tab, _ = await again(other, ada)
    assert "read" not in await tab.ask("join", room="r")
    await fill(tab, 2)
    assert (await tab.ask("read", room="r", seq=1))["seq"] == 1


async def test_a_mark_knows_how_many_events_before_it_were_no_messages() -> None:
    """So that what is unread is counted in messages; also where the events are not at hand any more."""
    worker, ada = await room_of(3)
    await ada.ask("react", room="r", cid="r1", seq=1, emoji="\U0001f44d")
    await fill(ada, 2)
    await ada.ask("edit", room="r", cid="e1", seq=2, text="y")
    await fill(ada, 1)
    for seq, others in ((3, 0), (4, 1), (6, 1), (7, 2), (8, 2)):
        await ada.ask("read", room="r", seq=seq)
        worker.later(REST_SECONDS)
        (marks,) = worker.store.marks.values()
        assert (marks["r"].seq, marks["r"].others) == (seq, others)
    bob = await worker.visitor("Bob")
    await bob.ask("join", room="r")
    await fill(ada, 300)
    await until_async(lambda: worker.hub.get("r").at.seq == 308, "all have arrived")
    worker.hub.get("r").shrink()
    assert worker.hub.get("r").others_at(3) is None
    await bob.ask("read", room="r", seq=6)
    assert next(marks["r"] for marks in worker.store.marks.values() if marks["r"].seq == 6).others == 1


async def test_what_was_acknowledged_can_be_read_before_it_is_relayed() -> None:
    """A mark is not lost to an ack that overtakes its event, and it knows what that event is; nobody reads further."""
    worker, ada = await room_of(3)
    worker.subscriber.late = True
    await ada.ask("react", room="r", cid="r1", seq=1, emoji="\U0001f44d")
    await fill(ada, 1)
    assert worker.hub.get("r").at.seq == 3
    for asked, held, others in ((4, 4, 1), (99, 5, 1)):
        assert (await ada.ask("read", room="r", seq=asked))["seq"] == held
        worker.later(REST_SECONDS)
        (marks,) = worker.store.marks.values()
        assert (marks["r"].seq, marks["r"].others) == (held, others)
    worker.subscriber.arrive()
    await until_async(lambda: [push["seq"] for push in ada.pushes if "seq" in push][-2:] == [4, 5], "both are relayed")
    assert (await ada.ask("read", room="r", seq=99))["seq"] == 5


async def test_what_was_a_duplicate_can_be_read_before_it_is_relayed() -> None:
    """Sent again elsewhere, it is acknowledged there as well."""
    worker, ada = await room_of(1)
    other = Worker(worker.store)
    _, token = await again(worker, ada)
    here, there = [await one.visitor(guest=token, session="s") for one in (worker, other)]
    for tab in (here, there):
        await tab.ask("join", room="r")
    other.subscriber.late = True
    assert (await here.ask("send", room="r", cid="c", text="x"))["dup"] is False
    assert (await there.ask("read", room="r", seq=2))["seq"] == 1
    assert (await there.ask("send", room="r", cid="c", text="x"))["dup"] is True
    assert (await there.ask("read", room="r", seq=2))["seq"] == 2


async def test_what_was_acknowledged_in_another_life_of_the_room_cannot_be_read() -> None:
    """Redis lost the room: what was stored before is not there any more, and what is stored now is not there yet."""
    worker, ada = await room_of(2)
    bob = await Worker(worker.store).visitor("Bob")
    worker.subscriber.late = True
    await fill(ada, 3)
    del worker.store.rooms["r"]
    await bob.ask("join", room="r")
    await fill(bob, 1)
    worker.relay.subscribed_again()
    async with running(worker.relay.run()):
        await until_async(lambda: worker.hub.get("r").at.seq == 1, "the new log has been read")
        assert (await ada.ask("read", room="r", seq=99))["seq"] == 1
        await fill(ada, 1)
        assert (await ada.ask("read", room="r", seq=99))["seq"] == 2
        del worker.store.rooms["r"]
        await fill(ada, 4)
        assert (await ada.ask("read", room="r", seq=99))["seq"] == 2


async def test_reading_needs_the_room() -> None:
    """Joined on this connection."""
    worker, ada = await room_of(1)
    bob: Any = await worker.visitor("Bob")
    assert (await bob.ask("read", room="r", seq=1))["code"] == "not_joined"
    assert (await ada.ask("read", room="r"))["code"] == "bad_request"
