"""A worker hears itself through Redis, and learns how far Redis' clock is from its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from app import canary as module
from app.backplane import keys
from app.backplane.link import Reply
from app.canary import Canary
from app.errors import Unavailable
from app.metrics import BOUNDS, Counters
from tests.fakes.broker import MemoryStore
from tests.fakes.sent import running
from tests.fakes.subscriber import MemorySubscriber
from tests.support import until_async


class Redis:
    """Answers TIME by its own clock, and publishes to the canary that `hears`; `up` as long as it is told to be."""

    def __init__(self) -> None:
        self.up = True
        self.ahead_seconds = 0.0
        self.hears: Callable[[bytes], None] = lambda said: None

    def post(self, command: tuple[bytes, ...], answer: Callable[[Reply], None]) -> None:
        """What the pipeline would send."""
        if not self.up:
            raise Unavailable("away")
        if command[0] == "PUBLISH":
            self.hears(command[2])
            answer(1)
        elif command[0] == "INFO":
            answer(b"used_memory:7")
        else:
            now = time.time() + self.ahead_seconds
            answer([b"%d" % int(now), b"%d" % int(now % 1 * 1e6)])


def wired() -> tuple[Canary, Redis, Counters]:
    """A canary with a Redis of its own."""
    redis, counters = Redis(), Counters()
    canary = Canary("w1", redis, MemorySubscriber(MemoryStore()), counters)  # type: ignore[arg-type]
    redis.hears = canary.hear
    return canary, redis, counters


async def test_a_worker_that_hears_itself_knows_how_old_that_is_and_how_long_it_took() -> None:
    """Before the first time it is infinitely old."""
    canary, _, counters = wired()
    assert canary.channel == keys.canary("w1")
    assert canary.age_seconds == float("inf")
    async with running(canary.run()):
        await asyncio.wait_for(canary.heard.wait(), 5)
    assert 0 <= canary.age_seconds < 5
    trips = counters.canary_round_trip_seconds
    assert sum(trips.counts) == 1
    assert 0 <= trips.sum < BOUNDS[-1]


async def test_without_redis_it_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """And heard as soon as Redis is back."""
    monkeypatch.setattr(module, "CANARY_RETRY_SECONDS", 0.001)
    canary, redis, _ = wired()
    redis.up = False
    async with running(canary.run()):
        await asyncio.sleep(0)
        assert not canary.heard.is_set()
        redis.up = True
        await until_async(canary.heard.is_set, "it hears itself")


async def test_the_distance_of_the_clocks_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every message of its own it asks for the time."""
    canary, redis, counters = wired()
    redis.ahead_seconds = 30.0
    async with running(canary.run()):
        await until_async(lambda: counters.redis_clock_offset_seconds, "the time is told")
    assert counters.redis_clock_offset_seconds == pytest.approx(30.0, abs=1.0)


async def test_of_several_answers_about_the_time_the_fastest_counts() -> None:
    """It can be wrong by half of its round trip only; an old one is forgotten, since clocks drift."""
    canary, _, counters = wired()
    canary.compare(100.0, 100.5, 102.25)
    assert counters.redis_clock_offset_seconds == 2.0
    canary.compare(101.0, 101.01, 103.015)
    assert counters.redis_clock_offset_seconds == pytest.approx(2.01)
    canary.compare(102.0, 104.0, 105.5)
    assert counters.redis_clock_offset_seconds == pytest.approx(2.01)
    for second in range(module.OFFSETS_KEPT):
        canary.compare(200.0 + second, 200.1 + second, 203.05 + second)
    assert counters.redis_clock_offset_seconds == pytest.approx(3.0)


async def test_what_redis_says_of_itself_is_noted() -> None:
    """Its memory, its limit, a disk that fails; one that says nothing changes nothing."""
    canary, _, counters = wired()
    canary.note(b"# Memory\r\nused_memory:1000\r\nmaxmemory:4000\r\naof_last_write_status:ok\r\n")
    assert (counters.redis_memory_bytes, counters.redis_memory_max_bytes) == (1000, 4000)
    assert counters.redis_persistence_failed == 0
    canary.note(b"used_memory:1000\r\naof_last_write_status:err\r\n")
    assert (counters.redis_memory_max_bytes, counters.redis_persistence_failed) == (0, 1)
    canary.note(Unavailable("NOPERM"))
    assert counters.redis_memory_bytes == 1000
