"""The baseline: group chat in Sanic as one would write it in an afternoon, done decently.

Every worker keeps its rooms' sockets in a set and relays over redis-py's asyncio pub/sub; each message is
sent with ``await ws.send`` to one member after the other. uvloop and hiredis are on, the access log is off,
publishing goes through a pool that waits instead of failing. It has no order across workers, no history,
no dedupe and no answer to a slow reader.

Environment: PEER_PORT, PEER_WORKERS, PEER_REDIS_URL.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from sanic import Request, Sanic, Websocket
from sanic.response import HTTPResponse, text
from websockets.exceptions import ConnectionClosed

CHANNEL = "naive:"
WORKERS = int(os.environ.get("PEER_WORKERS", "2"))

app = Sanic("naive")
app.config.OAS = False


class Room:
    """The members of one room on this worker."""

    def __init__(self) -> None:
        self.clients: set[Websocket] = set()

    async def send_message(self, message: str) -> None:
        """Send to everyone, one after the other; members that are gone are dropped."""
        for client in list(self.clients):
            try:
                await client.send(message)
            except ConnectionClosed:
                self.clients.discard(client)


rooms: dict[str, Room] = {}


async def relay(pubsub: PubSub) -> None:
    """Hand what Redis publishes to the rooms of this worker, for as long as the worker runs."""
    async for message in pubsub.listen():
        if message["type"] == "message":
            room = rooms.get(message["channel"].removeprefix(CHANNEL))
            if room is not None:
                await room.send_message(message["data"])


@app.before_server_start
async def start_relay(app: Sanic[Any, Any]) -> None:
    url = os.environ["PEER_REDIS_URL"]
    pool = BlockingConnectionPool.from_url(url, max_connections=50, timeout=None, decode_responses=True)
    app.ctx.redis = Redis(connection_pool=pool)
    app.ctx.pubsub = Redis.from_url(url, decode_responses=True).pubsub()
    # A first subscription, so that listen() has a connection to wait on before anybody joins.
    await app.ctx.pubsub.subscribe(CHANNEL)
    app.ctx.relay = asyncio.create_task(relay(app.ctx.pubsub), name="relay")


@app.after_server_start
async def count_worker(app: Sanic[Any, Any]) -> None:
    await app.ctx.redis.incr("peer:ready")


@app.before_server_stop
async def stop_relay(app: Sanic[Any, Any]) -> None:
    app.ctx.relay.cancel()


@app.get("/livez")
async def livez(request: Request) -> HTTPResponse:
    ready = int(await request.app.ctx.redis.get("peer:ready") or 0) >= WORKERS
    return text("ok" if ready else "starting", status=200 if ready else 503)


@app.websocket("/feed/<name:str>")  # type: ignore[untyped-decorator]
async def feed(request: Request, ws: Websocket, name: str) -> None:
    room = rooms.get(name)
    if room is None:
        room = rooms[name] = Room()
        await request.app.ctx.pubsub.subscribe(CHANNEL + name)
    room.clients.add(ws)
    try:
        async for message in ws:
            await request.app.ctx.redis.publish(CHANNEL + name, message)
    finally:
        room.clients.discard(ws)


if __name__ == "__main__":
    app.run(
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        workers=WORKERS,
        access_log=False,
        motd=False,
    )
