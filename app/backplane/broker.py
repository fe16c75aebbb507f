"""The contract between the chat and whatever stores and orders its events.

Guarantees of every broker; tests/contract runs the same suite against each engine:

1. Changes of one room get consecutive seqs, from 1, without holes, in the order in which they were stored.
2. `stored` is told only of an event that is in the log and was published.
3. A cid of a sender that is among the sender's last 64 changes in the room and not older than 10 minutes is not
   stored again: it is confirmed with the seq it got the first time, as a duplicate.
4. Changes of one sender for one room are stored in the order handed in.
5. Every change handed in is answered exactly once, by its author's `stored`, `found` or `failed`, within the
   broker's deadline. `failed` with NotConfirmed says nothing about whether the event is stored.
6. An amendment is an event of its own, and folded into the message it amends: a read after it gives the message as
   it is now, a text that was replaced or deleted is nowhere any more, and seqs, mids and ts are as before.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from app.errors import ParleyError
from app.events import Position


class Author(Protocol):
    """Who has changes stored, and is told how that went, of all that shared a call together.

    Attributes:
        sender: names the author for dedupe: the user and its client session.
        address: where the author is; empty for back ends.
    """

    sender: str
    address: str

    def stored(self, changes: list[Any], epoch: str, first: int, token: str, ts: int) -> None:
        """The events are in the log, with consecutive seqs from `first`; the mid of each is `token`, a dot, its seq.

        Their publication may come before or after this.
        """

    def found(self, change: Any, epoch: str, seq: int, mid: str, ts: int) -> None:
        """The event was there already, as `seq`. `mid` is empty and `ts` 0 if it is no longer kept."""

    def failed(self, changes: list[Any], error: ParleyError) -> None:
        """Not confirmed."""


class Change:
    """One change to be stored.

    Attributes:
        author: who wants to know how that went.
        cid: the author's id for the change.
        body: the event as JSON without its head: begins with a comma, ends with the closing brace.
    """

    __slots__ = ("author", "body", "cid")

    def __init__(self, author: Author, cid: str, body: bytes) -> None:
        self.author = author
        self.cid = cid
        self.body = body


class Amendment(NamedTuple):
    """What a change does to a stored message, or to the room's topic (`of` is 0 then).

    Attributes:
        kind: edit, delete, react or topic.
        of: seq of the message.
        user: who does it. A message is edited and deleted by its own user, unless `foreign` is set.
        value: JSON string: the new text, the emoji, the topic.
        more: edit: who is mentioned now, as a JSON array, if anybody; react: b"1" adds, empty takes away.
        mid: of the message, where its author knows it: another one that has its seq now is left alone.
    """

    kind: str
    of: int
    user: str
    value: bytes = b""
    more: bytes = b""
    foreign: bool = False
    mid: str = ""


class Page(NamedTuple):
    """A part of a room's log.

    Attributes:
        top: the room's last event at the moment of reading.
        oldest: seq of the oldest event kept (top.seq + 1 if none is).
        proved: whether the position to resume from was proved to be in this log.
        events: consecutive events, oldest first, with all amendments up to `top` folded in.
        topic: the room's topic as JSON, empty if there is none.
        others: how many events up to `top` were no messages.
    """

    top: Position
    oldest: int
    proved: bool
    events: list[bytes]
    topic: bytes = b""
    others: int = 0


class Broker(Protocol):
    """Publish and history. All reads raise Unavailable or NotConfirmed when Redis does not answer in time."""

    def publish(self, room: str, change: Change) -> None:
        """Store and publish a change with the others of this turn of the event loop.

        Raises:
            Unavailable: the store cannot be reached or too much waits for it; nothing was sent.
        """

    def amend(self, room: str, change: Change, amendment: Amendment) -> None:
        """Store, fold in and publish an amendment, in order with the same caller's other changes of the room.

        It fails with UnknownMessage (none with that seq and mid, or not kept any more), BadRequest (deleted already, no
        room for one more reaction) or Forbidden (of another user), and then nothing is stored.

        Raises:
            Unavailable: as `publish`.
        """

    async def latest(self, room: str, limit: int) -> Page:
        """The last `limit` events; makes the room's epoch if it has none."""

    async def since(self, room: str, position: Position, limit: int) -> Page:
        """Up to `limit` events after a position, `proved` only if that position is provably in this log."""

    async def between(self, room: str, first: int, limit: int) -> Page:
        """Up to `limit` events from seq `first` (at least 1) on."""
