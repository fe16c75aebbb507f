"""Connections that are no websockets yet, or never will be: how many there may be, and for how long.

One sweep judges all of them by what it sees them doing, so that none has a timer of its own and bytes that trickle in
move nothing: a handshake has its seconds from the moment of acceptance, a later request from its first byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from app.deadlines import Deadlines
from app.metrics import Counters

SWEEP_SECONDS = 0.25


class Doing(IntEnum):
    """What a connection is doing."""

    SENDING_HEAD = 0
    NOTHING = 1
    BEING_SERVED = 2
    KEEPS_WAITING = 3
    """It is to send the rest of a body, or to take its answer: the server has nothing to do."""


State = tuple[Doing, int]
"""What a connection is doing, and how many heads it has finished."""

ACCEPTED: State = (Doing.SENDING_HEAD, 0)


class Arrival(Protocol):
    """An accepted connection."""

    @property
    def state_now(self) -> State:
        """What it is doing now."""

    def cut(self, last: bytes) -> None:
        """End the connection, with these last words if they can still be said."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a connection may go on with the same thing, in seconds; `served` is also for whoever keeps waiting."""

    head: float = 10.0
    nothing: float = 65.0
    served: float = 30.0

    def of(self, doing: Doing) -> float:
        """The seconds for one of them."""
        return (self.head, self.nothing, self.served, self.served)[doing]


class Arrivals:
    """Owns the list of these connections, in the order of their acceptance.

    Args:
        most: beyond, the oldest that is not being served goes; if there is none, the new one.
        late: last words to who has not finished a request head in time.
        full: last words to a new one that has to go.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        deadlines: Deadlines,
        counters: Counters,
        most: int,
        waits: Waits,
        late: bytes = b"",
        full: bytes = b"",
    ) -> None:
        self._clock = clock
        self._deadlines = deadlines
        self._counters = counters
        self._most = most
        self._waits = waits
        self._late = late
        self._full = full
        self._open: dict[Arrival, tuple[float, State]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, arrival: Arrival) -> None:
        """A connection was accepted."""
        if not self._open:
            self._deadlines.set(self, "arrivals", SWEEP_SECONDS, self._sweep)
        elif len(self._open) >= self._most and not self._make_room():
            self._counters.refused_arrivals += 1
            arrival.cut(self._full)
            return
        self._open[arrival] = (self._clock(), ACCEPTED)

    def leave(self, arrival: Arrival) -> None:
        """A connection is gone, or has become a websocket; no error if it was not here."""
        self._open.pop(arrival, None)

    def _make_room(self) -> bool:
        for arrival in self._open:
            if arrival.state_now[0] is not Doing.BEING_SERVED:
                del self._open[arrival]
                self._counters.refused_arrivals += 1
                arrival.cut(b"")
                return True
        return False

    def _sweep(self) -> None:
        self.judge(self._clock())
        if self._open:
            self._deadlines.set(self, "arrivals", SWEEP_SECONDS, self._sweep)

    def judge(self, now: float) -> None:
        """Cut those that have been doing the same thing for too long."""
        overdue = []
        for arrival, (since, known) in self._open.items():
            state = arrival.state_now
            if state != known:
                self._open[arrival] = (now, state)
            elif now - since > self._waits.of(state[0]):
                overdue.append((arrival, state[0]))
        for arrival, doing in overdue:
            del self._open[arrival]
            self._counters.refused_late += doing is not Doing.NOTHING
            arrival.cut(self._late if doing is Doing.SENDING_HEAD else b"")
