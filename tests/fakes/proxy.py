"""A reverse proxy with faults: it may rewrite heads, cut who is silent, or hold back what the server says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Proxy:
    """Forwards connections to a port of this machine.

    Attributes:
        rewrite: makes the request's head, as text without the blank line, into that which the server gets.
        silence_seconds: a connection on which nothing is said for so long is cut; None: never.
        deaf_after: what the server says after so many reads is not passed on; None: all is.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.rewrite: Callable[[str], str] = lambda head: head
        self.silence_seconds: float | None = None
        self.deaf_after: int | None = None
        self.port = 0
        self.connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        try:
            # Cancelled by `proxying` alone, in the end; Python 3.11 would report it as an error of the stream's.
            with contextlib.suppress(asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip("\r\n")
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                up_writer.write(self.rewrite(head).encode() + b"\r\n\r\n")
                ways = (self._pass(reader, up_writer, None), self._pass(up_reader, writer, self.deaf_after))
                tasks = [asyncio.ensure_future(way) for way in ways]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                up_writer.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int | None) -> None:
        reads = 0
        while True:
            async with asyncio.timeout(self.silence_seconds):
                data = await source.read(65536)
            if not data:
                return
            reads += 1
            if most is None or reads <= most:
                sink.write(data)
                await sink.drain()


@asynccontextmanager
async def proxying(target: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2**20)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.connections:
            task.cancel()
        await asyncio.gather(*proxy.connections, return_exceptions=True)
