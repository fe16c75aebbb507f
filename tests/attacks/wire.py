"""An attacker's connection: says whatever it likes, byte by byte, and hears what comes back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
from typing import Any, Self

from tests.fakes.wire import CLOSE, TEXT, frame

PATIENCE_SECONDS = 40.0
RECEIVE_BYTES = 4096


class Wrong(AssertionError):
    """The server did not answer an attack as it should."""


def expect(got: object, *wanted: object, what: str) -> None:
    """Fail unless the server did one of the things it may do."""
    if got not in wanted:
        raise Wrong(f"{what}: {got!r} instead of {' or '.join(map(repr, wanted))}")


def upgrade(path: str = "/ws", *more: str) -> bytes:
    """A proper handshake, with more header lines if given."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: parley",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def text(message: dict[str, Any] | str | bytes) -> bytes:
    """A text frame with a message of the protocol, or with anything else."""
    if isinstance(message, dict):
        message = json.dumps(message)
    return frame(TEXT, message if isinstance(message, bytes) else message.encode("utf-8", "surrogatepass"))


class Raw:
    """One TCP connection. Everything that waits gives up after PATIENCE_SECONDS with Wrong.

    A TimeoutError is an OSError: it has to be caught first.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.user = ""
        self.name = ""

    @classmethod
    async def open(cls, port: int, source: str, deaf: bool = False) -> Self:
        """Connect from one of this machine's own addresses. Who is deaf has as little room for answers as can be."""
        link = socket.socket()
        link.setblocking(False)
        if deaf:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        link.bind((source, 0))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
        except (OSError, TimeoutError) as error:
            link.close()
            raise Wrong(f"no connection: {error}") from None
        return cls(*await asyncio.open_connection(sock=link, limit=RECEIVE_BYTES if deaf else 2**20))

    # Out

    async def send(self, data: bytes) -> bool:
        """Send bytes; False if the server takes them no more, because it is gone or reads no further."""
        if self.writer.transport.is_closing():
            return False
        try:
            async with asyncio.timeout(1.0):
                self.writer.write(data)
                await self.writer.drain()
        except (OSError, TimeoutError):
            return False
        return True

    async def say(self, **message: Any) -> bool:
        """Send a message of the protocol."""
        return await self.send(text(message))

    def reset(self) -> None:
        """Go without a word: the kernel answers whatever still comes with a reset."""
        link = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    # In

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an HTTP answer; (0, {}, b"") where the server closed without one."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            raise Wrong(f"no proper answer: {error!r}") from None
        except (asyncio.IncompleteReadError, OSError):
            return 0, {}, b""
        return int(head[0].split()[1]), headers, body

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises IncompleteReadError or OSError at the end."""
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 15, await self.reader.readexactly(size)

    async def hear(self, *types: str) -> dict[str, Any]:
        """The next message that answers something, or is of one of these types."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    opcode, payload = await self.frame()
                    if opcode == CLOSE:
                        raise Wrong(f"closed with {int.from_bytes(payload[:2], 'big')}")
                    if opcode == TEXT:
                        message = dict(json.loads(payload))
                        if message["type"] in types or (not types and "id" in message):
                            return message
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Wrong(f"no {' or '.join(types) or 'answer'}: {error!r}") from None

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Say something and hear what answers it, under its id."""
        await self.say(**message)
        while True:
            heard = await self.hear()
            if heard.get("id") == message.get("id"):
                return heard

    async def closed(self) -> int:
        """Wait until the server has ended the connection: the close code, or 1006 where it gave none."""
        code = 1006
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    opcode, payload = await self.frame()
                    if opcode == CLOSE:
                        code = int.from_bytes(payload[:2], "big")
                        await self.send(frame(CLOSE, payload[:2]))
        except TimeoutError:
            raise Wrong("the server does not end the connection") from None
        except (asyncio.IncompleteReadError, OSError):
            return code

    async def ended(self) -> bytes:
        """Wait until the server has ended the connection: what it sent until then, at most a MiB."""
        said = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while part := await self.reader.read(65536):
                    said = (said + part)[-(2**20) :]
        except TimeoutError:
            raise Wrong("the server does not end the connection") from None
        except OSError:
            pass
        return said
