"""A server played by the test, inside the page's websocket: it answers what the test wants and when it wants it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, WebSocketRoute

Message = dict[str, Any]


class ServerDouble:
    """Speaks the protocol to one page. By default everything succeeds; `answer` maps a type to another behaviour.

    An answer function gets the request and returns the reply without `id`, or None to stay silent.
    """

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.connections: list[WebSocketRoute] = []
        self.closed: list[int | None] = []
        self.answer: dict[str, Callable[[Message], Message | None]] = {}
        self.limits = {"text": 4000, "frame": 65536, "rooms": 100, "rate": 20, "unacked": 32}
        self.position = {"epoch": "e1", "seq": 0, "mid": "m0"}
        self.held: list[Message] | None = None

    async def install(self, page: Page) -> None:
        """Take the page's websocket from its next connection on."""
        await page.route_web_socket(re.compile("/ws$"), self._connected)

    def requests(self, type_: str) -> list[Message]:
        """All requests of a type, in the order they came."""
        return [message for message in self.received if message["type"] == type_]

    def push(self, **message: Any) -> None:
        """Send something on the latest connection."""
        self.connections[-1].send(json.dumps(message))

    def event(self, seq: int, type_: str = "message", **more: Any) -> Message:
        """An event of the room `double`."""
        head = {"type": type_, "room": "double", "seq": seq, "mid": f"m{seq}", "cid": f"c{seq}"}
        return {**head, "user": "u2", "name": "Bob", "text": f"text {seq}", "ts": 1763791200000 + seq, **more}

    def hold(self) -> None:
        """From now on acknowledge changes without publishing them; `release` does that."""
        self.held = []

    def release(self) -> None:
        """Publish what was held back, and publish at once again."""
        for event in self.held or []:
            self.push(**event)
        self.held = None

    def close(self, code: int) -> None:
        """Close the latest connection."""
        asyncio.ensure_future(self.connections[-1].close(code=code))  # noqa: RUF006

    def _connected(self, route: WebSocketRoute) -> None:
        self.connections.append(route)
        route.on_close(lambda code, _reason: self.closed.append(code))
        route.on_message(lambda text: self._receive(route, json.loads(text)))

    def _receive(self, route: WebSocketRoute, message: Message) -> None:
        self.received.append(message)
        behaviour = self.answer.get(message["type"], getattr(self, "_" + message["type"]))
        reply = behaviour(message)
        if reply is not None and "id" in message:
            route.send(json.dumps({"id": message["id"], **reply}))

    def _hello(self, request: Message) -> Message:
        return {
            "type": "welcome",
            "conn": "c1",
            "user": "u1",
            "name": request.get("name", "Ada"),
            "guest": "token-of-u1",
            "ping": 25,
            "limits": self.limits,
            "session": request["session"],
            "node": "double",
        }

    def _join(self, request: Message) -> Message:
        return {
            "type": "joined",
            "room": request["room"],
            **self.position,
            "recovered": "since" in request,
            "messages": [],
        }

    def _change(self, request: Message, type_: str, **more: Any) -> Message:
        seq = self.position["seq"] = int(self.position["seq"]) + 1
        self.position["mid"] = f"m{seq}"
        event = self.event(seq, type_, user="u1", name="Ada", cid=request["cid"], **more)
        if type_ not in ("message", "edited"):
            del event["text"]
        if self.held is None:
            self.push(**event)
        else:
            self.held.append(event)
        ack = {"type": "ack", "room": request["room"], "cid": request["cid"], "dup": False}
        return {**ack, **{key: event[key] for key in ("seq", "mid", "ts")}}

    def _send(self, request: Message) -> Message:
        return self._change(request, "message", text=request["text"])

    def _edit(self, request: Message) -> Message:
        return self._change(request, "edited", of=request["seq"], text=request["text"])

    def _delete(self, request: Message) -> Message:
        return self._change(request, "deleted", of=request["seq"])

    def _react(self, request: Message) -> Message:
        return self._change(request, "reacted", of=request["seq"], emoji=request["emoji"], on=request["on"])

    def _topic(self, request: Message) -> Message:
        return self._change(request, "topic", topic=request["topic"])

    def _read(self, request: Message) -> Message:
        return {"type": "read", "room": request["room"], "seq": request["seq"]}

    def _rooms(self, _request: Message) -> Message:
        return {"type": "rooms", "rooms": [], "direct": []}

    def _direct(self, request: Message) -> Message:
        return {"type": "direct", "room": "direct-u1-u2", "with": {"user": request["user"], "name": "Bob"}}

    def _typing(self, _request: Message) -> None:
        """Takes no reply."""

    def _history(self, _request: Message) -> Message:
        return {"type": "history", "room": "double", "messages": [], "more": False}

    def _ping(self, _request: Message) -> Message:
        return {"type": "pong"}

    def _refresh(self, _request: Message) -> Message:
        return {"type": "refreshed", "exp": 600}

    def _leave(self, request: Message) -> Message:
        return {"type": "left", "room": request["room"]}
