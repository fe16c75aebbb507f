"""Every metric, declared once; plain ints while the program runs, copied to the scoreboard once a second.

The scoreboard is a small file mapped by the supervisor and all its workers: one slot a worker, so that any worker can
answer for all of them, and a dead worker's values vanish with its slot.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Declared(NamedTuple):
    """A metric: its attribute in Counters, its exported name without the prefix, its kind, its help."""

    attribute: str
    name: str
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    help: str


_C, _G = CounterMetricFamily, GaugeMetricFamily
DECLARED = (
    Declared("connections", "connections", _G, "Open websockets."),
    Declared("rooms", "rooms", _G, "Rooms with members on this worker, or lingering."),
    Declared("connects", "connects_total", _C, "Websocket handshakes completed."),
    Declared("joins", "joins_total", _C, "Joins answered."),
    Declared("recoveries", "recoveries_total", _C, "Joins that resumed with recovered true."),
    Declared("sends", "sends_total", _C, "Changes handed to Redis."),
    Declared("acks", "acks_total", _C, "Changes confirmed, duplicates included."),
    Declared("duplicates", "duplicates_total", _C, "Changes confirmed that were stored before."),
    Declared("unconfirmed", "unconfirmed", _G, "Changes that wait for Redis."),
    Declared("refusals", "refusals_total", _C, "Requests answered with an error."),
    Declared("deliveries", "deliveries_total", _C, "Events written to members."),
    Declared("gaps_healed", "gaps_healed_total", _C, "Rooms read from the log after a gap or a reconnect."),
    Declared("reaches_back", "log_reaches_back_total", _C, "Log reads shared by those who resume."),
    Declared("resyncs", "resyncs_total", _C, "Rooms told that events were lost."),
    Declared("slow_cut", "slow_members_cut_total", _C, "Members closed because they did not read."),
    Declared("redis_reconnects", "redis_reconnects_total", _C, "Connections to Redis lost."),
    Declared("redis_up", "redis_up", _G, "1 while both connections to Redis are up."),
    Declared("canary_age_ms", "canary_age_milliseconds", _G, "Age of the last message to itself heard via Redis."),
    Declared("loop_lag_ms", "loop_lag_milliseconds", _G, "Largest lateness of the event loop in the last second."),
)


class Counters:
    """The metrics of one worker as plain ints. Counting costs one addition."""

    __slots__ = tuple(declared.attribute for declared in DECLARED)

    connections: int
    rooms: int
    connects: int
    joins: int
    recoveries: int
    sends: int
    acks: int
    duplicates: int
    unconfirmed: int
    refusals: int
    deliveries: int
    gaps_healed: int
    reaches_back: int
    resyncs: int
    slow_cut: int
    redis_reconnects: int
    redis_up: int
    canary_age_ms: int
    loop_lag_ms: int

    def __init__(self) -> None:
        for declared in DECLARED:
            setattr(self, declared.attribute, 0)

    def values(self) -> list[int]:
        """All values in the order of DECLARED."""
        return [getattr(self, declared.attribute) for declared in DECLARED]


class WorkerState(IntEnum):
    """What a worker says of itself."""

    DEAD = 0
    STARTING = 1
    READY = 2
    DEAF = 3
    DRAINING = 4


class Slot(NamedTuple):
    """What one worker wrote last."""

    number: int
    pid: int
    state: WorkerState
    seen_ms: int
    values: tuple[int, ...]


_SLOT = struct.Struct(f"={3 + len(DECLARED)}q")


class Scoreboard:
    """The mapped file. The supervisor makes it and clears the slots of the dead; each worker writes its own slot."""

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        self.expected = workers
        self._map = mmap.mmap(fd, _SLOT.size * workers)

    @classmethod
    def create(cls, workers: int) -> Scoreboard:
        """A new scoreboard, in a temporary file that has no name."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_SLOT.size * workers)
            return cls(os.dup(file.fileno()), workers)

    def write(self, number: int, state: WorkerState, counters: Counters) -> None:
        """Publish a worker's values."""
        values = counters.values()
        _SLOT.pack_into(self._map, number * _SLOT.size, os.getpid(), state, _now_ms(), *values)

    def clear(self, number: int) -> None:
        """The worker of this slot is dead."""
        _SLOT.pack_into(self._map, number * _SLOT.size, *[0] * (3 + len(DECLARED)))

    def slots(self) -> list[Slot]:
        """What every worker wrote last."""
        read = [_SLOT.unpack_from(self._map, number * _SLOT.size) for number in range(self.expected)]
        return [Slot(number, row[0], WorkerState(row[1]), row[2], row[3:]) for number, row in enumerate(read)]

    def alive(self) -> int:
        """How many workers serve: ready, or at least running."""
        return sum(slot.state in (WorkerState.READY, WorkerState.DEAF) for slot in self.slots())


class _Collector(Collector):
    def __init__(self, board: Scoreboard) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        slots = [slot for slot in self._board.slots() if slot.pid]
        for index, declared in enumerate(DECLARED):
            family = declared.kind(f"parley_{declared.name.removesuffix('_total')}", declared.help, labels=["worker"])
            for slot in slots:
                family.add_metric([str(slot.number)], slot.values[index])
            yield family
        yield GaugeMetricFamily("parley_workers_expected", "Workers that should run.", self._board.expected)
        yield GaugeMetricFamily("parley_workers_alive", "Workers that serve.", self._board.alive())


def exposition(board: Scoreboard) -> bytes:
    """All metrics of all workers in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(board))
    return generate_latest(registry)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
