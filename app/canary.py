"""A worker's message to itself through Redis pub/sub, once a second: readiness means that it comes back.

With each goes a question for Redis' time, from which its distance to this machine's clock is estimated: the time that
an event took from Redis' clock to a member can only be told with it. Now and then Redis is asked how it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial

from app.backplane import keys
from app.backplane.link import Reply
from app.backplane.pipeline import Pipeline
from app.backplane.subscriber import Subscriber
from app.errors import ParleyError
from app.metrics import Counters

CANARY_SECONDS = 1.0
CANARY_RETRY_SECONDS = 0.05
OFFSETS_KEPT = 16
INFO_EVERY = 10


class Canary:
    """Says something to itself and hears it. Owns the estimate of Redis' clock in `counters`.

    `replica`: Redis says of itself that it is one, so nothing can be written to it.
    """

    def __init__(self, worker: str, pipeline: Pipeline, subscriber: Subscriber, counters: Counters) -> None:
        self.channel = keys.canary(worker)
        self._pipeline = pipeline
        self._subscriber = subscriber
        self._counters = counters
        self._heard_at = float("-inf")
        self._offsets: deque[tuple[float, float]] = deque(maxlen=OFFSETS_KEPT)
        self.heard = asyncio.Event()
        self.replica = False

    @property
    def age_seconds(self) -> float:
        """Seconds since the worker last heard itself; infinite if never."""
        return time.monotonic() - self._heard_at

    def hear(self, said: bytes) -> None:
        """The message came back. It holds the moment at which it was sent."""
        try:
            sent_at = float(said)
        except ValueError:
            self._counters.foreign += 1
            return
        self._heard_at = time.monotonic()
        self._counters.canary_round_trip_seconds.observe(self._heard_at - sent_at)
        self.heard.set()

    async def run(self) -> None:
        """Send, for ever; sooner again where it cannot be sent, which its age tells."""
        sent = 0
        while True:
            pause = CANARY_SECONDS
            try:
                await self._subscriber.subscribe(self.channel)
                self._pipeline.post(("PUBLISH", self.channel, b"%.6f" % time.monotonic()), _ignore)
                self._pipeline.post(("TIME",), partial(self._compare, time.time()))
                if sent % INFO_EVERY == 0 or self.replica:
                    self._pipeline.post(("INFO",), self.note)
                sent += 1
            except ParleyError:
                pause = CANARY_RETRY_SECONDS
            await asyncio.sleep(pause)

    def _compare(self, asked: float, reply: Reply) -> None:
        if type(reply) is list:
            self.compare(asked, time.time(), int(reply[0]) + int(reply[1]) / 1e6)

    def compare(self, asked: float, answered: float, redis: float) -> None:
        """Redis' clock said `redis` between two moments here. The closest two of the last OFFSETS_KEPT count."""
        self._offsets.append((answered - asked, redis - (asked + answered) / 2))
        self._counters.redis_clock_offset_seconds = min(self._offsets)[1]

    def note(self, reply: Reply) -> None:
        """Redis' own account of itself. One that gives none, or not all of it, is not asked for reasons."""
        if type(reply) is not bytes:
            return
        info = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
        self._counters.redis_memory_bytes = int(info.get("used_memory", 0))
        self._counters.redis_memory_max_bytes = int(info.get("maxmemory", 0))
        self.replica = info.get("role") == "slave"
        if self.replica:
            self._pipeline.leave()
        failed = "err" in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status"))
        self._counters.redis_persistence_failed = int(failed)


def _ignore(_reply: Reply) -> None:
    """A canary's reply carries nothing."""
