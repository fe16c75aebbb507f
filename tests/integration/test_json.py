"""JSON that is meant to hurt: it is refused, says nothing to the log, and holds nobody up."""

from __future__ import annotations

import json

import pytest

from tests.support import Peer, Server

MOST = 65_536


def padded(start: bytes, part: bytes, end: bytes) -> bytes:
    """As much of a part as a message can hold."""
    return start + part * ((MOST - len(start) - len(end)) // len(part)) + end


BAD: dict[str, bytes] = {
    "deep lists": b"[" * MOST,
    "deep objects": padded(b"", b'{"a":', b"1"),
    "deep lists where nothing is expected": padded(b'{"type":"ping","id":1,"x":', b"[", b""),
    "a closed depth where nothing is expected": b'{"type":"ping","id":1,"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "10,000 digits": b'{"type":"ping","id":' + b"9" * 10_000 + b"}",
    "a large exponent": b'{"type":"ping","id":1e999999999}',
    "a fraction of 60,000 digits": b'{"type":"ping","id":0.' + b"1" * 60_000 + b"}",
    "NaN": b'{"type":"ping","id":NaN}',
    "Infinity": b'{"type":"ping","id":-Infinity}',
    "a lone surrogate": b'{"type":"send","id":1,"room":"r","cid":"c","text":"\\ud800"}',
    "a surrogate's second half first": b'{"type":"send","id":1,"room":"r","cid":"c","text":"\\udc00\\ud800"}',
    "NUL in a room": b'{"type":"join","id":1,"room":"a\\u0000b"}',
    "a raw NUL in a text": b'{"type":"send","id":1,"room":"r","cid":"c","text":"a\x00b"}',
    "NUL around": b'\x00{"type":"ping","id":1}',
    "two types, the last of which is none": b'{"type":"ping","id":1,"type":"nope"}',
    "a key 60,000 times": padded(b'{"type":"nope","id":1', b',"a":1', b"}"),
    "an id for each of 8,000 keys": padded(b'{"type":"ping"', b',"id":0', b"}"),
    "ids in no JSON": padded(b"", b'"id":  ', b""),
    "blanks": b" " * MOST,
    "half a message": padded(b'{"type":"send","id":1,"room":"r","cid":"c","text":"', b"\\u0041", b""),
    "an escape that is none": b'{"type":"\\x","id":1}',
}


@pytest.mark.parametrize("what", BAD)
async def test_it_is_a_bad_request(shared_server: Server, what: str) -> None:
    """The connection lives on, and the log says nothing of it."""
    before = len(shared_server.logged())
    peer = await Peer.open(shared_server.ws)
    await peer.socket.send(BAD[what].decode())
    error = await peer.receive()
    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert (await peer.ask("ping"))["type"] == "pong"
    assert [line for line in shared_server.logged()[before:] if "exception" in line or line["level"] == "error"] == []
    await peer.close()


async def test_of_two_keys_the_last_one_holds(shared_server: Server, room: str) -> None:
    """In requests and in what others are told: what was read is written anew, so that all read the same."""
    peer = await Peer.open(shared_server.ws)
    await peer.ask("join", room=room)
    await peer.socket.send(f'{{"type":"send","id":9,"room":"{room}","cid":"c","text":"one","text":"two"}}')
    assert (await peer.reply(9))["type"] == "ack"
    assert await peer.texts(1) == ["two"]
    await peer.close()


async def test_unknown_fields_of_any_shape_are_ignored(shared_server: Server) -> None:
    """As deep as a reader goes, and with any numbers."""
    peer = await Peer.open(shared_server.ws)
    for value in ("[" * 100 + "]" * 100, "9" * 10_000, "-0.0e-5", json.dumps({"type": "nope"}), '"\\u0000"'):
        await peer.socket.send(f'{{"type":"ping","id":5,"unknown":{value}}}')
        assert (await peer.reply(5))["type"] == "pong"
    await peer.close()
