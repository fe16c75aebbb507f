"""Attacks on what is served over HTTP: the page, its files, the API; and on Redis, which must not be served at all."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

from tests.attacks.attacker import Attacker, attack
from tests.attacks.wire import Raw, expect

AREA = "http"


def request(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """A whole request."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: parley", *length, *lines, "", "")).encode("latin-1") + body


@attack(AREA)
async def path_traversal(attacker: Attacker) -> None:
    """Only the page's own files are served, whatever a path says."""
    for path in (
        "/web/../api.py",
        "/web/..%2fapi.py",
        "/web/%2e%2e/%2e%2e/pyproject.toml",
        "/web/....//....//etc/passwd",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/..%5c..%5capi.py",
        "/web/%252e%252e%252fapi.py",
        "/web/index.html%00.js",
        "/client/../../api.py",
        "/client/%00",
        "/web/" + "a/" * 4000,
        "//etc/passwd",
        "/../../etc/passwd",
        "http://evil.example/etc/passwd",
    ):
        status, _, body = await attacker.http(request("GET", path))
        expect(status, 400, 404, 414, what=f"the answer to {path[:60]}")
        expect(b"root:" in body or b"import " in body, False, what=f"a foreign file at {path[:60]}")


@attack(AREA)
async def header_injection(attacker: Attacker) -> None:
    """What a path or a header brings never becomes a header of the answer."""
    for path in (
        "/r/%0d%0aX-Injected:%201",
        "/feed/%0d%0aX-Injected:%201",
        "/web/%0d%0aX-Injected:%201",
        "/%0d%0aX-Injected:1",
    ):
        _, headers, _ = await attacker.http(request("GET", path))
        expect("x-injected" in headers, False, what=f"an injected header by {path}")
    _, headers, _ = await attacker.http(
        request("GET", "/", "X-Forwarded-Host: evil.example", "Origin: http://evil.example")
    )
    expect("evil" in str(headers), False, what="a foreign host in the answer")


@attack(AREA)
async def methods_that_are_none(attacker: Attacker) -> None:
    """What is not asked for with GET is not there."""
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", "X" * 5000):
        for path in ("/", "/ws", "/feed", "/metrics", "/web/index.html", "*"):
            status, _, body = await attacker.http(request(method, path, "X-Secret: s3cr3t"))
            expect(status, 400, 403, 404, 405, 413, 426, 431, 501, what=f"the answer to {method[:20]} {path}")
            expect(b"s3cr3t" in body, False, what="an echo of the request")


@attack(AREA)
async def pipelined_requests(attacker: Attacker) -> None:
    """Thousands of requests in one go, whose answers nobody reads: the first is answered, then it is over."""
    link = await attacker.tcp()
    await link.send(request("GET", "/livez") * 500)
    expect((await link.ended()).count(b"HTTP/1.1 "), 1, what="answers to requests in one go")
    links = await attacker.crowd(attacker.much(10, 2), lambda: attacker.tcp(deaf=True))
    requests = request("GET", "/") * 500

    async def ask(link: Raw) -> None:
        for _ in range(attacker.much(20, 2)):
            if not await link.send(requests):
                break

    await asyncio.gather(*map(ask, links))
    await asyncio.sleep(attacker.much(3, 0))
    attacker.seen["pipelines"] = len(links)


@attack(AREA)
async def request_flood(attacker: Attacker) -> None:
    """What is dearest to answer, asked for as fast as the answers come, does not hinder those who talk."""

    async def ask(path: str) -> None:
        link = await attacker.tcp()
        for _ in attacker.while_time(4.0, 0.4):
            await link.send(request("GET", path))
            status = (await link.answer())[0]
            attacker.seen[str(status)] += 1
            expect(status, 200, 401, what=f"the answer to one of many requests for {path}")

    await asyncio.gather(
        *map(ask, ("/metrics", "/health", "/api/v1/rooms?limit=200", "/", "/asyncapi.json", "/readyz"))
    )


@attack(AREA)
async def huge_bodies(attacker: Attacker) -> None:
    """Bodies of many MiB, announced or in chunks, are not taken in."""
    for lines in (("Content-Length: 1073741824",), ("Transfer-Encoding: chunked",)):
        for path in ("/api/v1/rooms", "/", "/ws"):
            link = await attacker.tcp()
            await link.send(request("POST", path, *lines))
            piece = b"x" * 2**20 if "Length" in lines[0] else b"100000\r\n" + b"x" * 2**20 + b"\r\n"
            taken = 0
            while taken < attacker.much(64, 8) and await link.send(piece) and not link.reader.at_eof():
                taken += 1
            attacker.seen["MiB taken"] += taken
            link.reset()


@attack(AREA)
async def bodies_in_crumbs(attacker: Attacker) -> None:
    """Bodies in chunks of a byte, which take half a second to put together, are refused by their head."""
    crumbs = b"1\r\nx\r\n" * 40_000
    for path in ("/api/v1/rooms", "/livez", "/nothing") * attacker.much(5, 1):
        status = (await attacker.http(request("POST", path, "Transfer-Encoding: chunked") + crumbs))[0]
        expect(status, 0, 411, what="the answer to a body of crumbs")


@attack(AREA, waits=True)
async def slow_bodies(attacker: Attacker) -> None:
    """A body that never comes does not keep a connection for ever."""
    links = await attacker.crowd(attacker.much(300, 10), lambda: attacker.tcp(elsewhere=True))
    for link in links:
        await link.send(request("POST", "/api/v1/rooms", "Content-Length: 1000") + b"{")
    for said in await asyncio.gather(*(link.ended() for link in links)):
        attacker.seen[said[9:12].decode() or "closed"] += 1


@attack(AREA)
async def wrong_queries(attacker: Attacker) -> None:
    """Numbers that are none, and queries without end, are refused."""
    for query in (
        "limit=-1",
        "limit=1e9",
        "limit=" + "9" * 5000,
        "limit=%00",
        "limit=٣",
        "limit=",
        "&" * 5000,
        "%" * 500,
    ):
        status = (await attacker.http(request("GET", f"/api/v1/rooms?{query}".encode().decode("latin-1"))))[0]
        expect(status, 200, 400, 401, 414, 422, what=f"the answer to {query[:40]}")


def _listening(pid: int) -> list[tuple[str, int]]:
    """Addresses, in the kernel's notation, and ports on which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and inode in inodes:
                address, _, port = local.partition(":")
                found.append((address, int(port, 16)))
    return found


@attack("redis")
async def the_store_from_outside(attacker: Attacker) -> None:
    """The embedded Valkey listens on loopback alone and does nothing without its password."""
    target = attacker.target
    listening = _listening(target.engine)
    expect(
        {address for address, _ in listening} <= {"0100007F", "00000000000000000000000001000000"},
        True,
        what=f"loopback alone: {listening}",
    )
    for _, port in listening:
        for command in (
            b"PING",
            b"KEYS *",
            b"CONFIG GET *",
            b"AUTH default",
            b"AUTH x y",
            b"HELLO 3",
            b"EVAL 'return 1' 0",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                link.sendall(command + b"\r\n")
                answer = link.recv(4096)
                expect(answer[:1], b"-", what=f"the answer to {command.decode()} without a password")
                attacker.seen["refused"] += 1
    data = target.directory / "data"
    expect(stat.S_IMODE(data.stat().st_mode) & 0o077, 0, what="others' rights on the data directory")
    for secret in ("secret", "valkey/valkey.conf"):
        expect(stat.S_IMODE((data / secret).stat().st_mode) & 0o077, 0, what=f"others' rights on {secret}")
