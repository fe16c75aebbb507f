"""Every metric, declared once; plain numbers while the program runs, copied to the scoreboard once a second.

The scoreboard is a small file mapped by the supervisor and all its workers: one slot a worker, so that any worker can
answer for all of them, and a dead worker's values vanish with its slot.

A new counter is one line in Counters. The attribute is the metric's name, without prefix and `_total`, unless `name`
says otherwise; attributes that share a name are one metric and differ by a label. Units are seconds and bytes.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import struct
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from itertools import accumulate
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__

PREFIX = "parley_"
STALE_SECONDS = 5.0
EXPOSITION_SECONDS = 0.25

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of every histogram, in seconds; one more takes what is above."""


class Histogram:
    """How often which duration was seen. Observing costs a search in a short tuple and two additions."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a duration as seen so often."""
        self.counts[bisect_left(BOUNDS, seconds)] += times
        self.sum += seconds * times


class Kind(Enum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


def _metric(kind: Kind, help_: str, name: str, labels: dict[str, str], **default: Any) -> Any:
    return dataclasses.field(**default, metadata={"kind": kind, "help": help_, "name": name, "labels": labels})


def _counter(help_: str, name: str = "", **labels: str) -> Any:
    return _metric(Kind.COUNTER, help_, name, labels, default=0)


def _gauge(help_: str, name: str = "") -> Any:
    return _metric(Kind.GAUGE, help_, name, {}, default=0)


def _histogram(help_: str) -> Any:
    return _metric(Kind.HISTOGRAM, help_, "", {}, default_factory=Histogram)


def _limit(which: str) -> Any:
    return _counter("Requests and peers that hit a limit.", "limits_hit", limit=which)


def _resume(result: str) -> Any:
    return _counter("Joins with a position, by what they got.", "resumes", result=result)


def _closed(code: str) -> Any:
    return _counter("Connections that the server closed, by close code.", "closed", code=code)


def _refused(reason: str) -> Any:
    return _counter("Connections refused or cut before they became websockets.", "refused", reason=reason)


def _api(status: str) -> Any:
    return _counter("HTTP API requests answered, by class of status.", "api_requests", status=status)


def _gap(repair: str) -> Any:
    return _counter("Log reads for rooms that may have missed events, by what mended them.", "gaps", repair=repair)


@dataclass(slots=True)
class Counters:
    """The metrics of one worker. Counting costs one addition."""

    # Connections
    connections: int = _gauge("Open websockets.")
    connects: int = _counter("Websocket handshakes completed.")
    rooms: int = _gauge("Rooms with members on this worker, or lingering.")
    joins: int = _counter("Joins answered.")
    resumes_recovered: int = _resume("recovered")
    resumes_page: int = _resume("page")
    resumes_lost: int = _resume("lost")
    reaches_back: int = _counter("Log reads shared by those who resume.", "log_reaches_back")

    # Changes and events
    sends: int = _counter("Changes handed to Redis.")
    acks: int = _counter("Changes confirmed, duplicates included.")
    duplicates: int = _counter("Changes confirmed that were stored before.")
    unconfirmed: int = _gauge("Changes that wait for Redis.")
    refusals: int = _counter("Requests answered with an error.")
    sanctions: int = _gauge("Bans and mutes that hold; the same at every worker.")
    sanctions_imposed: int = _counter("Kicks, mutes and bans asked for here.")
    sanctions_lifted: int = _counter("Ends of mutes and bans asked for here.")
    events: int = _counter("Events heard from Redis that were new to a room here.")
    deliveries: int = _counter("Events written to members.")
    gaps_none: int = _gap("nothing_missing")
    gaps_healed: int = _gap("log")
    resyncs: int = _gap("resync")
    send_to_ack_seconds: Histogram = _histogram("From a change's arrival to its acknowledgement.")
    delivery_seconds: Histogram = _histogram(
        "From an event's time, by Redis' clock as estimated here, until it was written to the local members."
    )

    # HTTP API
    api_2xx: int = _api("2xx")
    api_4xx: int = _api("4xx")
    api_5xx: int = _api("5xx")
    api_seconds: Histogram = _histogram("From an HTTP API request's arrival to its answer.")

    # People
    roster_writes: int = _counter("Changes of a room's people written for other workers.")
    roster_reads: int = _counter("Reads of other workers' people of a room.")
    presence_pushes: int = _counter("Changes of a room's people written to members.")
    typing_pushes: int = _counter("Lists of those who type written to members.")
    workers_lost: int = _counter("Other workers whose lease has ended.")

    # Ends: connections that the server closed, by close code (docs/protocol.md)
    closed_1002: int = _closed("1002")
    closed_1007: int = _closed("1007")
    closed_1009: int = _closed("1009")
    closed_1012: int = _closed("1012")
    closed_1013: int = _closed("1013")
    closed_4001: int = _closed("4001")
    closed_4002: int = _closed("4002")
    closed_4003: int = _closed("4003")
    closed_4004: int = _closed("4004")
    closed_4005: int = _closed("4005")
    closed_4500: int = _closed("4500")
    closed_4501: int = _closed("4501")
    closed_4502: int = _closed("4502")
    closed_4503: int = _closed("4503")
    closed_4504: int = _closed("4504")
    closed_4505: int = _closed("4505")
    closed_other: int = _closed("other")

    # Connections that were not let in, and requests of pages that may not ask
    refused_origin: int = _refused("origin")
    refused_address: int = _refused("address")
    refused_worker: int = _refused("worker")
    refused_late: int = _refused("late")
    refused_arrivals: int = _refused("arrivals")

    # Limits
    slow_cut: int = _counter("Members closed because they did not read.", "slow_members_cut")
    members_behind: int = _gauge("Members with more unsent bytes than the soft limit.")
    outbox_bytes: int = _gauge("Unsent bytes of the members behind.")
    # Counted where a request is refused with an error that names the limit; see ParleyError.
    limit_text_chars: int = _limit("text_chars")
    limit_rooms_per_connection: int = _limit("rooms_per_connection")
    limit_connections_per_user: int = _limit("connections_per_user")
    limit_unacked: int = _limit("unacked")
    limit_unconfirmed: int = _limit("unconfirmed")
    limit_store_full: int = _limit("store_full")
    limit_sanctions: int = _limit("sanctions")
    limit_api_rate: int = _limit("api_rate")
    limit_api_under_way: int = _limit("api_under_way")
    limit_sends: int = _limit("sends")
    limit_guest_sends: int = _limit("guest_sends")
    limit_guests: int = _limit("guests")
    limit_joins: int = _limit("joins")
    limit_histories: int = _limit("histories")
    limit_lists: int = _limit("lists")
    limit_pings: int = _limit("pings")
    limit_requests: int = _limit("requests")
    limit_frames: int = _limit("frames")
    limit_bytes: int = _limit("bytes")

    # Redis
    redis_up: int = _gauge("1 while both connections to Redis are up.")
    redis_reconnects: int = _counter("Connections to Redis lost.")
    changes_refused: int = _counter("Changes that Redis answered with an error: full, its disk, its rights.")
    foreign: int = _counter("Publications on the server's channels that no server made.", "foreign_publications")
    canary_age_seconds: float = _gauge("Age of the last message to itself that the worker heard through Redis.")
    canary_round_trip_seconds: Histogram = _histogram("Round trip of the worker's messages to itself through Redis.")
    redis_memory_bytes: int = _gauge("Memory that Redis uses, by its own account; 0 where it does not tell.")
    redis_memory_max_bytes: int = _gauge("Memory at which Redis refuses writes or evicts; 0: no such limit.")
    redis_full: int = _gauge("1 while what would grow Redis is refused, because its memory is nearly full.")
    redis_persistence_failed: int = _gauge("1 while Redis says that it cannot write to its disk.")
    redis_clock_offset_seconds: float = _gauge("Redis' clock minus this machine's, estimated to half a round trip.")

    # Process
    loop_lag_seconds: Histogram = _histogram("Lateness of the event loop's timers, four samples a second.")
    cpu_seconds: float = _counter("CPU time used.")
    resident_bytes: int = _gauge("Memory in use; 0 where the system does not tell.")
    open_files_max: int = _gauge("Most sockets and files that the worker may have open.")

    def hit(self, limit: str) -> None:
        """Somebody hit the limit of that name."""
        attribute = f"limit_{limit}"
        setattr(self, attribute, getattr(self, attribute) + 1)

    def api(self, status: int) -> None:
        """An HTTP API request was answered with this status, which is 200 or more."""
        attribute = f"api_{status // 100}xx"
        setattr(self, attribute, getattr(self, attribute) + 1)

    def close(self, code: int) -> None:
        """The server closed a connection with this code."""
        attribute = f"closed_{code}"
        if attribute not in self.__slots__:
            attribute = "closed_other"
        setattr(self, attribute, getattr(self, attribute) + 1)

    def values(self) -> list[float]:
        """All values in the order of DECLARED; a histogram is its counts, then its sum."""
        flat: list[float] = []
        for declared in DECLARED:
            value = getattr(self, declared.attribute)
            if declared.kind is Kind.HISTOGRAM:
                flat += value.counts
                flat.append(value.sum)
            else:
                flat.append(value)
        return flat


class Declared(NamedTuple):
    """A metric of a worker, or with `labels` one of its series.

    Attributes:
        attribute: its name in Counters.
        name: its full name, for a counter with `_total`.
        offset: where its value, or its first, stands among Counters.values().
    """

    attribute: str
    name: str
    kind: Kind
    help: str
    labels: dict[str, str]
    offset: int


def _declared() -> Iterator[Declared]:
    offset = 0
    for field in dataclasses.fields(Counters):
        meta = field.metadata
        total = "_total" if meta["kind"] is Kind.COUNTER else ""
        name = f"{PREFIX}{meta['name'] or field.name}{total}"
        yield Declared(field.name, name, meta["kind"], meta["help"], meta["labels"], offset)
        offset += len(BOUNDS) + 2 if meta["kind"] is Kind.HISTOGRAM else 1


DECLARED = tuple(_declared())

REPLICA = {
    "parley_workers_expected": "Workers that should run.",
    "parley_workers_alive": "Workers that serve.",
    "parley_workers_draining": "Workers that send their members away.",
    "parley_build_info": "1; its label is the version.",
}
"""Gauges of the whole replica, without the label `worker`: name -> help."""


class WorkerState(IntEnum):
    """What a worker says of itself."""

    DEAD = 0
    STARTING = 1
    READY = 2
    DEAF = 3
    DRAINING = 4


class Slot(NamedTuple):
    """What one worker wrote last. `seen_ms` is when, in milliseconds since 1970."""

    number: int
    pid: int
    state: WorkerState
    seen_ms: int
    values: tuple[float, ...]

    @property
    def stale(self) -> bool:
        """Whether it is a worker's that has written nothing for STALE_SECONDS."""
        return self.pid != 0 and self.seen_ms < _now_ms() - STALE_SECONDS * 1000

    @property
    def shown(self) -> str:
        """The state in a word; hung if it is stale."""
        return "hung" if self.stale else self.state.name.lower()


_HEAD = 3
_SLOT = struct.Struct(f"{_HEAD}q{len(Counters().values())}d")


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

    def _put(self, number: int, slot: bytes) -> None:
        # One copy: packed in place, a number that is being read elsewhere could be seen half written.
        self._map[number * _SLOT.size : (number + 1) * _SLOT.size] = slot

    def write(self, number: int, state: WorkerState, counters: Counters) -> None:
        """Publish a worker's values."""
        self._put(number, _SLOT.pack(os.getpid(), state, _now_ms(), *counters.values()))

    def clear(self, number: int) -> None:
        """The worker of this slot is dead."""
        self._put(number, bytes(_SLOT.size))

    def slots(self) -> list[Slot]:
        """What every worker wrote last."""
        read = list(_SLOT.iter_unpack(self._map[:]))
        return [Slot(number, row[0], WorkerState(row[1]), row[2], row[_HEAD:]) for number, row in enumerate(read)]

    def alive(self) -> int:
        """How many workers serve: ready, or at least running; one that has not written for STALE_SECONDS does not."""
        states = [slot.state for slot in self.slots() if not slot.stale]
        return states.count(WorkerState.READY) + states.count(WorkerState.DEAF)

    def draining(self) -> int:
        """How many workers send their members away."""
        return sum(slot.state is WorkerState.DRAINING for slot in self.slots())


_FAMILIES = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


class _Collector(Collector):
    def __init__(self, board: Scoreboard) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        slots = [slot for slot in self._board.slots() if slot.pid]
        families: dict[str, Any] = {}
        for declared in DECLARED:
            family = families.get(declared.name)
            if family is None:
                labels = ["worker", *declared.labels]
                family = families[declared.name] = _FAMILIES[declared.kind](declared.name, declared.help, labels=labels)
            for slot in slots:
                series = [str(slot.number), *declared.labels.values()]
                if declared.kind is Kind.HISTOGRAM:
                    family.add_metric(series, *_buckets(slot.values, declared.offset))
                else:
                    family.add_metric(series, slot.values[declared.offset])
        yield from families.values()
        board = self._board
        values = (board.expected, board.alive(), board.draining())
        for (name, help_), value in zip(REPLICA.items(), values, strict=False):
            yield GaugeMetricFamily(name, help_, value)
        info = GaugeMetricFamily("parley_build_info", REPLICA["parley_build_info"], labels=["version"])
        info.add_metric([__version__], 1)
        yield info


def _buckets(values: tuple[float, ...], offset: int) -> tuple[list[tuple[str, float]], float]:
    """What prometheus_client wants of a histogram: cumulated counts by upper end, and the sum."""
    end = offset + len(BOUNDS) + 1
    ends = [*map(str, BOUNDS), "+Inf"]
    return list(zip(ends, accumulate(values[offset:end]), strict=True)), values[end]


def exposition(board: Scoreboard) -> bytes:
    """All metrics of all workers in the Prometheus text format. To make it costs milliseconds."""
    registry = CollectorRegistry()
    registry.register(_Collector(board))
    return generate_latest(registry)


class Exposition:
    """The metrics as text for whoever asks, however often: made anew after EXPOSITION_SECONDS."""

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        self._made_at = -EXPOSITION_SECONDS
        self._text = b""

    def text(self, now: float) -> bytes:
        """As it was at most EXPOSITION_SECONDS ago; workers tell their values once a second."""
        if now - self._made_at >= EXPOSITION_SECONDS:
            self._made_at, self._text = now, exposition(self._board)
        return self._text


def resident_bytes() -> int:
    """Memory that this process has in use; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
