"""Positions and publications: the two values that every layer passes on.

An event is delivered as the same bytes to everybody: one JSON object without a raw newline, whose first members are
seq, mid and ts, in this order. In Redis these are stored once for all events of an entry of the log, see
backplane/scripts/publish.lua; `expand` puts them before each body.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = re.compile(rb'\{"seq":(\d+),"mid":"([^"]*)","ts":(\d+)')
_MESSAGE = re.compile(rb'\{"seq":\d+,"mid":"[^"]*","ts":\d+,"type":"message"')


class Position(NamedTuple):
    """A place in a room's sequence: the last event that somebody has.

    `epoch` names one life of the room's log, `seq` counts events from 1 without holes (0: none yet), `mid` is
    the event's own id, empty at 0. Two positions are the same place only if all three are equal: a log that
    lost its tail uses its numbers again, with other mids.
    """

    epoch: str
    seq: int
    mid: str


class Head(NamedTuple):
    """The first members of an event. `ts` is in milliseconds since 1970."""

    seq: int
    mid: str
    ts: int


def head(payload: bytes) -> Head:
    """Read seq, mid and ts of an event. Raises ValueError for anything that `expand` did not make."""
    found = _HEAD.match(payload)
    if found is None:
        raise ValueError("not a stored event")
    return Head(int(found[1]), found[2].decode(), int(found[3]))


def expand(entry: bytes) -> list[bytes]:
    """The events of an entry of the log, oldest first. Raises ValueError for anything the script did not write."""
    header, *bodies = entry.split(b"\n")
    first, count, ts, token = header.split(b" ")
    return _headed(bodies, int(first), int(count), ts, token)


def _headed(bodies: list[bytes], first: int, count: int, ts: bytes, token: bytes) -> list[bytes]:
    if len(bodies) != count or not bodies:
        raise ValueError("not an entry of a log")
    mid, ts = b',"mid":"%b.' % token, b'","ts":%b' % ts
    return [b'{"seq":%d%b%d%b%b' % (seq, mid, seq, ts, body) for seq, body in enumerate(bodies, first)]


def is_message(payload: bytes) -> bool:
    """Whether an event is a message, and not one that amends another."""
    return _MESSAGE.match(payload) is not None


def refolded(payload: bytes, body: bytes) -> bytes:
    """An event with another body behind its head."""
    found = _HEAD.match(payload)
    return payload[: found.end()] + body if found else payload


class Fold(NamedTuple):
    """What an amendment made of an event: its seq and its body as it is now. Seq 0 is the topic, as JSON."""

    seq: int
    body: bytes


class Batch:
    """What one script call published in one room: consecutive events, oldest first.

    Attributes:
        epoch: the epoch the events belong to.
        first: seq of the first payload.
        previous: mid of the event before the first, empty if there is none.
        last_mid: mid of the last payload.
        payloads: the events, as delivered.
        ts: time of the last payload by Redis' clock, in milliseconds since 1970.
        folds: what they changed of earlier ones, if they amend any.
    """

    __slots__ = ("epoch", "first", "folds", "last_mid", "payloads", "previous", "ts")

    def __init__(
        self, epoch: str, first: int, previous: str, last_mid: str, payloads: list[bytes], ts: int = 0
    ) -> None:
        self.epoch = epoch
        self.first = first
        self.previous = previous
        self.last_mid = last_mid
        self.payloads = payloads
        self.ts = ts
        self.folds: list[Fold] = []

    @classmethod
    def parse(cls, publication: bytes) -> Batch:
        """Read a publication as scripts/publish.lua makes it. Raises ValueError if it is anything else."""
        header, *lines = publication.split(b"\n")
        epoch, previous, changed, start, size, ts, token = header.split(b" ")
        first, count = int(start), int(size)
        folds = [Fold(int(seq), body) for seq, _, body in (line.partition(b" ") for line in lines[count:])]
        if len(folds) != int(changed):
            raise ValueError("not a publication of events")
        del lines[count:]
        payloads = _headed(lines, first, count, ts, token)
        last_mid = f"{token.decode()}.{first + count - 1}"
        batch = cls(epoch.decode(), first, previous.decode(), last_mid, payloads, int(ts))
        batch.folds = folds
        return batch

    @property
    def last(self) -> int:
        """Seq of the last payload."""
        return self.first + len(self.payloads) - 1

    @property
    def position(self) -> Position:
        """The position of a reader that has taken the whole batch."""
        return Position(self.epoch, self.last, self.last_mid)
