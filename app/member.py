"""One connected websocket on this worker, as the chat sees it: who it is and which rooms it has joined."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from app import frames
from app.grants import Grants
from app.outbox import Outbox
from app.protocol import replies
from app.protocol.codes import CloseCode

if TYPE_CHECKING:
    from app.room import Room

ERRORS_IN_A_ROW = 10
WAITING_REQUESTS = 64


class State(IntEnum):
    """Where a member is in its life."""

    GREETING = 0
    HERE = 1
    GONE = 2


class Link(Protocol):
    """The connection under a member."""

    outbox: Outbox
    address: str

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and end the connection."""

    def hold(self) -> None:
        """Stop reading from the peer."""

    def release(self) -> None:
        """Go on reading from the peer."""


class Requests(Protocol):
    """Who carries out what a member asks."""

    def receive(self, member: Member, payload: bytes) -> None:
        """One text frame of the member."""

    def binary(self, member: Member) -> None:
        """One binary frame of the member."""

    def throttled(self, member: Member, limit: str, seconds: float) -> None:
        """The member sends too much of what `limit` names, and is not read for so long."""

    def goodbye(self, member: Member) -> None:
        """The member's peer has closed the connection for good."""

    def lost(self, member: Member) -> None:
        """The member's connection is gone."""


class Member:
    """A connection with an identity. Owns its joined rooms and its place in the order of its own requests.

    `handle` stands for its user (see app.protocol.names); `marked` says whether the user may have read marks.
    `grants` are what its token says it may do. `crowd` is the network with whose guests it is counted; empty for who is
    no guest, and where none are counted.
    `asked` counts its first requests, those that are free.
    `author` is this member as the author of messages in the room it sent to last; see app.author.
    """

    # Browsers cannot see websocket pings, so the page gets a text frame as well.
    heartbeat = frames.text(replies.HEARTBEAT) + frames.PING

    __slots__ = (
        "_requests",
        "asked",
        "author",
        "busy",
        "conn",
        "crowd",
        "errors",
        "grants",
        "handle",
        "link",
        "marked",
        "name",
        "outbox",
        "rooms",
        "session",
        "state",
        "unacked",
        "user",
        "waiting",
    )

    def __init__(self, link: Link, conn: str, requests: Requests) -> None:
        self.link = link
        self.outbox = link.outbox
        self.conn = conn
        self._requests = requests
        self.state = State.GREETING
        self.user = ""
        self.handle = ""
        self.crowd = ""
        self.marked = True
        self.grants: Grants | None = None
        self.name = ""
        self.session = conn
        self.rooms: tuple[Room, ...] = ()
        self.unacked = 0
        self.errors = 0
        self.asked = 0
        self.busy = False
        self.author: object = None
        self.waiting: deque[bytes] | None = None

    @property
    def sender(self) -> str:
        """Names the sender of changes for dedupe: the session within its user."""
        return f"{self.user}/{self.session}"

    @property
    def address(self) -> str:
        """Where its peer is; see app.addresses."""
        return self.link.address

    @property
    def about(self) -> dict[str, str]:
        """What a line of the log says of this member."""
        return {"conn": self.conn, "user": self.user} if self.user else {"conn": self.conn}

    def write(self, data: bytes) -> None:
        """Take frames of a broadcast."""
        self.outbox.write(data)

    @property
    def behind(self) -> bool:
        """Whether the peer reads too slowly to be sent what it can do without."""
        return self.outbox.behind

    def reply(self, payload: bytes) -> None:
        """Answer with one text frame, joined with what else leaves in this turn of the loop."""
        self.outbox.reply(frames.text(payload))

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection for a reason of the chat."""
        self.outbox.flush()
        self.link.close(code, reason)

    def joined(self, name: str) -> Room | None:
        """The room of that name, if this member has joined it."""
        for room in self.rooms:
            if room.name == name:
                return room
        return None

    # Receiver, called by the connection

    def text(self, payload: bytes) -> None:
        """One text message from the peer."""
        self._requests.receive(self, payload)

    def binary(self, payload: bytes) -> None:
        """One binary message from the peer: not part of the protocol."""
        self._requests.binary(self)

    def throttled(self, limit: str, seconds: float) -> None:
        """The peer sends too much and is not read for a while."""
        self._requests.throttled(self, limit, seconds)

    def goodbye(self) -> None:
        """The peer has closed for good."""
        self._requests.goodbye(self)

    def lost(self) -> None:
        """The connection is gone."""
        self._requests.lost(self)
