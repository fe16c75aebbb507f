"""How many connections a person may have, over all workers.

A worker counts its own. Only where a person has more than one on it, which is seldom, it also writes the number to
Redis and reads those of the other workers: whoever has one connection on each costs nothing, so the limit is kept to
within one for each worker. Numbers of workers whose lease has ended do not count. What Redis does not tell is taken for
none, so that people come in while it is away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from app.errors import ParleyError, TooManyConnections
from app.member import Member, State
from app.metrics import Counters
from app.people import People
from app.protocol.codes import REASONS, CloseCode


class Store(Protocol):
    """What this needs of Redis."""

    def take(self, handle: str, number: int, done: Callable[[dict[str, int]], None]) -> None:
        """Write how many connections a person has on this worker; `done` gets those of the others, if they are known.

        Raises Unavailable when nothing was sent.
        """


class Seats:
    """Keeps the limit. `most` is the limit, 0 for none; `workers` gives the names of those that live."""

    def __init__(
        self,
        people: People,
        store: Store,
        workers: Callable[[], Collection[str]],
        counters: Counters,
        most: int = 0,
    ) -> None:
        self._people = people
        self._store = store
        self._workers = workers
        self._counters = counters
        self._most = most

    def check(self, handle: str) -> None:
        """Whether a person may have one more here. Raises TooManyConnections."""
        if self._most and len(self._people.here(handle)) >= self._most:
            raise TooManyConnections

    def enter(self, member: Member) -> None:
        """A member is among the people here. If all in all that is too many, it is closed as soon as that is known."""
        here = len(self._people.here(member.handle))
        if self._most and here > 1:
            self._tell(member.handle, here, lambda others: self._judge(member, others))

    def leave(self, member: Member) -> None:
        """A member is among the people here no more."""
        if self._most and member.handle:
            here = len(self._people.here(member.handle))
            if here:
                self._tell(member.handle, here if here > 1 else 0, lambda others: None)

    def _tell(self, handle: str, number: int, done: Callable[[dict[str, int]], None]) -> None:
        try:
            self._store.take(handle, number, done)
        except ParleyError:
            pass  # Redis is away; the limit holds for this worker alone

    def _judge(self, member: Member, others: dict[str, int]) -> None:
        living = set(self._workers())
        elsewhere = sum(number for worker, number in others.items() if worker in living)
        if member.state is State.HERE and elsewhere + len(self._people.here(member.handle)) > self._most:
            self._counters.hit(TooManyConnections().limit)
            member.close(CloseCode.TOO_MANY_CONNECTIONS, REASONS[CloseCode.TOO_MANY_CONNECTIONS])
