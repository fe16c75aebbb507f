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
from app.endpoint import Door, Protocol, prepare, upgrade, websocket_route
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
