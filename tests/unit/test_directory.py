"""The list of rooms."""

from __future__ import annotations

import asyncio

import pytest

from app.directory import FRESH_SECONDS
from tests.fakes.broker import MemoryStore
from tests.fakes.worker import Visitor, Worker
from tests.unit.test_presence import settle


@pytest.fixture
async def worker() -> Worker:
    """A worker on its own."""
    return Worker()


async def say(visitor: Visitor, room: str, text: str = "hi") -> None:
    """Join, and send."""
    await visitor.ask("join", room=room)
    assert (await visitor.ask("send", room=room, cid=f"{room}-{text}", text=text))["type"] == "ack"


async def test_rooms_are_listed_by_last_activity(worker: Worker) -> None:
    """With their last event, their topic and how many people are there."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    await say(ada, "old")
    worker.directory.write()
    await asyncio.sleep(0.002)  # the times of events are in milliseconds
    await say(ada, "new")
    await bob.ask("join", room="new")
    await ada.ask("topic", room="new", cid="t", topic="News")
    worker.directory.write()
    reply = await ada.ask("rooms")
    assert [(room["room"], room["members"], room["seq"]) for room in reply["rooms"]] == [("new", 2, 2), ("old", 1, 1)]
    assert [room.get("topic") for room in reply["rooms"]] == ["News", None]
    assert reply["rooms"][0]["ts"] > reply["rooms"][1]["ts"]
    assert [room["room"] for room in (await bob.ask("rooms", limit=1))["rooms"]] == ["new"]


async def test_people_on_all_workers_count() -> None:
    """Each user once, also in rooms that are not open here."""
    store = MemoryStore()
    here, there = Worker(store), Worker(store)
    ada, bob = await here.visitor("Ada"), await there.visitor("Bob")
    await settle(here, there)
    await say(ada, "lobby")
    await bob.ask("join", room="lobby")
    await say(bob, "elsewhere")
    await settle(here, there)
    here.directory.write()
    there.directory.write()
    rooms = {room["room"]: room["members"] for room in (await ada.ask("rooms"))["rooms"]}
    assert rooms == {"lobby": 2, "elsewhere": 1}


async def test_all_who_ask_at_once_share_a_read(worker: Worker) -> None:
    """And those shortly after."""
    visitors = [await worker.visitor(f"U{number}") for number in range(5)]
    await say(visitors[0], "lobby")
    worker.directory.write()
    await asyncio.gather(*(visitor.ask("rooms") for visitor in visitors))
    assert worker.activity.reads == 1
    worker.clock.pass_(FRESH_SECONDS)
    await visitors[0].ask("rooms")
    assert worker.activity.reads == 2


async def test_who_has_written_is_told_by_network(worker: Worker) -> None:
    """As it is counted, an IPv6 address by its /64; while Redis is away it is kept, with what was touched."""
    for number, address in enumerate(("203.0.113.7", "2001:db8::7", "")):
        visitor = worker.connect()
        visitor.connection.address = address
        await visitor.ask("hello", name="Ada")
        await say(visitor, f"r{number}")
    worker.activity.up = False
    worker.directory.write()
    worker.activity.up = True
    worker.directory.write()
    assert worker.activity.networks == {"r0": "203.0.113.7", "r1": "2001:db8::/64", "r2": ""}


async def test_direct_rooms_are_nobody_elses_business(worker: Worker) -> None:
    """They are in no list of rooms."""
    ada = await worker.visitor("Ada")
    await say(ada, "lobby")
    worker.broker.touched["dm:someone"] = 1
    worker.directory.write()
    assert [room["room"] for room in (await ada.ask("rooms"))["rooms"]] == ["lobby"]


async def test_without_redis_the_list_is_unavailable_and_what_was_touched_is_kept(worker: Worker) -> None:
    """It is noted later."""
    ada = await worker.visitor("Ada")
    await say(ada, "lobby")
    worker.activity.up = False
    worker.directory.write()
    assert (await ada.ask("rooms"))["code"] == "unavailable"
    worker.activity.up = True
    worker.directory.write()
    assert [room["room"] for room in (await ada.ask("rooms"))["rooms"]] == ["lobby"]
