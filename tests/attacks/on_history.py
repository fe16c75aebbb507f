"""What is kept of rooms, asked for by people who make its answers as large as can be, or do not take them."""

from __future__ import annotations

import asyncio
import itertools

from tests.attacks.attacker import Attacker, attack
from tests.attacks.on_rooms import Requests, fill, flood
from tests.attacks.wire import Raw, expect, text

AREA = "history"
LARGE = chr(0x1F600)
"""Takes four bytes, so that messages are as large as they get."""


@attack(AREA)
async def marks_far_back(attacker: Attacker) -> None:
    """Read marks where much was said since: what is unread is counted once, not with every mark."""
    await fill(attacker, attacker.much(450, 40), character=LARGE)
    links = await attacker.crowd(attacker.much(8, 2), attacker.member)
    await links[0].ask(type="react", id=3, room=attacker.room, cid="r", seq=1, emoji=LARGE)

    def requests(_link: Raw) -> Requests:
        for number in itertools.count():
            yield {"type": "read", "id": 4, "room": attacker.room, "seq": number % 400 + 1}

    await flood(attacker, links, requests)


@attack(AREA)
async def rooms_full_of_large_messages(attacker: Attacker) -> None:
    """Whoever joins many of them has the server keep no more at hand than is allowed for all together."""
    rooms = [f"{attacker.room}-{number}" for number in range(attacker.much(24, 3))]
    for room in rooms:
        await fill(attacker, attacker.much(200, 40), room, LARGE)
    link = await attacker.guest()
    for room in rooms:
        joined = await link.ask(type="join", id=2, room=room, limit=200)
        expect(joined["type"], "joined", what="the answer to a join")
        attacker.seen["joined"] += 1


@attack(AREA)
async def changes_of_large_messages(attacker: Attacker) -> None:
    """Many people's reactions and repeated sends where a room's messages are large hold no other room up."""
    room = attacker.room
    await fill(attacker, attacker.much(400, 60), character=LARGE)
    links = await attacker.crowd(attacker.much(50, 5), attacker.member)

    async def change(link: Raw) -> None:
        for number in attacker.while_time(6.0, 0.6):
            asked = {"type": "react", "id": 3, "room": room, "seq": number % 50 + 1, "emoji": LARGE, "on": number < 50}
            if number % 2:
                asked = {"type": "send", "id": 3, "room": room, "text": "x"}
            answer = await link.ask(**asked, cid="own" if number % 2 else f"c{number}")
            attacker.seen[answer.get("code", answer["type"])] += 1
            await asyncio.sleep(answer.get("retry", 0.0))
        for wrong in ("internal", "unavailable", "bad_request"):
            expect(attacker.seen[wrong], 0, what=f"requests answered with {wrong}")

    await asyncio.gather(*map(change, links))


@attack(AREA)
async def pages_taken_by_sips(attacker: Attacker) -> None:
    """Pages as large as can be, of which a little is taken every second: they are not kept for all who do so."""
    await fill(attacker, attacker.much(200, 40), character=LARGE)
    asked = b"".join(text({"type": "history", "id": number, "room": attacker.room}) for number in range(3, 13))
    links = await attacker.crowd(attacker.much(300, 20), lambda: attacker.member(elsewhere=True, deaf=True))
    await asyncio.gather(*(link.send(asked) for link in links))
    for _ in range(attacker.much(15, 1)):
        await asyncio.sleep(1)
        await asyncio.gather(*map(_sip, links))
    attacker.seen["sippers"] = len(links)


async def _sip(link: Raw) -> None:
    try:
        async with asyncio.timeout(0.1):
            await link.reader.read(4096)
    except (TimeoutError, OSError):
        return
