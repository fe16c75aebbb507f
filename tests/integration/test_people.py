"""Read marks, direct rooms and mentions against a real server with two workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.integration.test_amendments import on_each_worker
from tests.support import DEADLINE_SECONDS, Peer, Server, Valkey


@pytest.fixture
def url(shared_server: Server) -> str:
    """Where the websocket is."""
    return shared_server.ws


async def same_user_on_each_worker(url: str, name: str) -> list[Peer]:
    """One guest with a connection on each of the two workers."""
    guest = (first := await Peer.open(url, name)).welcome["guest"]
    peers: dict[str, Peer] = {first.welcome["node"]: first}
    while len(peers) < 2:
        peer = await Peer.open(url, name, guest=guest)
        if peers.setdefault(peer.welcome["node"], peer) is not peer:
            await peer.close()
    return list(peers.values())


async def heard(peer: Peer, type_: str) -> dict[str, Any]:
    """The next push of a type."""
    return await peer.push(type_)


async def test_a_read_mark_is_the_users_on_all_workers(url: str, room: str) -> None:
    """The other connection is told, and whoever joins later finds it."""
    here, there = await same_user_on_each_worker(url, "Ada")
    for peer in (here, there):
        await peer.ask("join", room=room)
    for number in range(5):
        await here.ask("send", room=room, cid=f"c{number}", text="x")
    reply = await here.ask("read", room=room, seq=4)
    assert (reply["type"], reply["seq"]) == ("read", 4)
    assert await heard(there, "read") == {"type": "read", "room": room, "seq": 4}
    assert (await there.ask("read", room=room, seq=2))["seq"] == 4
    others = await same_user_on_each_worker(url, "Ada")
    for other in others:
        assert "read" not in await other.ask("join", room=room)
    third = await Peer.open(url, "Ada", guest=here.welcome["guest"])
    assert (await third.ask("join", room=room))["read"] == 4
    for peer in (here, there, third, *others):
        await peer.close()


async def test_a_mark_survives_the_stop_of_its_worker(server: Callable[..., Server], valkey: Valkey, room: str) -> None:
    """What was answered is written at the latest when the worker goes."""
    one = server(redis_url=valkey.url, drain_seconds="0")
    ada = await Peer.open(one.ws, "Ada")
    await ada.ask("join", room=room)
    for number in range(9):
        await ada.ask("send", room=room, cid=f"c{number}", text="x")
        assert (await ada.ask("read", room=room, seq=number + 1))["seq"] == number + 1
    await asyncio.to_thread(one.stop)
    assert await ada.closed() == 1012
    other = server(redis_url=valkey.url)
    again = await Peer.open(other.ws, guest=ada.welcome["guest"])
    assert (await again.ask("join", room=room))["read"] == 9
    await again.close()


async def test_a_direct_room_is_for_two_alone(url: str, shared_server: Server) -> None:
    """Opened by one, told to the other with the first message, joined by nobody else; a feed of the name is another."""
    ada, bob = await on_each_worker(url, "Ada")
    opened = await ada.ask("direct", user=bob.welcome["user"])
    name = opened["room"]
    joined = await ada.ask("join", room=name)
    assert joined["type"] == "joined"
    await ada.ask("send", room=name, cid="c1", text="between us")
    told = await heard(bob, "direct")
    assert told == {"type": "direct", "room": name, "with": {"user": ada.welcome["user"], "name": "Ada"}}
    assert (await heard(bob, "mentioned"))["seq"] == 1
    assert [event["text"] for event in (await bob.join_at(1, name))["messages"]] == ["between us"]
    eve = await Peer.open(url, "Eve")
    since = {key: joined[key] for key in ("epoch", "seq", "mid")}
    for fields in ({}, {"since": since}):
        assert (await eve.ask("join", room=name, **fields))["code"] == "forbidden"
    assert (await eve.ask("history", room=name))["code"] == "not_joined"
    async with connect(f"{shared_server.feed}/{name}", proxy=None) as feed:
        await feed.send("to the feed")
        assert await feed.recv() == "to the feed"
        await ada.ask("send", room=name, cid="c2", text="still between us")
        assert [event["text"] for event in [await bob.push("message")]] == ["still between us"]
        await feed.send("again")
        assert await feed.recv() == "again"
    for peer in (ada, bob, eve):
        await peer.close()


async def test_what_is_unread_is_counted_for_rooms_that_are_not_open(url: str, room: str) -> None:
    """On the other worker, and for the direct rooms."""
    here, there = await same_user_on_each_worker(url, "Ada")
    bob = await Peer.open(url, "Bob")
    for peer in (here, bob):
        await peer.ask("join", room=room)
    for number in range(4):
        await bob.ask("send", room=room, cid=f"c{number}", text="x")
    await here.push("message")  # bob's acks are no news of his worker's to this one
    assert (await here.ask("read", room=room, seq=1))["seq"] == 1
    await here.ask("leave", room=room)
    await bob.ask("react", room=room, cid="r1", seq=1, emoji="\U0001f44d")
    direct = (await bob.ask("direct", user=here.welcome["user"]))["room"]
    await bob.ask("join", room=direct)
    await bob.ask("send", room=direct, cid="d1", text="x")

    async def listed() -> bool:
        reply = await there.ask("rooms", limit=200)
        rooms = {entry["room"]: entry for entry in reply["rooms"]}
        if room not in rooms or (rooms[room].get("read"), rooms[room].get("unread")) != (1, 3):
            return False
        (entry,) = [entry for entry in reply["direct"] if entry["room"] == direct]
        assert (entry["with"]["name"], entry["unread"]) == ("Bob", 1)
        assert direct not in rooms
        return True

    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await listed():
            await there.ask("ping")
    for peer in (here, there, bob):
        await peer.close()


async def test_somebody_mentioned_is_told_elsewhere(url: str, room: str) -> None:
    """By name, on the connection that has not joined the room."""
    ada = await Peer.open(url, "Ada")
    inside, outside = await same_user_on_each_worker(url, f"Grace {room}")
    for peer in (ada, inside):
        await peer.ask("join", room=room)
    if ada.welcome["node"] != inside.welcome["node"]:
        # People are meant by those who are on the same worker.
        await inside.ask("leave", room=room)
        inside, outside = outside, inside
        await inside.ask("join", room=room)
    sent = await ada.ask("send", room=room, cid="c1", text=f"@grace {room}, look")
    told = await heard(outside, "mentioned")
    assert (told["room"], told["seq"], told["name"]) == (room, sent["seq"], "Ada")
    assert (await heard(inside, "message"))["mentions"] == [inside.welcome["user"]]
    for peer in (ada, inside, outside):
        await peer.close()


async def test_who_has_written_and_left_is_meant_on_each_worker(url: str, room: str) -> None:
    """By members of both workers; whoever comes back finds the mention in the page, and was told elsewhere."""
    ada, eve = await on_each_worker(url, "Ada")
    bob = await Peer.open(url, "Bob")
    for peer in (ada, eve, bob):
        await peer.ask("join", room=room)
    for peer in (ada, eve):
        while bob.welcome["user"] not in [one["user"] for one in (await peer.push("presence")).get("joined", [])]:
            pass
    await bob.ask("send", room=room, cid="c1", text="back soon")
    for peer in (ada, eve):
        assert (await peer.push("message"))["text"] == "back soon"
    await bob.ask("leave", room=room)
    for peer in (ada, eve):
        while bob.welcome["user"] not in (await peer.push("presence")).get("left", []):
            pass
    for peer in (ada, eve):
        sent = await peer.ask("send", room=room, cid="c2", text="@bob please look")
        assert (await heard(bob, "mentioned"))["seq"] == sent["seq"]
    page = (await bob.ask("join", room=room))["messages"]
    assert [event.get("mentions") for event in page] == [None, [bob.welcome["user"]], [bob.welcome["user"]]]
    for peer in (ada, eve, bob):
        await peer.close()


async def test_rooms_and_people_are_named_as_their_languages_write(url: str, room: str) -> None:
    """Marks in the name of a room, a joiner in that of a guest, who is mentioned without it."""
    hindi = f"{room}-\u0939\u093f\u0928\u094d\u0926\u0940"
    ali, bob = await on_each_worker(url, "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627")
    for peer in (ali, bob):
        assert (await peer.ask("join", room=hindi))["room"] == hindi
    await ali.ask("send", room=hindi, cid="c1", text="hi")
    await bob.push("message")
    await bob.ask("send", room=hindi, cid="c2", text="@\u0639\u0644\u06cc\u0631\u0636\u0627")
    assert ali.welcome["user"] in (await bob.push("message"))["mentions"]
    assert (await bob.ask("join", room=f"{room}-\u0301"))["code"] == "bad_request"
    for peer in (ali, bob):
        await peer.close()
