"""Damages: each changes a history in one place and names the rules one of which has to find it."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from app.events import Position
from app.traffic.history import (
    Acked,
    ClientHistory,
    Event,
    History,
    Hole,
    Joined,
    Record,
    Repeat,
    Resync,
    RoomLog,
    Seen,
    Sent,
)
from tests.unit.verify.world import EPOCH, ROOMS

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
