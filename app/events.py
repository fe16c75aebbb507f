"""Positions and publications: the two values that every layer passes on.

An event is stored, published and delivered as the same bytes: one JSON object without a raw newline, whose
first members are always seq, mid and ts, in this order, put there by the publish script.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = re.compile(rb'\{"seq":(\d+),"mid":"([^"]*)","ts":(\d+)')


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
    """What the publish script put in front of a stored event. `ts` is in milliseconds since 1970."""

    seq: int
    mid: str
    ts: int


def head(payload: bytes) -> Head:
    """Read seq, mid and ts of a stored event. Raises ValueError for anything the script did not write."""
    found = _HEAD.match(payload)
    if found is None:
        raise ValueError("not a stored event")
    return Head(int(found[1]), found[2].decode(), int(found[3]))


class Batch:
    """What one script call published in one room: consecutive events, oldest first.

    Attributes:
        epoch: the epoch the events belong to.
        first: seq of the first payload.
        previous: mid of the event before the first, empty if there is none.
        last_mid: mid of the last payload.
        payloads: the events, as stored.
    """

    __slots__ = ("epoch", "first", "last_mid", "payloads", "previous")

    def __init__(self, epoch: str, first: int, previous: str, last_mid: str, payloads: list[bytes]) -> None:
        self.epoch = epoch
        self.first = first
        self.previous = previous
        self.last_mid = last_mid
        self.payloads = payloads

    @classmethod
    def parse(cls, publication: bytes) -> Batch:
        """Read a publication as scripts/publish.lua makes it. Raises ValueError if it is anything else."""
        header, *payloads = publication.split(b"\n")
        epoch, first, previous, last_mid = header.decode().split(" ")
        if not payloads:
            raise ValueError("a publication without events")
        return cls(epoch, int(first), previous, last_mid, payloads)

    @property
    def last(self) -> int:
        """Seq of the last payload."""
        return self.first + len(self.payloads) - 1

    @property
    def position(self) -> Position:
        """The position of a reader that has taken the whole batch."""
        return Position(self.epoch, self.last, self.last_mid)
