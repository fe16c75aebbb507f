"""Attacks with messages: what is no JSON, what is wrong JSON, and right requests that lie."""

from __future__ import annotations

import asyncio
import json

from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect, text
from tests.fakes.wire import BINARY, frame

AREA = "messages"


async def _refused(attacker: Attacker, link: Raw, payload: str | bytes, *codes: str) -> None:
    """One text is refused with one of these codes, and its sender goes on."""
    await link.send(text(payload))
    answer = await link.hear("error", "pong", "joined", "ack", "welcome")
    attacker.seen[str(answer.get("code", answer["type"]))] += 1
    expect(answer.get("code", answer["type"]), *codes, "rate_limited", what=f"the answer to {payload[:60]!r}")
    after = await link.ask(type="ping", id=77)
    expect(after.get("code", after["type"]), "pong", "rate_limited", what="life after it")


@attack(AREA, waits=True)
async def no_hello(attacker: Attacker) -> None:
    """Who shakes hands and says nothing is closed with 4502."""
    links = await attacker.crowd(attacker.much(200, 10), lambda: attacker.websocket(elsewhere=True))
    codes = await attacker.codes(links)
    expect(set(codes), {4502}, what="the end of those who do not say hello")


@attack(AREA)
async def requests_before_hello(attacker: Attacker) -> None:
    """Nobody may do anything before it is known who it is."""
    for asked in ("join", "send", "history", "rooms", "direct", "typing", "refresh", "ping"):
        link = await attacker.websocket()
        fields = {"room": "r", "cid": "c", "text": "x", "user": "u", "token": "t"}
        await link.say(type=asked, id=1, **fields)
        expect((await attacker.codes([link])).popitem()[0], 4502, what=f"the end after {asked} before hello")


