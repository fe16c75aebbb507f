"""The HTTP side without the API: the page and its files, websockets, liveness, readiness, health, metrics."""

from __future__ import annotations

import asyncio
import mimetypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sanic import Request, Sanic
from sanic.compat import Header
from sanic.response import HTTPResponse

from app import __version__
from app.commands import Commands
from app.connection import Connection, Connections
from app.endpoint import Admit, Make, upgrade, websocket_route
from app.errors import BadRequest
from app.feed import FeedClient
from app.gate import Gate
from app.member import Member
from app.metrics import Counters, Exposition, Scoreboard, WorkerState
from app.protocol import asyncapi
from app.protocol.names import room_name
from app.receiver import Receiver
from app.responses import WORDS, cover, json, refusal, text

WEB = Path(__file__).parent / "web"
FEED_ROOM = "feed"
READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes need of a worker."""

    node: str
    commands: Commands
    connections: Connections
    gate: Gate
    counters: Counters
    board: Scoreboard
    new_feed: Callable[[Connection, str], FeedClient]
    state: Callable[[], WorkerState]
    reasons: Callable[[], list[str]]


def routes(app: Sanic[Any, Any], parts: Parts) -> Admit:
    """Put all routes on a Sanic application; returns how the chat's websocket is opened without one."""
    cover(app)
    _operations(app, parts)
    _page(app)
    return _websockets(app, parts)


def _websockets(app: Sanic[Any, Any], parts: Parts) -> Admit:
    """Add the websockets' routes; returns how the chat's is opened without one."""

    def member(connection: Connection) -> Member:
        new = Member(connection, parts.commands.next_conn(), parts.commands)
        parts.counters.connects += 1
        parts.commands.greet(new)
        return new

    def enter(request: Request, attach: Callable[[Connection], Receiver], address: str) -> HTTPResponse | None:
        refused = _refused_while_draining(parts) or parts.gate.refused(request, address)
        return refused or upgrade(request, _maker(parts, attach, address))

    def admit(headers: Header, peer: str) -> Make | None:
        address = parts.gate.address(headers, peer)
        if parts.state() is WorkerState.DRAINING or not parts.gate.admits(headers, address):
            return None
        return _maker(parts, member, address)

    @websocket_route
    async def chat(request: Request) -> HTTPResponse | None:
        return enter(request, member, parts.gate.address_of(request))

    @websocket_route
    async def feed(request: Request, room: str = FEED_ROOM) -> HTTPResponse | None:
        try:
            name = room_name(room)
        except BadRequest as error:
            return text(f"{error}\n", 404)

        address = parts.gate.address_of(request)
        if not parts.commands.may_feed(name, address):
            return text("this feed is not for everybody\n", 403)

        def client(connection: Connection) -> FeedClient:
            parts.counters.connects += 1
            return parts.new_feed(connection, name)

        return enter(request, client, address)

    app.add_route(chat, "/ws", name="ws")
    app.add_route(feed, "/feed", name="feed")
    app.add_route(feed, "/feed/<room:str>", name="feed_room", unquote=True)
    return admit


def _maker(parts: Parts, attach: Callable[[Connection], Receiver], address: str) -> Make:
    def make(transport: asyncio.Transport) -> Connection:
        connection = Connection(transport, parts.connections, address)
        connection.receiver = attach(connection)
        return connection

    return make


def _refused_while_draining(parts: Parts) -> HTTPResponse | None:
    if parts.state() is WorkerState.DRAINING:
        return text("this server is going away\n", 503, {"retry-after": "1", "connection": "close"})
    return None


