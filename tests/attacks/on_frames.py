"""Attacks with websocket frames, by somebody who has shaken hands and nothing else."""

from __future__ import annotations

import asyncio
import random

from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect, text, upgrade
from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame

AREA = "frames"
LIMIT_BYTES = 65536


async def _each_ends(attacker: Attacker, shapes: list[bytes], *codes: int, times: int = 1) -> None:
    """Each of these, on a websocket of its own, ends with one of the codes."""
    for shape in shapes * times:
        link = await attacker.websocket()
        await link.send(shape)
        code = (await attacker.codes([link])).popitem()[0]
        expect(code, *codes, what=f"the end after {shape[:20]!r}")


@attack(AREA)
async def unmasked_frames(attacker: Attacker) -> None:
    """A client that does not mask is told so and closed."""
    shapes = [frame(opcode, b"x", masked=False) for opcode in (TEXT, BINARY, CONT, PING, PONG)]
    await _each_ends(attacker, [*shapes, frame(TEXT, b"x" * 70_000, masked=False)], 1002, 1009)


@attack(AREA)
async def reserved_bits_and_opcodes(attacker: Attacker) -> None:
    """What no extension has agreed on is a protocol error, compression without being asked too."""
    shapes = [frame(TEXT, b"x", rsv=rsv) for rsv in range(1, 8)]
    shapes += [frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)]
    shapes += [frame(PING, b"x" * 126), frame(PING, b"x", fin=False), frame(CONT, b"x"), frame(CLOSE, b"x")]
    await _each_ends(attacker, shapes, 1002)


@attack(AREA)
async def lengths_beyond_everything(attacker: Attacker) -> None:
    """A frame that claims 64 KiB and more, up to 2^64 bytes, is refused by its header alone."""
    shapes = [
        frame(opcode, b"", size=size) for size in (LIMIT_BYTES + 1, 2**31, 2**32, 2**62, 2**63 - 1) for opcode in (1, 2)
    ]
    await _each_ends(attacker, shapes, 1009)
    await _each_ends(attacker, [frame(TEXT, b"", size=2**63), frame(TEXT, b"", size=2**64 - 1)], 1002, 1009)


@attack(AREA)
async def large_messages(attacker: Attacker) -> None:
    """More than 64 KiB, in one frame or many, ends the connection with 1009."""
    whole = frame(TEXT, b"x" * (LIMIT_BYTES + 1))
    half = frame(TEXT, b"x" * 40_000, fin=False) + frame(CONT, b"x" * 40_000)
    many = frame(BINARY, b"", fin=False) + b"".join(frame(CONT, b"x" * 2000, fin=False) for _ in range(40))
    await _each_ends(attacker, [whole, half, many], 1009, times=attacker.much(100, 3))


@attack(AREA)
async def fragments_without_end(attacker: Attacker) -> None:
    """A message in more pieces than it may have, be they empty or a byte long, ends the connection."""
    for piece in (b"", b"x"):
        begin, more = frame(TEXT, piece, fin=False), frame(CONT, piece, fin=False)
        await _each_ends(attacker, [begin + more * 20_000], 1009, times=attacker.much(20, 2))


@attack(AREA)
async def text_that_is_none(attacker: Attacker) -> None:
    """Invalid UTF-8 ends the connection with 1007, in one piece or torn apart."""
    wrong = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"x" * 60_000 + b"\x80"]
    torn = [frame(TEXT, b"\xce\xba\xe1", fin=False) + frame(CONT, b"\xff")]
    await _each_ends(attacker, [*(frame(TEXT, data) for data in wrong), *torn, close(1000, b"\xff")], 1007, 1002)


@attack(AREA)
async def half_frames(attacker: Attacker) -> None:
    """Frames that lack their last byte, from a hundred connections, cost no more than their bytes and hinder nobody."""
    links = await attacker.crowd(attacker.much(100, 20), lambda: attacker.guest(elsewhere=True))
    for link in links:
        await link.send(frame(TEXT, b"x" * LIMIT_BYTES)[:-1])
    attacker.seen["held"] = len(links)


