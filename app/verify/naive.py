"""A plain pub/sub relay, as many tutorials build it, speaking just enough of the protocol: what `--naive` tests.

Every process subscribes to Redis, publishes what its clients send and hands on what it hears. There is no log, no
dedupe and nobody who notices a lost publication; numbers come from INCR, history is what this process remembers. It
does its honest best: it reconnects, answers errors, and claims nothing as recovered. It exists to be found out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http
import json
import time
from collections import defaultdict, deque
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PREFIX = "naive:"
REMEMBERED = 20_000
RECONNECT_SECONDS = 0.1

Message = dict[str, Any]


class Relay:
    """One process: its clients by room, what it remembers, its Redis."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=2)
        self._url = url
        self._rooms: dict[str, set[ServerConnection]] = defaultdict(set)
        self._heard: dict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    async def listen(self) -> None:
        """Hand on what Redis publishes, for ever."""
        while True:
            try:
                async with Redis.from_url(self._url, health_check_interval=1) as redis, redis.pubsub() as pubsub:
                    await pubsub.psubscribe(PREFIX + "*")
                    async for message in pubsub.listen():
                        if message["type"] == "pmessage":
                            await self._hand_on(message["data"])
            except (RedisError, OSError):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _hand_on(self, data: bytes) -> None:
        event = json.loads(data)
        self._heard[event["room"]].append(event)
        for client in list(self._rooms[event["room"]]):
            with contextlib.suppress(ConnectionClosed):
                await client.send(data.decode())

    async def serve(self, client: ServerConnection) -> None:
        """One client, request by request."""
        who: Message = {}
        try:
            async for data in client:
                request = json.loads(data)
                try:
                    reply = await self._answer(client, who, request)
                except (RedisError, OSError) as error:
                    reply = {"type": "error", "code": "unavailable", "temporary": True, "message": str(error)}
                await client.send(json.dumps({**reply, "id": request["id"]}))
        except ConnectionClosed:
            pass
        finally:
            for members in self._rooms.values():
                members.discard(client)

    async def _answer(self, client: ServerConnection, who: Message, request: Message) -> Message:
        room = request.get("room", "")
        match request["type"]:
            case "hello":
                who.update(user=request["name"], name=request["name"])
                return {"type": "welcome", **who, "ping": 25, "node": "naive"}
            case "join":
                self._rooms[room].add(client)
                seq = int(await self._redis.get(PREFIX + room + ":seq") or 0)
                place = {"epoch": "naive", "seq": seq, "mid": f"n{seq}", "recovered": False}
                return {"type": "joined", "room": room, **place, "messages": []}
            case "leave":
                self._rooms[room].discard(client)
                return {"type": "left", "room": room}
            case "send":
                return await self._send(who, request)
            case "edit" | "delete" | "react":
                return {"type": "error", "code": "bad_request", "temporary": False, "message": "only sends are relayed"}
            case "history":
                return {"type": "history", "room": room, "messages": list(self._heard[room]), "more": False}
        return {"type": "pong"}

    async def _send(self, who: Message, request: Message) -> Message:
        room, cid = request["room"], request["cid"]
        seq = int(await self._redis.incr(PREFIX + room + ":seq"))
        place = {"room": room, "cid": cid, "seq": seq, "mid": f"n{seq}", "ts": int(time.time() * 1000)}
        event = {"type": "message", **place, **who, "text": request["text"]}
        await self._redis.publish(PREFIX + room, json.dumps(event))
        return {"type": "ack", **place, "dup": False}


def _alive(client: ServerConnection, request: Request) -> Response | None:
    if request.path == "/ws":
        return None
    return client.respond(http.HTTPStatus.OK, "alive\n")


async def _main(port: int, url: str) -> None:
    relay = Relay(url)
    async with serve(relay.serve, "127.0.0.1", port, process_request=_alive, compression=None):
        await relay.listen()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A plain pub/sub relay, for comparison.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis-url", required=True)
    given = parser.parse_args()
    asyncio.run(_main(given.port, given.redis_url))
