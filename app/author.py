"""A member as the author of changes in one room: what they all share, and how the acks get back to the member."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from app import frames
from app.backplane.broker import Change
from app.errors import ParleyError
from app.member import Member
from app.metrics import Counters
from app.protocol import bodies, replies, requests
from app.protocol.names import DIRECT
from app.room import Room


class MemberAuthor:
    """See app.backplane.broker.Author. `start` begins its messages' bodies; `direct`: they are for one person."""

    __slots__ = ("_counters", "address", "direct", "member", "room", "sender", "start")

    def __init__(self, member: Member, room: Room, counters: Counters) -> None:
        self.member = member
        self.room = room
        self.sender = member.sender
        self.address = member.address
        self.start = bodies.message_start(room.name, member.user, member.name)
        self.direct = room.name.startswith(DIRECT)
        self._counters = counters

    def waits(self) -> None:
        """The broker has taken a change."""
        self.member.unacked += 1
        self._counters.sends += 1
        self._counters.unconfirmed += 1

    def stored(self, changes: list[Asked], epoch: str, first: int, token: str, ts: int) -> None:
        """The acks leave together."""
        self.room.note_stored(epoch, first + len(changes) - 1)
        self._counters.acks += len(changes)
        now, observe = perf_counter(), self._counters.send_to_ack_seconds.observe
        name, encode, acks = self.room.name, replies.encode, []
        for seq, change in enumerate(changes, first):
            observe(now - change.begun)
            acks.append(encode(replies.Ack(change.id, name, change.cid, seq, f"{token}.{seq}", ts, False)))
        self._answered(changes, acks)
        for seq, change in enumerate(changes, first):
            if change.tell is not None:
                change.tell(seq, False)

    def found(self, change: Asked, epoch: str, seq: int, mid: str, ts: int) -> None:
        """The event was there already."""
        self.room.note_stored(epoch, seq)
        self._counters.acks += 1
        self._counters.duplicates += 1
        self._counters.send_to_ack_seconds.observe(perf_counter() - change.begun)
        ack = replies.Ack(change.id, self.room.name, change.cid, seq, mid, ts, True)
        self._answered([change], [replies.encode(ack)])
        if change.tell is not None:
            change.tell(seq, True)

    def failed(self, changes: list[Asked], error: ParleyError) -> None:
        """Each gets the error."""
        self._counters.refusals += len(changes)
        self._answered(changes, [replies.refusal(change.id, error) for change in changes])

    def _answered(self, changes: list[Asked], answers: list[bytes]) -> None:
        self.member.unacked -= len(changes)
        self._counters.unconfirmed -= len(changes)
        self.member.outbox.reply(frames.texts(answers))


class Asked(Change):
    """A change that a member asked for. `tell`, if given, gets its seq and whether it was there before."""

    __slots__ = ("begun", "id", "tell")

    author: MemberAuthor

    def __init__(
        self,
        author: MemberAuthor,
        request: requests.Send | requests.Amend,
        body: bytes,
        tell: Callable[[int, bool], None] | None = None,
    ) -> None:
        self.author = author
        self.cid = request.cid
        self.body = body
        self.id = request.id
        self.tell = tell
        self.begun = perf_counter()
