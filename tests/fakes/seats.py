"""How many connections people have, in memory; tests/contract runs the same suite on it as on the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.errors import ParleyError
from tests.fakes.broker import MemoryStore


class MemorySeats:
    """One worker's. `failure`, if set, meets every call; `calls` counts them."""

    def __init__(self, store: MemoryStore, worker: str) -> None:
        self._store = store
        self._worker = worker
        self.failure: ParleyError | None = None
        self.calls = 0

    def take(self, handle: str, number: int, done: Callable[[dict[str, int]], None]) -> None:
        """See app.seats.Store."""
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        seats = self._store.seats.setdefault(handle, {})
        if number:
            seats[self._worker] = number
        else:
            seats.pop(self._worker, None)
        others = {worker: taken for worker, taken in seats.items() if worker != self._worker}
        asyncio.get_running_loop().call_soon(done, others)
