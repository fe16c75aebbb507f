"""Members that do not read: cut as designed, without touching anyone else."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable

from tests.support import Peer, Server, until_async


async def _deaf(server: Server, room: str) -> socket.socket:
    """A member of the room that says hello, joins and never reads again."""
    link = socket.create_connection(("127.0.0.1", server.port))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    for message in ({"type": "hello", "id": 1, "name": "Deaf"}, {"type": "join", "id": 2, "room": room}):
        data = json.dumps(message).encode()
        link.sendall(b"\x81" + bytes([0x80 | len(data)]) + b"\0\0\0\0" + data)
    return link


async def test_a_member_that_never_reads_is_cut_and_nobody_waits_for_it(
    server: Callable[..., Server], room: str
) -> None:
    """The deaf member is closed within its grace; meanwhile the others get everything in order."""
    here = server(workers=1, slow_soft_bytes="65536", slow_grace_seconds="0.5", slow_hard_bytes="1048576")
    peer = await Peer.open(here.ws)
    await peer.ask("join", room=room)
    with await _deaf(here, room):
        await until_async(lambda: here.metric("parley_connections") == 2, "both are connected")
        text = "x" * 4000
        sent = 0
        while here.metric("parley_slow_members_cut_total") == 0:
            for _ in range(50):
                sent += 1
                assert (await peer.ask("send", room=room, cid=f"c{sent}", text=text))["seq"] == sent
            assert sent < 5000, "the deaf member was never cut"
        received = [(await peer.push("message"))["seq"] for _ in range(sent)]
        assert received == list(range(1, sent + 1))
        await until_async(lambda: here.metric("parley_connections") == 1, "the deaf member is gone")
    await peer.close()


async def test_a_slow_member_that_catches_up_is_kept(server: Callable[..., Server], room: str) -> None:
    """Falling behind for less than the grace time is no reason to be cut, and nothing is lost by it."""
    here = server(workers=1, slow_soft_bytes="65536", slow_grace_seconds="20")
    fast, slow = await Peer.open(here.ws, "Fast"), await Peer.open(here.ws, "Slow")
    for peer in (fast, slow):
        await peer.ask("join", room=room)
    slow.socket.transport.pause_reading()
    for number in range(500):
        await fast.ask("send", room=room, cid=f"c{number}", text="x" * 4000)
    slow.socket.transport.resume_reading()
    assert [(await slow.push("message"))["seq"] for _ in range(500)] == list(range(1, 501))
    assert here.metric("parley_slow_members_cut_total") == 0
    await fast.close()
    await slow.close()


async def test_a_flooding_client_that_does_not_read_costs_little_memory(
    server: Callable[..., Server], room: str
) -> None:
    """Its answers pile up only to the limit; then it is read no more, and cut; another client does not notice."""
    here = server(workers=1, slow_grace_seconds="1")
    canary = await Peer.open(here.ws)
    await canary.ask("join", room=room)
    pid = here.health()["workers"]["each"][0]["pid"]
    before = _resident_kib(pid)
    flood = (b"\x89" + bytes([0x80 | 125]) + b"\0\0\0\0" + b"p" * 125) * 500
    with await _deaf(here, room) as link:
        link.setblocking(False)
        loop = asyncio.get_running_loop()
        stalled = 0
        try:
            while stalled < 3:
                try:
                    async with asyncio.timeout(0.5):
                        await loop.sock_sendall(link, flood)
                except TimeoutError:
                    stalled += 1
                assert (await canary.ask("ping"))["type"] == "pong"
        except OSError:
            pass  # cut already
        await until_async(lambda: here.metric("parley_slow_members_cut_total") == 1, "the flooder is cut")
    assert _resident_kib(pid) - before < 32 * 1024
    await canary.close()


def _resident_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
