"""What `rooms` says of a person's own: read marks, unread messages, direct rooms."""

from __future__ import annotations

import itertools
from typing import Any

from app.directory import FRESH_SECONDS
from app.limits import Rate
from tests.fakes.worker import Visitor, Worker

_cids = itertools.count(1)


async def change(visitor: Visitor, type_: str, room: str, **fields: Any) -> dict[str, Any]:
    """A change, and its ack."""
    ack = await visitor.ask(type_, room=room, cid=f"k{next(_cids)}", **fields)
    assert ack["type"] == "ack", ack
    return ack


async def listed(worker: Worker, visitor: Visitor, limit: int = 50) -> dict[str, Any]:
    """What `rooms` answers, with what all workers know now."""
    worker.directory.write()
    worker.later(FRESH_SECONDS)
    return await visitor.ask("rooms", limit=limit)


async def unread(worker: Worker, visitor: Visitor) -> dict[str, tuple[int | None, int | None]]:
    """By room: how far somebody has read, and how many messages there are after that."""
    reply = await listed(worker, visitor)
    return {entry["room"]: (entry.get("read"), entry.get("unread")) for entry in reply["rooms"]}


async def talk(name: str = "r") -> tuple[Worker, Visitor, Visitor]:
    """A worker with two in a room; five messages, of which Ada has read three."""
    worker = Worker()
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    for visitor in (ada, bob):
        await visitor.ask("join", room=name)
    for _ in range(5):
        await change(bob, "send", name, text="x")
    await ada.ask("read", room=name, seq=3)
    return worker, ada, bob


async def test_unread_messages_are_counted_where_there_is_a_mark() -> None:
    """For the user who set it; others are told nothing."""
    worker, ada, bob = await talk()
    assert await unread(worker, ada) == {"r": (3, 2)}
    assert await unread(worker, bob) == {"r": (None, None)}
    await ada.ask("read", room="r", seq=5)
    assert await unread(worker, ada) == {"r": (5, 0)}


async def test_rooms_that_are_not_joined_are_counted_too() -> None:
    """On any worker, also one that has nobody in the room."""
    worker, ada, bob = await talk()
    await ada.ask("leave", room="r")
    await change(bob, "send", "r", text="y")
    assert await unread(worker, ada) == {"r": (3, 3)}
    other = Worker(worker.store)
    token = next(message["guest"] for message in ada.heard if message["type"] == "welcome")
    tab = await other.visitor("Ada", guest=token)
    assert await unread(other, tab) == {"r": (3, 3)}
    assert "r" not in [room.name for room in other.hub.chats.values()]


async def test_edits_and_reactions_are_no_unread_messages() -> None:
    """Before the mark and after it."""
    worker, ada, bob = await talk()
    await change(bob, "edit", "r", seq=1, text="z")
    await change(bob, "react", "r", seq=1, emoji="\U0001f44d")
    assert await unread(worker, ada) == {"r": (3, 2)}
    await change(bob, "send", "r", text="y")
    assert await unread(worker, ada) == {"r": (3, 3)}
    await ada.ask("read", room="r", seq=7)
    assert await unread(worker, ada) == {"r": (7, 1)}
    await change(bob, "topic", "r", topic="t")
    await change(bob, "delete", "r", seq=5)
    assert await unread(worker, ada) == {"r": (7, 1)}


async def test_a_mark_of_another_life_of_the_room_is_none() -> None:
    """Redis lost the room, and it began anew."""
    worker, ada, _ = await talk()
    del worker.store.rooms["r"]
    other = Worker(worker.store)
    token = next(message["guest"] for message in ada.heard if message["type"] == "welcome")
    tab = await other.visitor("Ada", guest=token)
    await tab.ask("join", room="r")
    await change(tab, "send", "r", text="x")
    other.directory.write()
    assert await unread(other, tab) == {"r": (None, None)}


async def test_direct_rooms_are_listed_for_their_two_alone() -> None:
    """Those with a message, newest first, with whom, and what is unread."""
    worker = Worker()
    ada, bob, eve = [await worker.visitor(name) for name in ("Ada", "Bob", "Eve")]
    first = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("direct", user=eve.member.user)
    await ada.ask("join", room=first)
    assert (await listed(worker, ada))["direct"] == []
    for _ in range(3):
        ack = await change(ada, "send", first, text="x")
    await change(ada, "edit", first, seq=1, text="y")
    reply = await listed(worker, bob)
    assert reply["rooms"] == []
    assert reply["direct"] == [
        {
            "room": first,
            "with": {"user": ada.member.user, "name": "Ada"},
            "seq": 4,
            "ts": reply["direct"][0]["ts"],
            "unread": 3,
        }
    ]
    assert reply["direct"][0]["ts"] >= ack["ts"]
    await ada.ask("read", room=first, seq=2)
    (mine,) = (await listed(worker, ada))["direct"]
    assert (mine["with"]["name"], mine["read"], mine["unread"]) == ("Bob", 2, 1)
    assert (await listed(worker, eve))["direct"] == []
    second = (await eve.ask("direct", user=bob.member.user))["room"]
    await eve.ask("join", room=second)
    await change(eve, "send", second, text="x")
    worker.store.rooms[first].log[-1] = worker.store.rooms[first].log[-1].replace(b'"ts":1', b'"ts":0')
    assert [entry["room"] for entry in (await listed(worker, bob))["direct"]] == [second, first]
    assert [entry["room"] for entry in (await listed(worker, bob, limit=1))["direct"]] == [second]
    await bob.ask("join", room=first)
    await bob.ask("read", room=first, seq=1)
    assert [entry["room"] for entry in (await listed(worker, bob, limit=1))["direct"]] == [first]


async def test_lists_are_counted_by_user() -> None:
    """Over all connections of a worker; also those that a new connection asks first."""
    worker = Worker(rates={"lists": Rate(1, 2)})
    ada = await worker.visitor("Ada")
    token = next(message["guest"] for message in ada.heard if message["type"] == "welcome")
    tabs = [ada, *[await worker.visitor("Ada", guest=token) for _ in range(5)]]
    answers = [await tab.ask("rooms") for tab in tabs]
    assert [answer["type"] for answer in answers[:2]] == ["rooms"] * 2
    assert (answers[-1]["code"], answers[-1]["temporary"]) == ("rate_limited", True)
    assert worker.counters.limit_lists > 0
    bob = await worker.visitor("Bob")
    assert (await bob.ask("rooms"))["type"] == "rooms"
    worker.later(60)
    assert (await tabs[-1].ask("rooms"))["type"] == "rooms"
    worker.later(60), worker.later(60)
    assert not len(worker.allowances)


async def test_without_redis_the_list_is_refused_for_now() -> None:
    """Rather than being shown without what is one's own."""
    worker, ada, _ = await talk()
    worker.personal.mute = True
    refused = await ada.ask("rooms")
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
