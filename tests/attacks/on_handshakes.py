"""Attacks before there is a websocket: on the reading of requests, and on the handshake."""

from __future__ import annotations

import asyncio

from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect, upgrade

AREA = "handshake"
HALF = b"GET /ws HTTP/1.1\r\nHost: parley\r\nUpgra"
TIMED_OUT = (b"", b"HTTP/1.1 408 ")


async def _times_out(attacker: Attacker, links: list[Raw]) -> None:
    for said in await asyncio.gather(*(link.ended() for link in links)):
        attacker.seen[said[9:12].decode() or "closed"] += 1
        expect(said[:13], *TIMED_OUT, what="the end of a handshake that takes too long")


@attack(AREA, waits=True)
async def silence(attacker: Attacker) -> None:
    """Connections that never say anything are closed."""
    await _times_out(attacker, await attacker.crowd(attacker.much(500, 20), lambda: attacker.tcp(elsewhere=True)))


@attack(AREA, waits=True)
async def half_a_request(attacker: Attacker) -> None:
    """A handshake that stops in the middle is given up."""
    links = await attacker.crowd(attacker.much(500, 20), lambda: attacker.tcp(elsewhere=True))
    for link in links:
        await link.send(HALF)
    await _times_out(attacker, links)


@attack(AREA, waits=True)
async def slow_loris(attacker: Attacker) -> None:
    """A byte a second from hundreds at once does not keep a connection open."""

    async def drip(link: Raw) -> None:
        for byte in upgrade("/ws", "X-Slow: " + "x" * 100):
            if not await link.send(bytes((byte,))) or link.reader.at_eof():
                return
            await asyncio.sleep(1.0)

    links = await attacker.crowd(attacker.much(500, 20), lambda: attacker.tcp(elsewhere=True))
    dripping = [asyncio.create_task(drip(link)) for link in links]
    await _times_out(attacker, links)
    for task in dripping:
        task.cancel()


@attack(AREA)
async def huge_headers(attacker: Attacker) -> None:
    """Headers without end are refused, and not kept in memory."""
    for _ in range(attacker.much(20, 4)):
        link = await attacker.tcp()
        await link.send(b"GET /ws HTTP/1.1\r\nHost: parley\r\n")
        for _ in range(64):
            if not await link.send(b"X-Padding: " + b"x" * 65536 + b"\r\n"):
                break
        status = (await link.answer())[0]
        attacker.seen[str(status or "closed")] += 1
        expect(status, 0, 400, 413, 431, what="4 MiB of headers")


@attack(AREA)
async def ten_thousand_headers(attacker: Attacker) -> None:
    """As many headers as one likes are refused too."""
    lines = "".join(f"X-{number}: {number}\r\n" for number in range(10_000))
    for _ in range(attacker.much(50, 5)):
        status = (await attacker.http(f"GET /ws HTTP/1.1\r\nHost: parley\r\n{lines}\r\n".encode()))[0]
        expect(status, 0, 400, 413, 431, what="10,000 headers")


@attack(AREA)
async def small_headers_by_the_thousand(attacker: Attacker) -> None:
    """What just fits into a head costs little."""
    lines = [f"X-{number}: 1" for number in range(500)]
    for _ in attacker.while_time(3.0, 0.3):
        answer = await attacker.http(upgrade("/ws", *lines))
        expect(answer[0], 101, 429, 431, what="500 headers")


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: p\r\n\r\n"
AMBIGUOUS = (
    b"POST /livez HTTP/1.1\r\nHost: p\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /livez HTTP/1.1\r\nHost: p\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nContent-Length : 5\r\n\r\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\n Content-Length: 5\r\n\r\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nContent-Length: +5\r\n\r\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nContent-Length: 0x5\r\n\r\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nContent-Length: -1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nContent-Length: 5, 5\r\n\r\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 70_000,
    b"GET /livez HTTP/1.1\nHost: p\nContent-Length: 5\n\nabcde",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nX: a\x00b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nX: a\rY: b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: p\r\nHost: q\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez\r\n\r\n",
    b"GET  /livez  HTTP/1.1\r\nHost: p\r\n\r\n",
    b"GET /livez HTTP/9.9\r\nHost: p\r\n\r\n",
)


@attack(AREA)
async def request_smuggling(attacker: Attacker) -> None:
    """A request whose end, lines or host are ambiguous is refused, and what follows it is not taken for another."""
    for shape in AMBIGUOUS:
        link = await attacker.tcp()
        await link.send(shape + SMUGGLED)
        link.writer.write_eof()
        said = await link.ended()
        attacker.seen[said[9:12].decode() or "closed"] += 1
        expect(said[9:12], b"400", b"411", b"413", b"431", b"", what=f"the answer to {shape[:90]!r}")
        expect(said.count(b"HTTP/1.1 "), 0, 1, what=f"answers to {shape[:90]!r}")


@attack(AREA)
async def foreign_protocols(attacker: Attacker) -> None:
    """TLS, HTTP/2, SSH, Redis and noise on the port get an error, or nothing, and an end."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 500
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 30
    for shape in (
        hello,
        http2,
        b"SSH-2.0-x\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n\r\n",
        b"\0" * 20_000,
        b"\r\n" * 5000,
        b"\xff" * 100,
    ):
        link = await attacker.tcp()
        await link.send(shape)
        link.writer.write_eof()
        said = await link.ended()
        attacker.seen[said[9:12].decode() or "closed"] += 1
        expect(said[9:12], b"400", b"413", b"431", b"408", b"", what=f"the answer to {shape[:30]!r}")
