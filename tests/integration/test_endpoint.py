"""The hand-over from Sanic, in a Sanic server in this process: what an upgrade of Sanic would break shows here."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sanic import Request, Sanic
from sanic.http.http1 import Http
from sanic.response import HTTPResponse
from websockets.asyncio.client import ClientConnection, connect

from app.arrivals import Arrivals, Waits
from app.connection import Connection, Connections
from app.deadlines import Deadlines
from app.endpoint import HEAD_BYTES, Door, Protocol, prepare, upgrade, websocket_route
from app.metrics import Counters
from app.outbox import OutboxLimits, OutboxPool

# Sanic rewrites its protocol at a start, once a process: one server for all tests here.
pytestmark = pytest.mark.asyncio(loop_scope="module")
HANDSHAKES = 50
ROUTED = "/routed"
PATHS = pytest.mark.parametrize("path", ["/ws", ROUTED])


class Echo:
    """A receiver that sends back what it gets, and counts the lost."""

    heartbeat = b""
    lost_ones = 0

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def text(self, payload: bytes) -> None:
        """Send it back; short ones only."""
        self._connection.outbox.write(bytes((0x81, len(payload))) + payload)

    def binary(self, payload: bytes) -> None:
        """Not used."""

    def throttled(self, limit: str, seconds: float) -> None:
        """It is not read for a while."""

    def goodbye(self) -> None:
        """Not used."""

    def lost(self) -> None:
        """Count it."""
        Echo.lost_ones += 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connections() -> Connections:
    """Those of the server."""
    loop = asyncio.get_running_loop()
    return Connections(loop, OutboxPool(loop, Deadlines(loop.time), OutboxLimits()), 65536)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(connections: Connections) -> AsyncIterator[Any]:
    """A Sanic server whose door opens /ws, and with a route for what it leaves to Sanic."""

    def make(transport: asyncio.Transport) -> Connection:
        connection = Connection(transport, connections)
        connection.receiver = Echo(connection)
        return connection

    @websocket_route
    async def echo(request: Request) -> HTTPResponse | None:
        return upgrade(request, make)

    app: Sanic[Any, Any] = Sanic("endpoint", configure_logging=False)
    app.config.update(ACCESS_LOG=False, MOTD=False)
    app.add_route(echo, ROUTED, name="ws")
    loop = asyncio.get_running_loop()
    prepare(app, Arrivals(loop.time, Deadlines(loop.time), Counters(), 1000, Waits()), lambda headers, peer: make)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server: Any = await app.create_server(sock=listener, protocol=Door, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        yield server
        server.close()
    Sanic.unregister_app(app)


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until it holds; ten seconds at most."""
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("not within ten seconds")


async def handshakes(server: Any, path: str) -> list[ClientConnection]:
    """Many connections, all open."""
    port = server.server.sockets[0].getsockname()[1]
    return list(await asyncio.gather(*(connect(f"ws://127.0.0.1:{port}{path}") for _ in range(HANDSHAKES))))


@PATHS
async def test_a_transport_handed_over_is_the_connections_alone(
    server: Any, connections: Connections, path: str
) -> None:
    """Sanic neither counts it nor closes it; messages and both ends of it work."""
    clients = await handshakes(server, path)
    await until(lambda: len(connections.open) == HANDSHAKES)
    assert not server.connections
    for number, client in enumerate(clients):
        await client.send(f"hello {number}")
        assert await client.recv() == f"hello {number}"
    before = Echo.lost_ones
    await asyncio.gather(*(client.close() for client in clients))
    await until(lambda: Echo.lost_ones == before + HANDSHAKES)
    assert not connections.open


@PATHS
async def test_a_handshake_leaves_nothing_for_the_garbage_collector(
    server: Any, connections: Connections, path: str
) -> None:
    """What Sanic made for it is gone at once, although it refers to itself in circles."""
    gc.collect()
    gc.disable()
    try:
        clients = await handshakes(server, path)
        await until(lambda: len(connections.open) == HANDSHAKES)
        await asyncio.sleep(0)
        left = [found for found in gc.get_objects() if isinstance(found, (Door, Protocol, Http, Request))]
        assert not left
    finally:
        gc.enable()
    await asyncio.gather(*(client.close() for client in clients))
    await until(lambda: not connections.open)
    await asyncio.sleep(0)


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
EARLY = b"\x81\x82\x00\x00\x00\x00hi"


def handshake(path: str) -> bytes:
    """A head that is plainly right."""
    fields = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    return b"GET %b HTTP/1.1\r\n%bSec-WebSocket-Key: %b\r\n\r\n" % (path.encode(), fields, KEY)


async def dialogue(server: Any, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent these parts, each as a packet of its own."""
    reader, writer = await asyncio.open_connection(*server.server.sockets[0].getsockname())
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.02)
    return reader, writer


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The handshake is answered, and what was sent with it is sent back."""
    async with asyncio.timeout(10):
        assert ACCEPT in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"\x81\x02hi"
    writer.close()
    await writer.wait_closed()


@PATHS
@pytest.mark.parametrize("cut", [1, 2, 3, 4, 60])
async def test_a_handshake_may_come_in_parts_and_bring_a_message(
    server: Any, connections: Connections, path: str, cut: int
) -> None:
    """Wherever its end is cut."""
    head = handshake(path)
    await echoed(*await dialogue(server, head[:-cut], head[-cut:] + EARLY))
    await until(lambda: not connections.open)


async def test_a_connection_that_was_used_for_requests_may_become_a_websocket(
    server: Any, connections: Connections
) -> None:
    """As one that a proxy has kept."""
    reader, writer = await dialogue(server, b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert b" 404 " in head
        await reader.readexactly(length)
    writer.write(handshake(ROUTED))
    writer.write(EARLY)
    await echoed(reader, writer)
    await until(lambda: not connections.open)


@pytest.mark.parametrize("size", range(HEAD_BYTES, HEAD_BYTES + 5))
async def test_a_head_without_end_is_refused_or_waited_for_at_the_door(server: Any, size: int) -> None:
    """Nothing unfinished is Sanic's, so that all of it counts as one wait."""
    start = handshake("/ws")[:-2] + b"X: "
    reader, writer = await dialogue(server, start.ljust(size, b"x"))
    if size < HEAD_BYTES + 3:
        assert not server.connections
        assert len(server.app.ctx.arrivals) == 1
        writer.write(b"x" * (HEAD_BYTES + 3 - size))
    async with asyncio.timeout(10):
        assert b" 413 " in await reader.readline()
    writer.close()
    await until(lambda: not server.connections and not len(server.app.ctx.arrivals))
