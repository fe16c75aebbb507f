"""Floods of right requests by people in rooms, and people who do not read what they asked for."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from app.config import Settings
from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect, text
from tests.fakes.wire import CLOSE, TEXT

AREA = "rooms"
BATCH = 200
Requests = Iterator[dict[str, Any]]


async def flood(attacker: Attacker, links: list[Raw], requests: Callable[[Raw], Requests]) -> None:
    """Everybody asks as fast as the server reads and hears the answers; it may refuse, or end connections."""

    async def speak(link: Raw, listening: asyncio.Task[None]) -> None:
        asked = requests(link)
        for _ in attacker.while_time(4.0, 0.4):
            if listening.done() or not await link.send(b"".join(map(text, itertools.islice(asked, BATCH)))):
                return
            await asyncio.sleep(0)  # what the kernel takes at once does not wait

    listening = [asyncio.create_task(_listen(attacker, link)) for link in links]
    await asyncio.gather(*map(speak, links, listening))
    for task in listening:
        task.cancel()
    for heard in await asyncio.gather(*listening, return_exceptions=True):
        if isinstance(heard, Exception):
            raise heard
    for wrong in ("internal", "unavailable", "bad_request"):
        expect(attacker.seen[wrong], 0, what=f"requests answered with {wrong}")


async def _listen(attacker: Attacker, link: Raw) -> None:
    """Count answers by kind, until the connection ends."""
    try:
        while True:
            opcode, payload = await link.frame()
            if opcode == CLOSE:
                attacker.seen[f"closed {int.from_bytes(payload[:2], 'big')}"] += 1
                return
            if opcode == TEXT and (message := json.loads(payload)).get("id"):
                attacker.seen[message.get("code", message["type"])] += 1
    except (asyncio.IncompleteReadError, OSError):
        attacker.seen["cut"] += 1


@attack(AREA)
async def hello_flood(attacker: Attacker) -> None:
    """Who says hello again and again is told once, or a thousand times, that this was said already."""
    link = await attacker.guest()
    hellos = text({"type": "hello", "id": 2, "name": "Again"}) * BATCH
    listening = asyncio.create_task(_listen(attacker, link))
    for _ in attacker.while_time(3.0, 0.3):
        if listening.done() or not await link.send(hellos):
            break
        await asyncio.sleep(0.001)
    listening.cancel()
    await asyncio.wait([listening])
    expect(attacker.seen["bad_request"] > 0, True, what="told so")


@attack(AREA)
async def guests_by_the_hundred(attacker: Attacker) -> None:
    """Connections that come, say hello, join and go, as fast as they can, from many addresses, leave nothing behind."""
    for _ in attacker.while_time(4.0, 0.5):
        attacker.seen.update(await asyncio.gather(*(_come_and_go(attacker, elsewhere=True) for _ in range(20))))
    expect(set(attacker.seen), {"joined"}, what="what became of them")


@attack(AREA)
async def new_guests_without_end(attacker: Attacker) -> None:
    """Beyond so many from one address in a minute, new guests are told to come later; one with its token comes in."""
    known = await (await attacker.websocket()).ask(type="hello", id=1, name="Known")
    for _ in range(10):
        attacker.seen.update(await asyncio.gather(*(_come_and_go(attacker) for _ in range(20))))
    expect(attacker.seen["rate_limited"] > 0, True, what="told so")
    again = await (await attacker.websocket()).ask(type="hello", id=1, guest=known["guest"])
    expect(again["type"], "welcome", what="the answer to one who was here before")


async def _come_and_go(attacker: Attacker, elsewhere: bool = False) -> str:
    """What a new guest gets that wants to join and goes."""
    link = await attacker.websocket(elsewhere=elsewhere)
    answer = await link.ask(type="hello", id=1, name="Passer-by")
    if answer["type"] == "error":
        expect(await link.closed(), 1013, what="the end of one who is told to come later")
        return str(answer["code"])
    answer = await link.ask(type="join", id=2, room=attacker.room, limit=0)
    link.reset()
    return str(answer["type"])


@attack(AREA)
async def flood_by_short_lived_guests(attacker: Attacker) -> None:
    """Guests of one address who come, use up their burst and go store together no more than one address may."""

    async def come_and_talk() -> None:
        link = await attacker.member()
        for number in range(5):
            cids = [f"c{number}-{one}" for one in range(20)]
            sends = [{"type": "send", "id": 3, "room": attacker.room, "cid": cid, "text": "x"} for cid in cids]
            await link.send(b"".join(map(text, sends)))
            for _ in sends:
                answer = await link.hear("ack", "error")
                attacker.seen[str(answer.get("code", answer["type"]))] += 1
        link.reset()

    began, settings = time.monotonic(), Settings()
    await asyncio.gather(*(come_and_talk() for _ in range(attacker.much(50, 40))))
    rate, workers = settings.guest_sends_per_second, len(attacker.target.workers)
    # Each worker's burst, and what it grants until it has heard of the others; then the rate.
    most = workers * rate * (settings.burst_seconds + 2) + rate * (time.monotonic() - began)
    expect(attacker.seen["ack"] <= most, True, what=f"{attacker.seen['ack']} messages stored where {most:.0f} may be")


@attack(AREA)
async def join_flood(attacker: Attacker) -> None:
    """Joining and leaving thousands of rooms that nobody knows leaves no room behind in memory."""

    def requests(link: Raw) -> Requests:
        for number in itertools.count():
            room = f"{attacker.room}-{link.user}-{number}"
            yield {"type": "join", "id": 3 + number, "room": room}
            yield {"type": "leave", "id": 4 + number, "room": room}

    links = await attacker.crowd(attacker.much(8, 2), attacker.guest)
    await flood(attacker, links, requests)


@attack(AREA)
async def more_rooms_than_allowed(attacker: Attacker) -> None:
    """A connection joins so many rooms and no more."""
    link = await attacker.guest()
    codes = []
    for number in range(110):
        answer = await link.ask(type="join", id=3, room=f"{attacker.room}-{number}")
        codes.append(answer.get("code", "joined"))
        if codes[-1] == "rate_limited":
            break
    attacker.seen.update(codes)
    expect(codes[-1], "forbidden", "rate_limited", what="one room too many")


@attack(AREA)
async def send_flood(attacker: Attacker) -> None:
    """Messages of the largest size as fast as can be: more than the rate is refused, what is taken is stored."""

    def requests(link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "send", "id": 3, "room": attacker.room, "cid": f"c{number}", "text": "x" * 4000}

    await flood(attacker, await attacker.crowd(attacker.much(10, 3), attacker.member), requests)


@attack(AREA)
async def edit_and_react_flood(attacker: Attacker) -> None:
    """One message is edited and reacted to without end: no faster than the rate."""
    ada = await attacker.member()
    seq = (await ada.ask(type="send", id=3, room=attacker.room, cid="c", text="x"))["seq"]

    def requests(link: Raw) -> Requests:
        for number in itertools.count():
            place = {"id": 3, "room": attacker.room, "seq": seq}
            yield {
                "type": "react",
                **place,
                "cid": f"r{number}",
                "emoji": chr(0x1F600 + number % 20),
                "on": number % 40 < 20,
            }
            yield {"type": "topic", "id": 4, "room": attacker.room, "cid": f"t{number}", "topic": "t" * 200}
            if link is ada:
                yield {"type": "edit", **place, "cid": f"e{number}", "text": "x" * 4000}

    await flood(attacker, [ada, *await attacker.crowd(2, attacker.member)], requests)


@attack(AREA)
async def edits_that_name_people(attacker: Attacker) -> None:
    """Looking for who is meant costs more than anything else, and is not done for edits beyond the rate."""
    links = await attacker.crowd(attacker.much(4, 2), attacker.member)
    await attacker.crowd(attacker.much(180, 40), lambda: attacker.member(elsewhere=True))
    await links[0].ask(type="send", id=3, room=attacker.room, cid="first", text="x")

    def requests(_link: Raw) -> Requests:
        for number in itertools.count():
            names = {"cid": f"e{number}", "text": "@nobody " * 30}
            yield {"type": "edit", "id": 3, "room": attacker.room, "seq": 1, **names}

    await flood(attacker, links[:1], requests)


@attack(AREA)
async def history_flood(attacker: Attacker) -> None:
    """Pages of large messages, again and again: few are read at a time, and no more than the rate."""
    await fill(attacker, attacker.much(200, 20))

    def requests(_link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "history", "id": 3, "room": attacker.room, "after": number % 7, "limit": 200}

    await flood(attacker, await attacker.crowd(attacker.much(8, 2), attacker.member), requests)


@attack(AREA)
async def asking_for_everything(attacker: Attacker) -> None:
    """Lists of rooms, read marks, typing: as fast as can be, and others do not notice."""

    def requests(_link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "rooms", "id": 3, "limit": 200}
            yield {"type": "read", "id": 4, "room": attacker.room, "seq": number}
            yield {"type": "typing", "room": attacker.room}

    await flood(attacker, await attacker.crowd(attacker.much(8, 2), attacker.member), requests)


@attack(AREA)
async def direct_rooms_with_everybody(attacker: Attacker) -> None:
    """Rooms of two with thousands of users that there never were are names, and take no memory."""

    def requests(link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "direct", "id": 3, "user": f"nobody-{link.user}-{number}"}

    await flood(attacker, await attacker.crowd(attacker.much(4, 2), attacker.guest), requests)


@attack(AREA)
async def presence_churn(attacker: Attacker) -> None:
    """A crowd that joins and leaves the same room all the time: its members are told once a second at most."""

    def requests(_link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "leave" if number % 2 else "join", "id": 3, "room": attacker.room, "limit": 0}

    links = await attacker.crowd(attacker.much(50, 10), lambda: attacker.guest(elsewhere=True))
    await flood(attacker, links, requests)


async def fill(attacker: Attacker, count: int, room: str = "", character: str = "x") -> None:
    """Put messages of 4,000 characters into the room, or into another, as fast as that is allowed."""
    room = room or attacker.room
    # Few messages each: such ones use up the rate of a user soon.
    writers = await attacker.crowd(min(40, max(10, count // 5)), lambda: attacker.member(room, elsewhere=True))

    async def write(link: Raw) -> None:
        for number in range(count // len(writers)):
            send = {"type": "send", "id": 3, "room": room, "cid": f"c{number}", "text": character * 4000}
            answer = await link.ask(**send)
            for _ in range(100):
                if answer.get("code") != "rate_limited":
                    break
                await asyncio.sleep(answer["retry"])
                answer = await link.ask(**send)
            expect(answer["type"], "ack", what="the answer to a message")

    await asyncio.gather(*map(write, writers))


@attack(AREA)
async def members_who_never_read(attacker: Attacker) -> None:
    """A room of deaf members in which much is said: each is cut, the speaker and all others get everything."""
    links = await attacker.crowd(attacker.much(200, 20), lambda: attacker.member(elsewhere=True, deaf=True))
    await fill(attacker, attacker.much(1000, 50))
    attacker.seen["deaf"] = len(links)


@attack(AREA)
async def a_thousand_stalled_readers(attacker: Attacker) -> None:
    """Each asks for ten pages of history and reads none: the server reads few of them at a time, and piles up none."""
    await fill(attacker, attacker.much(100, 20))
    asked = b"".join(text({"type": "history", "id": number, "room": attacker.room}) for number in range(3, 13))
    links = await attacker.crowd(attacker.much(1000, 50), lambda: attacker.member(elsewhere=True, deaf=True))
    for link in links:
        await link.send(asked)
    await asyncio.sleep(attacker.much(5, 0))
    attacker.seen["stalled"] = len(links)
