"""What a run recorded: per client everything it was told and did, per room the log at the end. JSON lines on disk.

Records are facts, not judgements. Times are seconds since the run began.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from app.events import Position
from app.traffic.faults import FaultMark

TEXT_MAX = 120


class Event(NamedTuple):
    """An event of a room's sequence, with a long text replaced by its digest (see `short`).

    `of`, `emoji` and `on` are those of an amendment; `deleted` and `reactions`, pairs of emoji and user, are what was
    folded into a message.
    """

    seq: int
    mid: str
    user: str
    cid: str
    text: str
    kind: str = "message"
    of: int = 0
    emoji: str = ""
    on: bool = False
    deleted: bool = False
    reactions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, message: dict[str, Any]) -> Event:
        """From the wire."""
        given = message.get("reactions", ())
        return cls(
            message["seq"],
            message["mid"],
            message["user"],
            message["cid"],
            short(message.get("text", "")),
            message["type"],
            message.get("of", 0),
            message.get("emoji", ""),
            message.get("on", False),
            message.get("deleted", False),
            tuple((one["emoji"], user) for one in given for user in one["users"]),
        )

    @property
    def identity(self) -> tuple[object, ...]:
        """What is the same for everybody at any time, whatever has been folded meanwhile."""
        kind = "edited" if self.kind == "superseded" else self.kind
        return (self.seq, self.mid, self.user, self.cid, kind, self.of, self.emoji, self.on)


def short(text: str) -> str:
    """A text, or what stands for a long one: its beginning, digest and length."""
    if len(text) <= TEXT_MAX:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[:40]}...{digest}:{len(text)}"


class Base(msgspec.Struct, frozen=True, tag=True, tag_field="kind"):
    """Of every record: when, and in which room."""

    at: float
    room: str


class Joined(Base, frozen=True, tag="joined"):
    """The server's answer to a join. `since` is None for a fresh one; then the events count as handed on."""

    since: Position | None
    position: Position
    recovered: bool
    events: list[Event]


class Resync(Base, frozen=True, tag="resync"):
    """The server's new account of a room."""

    position: Position
    lost: bool
    events: list[Event]


class Seen(Base, frozen=True, tag="seen"):
    """An event handed on by the client."""

    event: Event


class Repeat(Base, frozen=True, tag="repeat"):
    """An event that arrived again and was dropped by the client."""

    event: Event


class Hole(Base, frozen=True, tag="hole"):
    """An event that arrived although others before it had not; dropped by the client, which then resumes."""

    event: Event


class Sent(Base, frozen=True, tag="sent"):
    """The client was asked to send this. The same cid may be sent again later, with the same content.

    `what` is the kind of event that comes of it, `of` and `of_mid` name the message that it amends.
    """

    cid: str
    text: str
    what: str = "message"
    of: int = 0
    emoji: str = ""
    on: bool = False
    of_mid: str = ""


class Acked(Base, frozen=True, tag="acked"):
    """The server acknowledged it."""

    cid: str
    seq: int
    mid: str
    dup: bool


class Failed(Base, frozen=True, tag="failed"):
    """The send ended without an ack. `unknown`: it may be stored; else the server refused it for good, with `code`."""

    cid: str
    unknown: bool
    code: str


class State(Base, frozen=True, tag="state"):
    """The connection changed (room is empty): connecting, online, waiting, offline; the last close code."""

    state: str
    code: int
    node: str


class Away(Base, frozen=True, tag="away"):
    """The tool cut this client's connection (room is empty); it stays away for so long before it comes back."""

    seconds: float


Record = Joined | Resync | Seen | Repeat | Hole | Sent | Acked | Failed | State | Away


@dataclass(slots=True)
class ClientHistory:
    """One client's records, in order. `ordered`: it had one send in flight per room, so its order is promised."""

    name: str
    user: str = ""
    ordered: bool = True
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class RoomLog:
    """A room's log as read by page at the end, with the position that a fresh join was given."""

    room: str
    position: Position
    events: list[Event]

    @property
    def ends_there(self) -> bool:
        """Whether the log ends at the position."""
        last = self.events[-1] if self.events else None
        return (last.seq, last.mid) == (self.position.seq, self.position.mid) if last else not self.position.seq


@dataclass(slots=True)
class History:
    """A whole run."""

    clients: list[ClientHistory] = field(default_factory=list)
    logs: dict[str, RoomLog] = field(default_factory=dict)
    faults: list[FaultMark] = field(default_factory=list)
    ended: float = 0.0


class _Line(msgspec.Struct, omit_defaults=True):
    """A line of the file: one of these."""

    client: str = ""
    record: Record | None = None
    head: ClientHistory | None = None
    log: RoomLog | None = None
    fault: FaultMark | None = None
    ended: float | None = None


def write(history: History, path: Path) -> None:
    """Write a history as JSON lines."""
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for client in history.clients:
            head = ClientHistory(client.name, client.user, client.ordered)
            file.write(encode(_Line(head=head)) + b"\n")
            for record in client.records:
                file.write(encode(_Line(client=client.name, record=record)) + b"\n")
        _write_rest(history, file, encode)


def _write_rest(history: History, file: IO[bytes], encode: Any) -> None:
    for log in history.logs.values():
        file.write(encode(_Line(log=log)) + b"\n")
    for fault in history.faults:
        file.write(encode(_Line(fault=fault)) + b"\n")
    file.write(encode(_Line(ended=history.ended)) + b"\n")


def read(path: Path) -> History:
    """Read what `write` wrote. Raises msgspec.DecodeError for anything else."""
    history = History()
    clients: dict[str, ClientHistory] = {}
    decode = msgspec.json.Decoder(_Line).decode
    with path.open("rb") as file:
        for raw in file:
            line = decode(raw)
            if line.head is not None:
                clients[line.head.name] = line.head
                history.clients.append(line.head)
            elif line.record is not None:
                clients[line.client].records.append(line.record)
            elif line.log is not None:
                history.logs[line.log.room] = line.log
            elif line.fault is not None:
                history.faults.append(line.fault)
            elif line.ended is not None:
                history.ended = line.ended
    return history
