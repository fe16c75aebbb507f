"""How much users, or networks, have sent of late over all workers, in Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from app.backplane import keys
from app.backplane.link import Argument, Reply
from app.backplane.pipeline import Pipeline, Script

AT_ONCE = 200
"""Owners told of in one call of the script, which takes some 2 microseconds of Redis for each."""


class Sends(Protocol):
    """What all workers know together of how much is used of a rate, by each of its owners; see app.quota."""

    def add(self, counts: Mapping[str, int], done: Callable[[str, float], None]) -> None:
        """Add changes, by their owner; `done` is told of each owner how many seconds it is ahead of the rate.

        It is not called for owners of whom nothing is known, with Redis away or silent. Raises Unavailable when
        nothing was sent.
        """


class RedisSends:
    """See Sends. `per_second` is the rate; nobody is ahead of it by more than `most_seconds`.

    What is added was sent during the last `gathered_seconds`. `key` names what is kept of an owner.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        per_second: float,
        most_seconds: float,
        gathered_seconds: float,
        key: Callable[[str], str] = keys.sends,
    ) -> None:
        self._pipeline = pipeline
        self._key = key
        self._script = Script("sends")
        seconds = (1 / per_second, most_seconds, gathered_seconds)
        self._arguments = [max(1, round(1_000_000 * each)) for each in seconds]

    def add(self, counts: Mapping[str, int], done: Callable[[str, float], None]) -> None:
        """See Sends."""
        owners = list(counts)
        for start in range(0, len(owners), AT_ONCE):
            some = owners[start : start + AT_ONCE]
            arguments: tuple[Argument, ...] = (
                len(some),
                *map(self._key, some),
                *self._arguments,
                *(counts[owner] for owner in some),
            )
            self._pipeline.post_script(self._script, arguments, partial(_answer, some, done))


def _answer(owners: list[str], done: Callable[[str, float], None], reply: Reply) -> None:
    if type(reply) is list:
        for owner, microseconds in zip(owners, reply, strict=True):
            done(owner, microseconds / 1_000_000)
