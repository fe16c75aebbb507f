"""What clients do wrong: each gets the error or close code of the protocol, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.support import Peer, Server, until


@pytest.fixture
def url(shared_server: Server) -> str:
    """Where the websocket is."""
    return shared_server.ws


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "garbage",
        "null",
        "[]",
        "{}",
        '{"type":"nope","id":1}',
        '{"type":"join"}',
        '{"type":"join","id":0,"room":"r"}',
        '{"type":"join","id":"1","room":"r"}',
        '{"type":"join","id":1,"room":7}',
        '{"type":"join","id":1,"room":"r","since":5}',
        '{"type":"send","id":1,"room":"r","cid":"a b","text":"x"}',
        '{"type":"send","id":1,"room":"r","cid":"","text":"x"}',
        '{"type":"hello","id":1,"name":"' + "x" * 10_000 + '"}',
        '{"type":"hello","id":1,"name":"\\ud800"}',
        "[" * 30_000,
        b"\x00\x01",
    ],
)
async def test_a_malformed_message_is_refused_and_the_connection_lives_on(url: str, frame: str | bytes) -> None:
    """The answer is bad_request, and the next proper message is answered as if nothing had happened."""
    peer = await Peer.open(url)
    await peer.socket.send(frame)
    error = await peer.receive()
    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert (await peer.ask("ping"))["type"] == "pong"
    await peer.close()


async def test_the_refusal_carries_the_id_where_there_is_one(url: str) -> None:
    """A request with a usable id is answered under that id, however wrong the rest is."""
    peer = await Peer.open(url)
    await peer.socket.send('{"type":"nope","id":77}')
    assert (await peer.receive())["id"] == 77
    await peer.close()


async def test_ten_malformed_messages_in_a_row_end_the_connection(url: str) -> None:
    """The tenth is answered like the others, then the connection is closed with 4501; a good one starts anew."""
    peer = await Peer.open(url)
    for _ in range(9):
        await peer.socket.send("garbage")
    assert (await peer.ask("ping"))["type"] == "pong"
    for _ in range(10):
        await peer.socket.send("garbage")
    assert await peer.closed() == 4501


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "send", "room": "nowhere", "cid": "c", "text": "x"}, "not_joined"),
        ({"type": "leave", "room": "nowhere"}, "not_joined"),
        ({"type": "history", "room": "nowhere"}, "not_joined"),
        ({"type": "join", "room": "here"}, "already_joined"),
        ({"type": "hello", "name": "Ada"}, "bad_request"),
        ({"type": "send", "room": "here", "cid": "c", "text": ""}, "bad_request"),
        ({"type": "send", "room": "here", "cid": "c", "text": "x" * 4001}, "too_large"),
        ({"type": "history", "room": "here", "before": 1, "after": 1}, "bad_request"),
        ({"type": "join", "room": ""}, "bad_request"),
        ({"type": "join", "room": "x" * 65}, "bad_request"),
        ({"type": "join", "room": "a b"}, "bad_request"),
        ({"type": "join", "room": "a/b"}, "bad_request"),
        ({"type": "join", "room": "a{b}"}, "bad_request"),
        ({"type": "join", "room": "a\u202eb"}, "bad_request"),
        ({"type": "join", "room": "a\u200bb"}, "bad_request"),
        ({"type": "join", "room": "a\x00b"}, "bad_request"),
    ],
)
async def test_a_wrong_request_gets_its_error_code(url: str, request_: dict[str, object], code: str) -> None:
    """Each mistake has its own code, under the request's id."""
    peer = await Peer.open(url)
    await peer.ask("join", room="here")
    fields = {key: value for key, value in request_.items() if key != "type"}
    error = await peer.ask(str(request_["type"]), **fields)
    assert (error["type"], error["code"]) == ("error", code)
    assert error["message"]
    assert (await peer.ask("ping"))["type"] == "pong"
    await peer.close()


@pytest.mark.parametrize("name", ["", " ", "x" * 33, "x" * 10_000, "a\u202eb", "a\u200bb", "a\nb"])
async def test_a_wrong_name_is_refused_and_another_may_follow(url: str, name: str) -> None:
    """Names are 1 to 32 visible characters; after a refusal the same connection may try another."""
    peer = await Peer.bare(url)
    error = await peer.ask("hello", name=name)
    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert (await peer.ask("hello", name="Ada"))["type"] == "welcome"
    await peer.close()


async def test_room_names_are_one_in_all_their_forms(url: str) -> None:
    """A composed and a decomposed letter name the same room, and replies carry the composed one."""
    peer = await Peer.open(url)
    joined = await peer.ask("join", room="cafe\u0301-1")
    assert joined["room"] == "caf\u00e9-1"
    assert (await peer.ask("join", room="caf\u00e9-1"))["code"] == "already_joined"
    assert (await peer.ask("leave", room="cafe\u0301-1"))["type"] == "left"
    await peer.close()


