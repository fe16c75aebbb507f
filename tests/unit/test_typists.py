"""Who is typing: merged, short-lived, droppable."""

from __future__ import annotations

from typing import Any

import pytest

from app.typists import LEAST_SECONDS, MOST, TYPING_SECONDS
from tests.fakes.broker import MemoryStore
from tests.fakes.worker import Visitor, Worker


@pytest.fixture
async def worker() -> Worker:
    """A worker on its own."""
    return Worker()


async def member(worker: Worker, name: str, room: str = "lobby") -> Visitor:
    """One who has joined."""
    visitor = await worker.visitor(name)
    assert (await visitor.ask("join", room=room))["type"] == "joined"
    return visitor


def types(visitor: Visitor, room: str = "lobby") -> None:
    """A key stroke."""
    visitor.raw(b'{"type":"typing","room":"%s"}' % room.encode())


def told(visitor: Visitor) -> list[list[str]]:
    """The names in each push about typing."""
    pushes: list[dict[str, Any]] = [push for push in visitor.pushes if push["type"] == "typing"]
    return [[person["name"] for person in push["users"]] for push in pushes]


def later(worker: Worker, seconds: float) -> None:
    """Time passes."""
    worker.clock.pass_(seconds)
    worker.presence.typists.sweep()


async def test_members_see_who_is_typing(worker: Worker) -> None:
    """All in one list, which ends when they stop; nobody is answered."""
    ada, bob = await member(worker, "Ada"), await member(worker, "Bob")
    types(ada)
    types(bob)
    later(worker, 0.1)
    assert told(ada) == told(bob) == [["Ada", "Bob"]]
    assert not any(message["type"] == "error" for message in ada.heard)
    later(worker, TYPING_SECONDS)
    assert told(ada) == [["Ada", "Bob"], []]
    assert worker.presence.typists.rooms == {}


async def test_pushes_are_merged_to_one_a_second(worker: Worker) -> None:
    """Whoever begins or stops meanwhile."""
    ada, bob = await member(worker, "Ada"), await member(worker, "Bob")
    types(ada)
    later(worker, 0.1)
    types(bob)
    later(worker, 0.5)
    assert told(ada) == [["Ada"]]
    later(worker, 0.5)
    assert told(ada) == [["Ada"], ["Ada", "Bob"]]


async def test_a_message_ends_the_typing_of_its_sender(worker: Worker) -> None:
    """Not that of others."""
    ada, bob = await member(worker, "Ada"), await member(worker, "Bob")
    types(ada)
    types(bob)
    later(worker, 0.1)
    await ada.ask("send", room="lobby", cid="c1", text="hi")
    later(worker, 1.0)
    assert told(bob) == [["Ada", "Bob"], ["Bob"]]


async def test_who_goes_on_typing_stays_in_the_list(worker: Worker) -> None:
    """And clients, which forget a list after a while, are told again."""
    ada = await member(worker, "Ada")
    for _ in range(8):
        types(ada)
        later(worker, 2.0)
    assert told(ada) == [["Ada"]] * 4


async def test_key_strokes_in_a_row_count_once(worker: Worker) -> None:
    """However often a client sends, the other workers are told once in LEAST_SECONDS at the most."""
    ada = await member(worker, "Ada")
    for _ in range(100):
        types(ada)
        later(worker, 0.01)
    assert worker.rosters.calls.count(("tell", "lobby")) == 1
    later(worker, LEAST_SECONDS)
    types(ada)
    later(worker, 0.1)
    assert worker.rosters.calls.count(("tell", "lobby")) == 2


async def test_members_behind_and_busy_workers_are_spared(worker: Worker) -> None:
    """Typing is the first to be dropped; it is told when there is time, if it still holds."""
    ada, bob = await member(worker, "Ada"), await member(worker, "Bob")
    bob.transport.deaf = True
    bob.connection.outbox.write(b"x" * 300_000)
    assert bob.member.behind
    types(ada)
    worker.presence.typists.sweep(busy=True)
    assert told(ada) == []
    later(worker, 0.1)
    assert (told(ada), len(bob.transport.writes[-1])) == ([["Ada"]], 300_000)
    worker.clock.pass_(TYPING_SECONDS)
    worker.presence.typists.sweep(busy=True)
    later(worker, 0.1)
    assert told(ada) == [["Ada"], []]


async def test_a_list_has_an_end(worker: Worker) -> None:
    """In a room where everybody types, MOST are named."""
    crowd = [await member(worker, f"U{number}") for number in range(MOST + 5)]
    for visitor in crowd:
        types(visitor)
    later(worker, 0.1)
    assert [len(names) for names in told(crowd[0])] == [MOST]


async def test_typing_elsewhere_is_nothing(worker: Worker) -> None:
    """In a room that is not joined, or before hello."""
    ada = await member(worker, "Ada")
    types(ada, "other")
    later(worker, 0.1)
    assert (worker.presence.typists.rooms, ada.code) == ({}, None)
    stranger = worker.connect()
    types(stranger)
    assert stranger.code == 4502


async def test_typing_is_seen_on_other_workers() -> None:
    """And ends there with a message, with a leave, or by itself when its worker dies."""
    store = MemoryStore()
    here, there = Worker(store), Worker(store)
    ada, bob = await member(here, "Ada"), await member(there, "Bob")
    for end in ("send", "leave"):
        types(ada)
        later(here, 0.1)
        later(there, 0.1)
        assert told(bob)[-1] == ["Ada"]
        await (ada.ask("send", room="lobby", cid="c1", text="hi") if end == "send" else ada.ask("leave", room="lobby"))
        later(here, 1.0)
        later(there, 1.0)
        assert told(bob)[-1] == []
        await ada.ask("join", room="lobby")
        later(here, 1.0)
    types(ada)
    later(here, 1.0)
    later(there, 1.0)
    assert told(bob)[-1] == ["Ada"]
    here.rosters.up = False
    later(there, TYPING_SECONDS)
    assert told(bob)[-1] == []
