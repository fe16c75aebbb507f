"""Exact accounting of deliveries, pure: what a room said, and what each seat in it was given.

A Ledger is a room's one order, as it came to light: by acks and by whoever was shown an event first. A Seat is one
reader: which of the room's events it has, which it was given twice or late. Nothing here knows a socket or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MISSING_MAX = 100_000


@dataclass(slots=True)
class Ledger:
    """A room: its events by seq, each known by its key (see mark.Mark.key).

    Attributes:
        top: the highest seq that anybody was told of.
        conflicts: times that a seq was another event than it was before, for whomever.
        twice: keys that are stored at more than one seq.
    """

    events: dict[int, int] = field(default_factory=dict)
    top: int = 0
    conflicts: int = 0
    twice: int = 0
    _places: dict[int, int] = field(default_factory=dict)

    def tell(self, seq: int, key: int) -> None:
        """Somebody was told that this event has this seq."""
        known = self.events.setdefault(seq, key)
        if known != key:
            self.conflicts += 1
            return
        if self._places.setdefault(key, seq) != seq:
            self._places[key] = seq
            self.twice += 1
        self.top = max(self.top, seq)

    def out_of_order(self, excused: set[int]) -> int:
        """How many events stand after a younger one of their sender; the order of those `excused` is not promised."""
        newest: dict[int, int] = {}
        wrong = 0
        for _, key in sorted(self.events.items()):
            sender = key >> 32
            if key in excused:
                continue
            wrong += key < newest.get(sender, -1)
            newest[sender] = max(key, newest.get(sender, -1))
        return wrong

    def forget(self) -> None:
        """Let go of the events told so far, once they are judged; counts and seats stay as they are."""
        self.events.clear()
        self._places.clear()

    def compare(self, shown: Iterable[tuple[int, int]]) -> None:
        """Somebody else was shown these pairs of seq and key. A seq that the ledger lacks is no contradiction."""
        self.conflicts += sum(self.events.get(seq, key) != key for seq, key in shown)


@dataclass(slots=True)
class Seat:
    """One reader of a room. It has every seq from `first` to before `next` but those missing.

    Attributes:
        first: the first seq that it has to be given.
        next: one after the highest seq that it was given.
        twice: events given again.
        late: events given after a younger one.
    """

    first: int = 1
    next: int = 1
    missing: set[int] = field(default_factory=set)
    vanished: int = 0
    twice: int = 0
    late: int = 0

    def sit(self, seq: int) -> None:
        """Begin after this seq."""
        self.first = self.next = seq + 1

    def run(self, first: int, last: int) -> bool:
        """Take consecutive events at once if they are what is due; else nothing changes and False is returned."""
        if first != self.next:
            return False
        self.next = last + 1
        return True

    def see(self, seq: int) -> bool:
        """An event arrived; whether it is one that the seat did not have."""
        if seq == self.next:
            self.next = seq + 1
        elif seq > self.next:
            self._skip(seq)
            self.next = seq + 1
        elif seq in self.missing:
            self.missing.discard(seq)
            self.late += 1
        else:
            self.twice += 1
            return False
        return True

    def fill(self, seq: int) -> bool:
        """A page brought an event: it heals a hole, or is due, or is known already. Whether it is new."""
        if seq in self.missing:
            self.missing.discard(seq)
            return True
        return seq >= self.next and self.see(seq)

    def lost(self, top: int) -> int:
        """How many events up to `top` the seat was not given."""
        return len(self.missing) + self.vanished + max(0, top + 1 - self.next)

    def given(self) -> int:
        """How many different events the seat was given."""
        return self.next - self.first - len(self.missing) - self.vanished

    def _skip(self, seq: int) -> None:
        room = MISSING_MAX - len(self.missing)
        self.missing.update(range(self.next, min(seq, self.next + room)))
        self.vanished += max(0, seq - self.next - room)
