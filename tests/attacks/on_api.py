"""Attacks on the HTTP API: with no key, with another one's rights, with bodies that are none."""

from __future__ import annotations

import asyncio
import json

from tests.attacks.attacker import Attacker, attack
from tests.attacks.on_pages import request
from tests.attacks.wire import Raw, expect

AREA = "api"
TYPE = "Content-Type: application/json"


def _path(room: str) -> str:
    return f"/api/v1/rooms/{room}/messages"


def _key(attacker: Attacker) -> str:
    return f"Authorization: Bearer {attacker.target.api_key}"


def _slow_key(attacker: Attacker) -> str:
    return f"Authorization: Bearer {attacker.target.slow_key}"


@attack(AREA)
async def keys_that_are_none(attacker: Attacker) -> None:
    """Without a key, with a guessed, cut, repeated or misplaced one, nothing is told and nothing is done."""
    key = attacker.target.api_key
    head, _, secret = key.rpartition("_")
    room = _path(attacker.room)
    shown = ["", "Bearer", "Bearer ", f"Basic {key}", f"Bearer {head}_{secret[:-1]}", f"Bearer {head}_{secret[::-1]}"]
    shown += [f"Bearer {head}_", f"Bearer {key}x", f"Bearer {key} {key}", "Bearer " + "x" * 8000, "Bearer \xff\xfe"]
    for value in shown:
        status, headers, body = await attacker.http(request("GET", room, f"Authorization: {value}"))
        expect(status, 401, what=f"the answer to the key {value[:40]!r}")
        expect(headers.get("content-type"), "application/problem+json", what="its form")
        expect(secret.encode() in body, False, what="the key in the answer")
    for path in (f"{room}?key={key}", f"{room}?authorization=Bearer%20{key}", room):
        expect((await attacker.http(request("GET", path)))[0], 401, what=f"the answer to {path[:60]}")
    twice = request("GET", room, _key(attacker), _key(attacker))
    expect((await attacker.http(twice))[0], 400, 401, what="the answer to two keys")


@attack(AREA)
async def rights_of_others(attacker: Attacker) -> None:
    """A key reads and writes in its rooms alone, and never where two people talk."""
    direct = "dm:jUvR1nX8yl02PmqT.q0kQHbBWyqa3VeNf"
    foreign = ["lobby", "attacked", "Attacked-1", direct, "attacked-%2F..%2Flobby"]
    for room in foreign:
        for method, body in (("GET", b""), ("POST", b'{"text":"mine"}')):
            status = (await attacker.http(request(method, _path(room), _key(attacker), TYPE, body=body)))[0]
            expect(status, 400, 403, 404, what=f"the answer to {method} {room}")
    for path in ("/api/v1/rooms", "/api/v1/counts", f"/api/v1/rooms/{attacker.room}/presence"):
        expect((await attacker.http(request("GET", path, _key(attacker))))[0], 403, what=f"the answer to {path}")


@attack(AREA)
async def bodies_that_are_none(attacker: Attacker) -> None:
    """Deep, broken, foreign and oversized bodies get the error they deserve."""
    post, key = _path(attacker.room), _key(attacker)
    shapes = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"text":7}',
        b'{"text":"\\ud800"}',
        b'{"text":"\xff"}',
        b'{"text":"a"',
        b"[" * 60_000,
    ]
    shapes += [
        b'{"text":' + b"9" * 50_000 + b"}",
        b'{"text":NaN}',
        b'{"text":"a","user":"admin"}',
        b'{"text":""}',
        b"\0",
    ]
    for shape in shapes:
        status = (await attacker.http(request("POST", post, key, TYPE, body=shape)))[0]
        expect(status, 400, 411, 413, 422, what=f"the answer to {shape[:40]!r}")
    large = json.dumps({"text": "x" * 900_000}).encode()
    expect((await attacker.http(request("POST", post, key, TYPE, body=large)))[0], 413, what="the answer to 900 kB")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        form = request("POST", post, key, f"Content-Type: {kind}", body=b'{"text":"a"}')
        expect((await attacker.http(form))[0], 415, what=f"the answer to {kind}")


@attack(AREA)
async def one_idempotency_key_for_all(attacker: Attacker) -> None:
    """However often, however many at once: one message; and with another text none at all."""
    key, once = _key(attacker), "Idempotency-Key: once"
    good = request("POST", _path(attacker.room), key, TYPE, once, body=b'{"text":"once"}')
    answers = await asyncio.gather(*(attacker.http(good) for _ in range(20)))
    stored = [json.loads(body) for status, _, body in answers if status in (200, 201)]
    expect(len({one["seq"] for one in stored}), 1, what="numbers that one key got")
    expect({status for status, *_ in answers} <= {200, 201, 429, 503}, True, what="answers")
    other = request("POST", _path(attacker.room), key, TYPE, once, body=b'{"text":"another"}')
    expect((await attacker.http(other))[0], 422, what="the answer to another text")


@attack(AREA)
async def api_flood(attacker: Attacker) -> None:
    """With a key, without one, and with wrong ones, as fast as answers come: more than the rate gets 429."""
    key = _slow_key(attacker)
    post = request("POST", _path(attacker.room), key, TYPE, body=b'{"text":"' + b"x" * 3000 + b'"}')
    read = request("GET", _path(attacker.room) + "?limit=200", key)
    wrong = request("GET", _path(attacker.room), key[:-4] + "0000")

    await attacker.http(post)  # else there is no room to be read

    async def ask(data: bytes) -> None:
        link: Raw = await attacker.tcp()
        for _ in attacker.while_time(4.0, 0.4):
            await link.send(data)
            status = (await link.answer())[0]
            attacker.seen[str(status)] += 1
            expect(status, 200, 201, 401, 429, what="the answer to one of too many")

    await asyncio.gather(*map(ask, (post, post, read, read, wrong, wrong)))
    expect(attacker.seen["429"] > 0, True, what="told to wait")
