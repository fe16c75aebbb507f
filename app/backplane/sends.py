"""How much users have sent of late over all workers, in Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from app.backplane import keys
from app.backplane.link import Argument, Reply
from app.backplane.pipeline import Pipeline, Script

AT_ONCE = 200
"""Users told of in one call of the script, which takes some 2 microseconds of Redis for each."""


class Sends(Protocol):
    """What all workers know together of the rates at which users send."""

    def add(self, counts: Mapping[str, int], done: Callable[[str, float], None]) -> None:
        """Add changes, by the user's handle; `done` is told of each user how many seconds it is ahead of the rate.

        It is not called for users of whom nothing is known, with Redis away or silent. Raises Unavailable when
        nothing was sent.
        """


class RedisSends:
    """See Sends. `per_second` is the rate; nobody is ahead of it by more than `most_seconds`.

    What is added was sent during the last `gathered_seconds`.
    """

    def __init__(self, pipeline: Pipeline, per_second: float, most_seconds: float, gathered_seconds: float) -> None:
        self._pipeline = pipeline
        self._script = Script("sends")
        seconds = (1 / per_second, most_seconds, gathered_seconds)
        self._arguments = [max(1, round(1_000_000 * each)) for each in seconds]

    def add(self, counts: Mapping[str, int], done: Callable[[str, float], None]) -> None:
        """See Sends."""
        users = list(counts)
        for start in range(0, len(users), AT_ONCE):
            some = users[start : start + AT_ONCE]
            arguments: tuple[Argument, ...] = (
                len(some),
                *map(keys.sends, some),
                *self._arguments,
                *(counts[user] for user in some),
            )
            self._pipeline.post_script(self._script, arguments, partial(_answer, some, done))


def _answer(users: list[str], done: Callable[[str, float], None], reply: Reply) -> None:
    if type(reply) is list:
        for user, microseconds in zip(users, reply, strict=True):
            done(user, microseconds / 1_000_000)
