"""A server played by the test, for the client, and a callback that keeps what the client tells."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from app.client import Tuning

Message = dict[str, Any]
FAST = Tuning(base_seconds=0.05, cap_seconds=0.2, connect_seconds=2.0, close_seconds=0.5, reply_seconds=2.0)


class Double:
    """A server that does what the test wants: `answer` maps a request's type to a function that makes its reply.

    The function gets the request and returns the reply, or None to stay silent.
    """

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.sockets: list[ServerConnection] = []
        self.answer: dict[str, Callable[[Message], Message | None]] = {}
        self.position = {"epoch": "e1", "seq": 0, "mid": ""}
        self.ping = 25
        self.url = ""

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for data in socket:
            message = json.loads(data)
            self.received.append(message)
            reply = self.answer.get(message["type"], self.usual)(message)
            if reply is not None and "id" in message:
                await socket.send(json.dumps({"id": message["id"], **reply}))

    def usual(self, message: Message) -> Message | None:
        """What a server answers that has nothing against it."""
        match message["type"]:
            case "hello":
                return {"type": "welcome", "user": "u1", "name": "Ada", "guest": "g1", "ping": self.ping, "node": "n1"}
            case "join":
                recovered = "since" in message
                return {"type": "joined", "room": "r", **self.position, "recovered": recovered, "messages": []}
            case "send" | "edit" | "delete" | "react" | "topic":
                return self.ack(message)
            case "leave":
                return {"type": "left", "room": message["room"]}
        return {"type": "pong"}

    def ack(self, message: Message) -> Message:
        """The ack of a change, under the next seq."""
        seq = len({one["cid"] for one in self.received if "cid" in one})
        return {"type": "ack", "room": "r", "cid": message["cid"], "seq": seq, "mid": f"m{seq}", "ts": 1, "dup": False}

    def requests(self, type_: str) -> list[Message]:
        return [message for message in self.received if message["type"] == type_]

    async def push(self, **message: Any) -> None:
        await self.sockets[-1].send(json.dumps(message))

    async def event(self, seq: int, **more: Any) -> None:
        await self.push(**event(seq), **more)


def event(seq: int, mid: str = "") -> Message:
    """An event of the room r."""
    place = {"type": "message", "room": "r", "seq": seq, "mid": mid or f"m{seq}", "cid": f"x{seq}"}
    return {**place, "user": "u2", "name": "Bob", "text": f"text {seq}", "ts": seq}


class Notes:
    """A callback that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Message]] = []

    def __call__(self, kind: str, detail: Message) -> None:
        self.all.append((kind, detail))

    def of(self, kind: str) -> list[Message]:
        return [detail for name, detail in self.all if name == kind]

    def seqs(self) -> list[int]:
        return [detail["seq"] for detail in self.of("event")]


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[Double]:
    """A double that listens on loopback."""
    played = Double()
    async with serve(played.serve, "127.0.0.1", 0, compression=None) as server:
        played.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield played
        for socket in played.sockets:
            socket.transport.abort()
