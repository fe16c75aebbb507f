"""The judge of parley verify: it passes whole histories and finds every kind of damage."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.events import Position
from app.traffic.faults import FaultMark
from app.traffic.history import (
    Acked,
    Away,
    ClientHistory,
    Event,
    Failed,
    History,
    Hole,
    Joined,
    Record,
    Repeat,
    Resync,
    RoomLog,
    Seen,
    Sent,
    read,
    short,
    write,
)
from app.verify.checker import Verdict, Violation, judge
from app.verify.report import Run, longest_silence, silences

ROOMS = ("r0", "r1")
EPOCH = "e1"


class World:
    """A chat without faults of its own: clients come, send, lose their connection, resume; some sends stay unknown."""

    def __init__(self, seed: int, clients: int = 4, steps: int = 160) -> None:
        self.dice = random.Random(seed)
        self.logs: dict[str, list[Event]] = {room: [] for room in ROOMS}
        self.clients = [ClientHistory(f"c{number}", f"u{number}") for number in range(clients)]
        self.has: dict[tuple[str, str], int] = {}
        self.there: set[tuple[str, str]] = set()
        self.at = 0.0
        for client in self.clients:
            for room in ROOMS:
                self.join(client, room)
        for number in range(steps):
            self.step(number)
        for client in self.clients:
            for room in ROOMS:
                if (client.name, room) not in self.there:
                    self.join(client, room)
        for room in ROOMS:
            self.every_kind(self.clients[0], room)

    def position(self, room: str, seq: int | None = None) -> Position:
        events = self.logs[room]
        seq = len(events) if seq is None else seq
        return Position(EPOCH, seq, events[seq - 1].mid if seq else "")

    def join(self, client: ClientHistory, room: str) -> None:
        key, events = (client.name, room), self.logs[room]
        seq = self.has.get(key)
        since = None if seq is None else self.position(room, seq)
        page = list(events[-50:] if seq is None else events[seq:])
        client.records.append(Joined(self.at, room, since, self.position(room), seq is not None, page))
        if seq is not None:
            client.records += [Seen(self.at, room, event) for event in page]
        self.has[key] = len(events)
        self.there.add(key)

    def step(self, number: int) -> None:
        self.at += 0.1
        client, room = self.dice.choice(self.clients), self.dice.choice(ROOMS)
        key = (client.name, room)
        match self.dice.randrange(10):
            case 0:
                self.there.discard(key)
            case 1 | 2 if key not in self.there:
                self.join(client, room)
            case 3 | 4 if key in self.there and self.logs[room]:
                self.amend(client, room, f"{client.name}-{number}")
            case _ if key in self.there:
                self.send(client, room, f"{client.name}-{number}", self.dice.random())

    def send(self, client: ClientHistory, room: str, cid: str, fate: float) -> None:
        text = f"text {cid}"
        client.records.append(Sent(self.at, room, cid, text))
        if fate < 0.05:  # refused, or lost on the way
            client.records.append(Failed(self.at, room, cid, fate < 0.03, "unavailable"))
            return
        event = self.store(room, client.user, cid, text)
        seq = event.seq
        if fate < 0.1:  # stored, but the sender never learns it
            client.records.append(Failed(self.at, room, cid, True, "Unconfirmed"))
            return
        client.records.append(Acked(self.at, room, cid, seq, event.mid, False))
        if fate > 0.9:  # sent again
            client.records.append(Sent(self.at, room, cid, text))
            client.records.append(Acked(self.at, room, cid, seq, event.mid, True))

    def store(self, room: str, user: str, cid: str, text: str, *more: object) -> Event:
        seq = len(self.logs[room]) + 1
        event = Event(seq, f"m{seq}", user, cid, text, *more)
        self.logs[room].append(event)
        for other in self.clients:
            if (other.name, room) in self.there:
                other.records.append(Seen(self.at, room, event))
                self.has[other.name, room] = seq
        return event

    def every_kind(self, client: ClientHistory, room: str) -> None:
        """A message that is edited twice and reacted to, and one that is deleted."""
        for number, steps in enumerate((("edited", "edited", "reacted"), ("reacted", "deleted"))):
            self.send(client, room, f"{room}-last-{number}", 0.5)
            target = self.logs[room][-1]
            for step, what in enumerate(steps):
                self.change(client, room, f"{room}-last-{number}-{step}", self.logs[room][target.seq - 1], what, True)

    def amend(self, client: ClientHistory, room: str, cid: str) -> None:
        messages = [event for event in self.logs[room] if event.kind == "message" and not event.deleted]
        if messages:
            target = self.dice.choice(messages)
            own = target.user == client.user
            what = self.dice.choice(["edited", "edited", "deleted", "reacted"]) if own else "reacted"
            self.change(client, room, cid, target, what, self.dice.random() < 0.7)

    def change(self, client: ClientHistory, room: str, cid: str, target: Event, what: str, on: bool) -> None:
        log = self.logs[room]
        text = f"edit {cid}" if what == "edited" else ""
        emoji, on = ("+", on) if what == "reacted" else ("", False)
        client.records.append(Sent(self.at, room, cid, text, what, target.seq, emoji, on))
        if what == "reacted":
            reactions = tuple(pair for pair in target.reactions if pair != (emoji, client.user))
            folded = target._replace(reactions=(*reactions, (emoji, client.user)) if on else reactions)
        else:
            gone = what == "deleted"
            folded = target._replace(text=text, deleted=gone, reactions=() if gone else target.reactions)
            for number, event in enumerate(log):
                if event.kind == "edited" and event.of == target.seq:
                    log[number] = event._replace(kind="superseded", text="")
        log[target.seq - 1] = folded
        event = self.store(room, client.user, cid, text, what, target.seq, emoji, on)
        client.records.append(Acked(self.at, room, cid, event.seq, event.mid, False))

    def history(self) -> History:
        logs = {room: RoomLog(room, self.position(room), list(events)) for room, events in self.logs.items()}
        return History(self.clients, logs, [], self.at)


# Damages: each changes a history in one place and names the rules one of which has to find it.

Damage = Callable[[History, random.Random], set[str]]


def _pick(
    history: History, dice: random.Random, kind: type[Record], which: Callable[[Record], bool] = lambda _: True
) -> tuple[ClientHistory, int]:
    places = [
        (client, number)
        for client in history.clients
        for number, record in enumerate(client.records)
        if isinstance(record, kind) and which(record)
    ]
    return dice.choice(places)


def _change(client: ClientHistory, number: int, **changes: object) -> None:
    client.records[number] = msgspec.structs.replace(client.records[number], **changes)


def _page_of_some(record: Record) -> bool:
    return isinstance(record, Joined) and len(record.events) > 1


def drop_a_seen_event(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    del client.records[number]
    return {"hole", "lost"}


def drop_the_last_seen_event(history: History, dice: random.Random) -> set[str]:
    room = dice.choice(ROOMS)
    client, _ = _pick(history, dice, Seen, lambda record: record.room == room)
    number = max(n for n, record in enumerate(client.records) if isinstance(record, Seen) and record.room == room)
    del client.records[number]
    return {"lost", "hole"}


def hand_an_event_on_twice(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    client.records.insert(number + dice.randrange(2), client.records[number])
    return {"twice"}


def swap_two_events(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    room = client.records[number].room
    others = [n for n, record in enumerate(client.records) if isinstance(record, Seen) and record.room == room]
    other = dice.choice([n for n in others if n != number])
    records = client.records
    records[number], records[other] = records[other], records[number]
    return {"hole"}


def alter_a_seen_text(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    _change(client, number, event=client.records[number].event._replace(text="something else"))
    return {"order", "phantom"}


def alter_a_seen_author(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    _change(client, number, event=client.records[number].event._replace(user="somebody"))
    return {"order", "phantom"}


def alter_a_seen_seq(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    event = client.records[number].event
    _change(client, number, event=event._replace(seq=event.seq + dice.choice((-2, -1, 1, 2))))
    return {"hole", "order"}


def alter_a_seen_mid(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    _change(client, number, event=client.records[number].event._replace(mid="other"))
    return {"order"}


def hand_on_an_event_of_another_room(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    record = client.records[number]
    _change(client, number, room=next(room for room in ROOMS if room != record.room))
    return {"phantom", "hole"}


def invent_an_event(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    record = client.records[number]
    event = record.event
    ghost = Event(event.seq + 1, "ghost", event.user, "ghost", "boo")
    client.records.insert(number + 1, Seen(record.at, record.room, ghost))
    return {"phantom"}


def invent_an_event_for_everybody(history: History, dice: random.Random) -> set[str]:
    room = dice.choice(ROOMS)
    log = history.logs[room]
    ghost = Event(log.position.seq + 1, "ghost", "u0", "ghost", "boo")
    history.logs[room] = RoomLog(room, Position(EPOCH, ghost.seq, ghost.mid), [*log.events, ghost])
    for client in history.clients:
        client.records.append(Seen(history.ended, room, ghost))
    return {"phantom"}


def skip_an_event_on_the_wire(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    record = client.records[number]
    client.records.insert(number + 1, Hole(record.at, record.room, record.event))
    return {"hole"}


def repeat_another_event(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    record = client.records[number]
    client.records.insert(number + 1, Repeat(record.at, record.room, record.event._replace(mid="other")))
    return {"order"}


def answer_an_ack_for_nothing_sent(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Acked)
    _change(client, number, cid="never")
    return {"phantom"}


def acknowledge_what_is_not_stored(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Sent)
    record = client.records[number]
    top = history.logs[record.room].position
    client.records += [
        Sent(history.ended, record.room, "lost", "lost"),
        Acked(history.ended, record.room, "lost", top.seq + 1, "lost", False),
    ]
    return {"lost"}


def acknowledge_another_seq(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Acked)
    record = client.records[number]
    _change(client, number, seq=record.seq + dice.choice((-1, 1)))
    return {"ack"}


def acknowledge_another_mid(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Acked)
    _change(client, number, mid="other")
    return {"ack"}


def store_a_send_twice(history: History, dice: random.Random) -> set[str]:
    room = dice.choice(ROOMS)
    log = history.logs[room]
    first = dice.choice(log.events)
    again = first._replace(seq=log.position.seq + 1, mid="again")
    history.logs[room] = RoomLog(room, Position(EPOCH, again.seq, again.mid), [*log.events, again])
    for client in history.clients:
        client.records.append(Seen(history.ended, room, again))
    return {"twice"}


def send_in_another_order(history: History, dice: random.Random) -> set[str]:
    client = dice.choice(history.clients)
    for room in dice.sample(ROOMS, len(ROOMS)):
        acked = {record.cid for record in client.records if isinstance(record, Acked) and record.room == room}
        numbers: dict[str, int] = {}
        for number, record in enumerate(client.records):
            if isinstance(record, Sent) and record.cid in acked:
                numbers.setdefault(record.cid, number)
        if len(numbers) > 1:
            break
    first, second = sorted(dice.sample(list(numbers.values()), 2))
    records = client.records
    # The second was really sent first: before everything that the client knows of either.
    records.insert(first, records.pop(second))
    return {"own-order"}


def forget_an_event_in_the_log(history: History, dice: random.Random) -> set[str]:
    log = history.logs[dice.choice(ROOMS)]
    del log.events[dice.randrange(len(log.events) - 1) + 1]
    return {"log", "lost"}


def forget_the_end_of_the_log(history: History, dice: random.Random) -> set[str]:
    room = dice.choice(ROOMS)
    events = history.logs[room].events[: -dice.randint(1, 3)]
    history.logs[room] = RoomLog(room, Position(EPOCH, events[-1].seq, events[-1].mid), events)
    return {"log", "lost"}


def forget_the_whole_log(history: History, dice: random.Random) -> set[str]:
    room = dice.choice(ROOMS)
    history.logs[room] = RoomLog(room, Position("e2", 0, ""), [])
    return {"lost", "log"}


def show_another_log(history: History, dice: random.Random) -> set[str]:
    log = history.logs[dice.choice(ROOMS)]
    number = dice.randrange(len(log.events))
    log.events[number] = log.events[number]._replace(text="something else")
    return {"order", "phantom"}


def recover_with_a_hole(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, lambda record: record.recovered and len(record.events) > 0)
    record = client.records[number]
    gone = dice.choice(record.events)
    _change(client, number, events=[event for event in record.events if event != gone])
    client.records.remove(Seen(record.at, record.room, gone))
    return {"resume", "hole", "lost"}


def recover_too_much(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, lambda record: record.recovered and record.since.seq > 1)
    record = client.records[number]
    log = history.logs[record.room].events
    _change(client, number, events=[log[record.since.seq - 1], *record.events])
    return {"resume"}


def recover_in_another_epoch(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, lambda record: record.recovered)
    record = client.records[number]
    _change(client, number, position=record.position._replace(epoch="e2"))
    return {"resume"}


def refuse_to_recover_what_is_there(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, lambda record: record.recovered)
    _change(client, number, recovered=False)
    return {"resume"}


def call_lost_what_is_there(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen)
    record = client.records[number]
    position = Position(EPOCH, record.event.seq, record.event.mid)
    client.records.insert(number + 1, Resync(record.at, record.room, position, True, [record.event]))
    return {"resume"}


def tear_a_page(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, _page_of_some)
    record = client.records[number]
    gone = dice.randrange(len(record.events))
    _change(client, number, events=[event for place, event in enumerate(record.events) if place != gone])
    return {"hole", "resume"}


def resume_elsewhere(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Joined, lambda record: record.since is not None and record.since.seq > 1)
    since = client.records[number].since
    _change(client, number, since=since._replace(seq=since.seq - 1))
    return {"resume"}


def _log_event(history: History, dice: random.Random, which: Callable[[Event], object]) -> tuple[list[Event], int]:
    places = [(log.events, n) for log in history.logs.values() for n, event in enumerate(log.events) if which(event)]
    return dice.choice(places)


def _sent_text(history: History, cid: str) -> str:
    sends = [record for client in history.clients for record in client.records if isinstance(record, Sent)]
    return next(record.text for record in sends if record.cid == cid)


def keep_the_old_text_in_the_log(history: History, dice: random.Random) -> set[str]:
    log, last = _log_event(history, dice, lambda event: event.kind == "edited")
    number = last - (log[last].seq - log[last].of)
    log[number] = log[number]._replace(text=_sent_text(history, log[number].cid))
    return {"fold"}


def keep_a_superseded_text(history: History, dice: random.Random) -> set[str]:
    log, number = _log_event(history, dice, lambda event: event.kind == "superseded")
    log[number] = log[number]._replace(kind="edited", text=_sent_text(history, log[number].cid))
    return {"fold"}


def forget_a_deletion_in_the_log(history: History, dice: random.Random) -> set[str]:
    log, number = _log_event(history, dice, lambda event: event.deleted)
    log[number] = log[number]._replace(deleted=False, text=_sent_text(history, log[number].cid))
    return {"fold"}


def delete_what_nobody_deleted(history: History, dice: random.Random) -> set[str]:
    log, number = _log_event(history, dice, lambda event: event.kind == "message" and not event.deleted)
    log[number] = log[number]._replace(deleted=True, text="", reactions=())
    return {"phantom"}


def forget_a_reaction_in_the_log(history: History, dice: random.Random) -> set[str]:
    log, number = _log_event(history, dice, lambda event: event.reactions)
    log[number] = log[number]._replace(reactions=log[number].reactions[1:])
    return {"fold"}


def invent_a_reaction_in_the_log(history: History, dice: random.Random) -> set[str]:
    log, number = _log_event(history, dice, lambda event: event.kind == "message" and not event.deleted)
    log[number] = log[number]._replace(reactions=(*log[number].reactions, ("+", "somebody")))
    return {"fold"}


def amend_another_message(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen, lambda record: record.event.of > 0)
    event = client.records[number].event
    _change(client, number, event=event._replace(of=event.of + 1))
    return {"order", "phantom"}


def turn_a_reaction_around(history: History, dice: random.Random) -> set[str]:
    client, number = _pick(history, dice, Seen, lambda record: record.event.kind == "reacted")
    event = client.records[number].event
    _change(client, number, event=event._replace(on=not event.on))
    return {"order", "phantom"}


def show_an_older_text(history: History, dice: random.Random) -> set[str]:
    """A client is given a message folded as it was before its last edit, and never the edit as it is."""
    last = {event.cid for log in history.logs.values() for event in log.events if event.kind == "edited"}
    places = []
    for one in history.clients:
        fresh = {
            (record.room, record.event.seq, record.event.text): record for record in one.records if type(record) is Seen
        }
        for n, record in enumerate(one.records):
            if type(record) is Seen and record.event.cid in last:
                event = record.event
                shown = [text for room, seq, text in fresh if (room, seq) == (record.room, event.of)]
                places += [(one, n)] if shown and shown[0] != event.text else []
    client, number = dice.choice(places)
    _change(client, number, event=client.records[number].event._replace(kind="superseded", text=""))
    return {"fold"}


DAMAGES: list[Damage] = [
    keep_the_old_text_in_the_log,
    keep_a_superseded_text,
    forget_a_deletion_in_the_log,
    delete_what_nobody_deleted,
    forget_a_reaction_in_the_log,
    invent_a_reaction_in_the_log,
    amend_another_message,
    turn_a_reaction_around,
    show_an_older_text,
    drop_a_seen_event,
    drop_the_last_seen_event,
    hand_an_event_on_twice,
    swap_two_events,
    alter_a_seen_text,
    alter_a_seen_author,
    alter_a_seen_seq,
    alter_a_seen_mid,
    hand_on_an_event_of_another_room,
    invent_an_event,
    invent_an_event_for_everybody,
    skip_an_event_on_the_wire,
    repeat_another_event,
    answer_an_ack_for_nothing_sent,
    acknowledge_what_is_not_stored,
    acknowledge_another_seq,
    acknowledge_another_mid,
    store_a_send_twice,
    send_in_another_order,
    forget_an_event_in_the_log,
    forget_the_end_of_the_log,
    forget_the_whole_log,
    show_another_log,
    recover_with_a_hole,
    recover_too_much,
    recover_in_another_epoch,
    refuse_to_recover_what_is_there,
    call_lost_what_is_there,
    tear_a_page,
    resume_elsewhere,
]


def rules(verdict: Verdict) -> set[str]:
    """The rules that were broken."""
    return {violation.rule for violation in verdict.violations}


@pytest.mark.parametrize("seed", range(20))
def test_a_whole_history_passes(seed: int):
    """Nobody is accused: not with resumes, repeats, refused and unknown sends."""
    verdict = judge(World(seed).history())
    assert verdict.violations == []
    assert verdict.acked > 50
    assert verdict.resumed > 5
    assert verdict.unknown
    assert verdict.amended > 5
    assert verdict.folded > 100


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("seed", range(12))
def test_every_damage_is_found(damage: Damage, seed: int):
    """One change in one place is a violation, by a rule that fits, and the evidence can be read."""
    history = copy.deepcopy(World(seed).history())
    fitting = damage(history, random.Random(seed))
    verdict = judge(history)
    assert rules(verdict) & fitting, [str(violation) for violation in verdict.violations]
    assert all(str(violation) for violation in verdict.violations)


def test_a_gap_that_was_told_is_no_loss():
    """A log that is gone, and everybody told so: what was acknowledged is lost, but nobody was lied to about it."""
    old, new = [Event(1, "m1", "u", "a", "a"), Event(2, "m2", "u", "b", "b")], Event(1, "n1", "u", "c", "c")
    records: list[Record] = [
        Joined(0, "r", None, Position("e1", 0, ""), False, []),
        Sent(1, "r", "a", "a"),
        Seen(1, "r", old[0]),
        Sent(1, "r", "b", "b"),
        Seen(1, "r", old[1]),
        Resync(2, "r", Position("e2", 0, ""), True, []),
        Sent(3, "r", "c", "c"),
        Seen(3, "r", new),
        Acked(3, "r", "c", 1, "n1", False),
    ]
    history = History([ClientHistory("c", "u", True, records)], {"r": RoomLog("r", Position("e2", 1, "n1"), [new])})
    verdict = judge(history)
    assert verdict.gaps_told == 1
    assert rules(verdict) == {"log"}, "what was shown is not in the log any more, and nothing else is wrong"


def test_a_client_that_came_late_needs_only_what_came_after():
    """Older events than its first page are not missing."""
    log = [Event(seq, f"m{seq}", "u", f"x{seq}", "t") for seq in range(1, 8)]
    sender: list[Record] = [Joined(0, "r", None, Position("e1", 0, ""), False, [])]
    for event in log:
        sender += [
            Sent(1, "r", event.cid, "t"),
            Seen(1, "r", event),
            Acked(1, "r", event.cid, event.seq, event.mid, False),
        ]
    late: list[Record] = [Joined(2, "r", None, Position("e1", 7, "m7"), False, log[-2:])]
    history = History(
        [ClientHistory("c0", "u", True, sender), ClientHistory("c1", "v", True, late)],
        {"r": RoomLog("r", Position("e1", 7, "m7"), log)},
    )
    assert judge(history).violations == []


def test_a_log_that_was_trimmed_is_judged_by_what_it_has():
    """Events older than the log's oldest are no loss."""
    history = World(3).history()
    for room, log in history.logs.items():
        history.logs[room] = RoomLog(room, log.position, log.events[5:])
    assert judge(history).violations == []


