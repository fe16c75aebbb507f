"""Attacks on plain feeds."""

from __future__ import annotations

import asyncio

from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect, upgrade
from tests.fakes.wire import BINARY, CONT, TEXT, frame

AREA = "feeds"


@attack(AREA)
async def sixteen_mib_at_once(attacker: Attacker) -> None:
    """A message of 16 MiB, whole or in pieces, is refused by its first header."""
    for shape in (
        frame(BINARY, b"", size=16 * 2**20),
        frame(BINARY, b"x" * 60_000, fin=False) + frame(CONT, b"x" * 60_000, fin=False) * 20,
    ):
        link = await attacker.websocket(f"/feed/{attacker.room}")
        await link.send(shape)
        expect((await attacker.codes([link])).popitem()[0], 1009, what="the end after 16 MiB")


@attack(AREA)
async def feed_flood(attacker: Attacker) -> None:
    """64 KiB messages as fast as they are taken, with readers and with deaf ones, do not hinder other rooms."""
    path = f"/feed/{attacker.room}"
    talkers = await attacker.crowd(2, lambda: attacker.websocket(path))
    readers = await attacker.crowd(3, lambda: attacker.websocket(path))
    await attacker.crowd(attacker.much(20, 2), lambda: attacker.websocket(path, deaf=True))
    reading = [asyncio.create_task(link.ended()) for link in readers + talkers]
    data = frame(BINARY, b"x" * 65536)

    async def talk(link: Raw) -> None:
        for _ in attacker.while_time(4.0, 0.4):
            if not await link.send(data):
                attacker.seen["ended"] += 1
                return
            attacker.seen["sent"] += 1

    await asyncio.gather(*map(talk, talkers))
    for task in reading:
        task.cancel()
    await asyncio.wait(reading)


@attack(AREA)
async def flood_of_small_messages(attacker: Attacker) -> None:
    """Empty and tiny messages by the thousand do not either."""
    link = await attacker.websocket(f"/feed/{attacker.room}")
    reading = asyncio.create_task(link.ended())
    for _ in attacker.while_time(4.0, 0.4):
        if not await link.send((frame(TEXT, b"") + frame(TEXT, b"x")) * 500):
            attacker.seen["ended"] += 1
            break
        attacker.seen["sent"] += 1000
    reading.cancel()
    await asyncio.wait([reading])


@attack(AREA)
async def feeds_nobody_has_named(attacker: Attacker) -> None:
    """Names that are no rooms are refused; thousands of names leave nothing behind."""
    for name in ("%00", "a%20b", "..%2f..%2fetc", "a%0d%0aX-Injected:%201", "x" * 65, "%ff", "{x}", "%F0%9F%98%80"):
        link = await attacker.tcp()
        await link.send(upgrade(f"/feed/{name}"))
        status, headers, _ = await link.answer()
        attacker.seen[str(status)] += 1
        expect(status, 404, 400, what=f"the feed {name!r}")
        expect("x-injected" in headers, False, what="an injected header")
    for number in range(attacker.much(2000, 50)):
        (await attacker.websocket(f"/feed/{attacker.room}-{number}", elsewhere=True)).reset()
        attacker.seen["entered"] += 1
