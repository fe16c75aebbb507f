"""How many connections and people there are, over all workers: each writes its own numbers, who is asked adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from app.backplane.activity import Activity
from app.backplane.census import KEPT_SECONDS, Census, Line
from app.errors import ParleyError
from app.people import People
from app.presence import Presence
from app.protocol.service import Counts

WRITE_SECONDS = 1.0
RENEW_SECONDS = KEPT_SECONDS / 3
NAMED_MAX = 1000
"""People of a worker who are named, so that nobody is counted twice; more are only counted."""


class Counting:
    """Writes this worker's line when it has changed, and when the last one ends soon. `connections` counts them."""

    def __init__(
        self,
        census: Census,
        activity: Activity,
        presence: Presence,
        people: People,
        connections: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._census = census
        self._activity = activity
        self._presence = presence
        self._people = people
        self._connections = connections
        self._clock = clock
        self._written: Line | None = None
        self._renew_at = 0.0

    async def run(self) -> None:
        """Write once a second what has changed, for ever."""
        while True:
            with suppress(ParleyError):
                await self.write()
            await asyncio.sleep(WRITE_SECONDS)

    async def write(self) -> None:
        """Write this worker's line if there is need. Raises Unavailable or NotConfirmed."""
        line = self._line()
        if line == self._written and self._clock() < self._renew_at:
            return
        self._written = None
        await self._census.write(self._presence.workers[0], line)
        self._written, self._renew_at = line, self._clock() + RENEW_SECONDS

    def _line(self) -> Line:
        people = len(self._people)
        return Line(self._connections(), people, self._people.handles() if people <= NAMED_MAX else None)

    async def counts(self) -> Counts:
        """Over all workers; others' numbers are up to about a second old. Raises Unavailable or NotConfirmed."""
        _, *others = self._presence.workers
        lines = [self._line(), *await self._census.read(others)]
        exact = all(line.handles is not None for line in lines)
        if exact:
            people = len({handle for line in lines for handle in line.handles or ()})
        else:
            people = sum(line.people for line in lines)
        return Counts(
            connections=sum(line.connections for line in lines),
            people=people,
            exact=exact,
            rooms=await self._activity.total(),
            workers=len(lines),
        )
