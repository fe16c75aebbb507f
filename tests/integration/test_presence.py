"""Who is in a room, over several workers, with real sockets and a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect

from tests.support import DEADLINE_SECONDS, Peer, Server, Valkey, until_async

LEASE_SECONDS = 3.0


class Watcher:
    """A peer in one room, and who it knows to be there."""

    def __init__(self, peer: Peer, room: str, joined: dict[str, Any]) -> None:
        self.peer = peer
        self.room = room
        self.members: int = joined["members"]
        self.people: dict[str, str] = {}
        self.pushes: list[dict[str, Any]] = []
        self._replace(joined.get("presence", []))

    @classmethod
    async def open(cls, url: str, room: str, name: str, **hello: Any) -> Watcher:
        """Connect and join."""
        peer = await Peer.open(url, name, **hello)
        return cls(peer, room, await peer.ask("join", room=room))

    @property
    def user(self) -> str:
        """Its own user."""
        return str(self.peer.welcome["user"])

    @property
    def node(self) -> str:
        """The worker it is on."""
        return str(self.peer.welcome["node"])

    def _replace(self, persons: list[dict[str, str]]) -> None:
        self.people = {person["user"]: person["name"] for person in persons}

    def _take(self, push: dict[str, Any]) -> None:
        self.pushes.append(push)
        if "presence" in push:
            self._replace(push["presence"])
        for person in push.get("joined", []):
            self.people[person["user"]] = person["name"]
        for user in push.get("left", []):
            self.people.pop(user, None)
        self.members = push["members"]

    async def sees(self, holds: Callable[[Watcher], bool], what: str, seconds: float = DEADLINE_SECONDS) -> float:
        """Take pushes until that holds; the seconds it took."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                while not holds(self):
                    self._take(await self.peer.push("presence"))
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {what}; sees {self.members}, {self.people}") from None
        return time.monotonic() - began

    async def sees_people(self, *names: str, seconds: float = DEADLINE_SECONDS) -> float:
        """Wait until exactly these are there, by name."""
        wanted = sorted(names)
        return await self.sees(
            lambda one: sorted(one.people.values()) == wanted and one.members == len(wanted), f"{wanted}", seconds
        )


async def on_each_worker(url: str, room: str, *names: str) -> list[Watcher]:
    """Watchers in one room, the first two on different workers."""
    watchers = [await Watcher.open(url, room, names[0])]
    for name in names[1:]:
        watcher = await Watcher.open(url, room, name)
        while len(watchers) == 1 and watcher.node == watchers[0].node:
            await watcher.peer.close()
            watcher = await Watcher.open(url, room, name)
        watchers.append(watcher)
    return watchers


async def test_people_on_all_workers_are_seen_and_told(shared_server: Server, room: str) -> None:
    """Joins and leaves, wherever they happen; who joins is told at once who is there."""
    ada, bob = await on_each_worker(shared_server.ws, room, "Ada", "Bob")
    await ada.sees_people("Ada", "Bob")
    await bob.sees_people("Ada", "Bob")
    cyd = await Watcher.open(shared_server.ws, room, "Cyd")
    assert sorted(cyd.people.values()) == ["Ada", "Bob", "Cyd"]
    await ada.sees_people("Ada", "Bob", "Cyd")
    await bob.sees_people("Ada", "Bob", "Cyd")
    await cyd.peer.ask("leave", room=room)
    await ada.sees_people("Ada", "Bob")
    await bob.peer.close()
    await ada.sees_people("Ada")
    await ada.peer.close()
    await cyd.peer.close()


async def test_two_tabs_on_two_workers_are_one_person(shared_server: Server, room: str) -> None:
    """Counted once, and there until the last tab is closed."""
    ada, bob = await on_each_worker(shared_server.ws, room, "Ada", "Bob")
    tab = await Watcher.open(shared_server.ws, room, "", guest=bob.peer.welcome["guest"])
    while tab.node != ada.node:
        await tab.peer.close()
        tab = await Watcher.open(shared_server.ws, room, "", guest=bob.peer.welcome["guest"])
    assert tab.user == bob.user
    await ada.sees_people("Ada", "Bob")
    await bob.peer.close()
    cyd = await Watcher.open(shared_server.ws, room, "Cyd")
    await ada.sees_people("Ada", "Bob", "Cyd")
    assert not any(bob.user in push.get("left", []) for push in ada.pushes)
    await tab.peer.close()
    await ada.sees_people("Ada", "Cyd")
    await ada.peer.close()
    await cyd.peer.close()