def test_a_fault_after_which_somebody_stays_away_is_a_violation():
    """Nothing lost, but the service did not come back: that is no pass."""
    history = World(2).history()
    history.faults = [FaultMark("kill-redis", 1.0, 2.0, 3.0), FaultMark("kill-worker", 4.0, 4.0, None)]
    assert [str(violation) for violation in judge(history).violations] == [
        "[back] all rooms: kill-worker at 4.00 s: not everybody was served again in time"
    ]


def test_nothing_at_all_is_nothing_acknowledged():
    """An empty history breaks no promise and proves nothing."""
    verdict = judge(History())
    assert (verdict.violations, verdict.acked) == ([], 0)


def test_a_history_survives_the_disk(tmp_path: Path):
    """What is read is what was written."""
    history = World(1).history()
    history.faults.append(FaultMark("kill-worker", 1.0, 2.0, None, "worker 1 killed", True))
    write(history, tmp_path / "history.jsonl")
    assert read(tmp_path / "history.jsonl") == history


def test_a_long_text_is_kept_as_its_digest():
    """Two long texts that differ at the end are still told apart."""
    one, other = "x" * 5000 + "a", "x" * 5000 + "b"
    assert short("hello") == "hello"
    assert len(short(one)) < 120
    assert short(one) != short(other)


