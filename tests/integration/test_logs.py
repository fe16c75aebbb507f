"""The log of a real server under hostile input: who, where and why, never what was said or by which secret."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from app.backplane import keys
from app.backplane.permissions import USER
from app.backplane.rosters import FIRST_BYTE
from tests.contract.engines import witness
from tests.support import PASSWORD, Peer, Server, Valkey, until_async

SECRET = "geheim-5d1e"
REQUESTS = [
    f"GET /ws?token={SECRET} HTTP/1.1\r\n\r\n",
    f"{SECRET}\r\n\r\n",
    f"GET /{SECRET}\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nCookie: a={SECRET}\r\n\r\n",
    f"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: {SECRET}\r\n\r\n",
    f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n",
    f"GET /{SECRET * 2000} HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET http://[{SECRET}/ HTTP/1.1\r\nHost: [{SECRET}\r\n\r\n",
    f"GET //{SECRET}@:::%zz HTTP/1.1\r\nHost: x:y:z\r\n\r\n",
    f"GET /seen?{SECRET} HTTP/1.1\r\nHost: \xff\xfe{SECRET}\r\nX-Forwarded-For: \x80\r\n\r\n",
    f"GET /feed/%00{SECRET} HTTP/1.1\r\nHost: \xff\r\n\r\n",
    f"PUT /{SECRET} HTTP/9.9\r\nHost: x\r\nExpect: {SECRET}\r\n\r\n",
]


def _raw(server: Server, request: str) -> None:
    """Send bytes and read whatever comes."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=2) as link:
        link.sendall(request.encode("latin-1"))
        link.settimeout(0.2)
        link.recv(1000)


async def _offend(server: Server, messages: list[str | bytes], **hello: Any) -> int:
    """Say hello and then what one should not; the close code."""
    peer = await Peer.open(server.ws, **hello)
    with contextlib.suppress(Exception):
        for message in messages:
            await peer.socket.send(message)
    return await peer.closed()


@pytest.fixture
def secretive(server: Callable[..., Server], own_valkey: Valkey) -> Server:
    """A server whose secrets can be recognised, and which logs everything."""
    own_valkey.command("ACL", "SETUSER", USER, f">{SECRET}")
    url = own_valkey.url.replace(PASSWORD, SECRET)
    return server(redis_url=url, secret=SECRET * 4, log_level="debug", text_chars="100", ping_seconds="1")


async def test_hostile_input_leaves_no_secret_and_little_else_in_the_log(secretive: Server, room: str) -> None:
    """Malformed requests, bad tokens, bodies, binary, oversized and broken frames."""
    here = secretive
    for request in REQUESTS * 3:
        await asyncio.to_thread(_raw, here, request)
    bare = await Peer.bare(here.ws)
    assert (await bare.ask("hello", token=f"{SECRET}.{SECRET}.{SECRET}"))["code"] == "unauthorized"
    bare = await Peer.bare(here.ws)
    assert (await bare.ask("hello", guest=SECRET))["code"] == "unauthorized"
    ada = await Peer.open(here.ws, SECRET)
    await ada.ask("join", room=room)
    assert (await ada.ask("send", room=room, cid="c1", text=f"{SECRET} is what I say"))["type"] == "ack"
    await ada.ask("send", room=room, cid="c2", text=SECRET * 50)
    assert await _offend(here, [f"{{{SECRET}"] * 10) == 4501
    assert await _offend(here, [SECRET.encode()] * 10) == 4501
    assert await _offend(here, ["x" * 70_000 + SECRET]) == 1009
    async with connect(f"{here.feed}/{room}", compression=None) as feed:
        await feed.send(SECRET)
        assert await feed.recv() == SECRET
    token = ada.welcome["guest"]
    await ada.close()
    text = here.log.read_text()
    assert SECRET not in text
    assert token not in text
    lines = here.logged()
    assert len(lines) < 30
    closed = [line for line in lines if line["event"] == "closed"]
    assert {4500, 4501, 1009} <= {line["code"] for line in closed}
    for line in closed:
        assert {"node", "worker", "level", "timestamp", "component", "address"} <= line.keys()
    assert all({"conn", "user"} <= line.keys() for line in closed if line["code"] in (4501, 1009))
    await until_async(lambda: here.metric("parley_closed_total", code="4501") == 2, "ends are counted")
    assert here.metric("parley_closed_total", code="1009") == 1


async def test_a_client_that_misbehaves_again_and_again_has_one_line(secretive: Server) -> None:
    """It comes back as the same guest five times; others are not hidden by it."""
    first = await Peer.open(secretive.ws, "Mallory")
    token, user = first.welcome["guest"], first.welcome["user"]
    await first.close()
    for _ in range(5):
        peer = await Peer.bare(secretive.ws)
        await peer.ask("hello", guest=token)
        for _ in range(10):
            await peer.socket.send("{")
        assert await peer.closed() == 4501
    assert await _offend(secretive, ["{"] * 10) == 4501
    lines = [line for line in secretive.logged() if line["event"] == "closed"]
    assert [line["user"] == user for line in lines] == [True, False]
    assert lines[1]["left_out"] == 4


async def test_a_member_that_is_cut_is_named(server: Callable[..., Server], valkey: Valkey) -> None:
    """Who does not answer pings is closed with 4002, and the log says who that was."""
    here = server(redis_url=valkey.url, ping_seconds="1")
    raw = await asyncio.to_thread(_deaf, here.port)
    try:
        await until_async(lambda: any(line.get("code") == 4002 for line in here.logged()), "it is cut")
    finally:
        raw.close()
    (line,) = [line for line in here.logged() if line.get("code") == 4002]
    assert {"conn", "user", "worker", "address"} <= line.keys()


def _deaf(port: int) -> socket.socket:
    """A websocket that has said hello and then neither reads nor answers."""
    link = socket.create_connection(("127.0.0.1", port), timeout=60)
    link.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in link.recv(1000)
    payload = json.dumps({"type": "hello", "id": 1, "name": "Deaf"}).encode()
    mask = os.urandom(4)
    link.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
    return link


async def test_what_others_publish_is_counted_and_told_once(server: Callable[..., Server], own_valkey: Valkey) -> None:
    """In a room, about its people, to persons, and to the canary, which goes on singing; the chat goes on too."""
    here = server(redis_url=own_valkey.url)
    ada = await Peer.open(here.ws)
    await ada.ask("join", room="lobby")
    with witness(own_valkey.url) as client:
        channels = [name.decode() for name in client.pubsub_channels()]
        heard = [name for name in channels if "canary" in name or "people" in name or name.endswith(":events")]
        assert len(heard) == 3
        for number in range(100):
            for channel in heard:
                assert client.publish(channel, f"noise {number}") == 1
            assert client.publish(keys.events("lobby"), FIRST_BYTE + b"noise") == 1
    await until_async(lambda: here.metric("parley_foreign_publications_total") == 400, "all are counted")
    assert (await ada.ask("send", room="lobby", cid="c1", text="hello"))["type"] == "ack"
    assert await ada.texts(1) == ["hello"]
    await ada.close()
    assert here.metric("parley_redis_reconnects_total") == 0
    strange = [line for line in here.logged() if "none of ours" in line["event"]]
    assert 1 <= len(strange) <= 2
