"""A chat without faults of its own, whose history the tests of the judge damage."""

from __future__ import annotations

import random

from app.events import Position
from app.traffic.history import Acked, ClientHistory, Event, Failed, History, Joined, RoomLog, Seen, Sent

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
