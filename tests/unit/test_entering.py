"""Rooms entered, resumed and left."""

from __future__ import annotations

import asyncio
import json

import pytest

from app.errors import Unavailable
from app.joining import PAGE_MAX
from tests.fakes.sent import Sent
from tests.fakes.worker import PROMISES, Worker
from tests.support import until_async


async def test_a_fresh_join_gives_the_latest_events(worker: Worker) -> None:
    """As many as asked for, at most PAGE_MAX, with the position they lead to."""
    for _ in range(PAGE_MAX + 100):
        worker.broker.publish("lobby", Sent())
    for limit, expected in ((0, 0), (5, 5), (None, 50), (PAGE_MAX, PAGE_MAX), (10_000, PAGE_MAX)):
        ada = await worker.visitor()
        joined = await ada.ask("join", room="lobby", **({} if limit is None else {"limit": limit}))
        assert (joined["seq"], joined["recovered"]) == (PAGE_MAX + 100, False)
        first = PAGE_MAX + 101 - expected
        assert [event["seq"] for event in joined["messages"]] == list(range(first, PAGE_MAX + 101))


@pytest.mark.parametrize("behind", [0, 1, 40, 110, 250, 300])
async def test_a_resume_gives_exactly_what_follows(worker: Worker, behind: int) -> None:
    """From the room's recent events or from the log, back to the beginning, and then what comes live."""
    ada = await worker.visitor("Ada")
    joined = await ada.ask("join", room="lobby")
    positions = [{"epoch": joined["epoch"], "seq": 0, "mid": ""}]
    for number in range(300):
        ack = await ada.ask("send", room="lobby", cid=f"c{number}", text="x")
        positions.append({"epoch": joined["epoch"], "seq": ack["seq"], "mid": ack["mid"]})
    bob = await worker.visitor("Bob")
    resumed = await bob.ask("join", room="lobby", since=positions[300 - behind])
    assert (resumed["recovered"], resumed["seq"]) == (True, 300)
    assert [event["seq"] for event in resumed["messages"]] == list(range(301 - behind, 301))
    await ada.ask("send", room="lobby", cid="next", text="x")
    assert bob.seqs == [301]
    assert worker.counters.resumes_recovered == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"epoch": "other"},
        {"epoch": ""},
        {"mid": "other"},
        {"mid": ""},
        {"seq": 0},
        {"seq": 4},
        {"seq": 6},
        {"seq": 999},
    ],
)
async def test_a_resume_that_cannot_be_proved_gives_the_latest(worker: Worker, forged: dict[str, object]) -> None:
    """And says so: never a hole that nobody notices."""
    for _ in range(10):
        await Sent().through(worker.broker, "lobby")
    page = await worker.broker.between("lobby", 5, 1)
    true = {"epoch": page.top.epoch, "seq": 5, "mid": json.loads(page.events[0])["mid"]}
    ada, bob = await worker.visitor(), await worker.visitor()
    assert (await ada.ask("join", room="lobby", since=true))["recovered"] is True
    joined = await bob.ask("join", room="lobby", since={**true, **forged}, limit=3)
    assert joined["recovered"] is False
    assert [event["seq"] for event in joined["messages"]] == [8, 9, 10]


async def test_a_resume_beyond_the_limit_gives_the_latest(worker: Worker) -> None:
    """Who was away for too long begins anew."""
    for _ in range(PROMISES.resume_events + 1):
        worker.broker.publish("lobby", Sent())
    ada = await worker.visitor()
    page = await worker.broker.latest("lobby", 0)
    joined = await ada.ask("join", room="lobby", since={"epoch": page.top.epoch, "seq": 0, "mid": ""})
    assert (joined["recovered"], len(joined["messages"])) == (False, 50)