def _operations(app: Sanic[Any, Any], parts: Parts) -> None:
    async def livez(_request: Request) -> HTTPResponse:
        return json({"status": "alive", "node": parts.node})

    async def readyz(_request: Request) -> HTTPResponse:
        reasons = parts.reasons()
        body = {"status": "unready" if reasons else "ready", "node": parts.node, "reasons": reasons}
        return json(body, 503 if reasons else 200)

    async def health(_request: Request) -> HTTPResponse:
        board = parts.board
        workers = [{"worker": slot.number, "pid": slot.pid, "state": slot.shown} for slot in board.slots()]
        reasons = parts.reasons()
        body = {
            "status": "unready" if reasons else "ready",
            "reasons": reasons,
            "node": parts.node,
            "version": __version__,
            "workers": {"expected": board.expected, "alive": board.alive(), "each": workers},
            "redis": {
                "up": bool(parts.counters.redis_up),
                "canary_age_ms": int(parts.counters.canary_age_seconds * 1000),
            },
        }
        return json(body)

    async def described(_request: Request) -> HTTPResponse:
        headers = {"cache-control": "no-cache", "access-control-allow-origin": "*"}
        return HTTPResponse(asyncapi.document(), headers=headers, content_type="application/json")

    async def seen(request: Request) -> HTTPResponse:
        # What the proxies before this server made of the request, and the server of that: for `parley doctor --url`,
        # which compares it with what it sent.
        names = {"host": "host", "forwarded_for": "x-forwarded-for", "forwarded_proto": "x-forwarded-proto"}
        said = {key: ", ".join(request.headers.getall(name, [])) for key, name in names.items()}
        said |= {"address": parts.gate.address_of(request), "origin": parts.gate.own_origin(request.headers)}
        return json({key: value.encode("ascii", "backslashreplace").decode() for key, value in said.items()})

    exposition = Exposition(parts.board)

    async def metrics(_request: Request) -> HTTPResponse:
        return HTTPResponse(exposition.text(time.monotonic()), content_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_route(livez, "/livez", methods=READ, name="livez")
    app.add_route(readyz, "/readyz", methods=READ, name="readyz")
    app.add_route(health, "/health", methods=READ, name="health")
    app.add_route(described, "/asyncapi.json", methods=READ, name="asyncapi")
    app.add_route(seen, "/seen", methods=READ, name="seen")
    app.add_route(metrics, "/metrics", methods=READ, name="metrics")


def _page(app: Sanic[Any, Any]) -> None:
    files = _Files(WEB)

    async def page(request: Request, room: str = "") -> HTTPResponse:
        return files.answer(request, "index.html")

    async def file(request: Request, path: str) -> HTTPResponse:
        return files.answer(request, path)

    async def client(request: Request, path: str) -> HTTPResponse:
        return files.answer(request, f"client/{path}")

    app.add_route(page, "/", methods=READ, name="page")
    app.add_route(page, "/r/<room:path>", methods=READ, name="room_page")
    app.add_route(file, "/web/<path:path>", methods=READ, name="file")
    app.add_route(client, "/client/<path:path>", methods=READ, name="client")


class _Files:
    """The page's files, read once: they are few and small. Only what was there at the start is served."""

    def __init__(self, root: Path) -> None:
        self._answers = {
            path.relative_to(root).as_posix(): _File(path.read_bytes(), _content_type(path))
            for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def answer(self, request: Request, path: str) -> HTTPResponse:
        """The file, or 304 where the browser has it already, or 404."""
        found = self._answers.get(path)
        if found is None:
            return refusal(request, 404, WORDS[404])
        headers = {"cache-control": "no-cache", "etag": found.tag}
        if found.tag in request.headers.getone("if-none-match", ""):
            return HTTPResponse(status=304, headers=headers)
        return HTTPResponse(found.content, headers=headers, content_type=found.content_type)


class _File:
    """A file's content, and the tag by which a browser asks whether it is still the same."""

    __slots__ = ("content", "content_type", "tag")

    def __init__(self, content: bytes, content_type: str) -> None:
        self.content = content
        self.content_type = content_type
        self.tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'


def _content_type(path: Path) -> str:
    if path.suffix in (".js", ".mjs"):
        return "text/javascript; charset=utf-8"
    if path.suffix == ".webmanifest":
        return "application/manifest+json"
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
