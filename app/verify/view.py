"""One client's view of one room, followed record by record: what it was handed, what it was told, what was wrong.

Holds the promises that concern a single connection: no hole, whole pages, exact resumes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from app.events import Position
from app.traffic.history import ClientHistory, Event, Hole, Joined, Record, Repeat, Resync, Seen
from app.traffic.ledger import Seat
from app.verify.fold import Fold


class Gap(NamedTuple):
    """Events that the server said it cannot give: after `since`, up to the seq `upto` of the epoch of `top`."""

    since: Position
    top: Position
    upto: int
    how: str
    at: float


class View:
    """What `follow` found.

    Attributes:
        seats: by epoch, which events it was given. It has to have all from where it began.
        handed: epoch and event, in the order handed on to the user of the client.
        shown: epoch and event of whatever the server sent, pages included.
        gaps: told by the server.
        fold: what was handed on since the last gap, folded: the messages as this client has them now.
        faults: rule and evidence.
    """

    def __init__(self, client: str, room: str) -> None:
        self.client = client
        self.room = room
        self.seats: dict[str, Seat] = {}
        self.handed: list[tuple[str, Event]] = []
        self.shown: list[tuple[str, Event]] = []
        self.gaps: list[Gap] = []
        self.faults: list[tuple[str, str]] = []
        self.fold = Fold()
        self.repeats = 0
        self.resumed = 0
        self._epoch = ""
        self._last: Event | None = None
        self._cursor = 0
        self._top = 0

    def excused(self, epoch: str, seq: int) -> bool:
        """Whether the server told this client that it will not get this event."""
        return any(
            gap.top.epoch == epoch and seq <= gap.upto and (gap.since.epoch != epoch or seq > gap.since.seq)
            for gap in self.gaps
        )

    def take(self, record: Record) -> None:
        """The next record about this room."""
        match record:
            case Joined():
                self._joined(record)
            case Resync():
                self._resync(record)
            case Seen():
                self._seen(record.event)
            case Hole():
                what = f"after {self._cursor} came {record.event.seq} {record.event.mid} at {record.at:.2f} s"
                self._wrong("hole", what)
                self.shown.append((self._epoch, record.event))
            case Repeat():
                self.repeats += 1
                self.shown.append((self._epoch, record.event))
            case _:
                pass

    @property
    def last(self) -> tuple[str, int]:
        """Epoch and seq of where this client is."""
        return self._epoch, self._cursor

    def end(self) -> None:
        """After the last record."""
        self._all_handed_on()

    def _wrong(self, rule: str, what: str) -> None:
        self.faults.append((rule, what))

    def _hand(self, event: Event) -> None:
        self.handed.append((self._epoch, event))
        if not self.seats.setdefault(self._epoch, Seat()).see(event.seq):
            self._wrong("twice", f"handed on again: {event.seq} {event.mid}")
        self.fold.take(event)
        self._last = event
        self._cursor = event.seq

    def _all_handed_on(self) -> None:
        if self._cursor != self._top:
            self._wrong("lost", f"was given events up to {self._top}, but the last one handed on is {self._cursor}")

    def _joined(self, record: Joined) -> None:
        page, position = record.events, record.position
        self._page(page, position, f"the join at {record.at:.2f} s")
        if record.since is None:
            self._cursor = (page[0].seq if page else position.seq + 1) - 1
            self._enter(position, self._cursor)
            for event in page:
                self._hand(event)
            return
        self._all_handed_on()
        self._resumes_itself(record.since)
        self.resumed += record.recovered
        if record.recovered:
            if position.epoch != record.since.epoch:
                self._wrong("resume", f"recovered {record.since} in another epoch, {position}")
            first = page[0].seq if page else position.seq + 1
            if first != record.since.seq + 1:
                self._wrong("resume", f"recovered {record.since}, but the next event given is {first}, top {position}")
            self._enter(position)
        else:
            self._told(record.since, position, page, "recovered:false", record.at)

    def _resync(self, record: Resync) -> None:
        self._all_handed_on()
        self._page(record.events, record.position, f"the resync at {record.at:.2f} s")
        since = self._position()
        if record.lost:
            self._told(since, record.position, record.events, "resync lost:true", record.at)
            return
        fresh = self._fresh(record.position, record.events)
        if record.position.epoch != since.epoch or (fresh and fresh[0].seq != since.seq + 1):
            self._wrong("resume", f"resync lost:false after {since} begins at {fresh[0].seq if fresh else None}")
        self._enter(record.position)

    def _told(self, since: Position, position: Position, page: list[Event], how: str, at: float) -> None:
        fresh = self._fresh(position, page)
        upto = (fresh[0].seq if fresh else position.seq + 1) - 1
        self.fold = Fold()
        self.gaps.append(Gap(since, position, upto, how, at))
        self._enter(position)
        self._cursor = upto

    def _fresh(self, position: Position, page: list[Event]) -> list[Event]:
        """What of a page the client was not given yet."""
        seat = self.seats.get(position.epoch)
        return [event for event in page if seat is None or not seat.has(event.seq)]

    def _enter(self, position: Position, after: int = 0) -> None:
        """Be in this epoch; if it is the first, only what comes after that seq has to be given."""
        self._epoch, self._top = position.epoch, position.seq
        if self._epoch not in self.seats:
            self.seats[self._epoch] = Seat()
            self.seats[self._epoch].sit(after)

    def _page(self, page: list[Event], position: Position, what: str) -> None:
        """A page is whole and ends at its position."""
        for before, event in pairwise(page):
            if event.seq != before.seq + 1:
                self._wrong("hole", f"{what} brings {event.seq} after {before.seq}")
        if page and (page[-1].seq, page[-1].mid) != (position.seq, position.mid):
            self._wrong("hole", f"{what} ends at {page[-1].seq} {page[-1].mid}, its position is {position}")
        self.shown += [(position.epoch, event) for event in page]

    def _seen(self, event: Event) -> None:
        if event.seq != self._cursor + 1:
            self._wrong("hole", f"after {self._cursor} was handed {event.seq} {event.mid}")
        self.shown.append((self._epoch, event))
        self._hand(event)
        self._top = max(self._top, event.seq)

    def _position(self) -> Position:
        mid = self._last.mid if self._last is not None and self._last.seq == self._cursor else ""
        return Position(self._epoch, self._cursor, mid)

    def _resumes_itself(self, since: Position) -> None:
        ours = self._position()
        if (ours.epoch, ours.seq) != (since.epoch, since.seq) or (ours.mid and ours.mid != since.mid):
            self._wrong("resume", f"the client resumed at {since}, but the last it handed on is {ours}")


def follow(client: ClientHistory) -> list[View]:
    """The views of all rooms a client was in."""
    views: dict[str, View] = {}
    for record in client.records:
        if record.room:
            views.setdefault(record.room, View(client.name, record.room)).take(record)
    for view in views.values():
        view.end()
    return list(views.values())
