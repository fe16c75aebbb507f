"""From an HTTP request to a websocket connection: the only code that touches Sanic's connection internals.

Sanic listens, and makes a Door for each connection. The chat's handshake is answered there, by far the most common
one. Everything else is read by Sanic, which routes it and calls the handler; that of a websocket answers the handshake
and hands the transport over to a Connection with asyncio's public `set_protocol`. Sanic's own protocol object ends with
that: it must neither close the transport nor count the connection as its own. tests/integration/test_endpoint.py fails
clearly when an upgrade of Sanic changes what this relies on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any

from sanic import Request, Sanic
from sanic.application.state import ApplicationServerInfo
from sanic.compat import Header
from sanic.http.constants import HTTP, Stage
from sanic.http.stream import Stream
from sanic.response import HTTPResponse
from sanic.server.protocols.http_protocol import HttpProtocol
from websockets.datastructures import Headers
from websockets.http11 import Request as LibraryRequest
from websockets.server import ServerProtocol

from app.arrivals import ACCEPTED, Arrivals, Doing, State
from app.connection import Connection
from app.heads import well_formed

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)

_CHAT = b"GET /ws HTTP/1.1\r\n"
_BODIES = ("content-length", "transfer-encoding", "expect")

HEAD_BYTES = 8192
"""Longer heads are refused, by Sanic."""


Make = Callable[[asyncio.Transport], Connection]
"""Makes the connection of a transport, with its receiver."""

Admit = Callable[[Header, str], Make | None]
"""Whether the chat's websocket may be opened, by the fields of the handshake and the address at the other end."""