async def test_a_request_before_hello_ends_the_connection(url: str) -> None:
    """Whoever does not say hello first is told so and closed with 4502."""
    peer = await Peer.bare(url)
    assert (await peer.ask("join", room="here"))["code"] == "unauthorized"
    assert await peer.closed() == 4502


async def test_a_token_that_is_not_valid_ends_the_connection(url: str) -> None:
    """A forged token is closed with 4500, which clients do not answer by coming back."""
    for hello in ({"token": "x.y.z"}, {"guest": "x.y.z"}):
        peer = await Peer.bare(url)
        assert (await peer.ask("hello", **hello))["code"] == "unauthorized"
        assert await peer.closed() == 4500


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\xff" + (70_000).to_bytes(8, "big") + b"mask", 1009),
        (b"\x81\x82mask" + bytes(a ^ b for a, b in zip(b"\xc3\x28", b"mask", strict=False)), 1007),
        (b"\x81\x02hi", 1002),
        (b"\xc1\x82maskhi", 1002),
        (b"\x83\x82maskhi", 1002),
        (b"\x80\x82maskhi", 1002),
        (b"\x88\x81maskx", 1002),
    ],
)
def test_a_broken_frame_gets_its_close_code(shared_server: Server, frame: bytes, code: int) -> None:
    """Too big, not UTF-8, unmasked, reserved bits, unknown opcode, lone continuation, bad close."""
    with _handshake(shared_server.port) as link:
        link.sendall(frame)
        answer = b""
        while len(answer) < 4 and (more := link.recv(4096)):
            answer += more
        assert answer[0] == 0x88
        assert int.from_bytes(answer[2:4], "big") == code


async def test_nobody_else_notices_and_the_log_stays_quiet(server: Callable[..., Server], room: str) -> None:
    """While others misbehave in every way, a member sends and receives as always, and there is no traceback."""
    here = server(workers=1)
    canary = await Peer.open(here.ws)
    await canary.ask("join", room=room)

    async def misbehave(frame: str | bytes) -> None:
        peer = await Peer.open(here.ws)
        for _ in range(15):
            await peer.socket.send(frame)
        await peer.closed()

    offenders = [asyncio.create_task(misbehave(frame)) for frame in ("garbage", b"\x00", "[]", '{"type":1}')]
    for number in range(20):
        ack = await canary.ask("send", room=room, cid=f"c{number}", text=str(number))
        assert ack["seq"] == number + 1
    await asyncio.gather(*offenders)
    assert await canary.texts(20) == [str(number) for number in range(20)]
    lines = [line for line in here.logged() if line["component"] not in ("valkey", "supervisor", "server")]
    assert [(line["event"], line["code"], line["level"]) for line in lines] == [("closed", 4501, "info")] * 4
    await canary.close()


def test_an_ordinary_request_to_the_websocket_is_told_to_upgrade(shared_server: Server) -> None:
    """Browsers that open /ws by hand get 426, not a hanging page."""
    assert shared_server.get("/ws")[0] == 426
    assert shared_server.get("/feed/" + "x" * 65)[0] == 404


def test_the_page_is_sent_once_and_then_only_confirmed(shared_server: Server) -> None:
    """A browser that has a file is told that it is still the same; every answer carries the security headers."""
    with urllib.request.urlopen(shared_server.url, timeout=60) as answer:
        tag = answer.headers["etag"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    again = urllib.request.Request(shared_server.url, headers={"If-None-Match": tag})
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(again, timeout=60)
    told.value.close()
    assert told.value.code == 304
    assert shared_server.get("/web/nothing.js")[0] == 404
    assert shared_server.get("/web/../config.py")[0] == 404


def test_a_handshake_that_is_wrong_is_refused(shared_server: Server) -> None:
    """Wrong version, missing or malformed key, wrong method: an HTTP error, and the server goes on."""
    good = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    for wrong in ({"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": "short"}, {"Connection": "close"}):
        assert _status(shared_server.port, "GET", {**good, **wrong}) in (400, 426)
    assert _status(shared_server.port, "GET", good) == 101


async def test_hello_must_come_in_time(server: Callable[..., Server]) -> None:
    """A silent connection is closed with 4502 after ten seconds."""
    here = server(workers=1)
    peer = await Peer.bare(here.ws)
    assert await peer.closed() == 4502


def _status(port: int, method: str, headers: dict[str, str]) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        link.sendall(f"{method} /ws HTTP/1.1\r\n{lines}\r\n".encode())
        return int(link.recv(4096).split()[1])


def _handshake(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=60)
    link.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(1)
    assert b" 101 " in head
    return link


def test_frames_that_come_with_the_handshake_are_not_lost(shared_server: Server) -> None:
    """A client may send its first frame right behind the handshake, in the same packet."""
    hello = json.dumps({"type": "hello", "id": 1, "name": "Ada"}).encode()
    frame = b"\x81" + bytes([0x80 | len(hello)]) + b"\0\0\0\0" + hello
    with socket.create_connection(("127.0.0.1", shared_server.port), timeout=60) as link:
        link.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + frame
        )
        received = bytearray()
        until(lambda: received.extend(link.recv(4096)) or b'"welcome"' in received, "the welcome")
