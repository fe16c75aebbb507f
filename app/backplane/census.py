"""How much goes on at each worker, in Redis: a line a worker, which ends soon after its worker does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import hiredis
import msgspec

from app.backplane import keys
from app.backplane.pipeline import Pipeline
from app.errors import Unavailable

KEPT_SECONDS = 30


class Line(msgspec.Struct, array_like=True, frozen=True):
    """What goes on at a worker. `handles` names its people, unless they are many."""

    connections: int
    people: int
    handles: list[str] | None


class Census(Protocol):
    """What all workers count. Raises Unavailable or NotConfirmed when Redis does not answer."""

    async def write(self, worker: str, line: Line) -> None:
        """Note a worker's line, for KEPT_SECONDS."""

    async def read(self, workers: Sequence[str]) -> list[Line]:
        """The lines of those of these workers that have one."""


class RedisCensus:
    """See Census."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def write(self, worker: str, line: Line) -> None:
        """See Census."""
        try:
            await self._pipeline.call("SET", keys.census(worker), msgspec.json.encode(line), "EX", KEPT_SECONDS)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses: {str(error)[:100]}") from None

    async def read(self, workers: Sequence[str]) -> list[Line]:
        """See Census."""
        try:
            found = await asyncio.gather(*(self._pipeline.call("GET", keys.census(worker)) for worker in workers))
            return [msgspec.json.decode(line, type=Line) for line in found if line is not None]
        except (hiredis.ReplyError, ValueError) as error:
            raise Unavailable(f"Redis refuses to read: {str(error)[:100]}") from None
