"""What the broker's suite needs of an engine: brokers on it, and a look at what they did, past the brokers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Protocol

from app import seats
from app.backplane import keys, moderation
from app.backplane.activity import Activity, RedisActivity
from app.backplane.broker import Broker
from app.backplane.link import Address
from app.backplane.personal import Notice, Personal, RedisPersonal, read_notice
from app.backplane.pipeline import Pipeline
from app.backplane.redis_broker import RedisBroker
from app.backplane.rosters import RedisRosters, Store
from app.backplane.seats import RedisSeats
from app.backplane.sends import RedisSends, Sends
from app.events import expand
from tests.contract.engines import almighty, witness
from tests.fakes.broker import MemoryBroker, MemoryStore
from tests.fakes.moderation import MemoryModeration
from tests.fakes.personal import MemoryPersonal
from tests.fakes.rosters import MemoryActivity, MemoryRosters
from tests.fakes.seats import MemorySeats
from tests.fakes.sends import MemorySends
from tests.fakes.sent import running
from tests.support import until_async

DAYS = 86400
_workers = count(1)


class Stage(Protocol):
    """One engine."""

    async def broker(self, kept_events: int = 10_000, kept_seconds: int = 30 * DAYS) -> Broker:
        """A broker of its own, as of another worker."""

    async def hear(self, room: str) -> list[bytes]:
        """A list to which all publications of the room are added from now on."""

    async def log(self, room: str) -> list[bytes]:
        """The stored events."""

    async def lose_meta(self, room: str) -> None:
        """The room's position vanishes, its events and dedupe records stay behind."""

    async def rosters(self) -> Store:
        """The people of rooms, as of another worker."""

    async def activity(self) -> Activity:
        """The rooms by last activity, as of another worker."""

    async def personal(self) -> Personal:
        """What is kept of persons, as of another worker."""

    async def seats(self) -> seats.Store:
        """How many connections people have, as of another worker."""

    async def moderation(self) -> moderation.Store:
        """Bans and mutes, as of another worker."""

    async def eavesdrop(self) -> list[bytes]:
        """A list to which all that workers are told of bans and mutes is added from now on."""

    async def sends(self, per_second: float, most_seconds: float, gathered_seconds: float) -> Sends:
        """How much users send, as of another worker."""

    async def overhear(self, handle: str) -> list[Notice]:
        """A list to which all notices for a person are added from now on."""


class MemoryStage:
    """The broker that unit tests use."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    async def broker(self, kept_events: int = 10_000, kept_seconds: int = 30 * DAYS) -> Broker:
        return MemoryBroker(self._store, kept_events)

    async def hear(self, room: str) -> list[bytes]:
        heard: list[bytes] = []
        self._store.listeners.append(lambda name, data: heard.append(data) if name == room else None)
        return heard

    async def log(self, room: str) -> list[bytes]:
        return list(self._store.rooms[room].log)

    async def lose_meta(self, room: str) -> None:
        del self._store.rooms[room]

    async def personal(self) -> Personal:
        return MemoryPersonal(self._store)

    async def seats(self) -> MemorySeats:
        return MemorySeats(self._store, f"w{next(_workers)}")

    async def sends(self, per_second: float, most_seconds: float, gathered_seconds: float) -> Sends:
        until = self._store.sends.setdefault("sends", {})
        return MemorySends(until, time.monotonic, per_second, most_seconds, gathered_seconds)

    async def overhear(self, handle: str) -> list[Notice]:
        heard: list[Notice] = []
        self._store.person_listeners.append(lambda channel, data: _note(heard, handle, data))
        return heard

    async def moderation(self) -> moderation.Store:
        return MemoryModeration(self._store)

    async def eavesdrop(self) -> list[bytes]:
        heard: list[bytes] = []
        self._store.person_listeners.append(
            lambda channel, data: heard.append(data) if channel == keys.MODERATION else None
        )
        return heard

    async def rosters(self) -> MemoryRosters:
        return MemoryRosters(self._store)

    async def activity(self) -> MemoryActivity:
        return MemoryActivity(self._store)


class RedisStage:
    """The real broker on a real engine."""

    def __init__(self, url: str, stack: AsyncExitStack, seconds: float) -> None:
        self.url = url
        self._stack = stack
        self._seconds = seconds
        self._pipelines: list[Pipeline] = []

    async def pipeline(self) -> Pipeline:
        """A connected pipeline, kept up until the end of the test."""
        pipeline = Pipeline(Address.parse(self.url), "parley-contract", self._seconds)
        await self._stack.enter_async_context(running(pipeline.run()))
        self._pipelines.append(pipeline)
        await until_async(lambda: pipeline.up, "the pipeline is connected")
        return pipeline

    async def healthy(self) -> None:
        """Wait until all brokers are connected."""
        await until_async(lambda: all(one.up for one in self._pipelines), "all pipelines are connected")

    async def rosters(self) -> RedisRosters:
        return RedisRosters(await self.pipeline())

    async def activity(self) -> RedisActivity:
        return RedisActivity(await self.pipeline(), 30 * DAYS)

    async def broker(self, kept_events: int = 10_000, kept_seconds: int = 30 * DAYS) -> RedisBroker:
        return RedisBroker(await self.pipeline(), kept_events, kept_seconds)

    async def hear(self, room: str) -> list[bytes]:
        heard: list[bytes] = []
        await self._listen(keys.events(room), heard.append)
        return heard

    async def personal(self) -> Personal:
        return RedisPersonal(await self.pipeline(), 30 * DAYS)

    async def seats(self) -> RedisSeats:
        return RedisSeats(await self.pipeline(), f"w{next(_workers)}")

    async def moderation(self) -> moderation.Store:
        return moderation.RedisModeration(await self.pipeline())

    async def eavesdrop(self) -> list[bytes]:
        heard: list[bytes] = []
        await self._listen(keys.MODERATION, heard.append)
        return heard

    async def sends(self, per_second: float, most_seconds: float, gathered_seconds: float) -> Sends:
        return RedisSends(await self.pipeline(), per_second, most_seconds, gathered_seconds)

    async def overhear(self, handle: str) -> list[Notice]:
        heard: list[Notice] = []
        await self._listen(keys.people(keys.shard(handle)), lambda data: _note(heard, handle, data))
        return heard

    async def _listen(self, name: bytes, take: Callable[[bytes], None]) -> None:
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(almighty(self.url))
        self._stack.push_async_callback(client.aclose)
        channel = client.pubsub()
        self._stack.push_async_callback(channel.aclose)
        await channel.subscribe(name)

        async def listen() -> None:
            async for message in channel.listen():
                if message["type"] == "message":
                    take(message["data"])

        await self._stack.enter_async_context(running(listen()))
        await until_async(lambda: channel.subscribed, "the witness listens")

    async def log(self, room: str) -> list[bytes]:
        with witness(self.url) as client:
            return [event for entry in client.lrange(keys.log(room), 0, -1) for event in expand(entry)]

    async def lose_meta(self, room: str) -> None:
        with witness(self.url) as client:
            assert client.delete(keys.meta(room)) == 1


def _note(heard: list[Notice], handle: str, data: bytes) -> None:
    """Take a notice that is for this person; others share the channel."""
    if (notice := read_notice(data)).to == handle:
        heard.append(notice)
