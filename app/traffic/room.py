"""A room as one generator reads it: its ledger, and a memory of bytes already understood.

A broadcast is byte-identical for every member, so what one member was given is parsed once and known again, by its
bytes, when the others are given it: whole reads, and for whom they are mixed with answers, single frames. That is what
lets one Python process read for thousands.
"""

from __future__ import annotations

import msgspec

from app.events import Position
from app.traffic import history, mark, wire
from app.traffic.ledger import Ledger, overtaken
from app.traffic.wire import WireError

CHUNKS_MAX, FRAMES_MAX = 64, 256
EVENTS = frozenset({"message", "edited", "deleted", "reacted", "topic", "superseded"})


class Told(msgspec.Struct):
    """Whatever the server says, as far as it matters here."""

    type: str
    id: int = 0
    seq: int = 0
    mid: str = ""
    epoch: str = ""
    cid: str = ""
    text: str = ""
    code: str = ""
    message: str = ""
    guest: str = ""
    retry: float = 0.0
    temporary: bool = False
    recovered: bool = False
    lost: bool = False
    limits: dict[str, float] = {}
    messages: list[Told] = []

    @property
    def position(self) -> Position:
        """Where the room is, says what has one."""
        return Position(self.epoch, self.seq, self.mid)


class Event:
    """An event of the room. `key` says which, the same for everybody; `time_us` is its mark's."""

    __slots__ = ("key", "mid", "seq", "time_us")

    def __init__(self, seq: int, mid: str, key: int | str, time_us: int) -> None:
        self.seq, self.mid, self.key, self.time_us = seq, mid, key, time_us

    def record(self) -> history.Event:
        """As a history has it, as far as it is known here."""
        key = self.key
        cid = key if isinstance(key, str) else f"{key >> 32}-{key & mark.SPAN - 1}"
        return history.Event(self.seq, self.mid, "", cid, "")


Item = Event | Told | tuple[int, bytes]


class Chunk:
    """What one read held. `plain`: consecutive events and nothing else; then `first`, `last` and `times` say it all."""

    __slots__ = ("first", "items", "last", "mid", "plain", "rest", "times")

    def __init__(self, items: list[Item], rest: bytes) -> None:
        self.items, self.rest = items, rest
        events = [item for item in items if isinstance(item, Event)]
        self.times = [event.time_us for event in events]
        self.first = events[0].seq if events else 0
        self.last = events[-1].seq if events else 0
        self.mid = events[-1].mid if events else ""
        consecutive = all(event.seq == self.first + step for step, event in enumerate(events))
        self.plain = bool(events) and len(events) == len(items) and consecutive


_decode = msgspec.json.Decoder(Told).decode


class Room:
    """One room.

    Attributes:
        members: all that will be in it, those of other processes and pages included.
        marked: whether all that is sent there carries a mark. Without, events are known by their cids.
        excused: keys that were sent again after an error, so that their order is not promised.
        top: the highest seq that anybody was told of.
        strange: events that nobody of this run can have sent.
        reset: whether its log began again.
        known: bytes already understood.
    """

    def __init__(self, name: str, members: int, *, marked: bool = True) -> None:
        self.name = name
        self.members = members
        self.marked = marked
        self.ledger: Ledger[int, int | str] = Ledger()
        self.excused: set[int | str] = set()
        self.top = self.strange = 0
        self.reset = False
        self.known: dict[bytes, Chunk] = {}
        self._frames: dict[bytes, Event] = {}

    def chunk(self, data: bytes) -> Chunk:
        """Understand what was read. Raises WireError."""
        known = self.known.get(data)
        if known is not None:
            return known
        items: list[Item] = []

        def take(first: int, payload: bytes) -> None:
            items.append(self._item(payload) if first == wire.TEXT else (first, payload))

        used = wire.split(data, take)
        chunk = Chunk(items, data[used:])
        if chunk.plain:
            if len(self.known) >= CHUNKS_MAX:
                self.known.clear()
            self.known[data] = chunk
        return chunk

    def tell(self, seq: int, key: int | str) -> None:
        """Somebody was told that this event has this seq."""
        self.ledger.tell(seq, key)
        self.top = max(self.top, seq)

    def out_of_order(self) -> int:
        """How many marked events stand after a younger one of their sender, but for those whose order is excused."""
        keys = (key for _, key in sorted(self.ledger.events.items()) if key not in self.excused)
        return sum(1 for _ in overtaken((key >> 32, key) for key in keys if isinstance(key, int)))

    def event(self, told: Told) -> Event:
        """An event of the room, entered into the ledger; without a mark it counts as strange."""
        if not self.marked:
            self.tell(told.seq, told.cid)
            return Event(told.seq, told.mid, told.cid, 0)
        read = mark.read(told.text)
        if read is None:
            self.strange += 1
            return Event(told.seq, told.mid, -told.seq, 0)
        self.tell(told.seq, read.key)
        return Event(told.seq, told.mid, read.key, read.time_us)

    def _item(self, payload: bytes) -> Item:
        known = self._frames.get(payload)
        if known is not None:
            return known
        try:
            told = _decode(payload)
        except msgspec.DecodeError as error:
            raise WireError(f"not understood: {error}") from None
        if told.type not in EVENTS:
            return told
        if len(self._frames) >= FRAMES_MAX:
            self._frames.clear()
        self._frames[payload] = event = self.event(told)
        return event
