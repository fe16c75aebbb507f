"""The judge: pure functions from a history to its violations. No I/O, no clock.

Rules, each with the promise of the protocol it holds the server to:

    order       (1) one (epoch, seq) is one event, the same for everybody and in the log; one mid is one place
    hole        (2) live events follow each other; what a join or a resync brings is whole and ends at its position
    resume      (3) recovered:true brings exactly what came after; a position that is in the log is recovered
    lost        (4) an acknowledged event is in the log, and everybody who was there or came back has it
    twice       (5) one cid is one event; nobody is handed an event twice
    phantom     nobody is given what nobody sent; text, user, room and what is amended are as sent
    ack         an ack names the seq and mid that the event has; every ack of a cid names the same
    own-order   a sender's acknowledged events of a room are in the order in which it sent them
    fold        every message in the log reads as the edits, deletions and reactions after it say, texts that hold no
                longer are gone, and each client that folds the events it was given has the same messages
    log         the log at the end is whole, ends at the room's position, and holds what was seen
    back        after every fault everybody was served again
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import pairwise

from app.events import Position
from app.traffic.history import Acked, ClientHistory, Event, Failed, History, RoomLog, Sent
from app.traffic.ledger import Ledger, Seat, overtaken
from app.verify.fold import compare, misfolded
from app.verify.view import View, follow

Place = tuple[str, int]
Book = Ledger[Place, Hashable]

RESUMABLE_EVENTS = 1000
"""So far back the server promises to resume."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, with its evidence."""

    rule: str
    room: str
    client: str
    what: str

    def __str__(self) -> str:
        where = f"{self.room}, {self.client}" if self.client else self.room
        return f"[{self.rule}] {where}: {self.what}"


@dataclass(slots=True)
class Send:
    """What one client asked for under one cid, and all that came of it. `number` is its place among its records."""

    client: str
    user: str
    number: int
    ordered: bool
    asked: Sent
    acks: list[Acked] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """All violations, and how much there was to judge."""

    violations: list[Violation]
    sends: int = 0
    acked: int = 0
    resent: int = 0
    duplicates: int = 0
    unknown: int = 0
    refused: int = 0
    deliveries: int = 0
    repeats: int = 0
    resumed: int = 0
    gaps_told: int = 0
    amended: int = 0
    folded: int = 0
    heard: int = 0


def judge(history: History) -> Verdict:
    """Hold a history against every rule."""
    verdict = Verdict([])
    sends = _sends(history, verdict)
    views = [view for client in history.clients for view in follow(client)]
    for view in views:
        for rule, what in view.faults:
            verdict.violations.append(Violation(rule, view.room, view.client, what))
        verdict.deliveries += len(view.handed)
        verdict.repeats += view.repeats
        verdict.resumed += view.resumed
        verdict.gaps_told += len(view.gaps)
    verdict.violations += _one_order(history, views)
    for log in history.logs.values():
        verdict.violations += _log_is_whole(log)
    verdict.violations += _nothing_invented(history, views, sends)
    verdict.violations += _acks_are_true(history, sends)
    verdict.violations += _own_order(sends)
    verdict.violations += _back_after_faults(history)
    for log in history.logs.values():
        verdict.violations += _log_is_folded(log, sends)
    for view in views:
        verdict.violations += _folded_alike(view, history.logs.get(view.room), verdict)
        verdict.violations += _all_there(view, history.logs.get(view.room))
        verdict.violations += _resumed_where_possible(view, history.logs.get(view.room))
    _count(sends, verdict)
    return verdict


def _sends(history: History, verdict: Verdict) -> dict[str, Send]:
    """All sends by cid, with their outcomes."""
    sends: dict[str, Send] = {}
    for client in history.clients:
        for number, record in enumerate(client.records):
            match record:
                case Sent():
                    _note_sent(sends, client, number, record, verdict)
                case Acked() | Failed():
                    send = sends.get(record.cid)
                    if send is None or send.client != client.name:
                        what = f"an answer for {record.cid}, which this client never sent"
                        verdict.violations.append(Violation("phantom", record.room, client.name, what))
                    elif isinstance(record, Acked):
                        send.acks.append(record)
                    else:
                        send.failures.append(record)
                case _:
                    pass
    return sends


def _note_sent(sends: dict[str, Send], client: ClientHistory, number: int, record: Sent, verdict: Verdict) -> None:
    if record.cid in sends:
        verdict.resent += 1
        return
    sends[record.cid] = Send(client.name, client.user, number, client.ordered, record)


def _count(sends: dict[str, Send], verdict: Verdict) -> None:
    for send in sends.values():
        verdict.sends += 1
        verdict.acked += bool(send.acks)
        verdict.amended += bool(send.acks) and send.asked.what != "message"
        verdict.duplicates += any(ack.dup for ack in send.acks)
        if not send.acks and send.failures:
            verdict.unknown += send.failures[0].unknown
            verdict.refused += not send.failures[0].unknown


