"""Group chat in python-socketio with its Redis manager, under uvicorn.

Environment: PEER_WORKERS, PEER_REDIS_URL; port and workers are options of uvicorn.
"""

from __future__ import annotations

import os
from typing import Any

import socketio
from redis.asyncio import Redis

URL = os.environ["PEER_REDIS_URL"]
WORKERS = int(os.environ["PEER_WORKERS"])

redis = Redis.from_url(URL)
rooms: dict[str, str] = {}
# Handlers one after the other: with a task for each, messages of one sender would overtake each other.
server = socketio.AsyncServer(
    async_mode="asgi",
    async_handlers=False,
    client_manager=socketio.AsyncRedisManager(URL),
    transports=["websocket"],
)


@server.on("join")
async def join(session: str, room: str) -> None:
    rooms[session] = room
    await server.enter_room(session, room)


@server.on("m")
async def relay(session: str, text: str) -> None:
    await server.emit("m", text, room=rooms[session])


@server.on("disconnect")
async def leave(session: str, *_reason: Any) -> None:
    rooms.pop(session, None)


async def livez(scope: dict[str, Any], receive: Any, send: Any) -> None:
    ready = int(await redis.get("peer:ready") or 0) >= WORKERS
    await send({"type": "http.response.start", "status": 200 if ready else 503})
    await send({"type": "http.response.body"})


async def count_worker() -> None:
    await redis.incr("peer:ready")


app = socketio.ASGIApp(server, livez, on_startup=count_worker)
