"""A relay between clients and a real server that loses, repeats and swaps deliveries on purpose, and counts each."""

from __future__ import annotations

import asyncio
import contextlib
import http
import itertools
from typing import Self

from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class Faulty:
    """Passes everything on, but for deliveries: of all clients' together, every `drop`th is lost, and so on.

    Only first deliveries are counted and disturbed. What is swapped goes after the client's next delivery.

    Attributes:
        dropped, repeated, swapped: what was done.
    """

    def __init__(self, upstream: str, *, drop: int = 0, repeat: int = 0, swap: int = 0) -> None:
        self._upstream = upstream
        self._drop, self._repeat, self._swap = drop, repeat, swap
        self._numbers = itertools.count(1)
        self._server: Server | None = None
        self.dropped = self.repeated = self.swapped = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._alive, compression=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _alive(self, client: ServerConnection, request: Request) -> Response | None:
        return None if request.path == "/ws" else client.respond(http.HTTPStatus.OK, "alive\n")

    async def _serve(self, client: ServerConnection) -> None:
        async with connect(self._upstream, compression=None, proxy=None, max_size=None) as server:
            back = asyncio.create_task(self._back(server, client))
            with contextlib.suppress(ConnectionClosed):
                async for data in client:
                    await server.send(data)
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _back(self, server: object, client: ServerConnection) -> None:
        held: str | None = None
        with contextlib.suppress(ConnectionClosed):
            async for data in server:  # type: ignore[attr-defined]
                if '"type":"message"' not in data:
                    await client.send(data)
                    continue
                number = next(self._numbers)
                if self._drop and number % self._drop == 0:
                    self.dropped += 1
                elif held is not None:
                    await client.send(data)
                    await client.send(held)
                    held = None
                    self.swapped += 1
                elif self._swap and number == self._swap:
                    held = data
                else:
                    await client.send(data)
                    if self._repeat and number == self._repeat:
                        self.repeated += 1
                        await client.send(data)
