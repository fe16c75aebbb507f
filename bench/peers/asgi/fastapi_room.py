"""Group chat in FastAPI with Redis by hand: the connection manager of its documentation, one per worker, and
redis-py's asyncio pub/sub between the workers.

Environment: PEER_WORKERS, PEER_REDIS_URL; port and workers are options of uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from redis.asyncio import BlockingConnectionPool, Redis

CHANNEL = "room:"
URL = os.environ["PEER_REDIS_URL"]
WORKERS = int(os.environ["PEER_WORKERS"])

redis = Redis(connection_pool=BlockingConnectionPool.from_url(URL, max_connections=50, timeout=None))
pubsub = Redis.from_url(URL, decode_responses=True).pubsub()
rooms: dict[str, set[WebSocket]] = {}


async def relay() -> None:
    """Hand what Redis publishes to this worker's members, one after the other."""
    async for message in pubsub.listen():
        if message["type"] != "message":
            continue
        members = rooms.get(message["channel"].removeprefix(CHANNEL), set())
        for member in list(members):
            try:
                await member.send_text(message["data"])
            except (WebSocketDisconnect, RuntimeError):
                members.discard(member)


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    # A first subscription, so that listen() has a connection to wait on before anybody joins.
    await pubsub.subscribe(CHANNEL)
    relaying = asyncio.create_task(relay(), name="relay")
    await redis.incr("peer:ready")
    yield
    relaying.cancel()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/livez")
async def livez() -> Response:
    ready = int(await redis.get("peer:ready") or 0) >= WORKERS
    return Response(status_code=200 if ready else 503)


@app.websocket("/feed/{name}")
async def feed(socket: WebSocket, name: str) -> None:
    await socket.accept()
    if name not in rooms:
        rooms[name] = set()
        await pubsub.subscribe(CHANNEL + name)
    members = rooms[name]
    members.add(socket)
    try:
        async for text in socket.iter_text():
            await redis.publish(CHANNEL + name, text)
    finally:
        members.discard(socket)
