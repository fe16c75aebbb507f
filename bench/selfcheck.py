"""Proves that the load client sees what it must: a small server that breaks its promises on purpose.

One room of three members, one of them sends. The server spoils the deliveries to one member in a known way;
the counts of the load client must then be exactly these, and zero where nothing was spoiled.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve

from bench.loadclient import Group, LoadClient

MEMBERS, RATE, SECONDS = 3, 200.0, 1.0
SPOILED = 50  # the message at which the server cheats, once
Spoil = Callable[[list[str]], list[str]]

# What happens to messages 50 and 51 on their way to one member, and what must be counted.
FAULTS: dict[str, tuple[Spoil, dict[str, int]]] = {
    "nothing": (lambda pair: pair, {}),
    "lost": (lambda pair: pair[1:], {"lost": 1}),
    "doubled": (lambda pair: [pair[0], *pair], {"twice": 1}),
    "swapped": (lambda pair: pair[::-1], {"out of order": 1}),
    "both lost": (lambda pair: [], {"lost": 2}),
}


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


class Cheat:
    """The smallest chat room there is, with one fault."""

    def __init__(self, proto: str, spoil: Spoil):
        self._on_text = {"json": self._on_json, "raw": self._on_raw, "socketio": self._on_socketio}[proto]
        self._greeting = '0{"sid":"s"}' if proto == "socketio" else ""
        self._spoil = spoil
        self._members: list[ServerConnection] = []
        self._count = 0
        self._kept: list[str] = []

    async def handle(self, connection: ServerConnection) -> None:
        self._members.append(connection)
        try:
            if self._greeting:
                await connection.send(self._greeting)
            async for text in connection:
                await self._on_text(connection, str(text))
        finally:
            self._members.remove(connection)

    async def _on_json(self, connection: ServerConnection, text: str) -> None:
        message: dict[str, Any] = json.loads(text)
        if message["type"] == "join":
            await connection.send(_compact({"type": "joined", "id": message["id"], "seq": self._count}))
        elif message["type"] == "send":
            event = {"type": "message", "seq": self._count + 1, "text": message["text"], "ts": 1763791200123}
            await self._broadcast(_compact(event))
            await connection.send(_compact({"type": "ack", "id": message["id"], "seq": self._count}))

    async def _on_raw(self, connection: ServerConnection, text: str) -> None:
        if "pppp" in text:  # the load client asks whether everybody is in
            await asyncio.gather(*(member.send(text) for member in self._members))
        else:
            await self._broadcast(text)

    async def _on_socketio(self, connection: ServerConnection, text: str) -> None:
        if text == "40":
            await connection.send('40{"sid":"s"}')
        elif text.startswith("420"):
            await connection.send("430[]")
        else:
            await self._on_raw(connection, text)

    async def _broadcast(self, text: str) -> None:
        self._count += 1
        *honest, victim = self._members
        for member in honest:
            await member.send(text)
        if self._count in (SPOILED, SPOILED + 1):
            self._kept.append(text)
            for kept in self._spoil(self._kept) if len(self._kept) == 2 else ():
                await victim.send(kept)
        else:
            await victim.send(text)


class _Target:
    """What the load client needs of a server that is not a process of its own."""

    path = "/"

    def __init__(self, proto: str, port: int):
        self.proto = proto
        self.targets = [f"127.0.0.1:{port}"]

    @property
    def peer(self) -> _Target:
        return self

    def pids(self) -> tuple[list[int], list[int]]:
        return [], []


@contextmanager
def _serving(handle: Callable[[ServerConnection], Awaitable[None]]) -> Iterator[int]:
    """The server in a thread of its own; yields its port."""
    loop = asyncio.new_event_loop()

    async def start() -> WebSocketServer:
        return await serve(handle, "127.0.0.1", 0, compression=None)

    thread = threading.Thread(target=loop.run_forever, name="self-check server", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        server.close(close_connections=True)
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def check(client: LoadClient, say: Callable[[str], None]) -> bool:
    """Whether every fault is counted as what it is, in every protocol."""
    good = True
    for proto in ("json", "raw", "socketio"):
        for name, (spoil, expected) in FAULTS.items():
            cheat = Cheat(proto, spoil)
            with _serving(cheat.handle) as port:
                step = client.run(_Target(proto, port), [Group(1, MEMBERS, 1, RATE)])
            counted = step.account.violations
            right = counted == expected and step.groups[0]["sent"] == RATE * (SECONDS + client.warmup)
            good &= right
            say(f"  {proto:8} {name:10} counted {counted or 'nothing'}: {'right' if right else 'WRONG'}")
    return good