@attack(AREA)
async def deep_json(attacker: Attacker) -> None:
    """64 KiB of brackets are a bad request, not a crash."""
    link = await attacker.guest()
    size = 60_000
    for deep in ("[" * size, '{"a":' * (size // 5), '{"type":"ping","id":1,"x":' + "[" * 30_000 + "]" * 30_000 + "}"):
        for _ in range(attacker.much(20, 1)):
            await _refused(attacker, link, deep, "bad_request")


@attack(AREA)
async def huge_numbers(attacker: Attacker) -> None:
    """Numbers of ten thousand digits, infinities and what is none are refused, and cost no time."""
    for digits in (
        "9" * 10_000,
        "9" * 60_000,
        "-" + "9" * 10_000,
        "1e999999999",
        "1" + "0" * 400,
        "NaN",
        "Infinity",
        "1e400",
    ):
        link = await attacker.guest()  # who goes on for long is told to go
        for _ in range(attacker.much(5, 1)):
            await _refused(attacker, link, f'{{"type":"ping","id":{digits}}}', "bad_request")
            await _refused(attacker, link, f'{{"type":"history","id":3,"room":"r","before":{digits}}}', "bad_request")
            payload = f'{{"type":"ping","id":4,"more":{digits}}}'
            await _refused(attacker, link, payload, "bad_request", "pong")


@attack(AREA)
async def keys_that_collide_or_repeat(attacker: Attacker) -> None:
    """Thousands of equal, similar or unknown keys are read in no time."""
    link = await attacker.guest()
    repeated = "{" + '"type":"ping",' * 4000 + '"id":1}'
    numbers = "{" + ",".join(f'"{number * (2**61 - 1)}":0' for number in range(2000)) + ',"type":"ping","id":1}'
    same = "{" + ",".join(f'"{"x" * 10}{number}":{{}}' for number in range(3000)) + ',"type":"ping","id":1}'
    for payload in (repeated, numbers, same):
        for _ in range(attacker.much(50, 2)):
            await _refused(attacker, link, payload, "bad_request", "pong")


@attack(AREA)
async def characters_that_are_none(attacker: Attacker) -> None:
    """Half surrogates, NUL, control and direction characters in texts, names and rooms break nothing."""
    link = await attacker.member()
    room = json.dumps(attacker.room)
    for piece in ("\\ud800", "\\udfff\\ud800", "\\ud83d"):
        await _refused(
            attacker, link, f'{{"type":"send","id":3,"room":{room},"cid":"c1","text":"{piece}"}}', "bad_request"
        )
        await _refused(attacker, link, f'{{"type":"join","id":3,"room":"{piece}"}}', "bad_request")
    for name in (
        "\\u0000",
        "a\\u202eb",
        "a\\nb",
        "../../etc/passwd",
        "a{b}",
        "a b",
        "",
        "x" * 65,
        "\\r\\nX-Injected: 1",
    ):
        await _refused(attacker, link, f'{{"type":"join","id":3,"room":"{name}"}}', "bad_request")
    await _refused(attacker, link, '{"type":"ping","id":1}\x00', "bad_request")
    await link.send(text(f'{{"type":"send","id":5,"room":{room},"cid":"c5","text":"a\\u0000b\\u202e"}}'))
    answer = await link.hear("ack", "error")
    attacker.seen[str(answer.get("code", answer["type"]))] += 1


@attack(AREA)
async def ten_bad_messages(attacker: Attacker) -> None:
    """Who talks nonsense ten times in a row is closed with 4501, also where the nonsense is binary."""
    for nonsense in (text("nonsense"), frame(BINARY, b"\0" * 1000)):
        links = await attacker.crowd(attacker.much(50, 3), lambda: attacker.guest(elsewhere=True))
        for link in links:
            await link.send(nonsense * 10)
        expect(set(await attacker.codes(links)), {4501}, what="the end of those who talk nonsense")


@attack(AREA)
async def costly_texts(attacker: Attacker) -> None:
    """The largest texts that may be sent, made of what is slow to look at, hold nobody up."""
    link = await attacker.member()
    shapes = ["@" * 4000, "@a" * 2000, "@Guest " * 570, "\u0301" * 4000, "\ufdfa" * 4000, "\U0001f469\u200d" * 2000]
    for number, shape in enumerate(shapes * attacker.much(10, 1)):
        answer = await link.ask(type="send", id=3, room=attacker.room, cid=f"t{number}", text=shape)
        attacker.seen[str(answer.get("code", answer["type"]))] += 1
        expect(answer.get("code", answer["type"]), "ack", "rate_limited", what="the answer")
    for shape in ("\ufdfa" * 2000, "\u0301" * 20_000, "a" + "\u0315\u0300" * 9000, "x" * 60_000):
        await _refused(
            attacker, link, json.dumps({"type": "join", "id": 4, "room": shape}, ensure_ascii=False), "bad_request"
        )
        fresh = await attacker.websocket()
        await fresh.send(text(json.dumps({"type": "hello", "id": 1, "name": shape}, ensure_ascii=False)))
        expect((await fresh.hear("error"))["code"], "bad_request", what="a name too long")


@attack(AREA)
async def cids_used_again(attacker: Attacker) -> None:
    """The same cid is one message, also from another connection, and not from another user."""
    session = "one-session"
    first = await attacker.guest()
    guest = (await (await attacker.websocket()).ask(type="hello", id=1, name="Twice", session=session))["guest"]
    pair = [await attacker.guest(guest=guest, session=session), await attacker.guest(guest=guest, session=session)]
    seqs = set()
    for link in (*pair, first):
        await link.ask(type="join", id=2, room=attacker.room)
    for number in range(attacker.much(100, 5)):
        for link in pair:
            answer = await link.ask(type="send", id=3 + number, room=attacker.room, cid="same", text=f"text {number}")
            seqs.add(answer.get("seq"))
    expect(len(seqs - {None}), 1, what="numbers that one cid got")
    other = await first.ask(type="send", id=3, room=attacker.room, cid="same", text="mine")
    expect(other["dup"], False, what="a duplicate of somebody else's")
    attacker.seen["one message"] += 1


@attack(AREA)
async def forged_positions(attacker: Attacker) -> None:
    """Resuming from where one never was gives the latest page, not a hole and not somebody else's events."""
    link = await attacker.guest()
    for since in (
        {"epoch": "forged", "seq": 1, "mid": "m"},
        {"epoch": "", "seq": 0, "mid": ""},
        {"epoch": "x" * 64, "seq": 2**53, "mid": "x" * 64},
        {"epoch": "*", "seq": 10**15, "mid": "\u0000"},
    ):
        joined = await link.ask(type="join", id=2, room=attacker.room, since=since)
        expect((joined["type"], joined.get("recovered")), ("joined", False), what=f"the answer to {since}")
        await link.ask(type="leave", id=3, room=attacker.room)
        attacker.seen["not recovered"] += 1
    await link.ask(type="join", id=2, room=attacker.room)
    for fields in ({"before": 0}, {"before": 2**53}, {"after": 2**53}, {"after": 0, "limit": 2**53}, {"limit": 0}):
        page = await link.ask(type="history", id=4, room=attacker.room, **fields)
        expect((page["type"], page.get("messages")), ("history", []), what=f"the page {fields}")


@attack(AREA)
async def rooms_of_others(attacker: Attacker) -> None:
    """Nothing is read from, and nothing said in, a room that was not joined, or that is two others' alone."""
    ada, bob, eve = await attacker.member(), await attacker.member(), await attacker.guest()
    room = (await ada.ask(type="direct", id=3, user=bob.user))["room"]
    expect((await ada.ask(type="join", id=4, room=room))["type"], "joined", what="one of the two")
    expect((await eve.ask(type="join", id=4, room=room))["code"], "forbidden", what="a third one")
    for asked in ("send", "history", "edit", "delete", "react", "topic", "read", "leave"):
        for where in (room, attacker.room):
            fields = {"cid": "c", "text": "x", "seq": 1, "emoji": "x", "topic": "t", "room": where}
            answer = await eve.ask(type=asked, id=5, **fields)
            attacker.seen[str(answer.get("code", answer["type"]))] += 1
            expect(answer.get("code"), "not_joined", "forbidden", what=f"{asked} from outside")
    await asyncio.gather(eve.say(type="typing", room=room), ada.say(type="typing", room=room))


@attack(AREA)
async def changes_of_others_messages(attacker: Attacker) -> None:
    """Nobody edits or deletes what somebody else has written."""
    ada, eve = await attacker.member(), await attacker.member()
    seq = (await ada.ask(type="send", id=3, room=attacker.room, cid="c1", text="mine"))["seq"]
    for asked in ("edit", "delete"):
        answer = await eve.ask(type=asked, id=3, room=attacker.room, cid=f"e-{asked}", seq=seq, text="yours")
        expect(answer.get("code"), "forbidden", what=f"{asked} of somebody else's message")
        attacker.seen["forbidden"] += 1
    for wrong in (0, seq + 1000, 2**53):
        answer = await ada.ask(type="delete", id=3, room=attacker.room, cid=f"w-{wrong}", seq=wrong)
        expect(answer.get("code"), "bad_request", "unknown_message", what=f"deleting {wrong}")