# One order


def _one_order(history: History, views: list[View]) -> list[Violation]:
    """Three ledgers a room: what is at a place, and where each mid and each cid is."""
    found: list[Violation] = []
    books: defaultdict[str, tuple[Book, Book, Book]] = defaultdict(lambda: (Ledger(), Ledger(), Ledger()))
    first: dict[tuple[str, Place], tuple[Event, str]] = {}
    for room, client, epoch, event in _observations(history, views):
        place = epoch, event.seq
        events, mids, cids = books[room]
        known, by = first.setdefault((room, place), (event, client))
        if events.tell(place, event.identity) is not None:
            what = f"seq {event.seq} of epoch {epoch} is {_show(event)}, but for {by} it is {_show(known)}"
            found.append(Violation("order", room, client, what))
        for rule, name, key, book in (("order", "mid", event.mid, mids), ("twice", "cid", event.cid, cids)):
            before = book.tell(place, key)
            if before is not None and before[1] == key:
                (there, seq), _ = before
                what = f"{name} {key} is the event {event.seq} of {epoch} and also the event {seq} of {there}"
                found.append(Violation(rule, room, client, what))
    return found


def _observations(history: History, views: list[View]) -> list[tuple[str, str, str, Event]]:
    """Whatever anybody was shown of a room: room, by whom, epoch, event. The log's view comes first."""
    shown = [
        (log.room, "the log at the end", log.position.epoch, event)
        for log in history.logs.values()
        for event in log.events
    ]
    shown += [(view.room, view.client, epoch, event) for view in views for epoch, event in view.shown]
    return shown


def _show(event: Event) -> str:
    what = f"{event.kind} of {event.of} {event.emoji}" if event.of else repr(event.text)
    return f"{event.mid} {what} by {event.user} (cid {event.cid})"


# Nothing invented, nothing twice


def _nothing_invented(history: History, views: list[View], sends: dict[str, Send]) -> list[Violation]:
    found: list[Violation] = []
    edits: dict[tuple[str, int, str], set[str]] = {}
    deletions: set[tuple[str, int, str]] = set()
    for send in sends.values():
        if send.asked.what == "edited":
            edits.setdefault((send.asked.room, send.asked.of, send.user), set()).add(send.asked.text)
        elif send.asked.what == "deleted":
            deletions.add((send.asked.room, send.asked.of, send.user))
    for room, client, _, event in _observations(history, views):
        sent = sends.get(event.cid)
        if sent is None:
            found.append(Violation("phantom", room, client, f"{_show(event)} at {event.seq} was sent by nobody"))
            continue
        texts = {sent.asked.text}
        if event.kind == "superseded":
            texts = {""}
        elif event.kind == "message":
            place = (room, event.seq, event.user)
            texts |= edits.get(place, set())
            if event.deleted:
                texts = {""} if place in deletions else set()
        kind = "edited" if event.kind == "superseded" else event.kind
        asked = (sent.asked.room, sent.user, sent.asked.what, sent.asked.of, sent.asked.emoji, sent.asked.on)
        if asked != (room, event.user, kind, event.of, event.emoji, event.on) or event.text not in texts:
            truth = f"{sent.client} sent {sent.asked.text!r} as {sent.user} to {sent.asked.room}"
            what = f"{_show(event)} at {event.seq}, but {truth}"
            found.append(Violation("phantom", room, client, what))
    return found


# Folding


def _log_is_folded(log: RoomLog, sends: dict[str, Send]) -> list[Violation]:
    texts = {send.asked.cid: send.asked.text for send in sends.values() if send.asked.what == "message"}
    return [Violation("fold", log.room, "", what) for what in misfolded(log.events, texts)]


def _folded_alike(view: View, log: RoomLog | None, verdict: Verdict) -> list[Violation]:
    """What a client made of all it was given is what the log has now."""
    if log is None or view.last != (log.position.epoch, log.position.seq):
        return []
    compared, differences = compare(view.fold, log.events)
    verdict.folded += compared
    return [Violation("fold", view.room, view.client, what) for what in differences]


# Acks


def _acks_are_true(history: History, sends: dict[str, Send]) -> list[Violation]:
    found: list[Violation] = []
    stored = {room: {event.seq: event for event in log.events} for room, log in history.logs.items()}
    for send in sends.values():
        if not send.acks:
            continue
        first = send.acks[0]
        for ack in send.acks[1:]:
            if ack.seq != first.seq or (ack.mid and first.mid and ack.mid != first.mid):
                what = f"cid {send.asked.cid} was acknowledged as {first.seq} {first.mid} and as {ack.seq} {ack.mid}"
                found.append(Violation("ack", send.asked.room, send.client, what))
        log = history.logs.get(send.asked.room)
        if log is None or not log.events or first.seq < log.events[0].seq:
            if log is None or not log.events:
                what = f"cid {send.asked.cid} was acknowledged as {first.seq}, but the room's log is empty"
                found.append(Violation("lost", send.asked.room, send.client, what))
            continue
        found += _ack_against_log(send, stored[send.asked.room], log)
    return found