async def test_a_lost_connection_has_its_grace(server: Callable[..., Server], room: str) -> None:
    """Who comes back in time was never away; who does not is gone after it."""
    here = server(workers=2, presence_grace_seconds="2")
    ada, bob = await on_each_worker(here.ws, room, "Ada", "Bob")
    await ada.sees_people("Ada", "Bob")
    bob.peer.socket.transport.abort()
    back = await Watcher.open(here.ws, room, "", guest=bob.peer.welcome["guest"])
    cyd = await Watcher.open(here.ws, room, "Cyd")
    await ada.sees_people("Ada", "Bob", "Cyd")
    cyd.peer.socket.transport.abort()
    began = time.monotonic()
    await ada.sees_people("Ada", "Bob")
    assert time.monotonic() - began > 1.5
    assert not any(bob.user in push.get("left", []) for push in ada.pushes)
    await ada.peer.close()
    await back.peer.close()


async def test_people_of_a_killed_worker_are_gone_with_its_lease(server: Callable[..., Server], room: str) -> None:
    """kill -9: who does not come back is gone for the others when the lease has ended, and not before."""
    here = server(workers=2, presence_lease_seconds=str(LEASE_SECONDS))
    ada, bob = await on_each_worker(here.ws, room, "Ada", "Bob")
    await ada.sees_people("Ada", "Bob")
    number = int(bob.node.rpartition(".")[2])
    (pid,) = [each["pid"] for each in here.health()["workers"]["each"] if each["worker"] == number]
    os.kill(pid, signal.SIGKILL)
    assert await bob.peer.closed() == 1006
    await ada.sees_people("Ada", seconds=LEASE_SECONDS + DEADLINE_SECONDS)
    await until_async(lambda: here.metric("parley_workers_lost_total") >= 1, "the loss is counted")
    cyd = await Watcher.open(here.ws, room, "Cyd")
    await ada.sees_people("Ada", "Cyd")
    assert sorted(cyd.people.values()) == ["Ada", "Cyd"]
    await ada.peer.close()
    await cyd.peer.close()


