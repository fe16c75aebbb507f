"""How many connections people have on each worker, in Redis; written only for those who have several on one."""

from __future__ import annotations

from collections.abc import Callable

from app.backplane import keys
from app.backplane.link import Reply
from app.backplane.pipeline import Pipeline, Script

KEPT_SECONDS = 7 * 86400
"""For so long nobody may come or go before a number is forgotten, and what dead workers have left lasts."""


class RedisSeats:
    """See app.seats.Store. `worker` is this process' own name among all, never used again."""

    def __init__(self, pipeline: Pipeline, worker: str) -> None:
        self._pipeline = pipeline
        self._worker = worker
        self._seats = Script("seats")

    def take(self, handle: str, number: int, done: Callable[[dict[str, int]], None]) -> None:
        """See Store."""

        def answer(reply: Reply) -> None:
            done(self._others(reply) if type(reply) is list else {})

        arguments = (1, keys.seats(handle), self._worker, number, KEPT_SECONDS)
        self._pipeline.post_script(self._seats, arguments, answer)

    def _others(self, reply: list[bytes]) -> dict[str, int]:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {worker.decode(): int(number) for worker, number in pairs if worker.decode() != self._worker}