# What the report makes of a history


def test_the_longest_silence_counts_from_the_fault_to_the_end():
    """Before the first and after the last delivery it is silent too; what lies outside does not count."""
    times = [0.0, 1.0, 1.5, 4.0, 9.0]
    assert longest_silence(times, 1.0, 5.0) == 2.5
    assert longest_silence(times, 4.5, 8.0) == 3.5


def test_a_fault_is_measured_by_those_it_alone_disturbed():
    """A client that the tool itself had cut says nothing about the fault; the slowest of the others does."""
    event = Event(1, "m1", "u", "x", "t")
    steady: list[Record] = [Seen(at, "r", event) for at in (1.0, 2.5, 3.0, 3.8)]
    slow: list[Record] = [Seen(at, "r", event) for at in (1.0, 2.0, 3.6)]
    cut: list[Record] = [Seen(1.0, "r", event), Away(1.5, "", 8.0), Seen(9.9, "r", event)]
    clients = [ClientHistory(f"c{number}", "u", True, records) for number, records in enumerate((steady, slow, cut))]
    fault = FaultMark("freeze-redis", 2.0, 3.0, 4.0, "", True)
    (silence,) = silences(History(clients, {}, [fault], 10.0))
    assert silence.nobody == pytest.approx(0.6)
    assert silence.worst_client == pytest.approx(1.6)
    assert silence.back == pytest.approx(0.8)


def test_the_exit_code_says_what_was_proved():
    """0 a proof, 1 a violation even if little was tested, 2 nothing was tested."""

    def code(violations: list[Violation], problems: list[str]) -> int:
        sizes = {"seed": 1, "clients": 1, "rooms": 1, "rate": 1.0}
        return Run("", "", **sizes, history=History(), verdict=Verdict(violations), problems=problems).code

    broken = [Violation("lost", "r", "c", "gone")]
    assert (code([], []), code(broken, []), code(broken, ["few"]), code([], ["none"])) == (0, 1, 1, 2)