class Door(asyncio.Protocol):
    """Reads the first head on a connection: opens the chat's websocket by itself, and leaves all else to Sanic.

    A handshake that is plainly right thus costs no task, no request object and no routing. What is refused goes
    Sanic's way too, which says why.
    """

    __slots__ = ("_app", "_arguments", "_head", "_transport")

    def __init__(self, **arguments: Any) -> None:
        self._app: Sanic[Any, Any] = arguments["app"]
        self._arguments = arguments
        self._head = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """A connection was accepted."""
        self._transport = transport
        self._app.ctx.arrivals.enter(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, and perhaps of what follows it."""
        # The end of the head may have come in parts.
        begin = max(0, len(self._head) - 3)
        self._head += data
        end = self._head.find(b"\r\n\r\n", begin)
        if end < 0 and len(self._head) < HEAD_BYTES + 3:
            return  # from then on Sanic refuses it at once
        transport, self._transport = self._transport, None
        self._app.ctx.arrivals.leave(self)
        if not 0 < end < HEAD_BYTES or not self._opened(transport, end):
            protocol = Protocol(**self._arguments)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            protocol.data_received(self._head)

    def _opened(self, transport: Any, end: int) -> bool:
        headers = chat_handshake(self._head[:end])
        accept = accept_key(headers) if headers is not None else None
        if headers is None or accept is None or transport.is_closing():
            return False
        peer = transport.get_extra_info("peername")
        make = self._app.ctx.admit(headers, peer[0] if isinstance(peer, tuple) else "")
        if make is None:
            return False
        _open(transport, make, accept, self._head[end + 4 :])
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, with its first head unfinished."""
        self._transport = None
        self._app.ctx.arrivals.leave(self)

    @property
    def state_now(self) -> State:
        """What the connection is doing."""
        return ACCEPTED

    def cut(self, last: bytes) -> None:
        """End the connection; who has said nothing yet, or has said too much already, gets no last words."""
        if last and self._head:
            self._transport.write(last)
            self._transport.close()
        else:
            self._transport.abort()


class Protocol(HttpProtocol):
    """Sanic's protocol for HTTP, which lets go of a transport that has become a websocket.

    `handed_over` is then what Sanic read the handshake with.
    """

    __slots__ = ("handed_over",)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.handed_over: Stream | None = None

    def connection_made(self, transport: Any) -> None:
        """A connection is Sanic's from now on."""
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        self.app.ctx.arrivals.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, before it became a websocket."""
        self.app.ctx.arrivals.leave(self)
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def check_timeouts(self) -> None:
        """Called by Sanic, to set a timer for each connection: `Arrivals` looks after all of them together."""

    @property
    def state_now(self) -> State:
        """What the connection is doing."""
        requests: int = self.state["requests_count"]
        stage = self.http.stage if self.http is not None else Stage.IDLE
        if stage is Stage.REQUEST or (stage is Stage.IDLE and not requests):
            return Doing.SENDING_HEAD, requests
        if stage is Stage.IDLE:
            return Doing.NOTHING, requests
        waiting = self.http.request_body or not self._can_write.is_set()
        return (Doing.KEEPS_WAITING if waiting else Doing.BEING_SERVED), requests

    def cut(self, last: bytes) -> None:
        """End the connection; who has said nothing yet, or has said too much already, gets no last words."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.state_now[0] >= Doing.BEING_SERVED:
            self.abort()  # type: ignore[no-untyped-call]
            return
        if last and self.recv_buffer:
            transport.write(last)
        transport.close()

    def close(self, timeout: float | None = None) -> None:
        """Called by Sanic when it is done with a request, for whatever reason."""
        stream, self.handed_over = self.handed_over, None
        if stream is None:
            super().close(timeout)
            return
        self.app.ctx.arrivals.leave(self)
        # What Sanic made for the request refers to itself in circles. Left to the garbage collector, the remains of
        # some hundred handshakes are always waiting, and take as much memory as thousands of idle connections.
        for name in ("request", "response_func", "protocol", "_send", "_receive_more"):
            setattr(stream, name, None)
        self.transport = None


def prepare(app: Sanic[Any, Any], arrivals: Arrivals, admit: Admit) -> None:
    """Tell a Sanic application what `run` would have told it: it serves HTTP/1 alone, so it offers nothing else."""
    app.ctx.arrivals, app.ctx.admit = arrivals, admit
    app.state.server_info.append(ApplicationServerInfo(settings={"version": HTTP.VERSION_1}))


def upgrade(request: Request, make: Make) -> HTTPResponse | None:
    """Answer a websocket handshake and hand the transport over, in one turn of the loop.

    Returns:
        The refusal to send, or None: then the connection is open, or the peer is gone already.
    """
    accept = accept_key(request.headers) if request.method == "GET" and request.version == "1.1" else None
    if accept is None:
        return _refusal(request)
    protocol, transport = request.protocol, request.transport
    assert isinstance(protocol, Protocol)
    if transport is None or transport.is_closing():
        return None
    connection = _open(transport, make, accept, bytes(protocol.recv_buffer))
    protocol.handed_over = request.stream
    protocol.connections.discard(protocol)
    protocol.recv_buffer.clear()
    if not connection.held:
        transport.resume_reading()
    return None


def _open(transport: Any, make: Make, accept: bytes, early: bytes) -> Connection:
    """Answer the handshake; `early` is what came after it already."""
    connection = make(transport)
    transport.set_protocol(connection)
    transport.write(_SWITCH % accept)
    if early:
        connection.data_received(early)
    return connection


def chat_handshake(head: bytes) -> Header | None:
    """The fields of a head, without the empty line at its end, that asks for the chat's websocket and nothing else."""
    if not head.startswith(_CHAT) or not head.isascii():
        return None
    lines = [line.partition(":") for line in head.decode().split("\r\n")[1:]]
    headers = Header([(name.lower(), value.strip()) for name, _, value in lines])
    right = well_formed(head, "1.1", len(headers.getall("host", ())))
    return headers if right and headers.keys().isdisjoint(_BODIES) else None


def accept_key(headers: Header) -> bytes | None:
    """The answer to a handshake that is plainly right; None for all others."""
    if headers.getall("upgrade", [""])[0].lower() != "websocket" or len(headers.getall("upgrade")) != 1:
        return None
    if "upgrade" not in [token.strip().lower() for token in ",".join(headers.getall("connection", [])).split(",")]:
        return None
    keys, versions = headers.getall("sec-websocket-key", []), headers.getall("sec-websocket-version", [])
    if len(keys) != 1 or versions != ["13"]:
        return None
    key = keys[0].encode("ascii", errors="replace")
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            return None
    except binascii.Error:
        return None
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _refusal(request: Request) -> HTTPResponse:
    """What the websockets library says to a handshake that is not plainly right."""
    headers = Headers([(name, value) for name, value in request.headers.items()])
    protocol = f"HTTP/{request.version}"
    asked = LibraryRequest(request.path, headers, method=request.method, protocol=protocol)
    answer = ServerProtocol().accept(asked)
    status = answer.status_code if answer.status_code >= 400 else 400
    kept = {name: value for name, value in answer.headers.items() if name.lower() in ("upgrade", "allow")}
    return HTTPResponse(answer.body or b"", status=status, headers=kept, content_type="text/plain; charset=utf-8")


Handler = Callable[..., Any]


def websocket_route(handler: Handler) -> Handler:
    """Mark a handler whose request is answered by a handshake, so that Sanic expects no response from it."""
    handler.is_websocket = True  # type: ignore[attr-defined]
    return handler
