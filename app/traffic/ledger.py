"""Exact accounting of deliveries, pure: what a room said, and what each seat in it was given.

A Ledger is a room's one order, as it came to light: by acks and by whoever was shown an event first. A Seat is one
reader: which of the room's events it has, which it was given twice or late. Nothing here knows a socket or a clock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MISSING_MAX = 100_000

P = TypeVar("P", bound=Hashable)
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Ledger(Generic[P, K]):
    """A room: its events by place (their seq, or epoch and seq), each known by a key that is its own everywhere.

    Attributes:
        conflicts: times that a place was another event than it was before, for whomever.
        twice: keys that are stored at more than one place.
    """

    events: dict[P, K] = field(default_factory=dict)
    conflicts: int = 0
    twice: int = 0
    _places: dict[K, P] = field(default_factory=dict)

    def tell(self, place: P, key: K) -> tuple[P, K] | None:
        """Somebody was told that this event is there; returns the older entry that this contradicts, if one does."""
        known = self.events.setdefault(place, key)
        if known != key:
            self.conflicts += 1
            return place, known
        before = self._places.setdefault(key, place)
        if before == place:
            return None
        self._places[key] = place
        self.twice += 1
        return before, key

    def forget(self) -> None:
        """Let go of the events told so far, once they are judged; counts and seats stay as they are."""
        self.events.clear()
        self._places.clear()

    def compare(self, shown: Iterable[tuple[P, K]]) -> None:
        """Somebody else was shown these pairs of place and key. A place that the ledger lacks is no contradiction."""
        self.conflicts += sum(self.events.get(place, key) != key for place, key in shown)


def overtaken(sent: Iterable[tuple[P, int]]) -> Iterator[tuple[P, int, int]]:
    """Of senders and their own numbers, in a room's order: each that stands after a younger one, and that one."""
    newest: dict[P, int] = {}
    for sender, number in sent:
        before = newest.setdefault(sender, number)
        if number < before:
            yield sender, number, before
        else:
            newest[sender] = number


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

    def has(self, seq: int) -> bool:
        """Whether the seat was given this event, or began after it."""
        return seq < self.next and seq not in self.missing

    def absent(self, top: int) -> Iterator[int]:
        """The events up to `top` that the seat was not given, but for those beyond MISSING_MAX."""
        yield from sorted(self.missing)
        yield from range(self.next, top + 1)

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