@attack(AREA)
async def pings_whose_answers_nobody_reads(attacker: Attacker) -> None:
    """48 MiB of pings: what the client does not read is not piled up, then the client is cut."""
    pings = frame(PING, b"p" * 125) * 500
    links = await attacker.crowd(attacker.much(8, 2), lambda: attacker.guest(deaf=True))

    async def flood(link: Raw) -> None:
        for _ in range(48 * 2**20 // len(pings) // len(links)):
            if not await link.send(pings):
                attacker.seen["read no more"] += 1
                return
        attacker.seen["taken"] += 1

    await asyncio.gather(*map(flood, links))


@attack(AREA)
async def ping_flood(attacker: Attacker) -> None:
    """Pings as fast as they can be sent, the answers read: it is slowed down, others are not."""
    await _flood(attacker, frame(PING, b"") * 1000)


@attack(AREA)
async def pong_flood(attacker: Attacker) -> None:
    """Pongs that nobody asked for, as fast as they can be sent, cost others nothing."""
    await _flood(attacker, frame(PONG, b"p" * 125) * 500)


@attack(AREA)
async def flood_of_empty_frames(attacker: Attacker) -> None:
    """Empty messages are bad messages: ten in a row and the client is out."""
    links = await attacker.crowd(attacker.much(50, 5), attacker.guest)
    await asyncio.gather(*(link.send(frame(TEXT, b"") * 10_000) for link in links))
    codes = await attacker.codes(links)
    expect(set(codes) <= {4501, 4005, 1006}, True, what=f"the end of a flood of empty frames, {codes}")


async def _flood(attacker: Attacker, data: bytes) -> None:
    links = await attacker.crowd(2, attacker.guest)

    async def flood(link: Raw) -> None:
        reading = asyncio.create_task(link.ended())
        for _ in attacker.while_time(4.0, 0.3):
            if not await link.send(data) or reading.done():
                break
        attacker.seen["ended" if reading.done() else "taken"] += 1
        reading.cancel()
        await asyncio.wait([reading])

    await asyncio.gather(*map(flood, links))


@attack(AREA)
async def byte_by_byte(attacker: Attacker) -> None:
    """Frames whose every byte comes in a packet of its own are put together, not lost."""
    link = await attacker.guest()
    for number in range(1, attacker.much(50, 3)):
        for byte in text({"type": "ping", "id": number}):
            await link.send(bytes((byte,)))
            await asyncio.sleep(0)
        expect((await link.hear())["id"], number, what="the answer")


@attack(AREA, waits=True)
async def closes_that_nobody_finishes(attacker: Attacker) -> None:
    """Whoever says goodbye, or was told to go, and then hangs on, is let go of within some seconds."""
    links = await attacker.crowd(attacker.much(200, 10), lambda: attacker.guest(elsewhere=True))
    for number, link in enumerate(links):
        await link.send(close(1000) if number % 2 else frame(TEXT, b"", rsv=7))
    for said in await asyncio.gather(*(link.ended() for link in links)):
        expect(b"\x88" in said, True, what="a close frame")
        attacker.seen["closed"] += 1


@attack(AREA)
async def frames_after_the_close(attacker: Attacker) -> None:
    """Who goes on after having closed is neither heard nor answered."""
    link = await attacker.member()
    await link.send(close(1000) + text({"type": "send", "id": 9, "room": attacker.room, "cid": "late", "text": "late"}))
    said = await link.ended()
    expect(b'"ack"' in said or b'"message"' in said, False, what="an answer after the close")
    attacker.seen["ignored"] += 1


@attack(AREA)
async def resets_at_every_stage(attacker: Attacker) -> None:
    """Connections that are torn down in the middle of anything leave nothing behind."""
    hello, join = text({"type": "hello", "id": 1, "name": "Torn"}), text({"type": "join", "id": 2, "room": "torn"})
    send = text({"type": "send", "id": 3, "room": "torn", "cid": "c", "text": "x" * 3000})
    parts = [upgrade(), hello, join, send, frame(TEXT, b"x", fin=False), close(1000)]
    whole = b"".join(parts)
    dice = random.Random(1)
    cuts = [sum(map(len, parts[:number])) for number in range(len(parts) + 1)]
    for number in range(attacker.much(2000, 60)):
        link = await attacker.tcp(elsewhere=True)
        link.writer.write(whole[: cuts[number] if number < len(cuts) else dice.randrange(len(whole))])
        if number % 3:
            await asyncio.sleep(0.002)
        link.reset()
        attacker.seen["reset"] += 1


@attack(AREA)
async def noise(attacker: Attacker) -> None:
    """Random bytes instead of frames end the connection, whatever they are."""
    dice = random.Random(2)
    for _ in range(attacker.much(200, 10)):
        link = await attacker.websocket()
        await link.send(dice.randbytes(4096))
        link.writer.write_eof()
        await link.ended()
        attacker.seen["ended"] += 1
