"""A TCP proxy between a page and its server that can misbehave the way networks do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Proxy:
    """Forwards bytes to one server. Owns its connections and their two pumps each."""

    def __init__(self, server_url: str) -> None:
        self.target(server_url)
        self._deaf = False
        self._flows: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._listener: asyncio.Server | None = None
        self.refusing = False
        self.url = ""

    def target(self, server_url: str) -> None:
        """Forward new connections to this server."""
        address = urlsplit(server_url)
        self._target = (address.hostname or "127.0.0.1", address.port or 80)

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close everything."""
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._flows, return_exceptions=True)
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Drop every connection as a failing network does: without a word."""
        self._deaf = False
        for flow in self._flows:
            flow.cancel()

    def deafen(self) -> None:
        """From now on pass nothing on to the page, until the next `cut`: what it says still gets through."""
        self._deaf = True

    def swallow(self) -> None:
        """From now on pass nothing on, in either direction, but keep the connections open."""
        self._open.clear()

    def pass_on(self) -> None:
        """Undo `swallow`; what was held back arrives now."""
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        flow = asyncio.create_task(
            self._forward((reader, server_writer), (server_reader, writer)), name="proxied connection"
        )
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)

    async def _forward(self, *directions: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        pumps = [
            asyncio.create_task(self._pump(*direction, to_page=number == 1), name="pump")
            for number, direction in enumerate(directions)
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for _, writer in directions:
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_page: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if to_page and self._deaf:
                    continue
                await self._open.wait()
                writer.write(data)
                await writer.drain()
