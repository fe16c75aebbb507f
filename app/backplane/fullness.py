"""Whether Redis is nearly full: what would grow it is refused then, so that there is room for what may not fail.

A Redis that is full refuses every write: a ban, a deletion, and the leases by which workers know of each other. So the
last part of its memory is kept for these, for read marks and for who is where; messages and all else wait outside.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import hiredis
import structlog

from app.backplane.pipeline import Pipeline
from app.backplane.redis_broker import RedisBroker
from app.errors import ParleyError
from app.metrics import Counters

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
FULL, FREE = 0.9, 0.88
"""Parts of maxmemory from which on Redis counts as full, and below which it does so no more."""

_log = structlog.get_logger(component="redis")


class Fullness:
    """Looks at Redis' memory every LOOK_SECONDS and tells the broker. A Redis without a bound is never full."""

    def __init__(self, pipeline: Pipeline, broker: RedisBroker, counters: Counters) -> None:
        self._pipeline = pipeline
        self._broker = broker
        self._counters = counters

    async def run(self) -> None:
        """Look, for ever. What is not answered, in time or at all, changes nothing."""
        while True:
            with suppress(ParleyError, hiredis.ReplyError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    self.note(await self._pipeline.call("INFO", "memory"))
            await asyncio.sleep(LOOK_SECONDS)

    def note(self, info: bytes) -> None:
        """Redis' own account of its memory."""
        part = used(info)
        was = self._broker.full
        self._broker.full = full = part > (FREE if was else FULL)
        self._counters.redis_full = int(full)
        if full and not was:
            advice = "what is new is refused; raise maxmemory, or keep less history"
            _log.error("redis is nearly full", used_percent=round(100 * part), advice=advice)
        elif was and not full:
            _log.info("redis has room again", used_percent=round(100 * part))


def used(info: bytes) -> float:
    """The part of its maxmemory that Redis uses, as it counts for refusing writes; 0 where there is no maxmemory."""
    fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    most = int(fields.get("maxmemory", 0))
    counted = int(fields.get("used_memory", 0)) - int(fields.get("mem_not_counted_for_evict", 0))
    return counted / most if most else 0.0