def _ack_against_log(send: Send, stored: dict[int, Event], log: RoomLog) -> list[Violation]:
    found: list[Violation] = []
    for ack in send.acks:
        event = stored.get(ack.seq)
        if event is not None and event.cid == send.asked.cid and ack.mid in ("", event.mid):
            continue
        if any(other.cid == send.asked.cid for other in log.events):
            what = f"cid {send.asked.cid} was acknowledged as {ack.seq} {ack.mid}, which is {event and _show(event)}"
            found.append(Violation("ack", send.asked.room, send.client, what))
        else:
            what = (
                f"cid {send.asked.cid} was acknowledged as {ack.seq} {ack.mid} at {ack.at:.2f} s, but is not in the log"
            )
            found.append(Violation("lost", send.asked.room, send.client, what))
    return found


def _own_order(sends: dict[str, Send]) -> list[Violation]:
    """In the order of the rooms, nobody's event stands after one that was sent later."""
    acked = [send for send in sends.values() if send.acks and send.ordered]
    acked.sort(key=lambda send: (send.asked.room, send.acks[0].seq))
    sent = {(send.client, send.number): send for send in acked}
    found = []
    for (client, room), number, younger in overtaken(((send.client, send.asked.room), send.number) for send in acked):
        late, early = sent[client, number], sent[client, younger]
        what = (
            f"cid {early.asked.cid}, sent after {late.asked.cid}, got {early.acks[0].seq}, that one {late.acks[0].seq}"
        )
        found.append(Violation("own-order", room, client, what))
    return found


# The log, and who has it


def _log_is_whole(log: RoomLog) -> list[Violation]:
    found: list[Violation] = []

    def wrong(what: str) -> None:
        found.append(Violation("log", log.room, "", what))

    for before, event in pairwise(log.events):
        if event.seq != before.seq + 1:
            wrong(f"seq {before.seq} is followed by {event.seq}")
    if log.position.seq and not log.events:
        wrong(f"empty, although the room's position is {log.position.seq}")
    elif not log.ends_there:
        wrong(f"ends at {log.events[-1].seq} {log.events[-1].mid}, but the room's position is {log.position}")
    return found


def _all_there(view: View, log: RoomLog | None) -> list[Violation]:
    """Everything in the log after the client's beginning was handed on, or a gap was told; and nothing else."""
    if log is None or not view.seats:
        return []
    found: list[Violation] = []
    epoch, stored = log.position.epoch, {event.seq: event for event in log.events}
    for seq in view.seats.get(epoch, Seat()).absent(log.position.seq):
        if seq in stored and not view.excused(epoch, seq):
            what = f"never got {_show(stored[seq])} at {seq}, and was not told that anything is lost"
            found.append(Violation("lost", view.room, view.client, what))
    oldest = log.events[0].seq if log.events else log.position.seq + 1
    mids = {event.mid for event in log.events}
    for there, event in view.handed:
        if event.mid not in mids and (there != epoch or event.seq >= oldest):
            what = f"was shown {_show(event)} as {event.seq} of {there}, which is not in the log at the end"
            found.append(Violation("log", view.room, view.client, what))
    return found


def _back_after_faults(history: History) -> list[Violation]:
    late = [f"{fault.name} at {fault.begun:.2f} s" for fault in history.faults if fault.back is None]
    return [Violation("back", "all rooms", "", f"{what}: not everybody was served again in time") for what in late]


def _resumed_where_possible(view: View, log: RoomLog | None) -> list[Violation]:
    if log is None:
        return []
    mids = {event.seq: event.mid for event in log.events}
    found: list[Violation] = []
    for gap in view.gaps:
        if _provable(gap.since, log, mids) and gap.top.epoch == log.position.epoch:
            missed = gap.top.seq - gap.since.seq
            if missed <= RESUMABLE_EVENTS:
                what = f"{gap.how} at {gap.at:.2f} s, although the log still has {gap.since} and {missed} events after"
                found.append(Violation("resume", view.room, view.client, what))
    return found


def _provable(since: Position, log: RoomLog, mids: dict[int, str]) -> bool:
    if since.epoch != log.position.epoch:
        return False
    if since.seq == 0:
        return not log.events or log.events[0].seq == 1
    return mids.get(since.seq) == since.mid
