"""The original design's plain websocket, byte for byte, across workers and hosts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support import DEADLINE_SECONDS, Server, Valkey


async def _enter(url: str) -> ClientConnection:
    """Connect and wait until one's own message comes back: then the feed is joined."""
    client = await connect(url, max_size=None, compression=None, proxy=None)
    await client.send("here")
    assert await _next(client) == "here"
    return client


async def _next(client: ClientConnection) -> str | bytes:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await client.recv()


@pytest.mark.parametrize(
    "message", ["", "hello", '{"type":"x"}', "\u00fc\U0001f44d\x00", b"", b"\x00\xff", b"t", os.urandom(60_000)]
)
async def test_everybody_gets_exactly_what_one_sends(shared_server: Server, room: str, message: str | bytes) -> None:
    """Text stays text, binary stays binary, byte for byte, for all clients, the sender included."""
    one = await _enter(f"{shared_server.feed}/{room}")
    two = await _enter(f"{shared_server.feed}/{room}")
    assert await _next(one) == "here"
    await two.send(message)
    assert await _next(one) == message
    assert await _next(two) == message
    await one.close()
    await two.close()


async def test_a_feed_spans_hosts_in_one_order(server: Callable[..., Server], valkey: Valkey, room: str) -> None:
    """Two servers on one Redis: what is sent on both arrives everywhere in the same order."""
    hosts = [server(redis_url=valkey.url), server(redis_url=valkey.url)]
    clients = [await _enter(f"{hosts[0].feed}/{room}")]
    clients.append(await _enter(f"{hosts[1].feed}/{room}"))
    assert await _next(clients[0]) == "here"
    await asyncio.gather(*(client.send(f"{index}-{n}") for n in range(50) for index, client in enumerate(clients)))
    received = [[await _next(client) for _ in range(100)] for client in clients]
    assert received[0] == received[1]
    assert sorted(received[0]) == sorted(f"{index}-{n}" for n in range(50) for index in (0, 1))
    for client in clients:
        await client.close()


async def test_the_bare_feed_is_the_room_called_feed(shared_server: Server) -> None:
    """/feed and /feed/feed are the same room."""
    bare = await _enter(shared_server.feed)
    named = await _enter(f"{shared_server.feed}/feed")
    assert await _next(bare) == "here"
    await named.send("both")
    assert await _next(bare) == "both"
    await bare.close()
    await named.close()


async def test_a_feed_and_a_chat_room_of_one_name_are_apart(shared_server: Server, room: str) -> None:
    """Raw messages never show up among a room's events."""
    from tests.support import Peer

    member = await Peer.open(shared_server.ws)
    await member.ask("join", room=room)
    raw = await _enter(f"{shared_server.feed}/{room}")
    await raw.send('{"seq":1,"type":"message"}')
    assert await _next(raw) == '{"seq":1,"type":"message"}'
    assert (await member.ask("history", room=room))["messages"] == []
    await raw.close()
    await member.close()


async def test_clients_that_vanish_do_not_disturb_the_others(shared_server: Server, room: str) -> None:
    """Some clients reset their connection in the middle of a burst; the rest get every message once, in order."""
    stay = await _enter(f"{shared_server.feed}/{room}")
    vanish = []
    for _ in range(5):
        vanish.append(await _enter(f"{shared_server.feed}/{room}"))
        assert await _next(stay) == "here"
    for number in range(100):
        await stay.send(str(number))
        if number % 20 == 10:
            vanish[number // 20].transport.abort()
    assert [await _next(stay) for _ in range(100)] == [str(number) for number in range(100)]
    await stay.close()


async def test_a_lone_client_may_leave(shared_server: Server, room: str) -> None:
    """An empty feed is no error, and the next client finds it working."""
    for _ in range(3):
        client = await _enter(f"{shared_server.feed}/{room}")
        await client.close()
        assert client.close_code == 1000


async def test_a_flood_is_taken_at_the_pace_of_redis_and_nothing_is_lost(shared_server: Server, room: str) -> None:
    """A client that sends as fast as it can is read only as fast as its messages are published."""
    client = await _enter(f"{shared_server.feed}/{room}")
    received: list[str | bytes] = []

    async def read() -> None:
        while len(received) < 5000:
            received.append(await _next(client))

    reading = asyncio.create_task(read())
    for number in range(5000):
        await client.send(str(number))
    await reading
    assert received == [str(number) for number in range(5000)]
    await client.close()