async def test_an_outage_of_redis_takes_nobody_away(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Redis is stopped for longer than a lease, and starts without its data: nobody was told to have left."""
    here = server(redis_url=own_valkey.url, workers=2, presence_lease_seconds="6")
    ada, bob = await on_each_worker(here.ws, room, "Ada", "Bob")
    await ada.sees_people("Ada", "Bob")
    await bob.sees_people("Ada", "Bob")
    own_valkey.command("FLUSHALL")
    await asyncio.to_thread(own_valkey.stop)
    await asyncio.sleep(7)  # the outage itself: a lease and more
    await asyncio.to_thread(own_valkey.start)
    give_up = time.monotonic() + DEADLINE_SECONDS
    cyd = await Peer.open(here.ws, "Cyd")
    while (joined := await cyd.ask("join", room=room))["type"] != "joined":
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)
    dan = Watcher(cyd, room, joined)
    for watcher in (ada, bob, dan):
        await watcher.sees_people("Ada", "Bob", "Cyd")
    await asyncio.to_thread(own_valkey.command, "CLIENT", "KILL", "TYPE", "pubsub")
    await cyd.close()
    for watcher in (ada, bob):
        await watcher.sees_people("Ada", "Bob")
        assert not any({ada.user, bob.user} & set(push.get("left", [])) for push in watcher.pushes)
    await ada.peer.close()
    await bob.peer.close()


async def test_large_rooms_are_counted(server: Callable[..., Server], room: str) -> None:
    """Above the limit a number and no names; below it all names again, on every worker."""
    here = server(workers=2, presence_limit="10")
    watchers = await on_each_worker(here.ws, room, *[f"P{number}" for number in range(10)])
    await watchers[0].sees_people(*[f"P{number}" for number in range(10)])
    more = [await Watcher.open(here.ws, room, f"Q{number}") for number in range(3)]
    for watcher in watchers[:2]:
        await watcher.sees(lambda one: one.members == 13, "13 people")
        assert not {"joined", "left", "presence"} & watcher.pushes[-1].keys()
    late = await Peer.open(here.ws, "Late")
    joined = await late.ask("join", room=room)
    assert (joined["members"], "presence" in joined) == (14, False)
    await late.close()
    for watcher in (*more, *watchers[5:]):
        await watcher.peer.close()
    for watcher in watchers[:2]:
        await watcher.sees_people(*[f"P{number}" for number in range(5)])
    for watcher in watchers[:5]:
        await watcher.peer.close()


async def test_typing_is_seen_by_members_on_all_workers(shared_server: Server, room: str) -> None:
    """Until the message is there."""
    ada, bob = await on_each_worker(shared_server.ws, room, "Ada", "Bob")
    await ada.peer.socket.send(json.dumps({"type": "typing", "room": room}))
    for watcher in (ada, bob):
        push = await watcher.peer.push("typing")
        assert push == {"type": "typing", "room": room, "users": [{"user": ada.user, "name": "Ada"}]}
    await ada.peer.ask("send", room=room, cid="c1", text="hi")
    for watcher in (ada, bob):
        assert (await watcher.peer.push("typing"))["users"] == []
        await watcher.peer.close()


async def test_rooms_are_listed_with_their_people(server: Callable[..., Server]) -> None:
    """Newest activity first, people of all workers counted once."""
    here = server(workers=2)
    ada, bob = await on_each_worker(here.ws, "lobby", "Ada", "Bob")
    await ada.peer.ask("join", room="tea")
    await ada.peer.ask("send", room="tea", cid="c1", text="hi")
    await ada.peer.ask("topic", room="tea", cid="c2", topic="Green")
    await asyncio.sleep(0.01)  # later by the clock that orders them, which has milliseconds
    acked = await bob.peer.ask("send", room="lobby", cid="c1", text="hi")

    async def listed() -> list[tuple[str, int, int]]:
        reply = await bob.peer.ask("rooms")
        return [(each["room"], each["members"], each["seq"]) for each in reply["rooms"]]

    give_up = time.monotonic() + DEADLINE_SECONDS
    while (rooms := await listed()) != [("lobby", 2, 1), ("tea", 1, 2)]:
        assert time.monotonic() < give_up, rooms
        await asyncio.sleep(0.1)
    assert (await bob.peer.ask("rooms"))["rooms"][0]["ts"] == acked["ts"]
    assert (await bob.peer.ask("rooms"))["rooms"][1]["topic"] == "Green"
    for watcher in (ada, bob):
        await watcher.peer.close()


async def test_one_guest_does_not_fill_the_list_of_rooms(server: Callable[..., Server]) -> None:
    """However many rooms it writes in: those that others have brought are still there."""
    rates = {f"{kind}_per_second": "100000" for kind in ("sends", "joins", "lists", "requests")}
    here = server(proxies="1", **rates)

    async def guest(address: str) -> Peer:
        peer = Peer(await connect(here.ws, additional_headers={"X-Forwarded-For": address}, proxy=None))
        assert (await peer.ask("hello", name="Ada"))["type"] == "welcome"
        return peer

    ada, eve = await guest("198.51.100.1"), await guest("203.0.113.7")
    for peer, names in ((ada, ["tea", "coffee"]), (eve, [f"spam-{number}" for number in range(220)])):
        for name in names:
            await peer.ask("join", room=name, limit=0)
            assert (await peer.ask("send", room=name, cid=name, text="x"))["type"] == "ack"
            await peer.ask("leave", room=name)
    give_up = time.monotonic() + DEADLINE_SECONDS
    while True:
        rooms = [each["room"] for each in (await ada.ask("rooms", limit=200))["rooms"]]
        if len(rooms) == 200 and rooms[0] == "spam-219":
            break
        assert time.monotonic() < give_up, rooms
        await asyncio.sleep(0.1)
    assert rooms[-2:] == ["coffee", "tea"]
    for peer in (ada, eve):
        await peer.close()


async def test_who_moves_to_another_replica_was_never_away(
    server: Callable[..., Server], valkey: Valkey, room: str
) -> None:
    """A replica is stopped gently: its people have the grace to come back elsewhere; the others are gone after it."""
    first, second = (server(redis_url=valkey.url, presence_grace_seconds="3", drain_seconds="0") for _ in range(2))
    ada = await Watcher.open(first.ws, room, "Ada")
    bob = await Watcher.open(second.ws, room, "Bob")
    cyd = await Watcher.open(second.ws, room, "Cyd")
    await ada.sees_people("Ada", "Bob", "Cyd")
    assert await asyncio.to_thread(second.stop, signal.SIGTERM) == 0
    assert await cyd.peer.closed() == 1012
    back = await Watcher.open(first.ws, room, "", guest=bob.peer.welcome["guest"])
    assert sorted(back.people.values()) == ["Ada", "Bob", "Cyd"]
    await ada.sees_people("Ada", "Bob")
    assert not any(bob.user in push.get("left", []) for push in ada.pushes)
    await ada.peer.close()
    await back.peer.close()


async def test_a_worker_that_stood_still_is_back_with_its_people(server: Callable[..., Server], room: str) -> None:
    """SIGSTOP for longer than a lease: its people are gone for the others; after SIGCONT all are there again."""
    here = server(workers=2, presence_lease_seconds="2")
    ada, bob = await on_each_worker(here.ws, room, "Ada", "Bob")
    await ada.sees_people("Ada", "Bob")
    await bob.sees_people("Ada", "Bob")
    number = int(bob.node.rpartition(".")[2])
    (pid,) = [each["pid"] for each in here.health()["workers"]["each"] if each["worker"] == number]
    os.kill(pid, signal.SIGSTOP)
    await ada.sees_people("Ada")
    os.kill(pid, signal.SIGCONT)
    await ada.sees_people("Ada", "Bob")
    cyd = await Watcher.open(here.ws, room, "Cyd")
    for watcher in (ada, bob):
        await watcher.sees_people("Ada", "Bob", "Cyd")
        assert not any(ada.user in push.get("left", []) for push in watcher.pushes)
    for watcher in (ada, bob, cyd):
        await watcher.peer.close()
