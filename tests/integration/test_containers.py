"""Two servers on different ports share one Redis in a container: one chat, whichever of them one comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.contract.engines import ContainerRedis
from tests.support import Peer, Server, until_async

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def redis() -> Iterator[ContainerRedis]:
    """A Redis of this module's own."""
    container = ContainerRedis()
    yield container
    container.stop()


async def test_a_room_spans_both_servers(server: Callable[..., Server], redis: ContainerRedis, room: str) -> None:
    """What is said on one is heard on the other, in one order, once; both sides see the same events."""
    here, there = server(redis_url=redis.url), server(redis_url=redis.url)
    assert here.port != there.port
    ada, bob = await Peer.open(here.ws, "Ada"), await Peer.open(there.ws, "Bob")
    assert ada.welcome["node"] != bob.welcome["node"]
    positions = [await peer.ask("join", room=room) for peer in (ada, bob)]
    assert positions[0]["epoch"] == positions[1]["epoch"]

    async def talk(peer: Peer) -> None:
        for number in range(50):
            ack = await peer.ask("send", room=room, cid=f"c{number}", text=str(number))
            assert (ack["type"], ack["dup"]) == ("ack", False)

    await asyncio.gather(talk(ada), talk(bob))
    seen = [[await peer.push("message") for _ in range(100)] for peer in (ada, bob)]
    assert seen[0] == seen[1]
    assert [event["seq"] for event in seen[0]] == list(range(1, 101))
    assert {event["name"] for event in seen[0]} == {"Ada", "Bob"}
    for peer in (ada, bob):
        await peer.close()


async def test_a_client_goes_on_at_the_other_server(
    server: Callable[..., Server], redis: ContainerRedis, room: str
) -> None:
    """Cut off here, it resumes there: the same guest, exactly what it missed, and its retry is no second event."""
    here, there = server(redis_url=redis.url), server(redis_url=redis.url)
    ada, bob = await Peer.open(here.ws, "Ada", session="tab"), await Peer.open(there.ws, "Bob")
    joined = await ada.ask("join", room=room)
    await bob.ask("join", room=room)
    sent = await ada.ask("send", room=room, cid="c1", text="from here")
    guest = ada.welcome["guest"]
    here.process.kill()
    await ada.closed()
    for number in range(3):
        await bob.ask("send", room=room, cid=f"c{number}", text=f"meanwhile {number}")
    again = await Peer.open(there.ws, "Ada", session="tab", guest=guest)
    assert again.welcome["user"] == ada.welcome["user"]
    resumed = await again.join_at(4, room, since={key: joined[key] for key in ("epoch", "seq", "mid")})
    assert resumed["recovered"] is True
    assert [event["text"] for event in resumed["messages"]] == ["from here", *(f"meanwhile {n}" for n in range(3))]
    retry = await again.ask("send", room=room, cid="c1", text="from here")
    assert (retry["seq"], retry["mid"], retry["dup"]) == (sent["seq"], sent["mid"], True)
    for peer in (again, bob):
        await peer.close()


async def test_history_survives_the_restart_of_both_servers(
    server: Callable[..., Server], redis: ContainerRedis, room: str
) -> None:
    """It lives in Redis: new servers show it, with the same epoch, and known guests are known."""
    first = [server(redis_url=redis.url), server(redis_url=redis.url)]
    ada = await Peer.open(first[0].ws, "Ada")
    before = await ada.ask("join", room=room)
    for number in range(5):
        await ada.ask("send", room=room, cid=f"c{number}", text=str(number))
    await ada.close()
    for one in first:
        assert await asyncio.to_thread(one.stop) == 0
    for _ in range(2):
        bob = await Peer.open(server(redis_url=redis.url).ws, guest=ada.welcome["guest"])
        assert bob.welcome["user"] == ada.welcome["user"]
        joined = await bob.ask("join", room=room)
        assert (joined["epoch"], joined["seq"]) == (before["epoch"], 5)
        assert [event["text"] for event in joined["messages"]] == [str(number) for number in range(5)]
        await bob.close()


async def test_both_servers_outlive_the_restart_of_redis(
    server: Callable[..., Server], redis: ContainerRedis, room: str
) -> None:
    """Killed and started again, with its append-only file: nothing is lost, and rooms span both servers again."""
    servers = [server(redis_url=redis.url), server(redis_url=redis.url)]
    ada, bob = await Peer.open(servers[0].ws, "Ada"), await Peer.open(servers[1].ws, "Bob")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    await ada.ask("send", room=room, cid="before", text="before")
    await asyncio.to_thread(redis.kill)
    for one in servers:
        await until_async(lambda one=one: one.get("/readyz")[0] == 503, "the loss is noticed")
    await asyncio.to_thread(redis.start)
    for one in servers:
        await until_async(lambda one=one: one.get("/readyz")[0] == 200, "it is ready again")
    ack = await bob.ask("send", room=room, cid="after", text="after")
    assert ack["seq"] == 2
    for peer in (ada, bob):
        assert await peer.texts(2) == ["before", "after"]
        await peer.close()