async def test_a_client_may_know_more_than_its_worker(worker: Worker) -> None:
    """It comes from another worker, which heard the last event earlier: the log decides, and nothing is lost."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    joined = await ada.ask("join", room="lobby")
    worker.subscriber.active.clear()
    first = await Sent().through(worker.broker, "lobby")
    await Sent().through(worker.broker, "lobby")
    since = {"epoch": joined["epoch"], "seq": 1, "mid": first.confirmed[1]}
    resumed = await bob.ask("join", room="lobby", since=since)
    assert (resumed["recovered"], resumed["seq"]) == (True, 2)
    assert [event["seq"] for event in resumed["messages"]] == [2]
    assert ada.seqs == [1, 2]


async def test_joining_and_leaving_are_checked(worker: Worker) -> None:
    """Twice in, not in, too many, no name: each has its code."""
    ada = await worker.visitor()
    for number in range(PROMISES.rooms):
        await ada.ask("join", room=f"room{number}")
    codes = [
        (await ada.ask("join", room="room0"))["code"],
        (await ada.ask("join", room="one-more"))["code"],
        (await ada.ask("join", room="a b"))["code"],
        (await ada.ask("leave", room="one-more"))["code"],
        (await ada.ask("leave", room="{}"))["code"],
        (await ada.ask("send", room="one-more", cid="c", text="x"))["code"],
        (await ada.ask("history", room="one-more"))["code"],
    ]
    assert codes == [
        "already_joined",
        "forbidden",
        "bad_request",
        "not_joined",
        "bad_request",
        "not_joined",
        "not_joined",
    ]
    assert (await ada.ask("leave", room="room0"))["type"] == "left"
    assert (await ada.ask("join", room="one-more"))["type"] == "joined"


async def test_a_room_has_one_name(worker: Worker) -> None:
    """Composed or decomposed: joined is joined, and the reply says the name in its one form."""
    ada = await worker.visitor()
    assert (await ada.ask("join", room="cafe\u0301"))["room"] == "caf\u00e9"
    assert (await ada.ask("join", room="caf\u00e9"))["code"] == "already_joined"
    assert (await ada.ask("leave", room="cafe\u0301"))["type"] == "left"


async def test_whoever_vanishes_leaves_all_rooms(worker: Worker) -> None:
    """And the rooms close after lingering."""
    ada = await worker.visitor()
    for name in ("a", "b"):
        await ada.ask("join", room=name)
    ada.vanish()
    await asyncio.sleep(0)
    assert [len(room) for room in worker.hub.chats.values()] == [0, 0]
    worker.later(60)
    assert worker.hub.chats == {}
    assert len(worker.deadlines) == 0


async def test_a_join_so_slow_that_the_room_was_closed_opens_it_again(worker: Worker) -> None:
    """Nobody is put into a room that hears nothing any more."""
    ada = await worker.visitor()
    for _ in range(300):
        worker.broker.publish("lobby", Sent())
    await worker.hub.enter("lobby")
    worker.broker.gate.clear()
    number = ada.say("join", room="lobby", limit=PAGE_MAX)
    await until_async(lambda: len(worker.broker.reads) == 2, "it reaches back")
    room = worker.hub.get("lobby")
    assert room is not None
    worker.hub._forget(room)
    worker.broker.gate.set()
    joined = await ada.reply(number)
    assert (joined["seq"], len(joined["messages"])) == (300, PAGE_MAX)
    again = worker.hub.get("lobby")
    assert again is not room
    assert again is not None
    assert len(again) == 1


async def test_a_join_that_redis_does_not_answer_is_refused_for_now(worker: Worker) -> None:
    """The member is in no room then, and may try again."""
    ada = await worker.visitor()
    worker.broker.failure = Unavailable("away")
    error = await ada.ask("join", room="lobby")
    assert (error["code"], error["temporary"], error["retry"] > 0) == ("unavailable", True, True)
    assert ada.member.rooms == ()
    worker.broker.failure = None
    assert (await ada.ask("join", room="lobby"))["type"] == "joined"
