"""Edits, deletions, reactions, topics: what members change of what was said before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from app.backplane.broker import Amendment, Broker
from app.errors import BadRequest, Forbidden, ParleyError, TooLarge
from app.member import Member
from app.mentions import mentioned
from app.metrics import Counters
from app.protocol import bodies, replies, requests
from app.protocol.names import emoji, topic_line
from app.rights import Action, Rights
from app.room import Room


class Amending:
    """Takes members' amendments to the broker. `text_chars` is the limit of the same name.

    `people` gives user and name of those who can be mentioned in a room.
    """

    def __init__(
        self,
        broker: Broker,
        counters: Counters,
        text_chars: int,
        people: Callable[[Room], Iterable[tuple[str, str]]],
        rights: Rights,
    ) -> None:
        self._rights = rights
        self._people = people
        self._broker = broker
        self._counters = counters
        self._text_chars = text_chars

    def amend(self, member: Member, request: requests.Amend, room: Room) -> None:
        """Have an amendment of a joined room stored; its ack follows. Raises ClientFault or Unavailable."""
        body, amendment = self._amendment(member, request, room)
        change = Change(member, request, room.name, b"," + replies.encode(body)[1:], self._counters)
        self._broker.amend(room.name, change, amendment)
        change.under_way()

    def _amendment(self, member: Member, request: requests.Amend, room: Room) -> tuple[object, Amendment]:
        """The event to be stored, and what it does."""
        who = (member.user, member.name)
        if isinstance(request, requests.SetTopic):
            if not self._rights.may(member, Action.SET_TOPIC, room.name):
                raise Forbidden("you may not set the topic of this room")
            topic = topic_line(request.topic)
            event = bodies.TopicBody("topic", room.name, request.cid, *who, topic)
            return event, Amendment("topic", 0, member.user, replies.encode(topic))
        if not self._rights.may(member, Action.WRITE, room.name):
            raise Forbidden("you may not write in this room")
        if not request.seq:
            raise BadRequest("seqs begin at 1")
        if isinstance(request, requests.React):
            sign = emoji(request.emoji)
            reacted = bodies.ReactedBody("reacted", room.name, request.cid, request.seq, *who, sign, request.on)
            more = b"1" if request.on else b""
            return reacted, Amendment("react", request.seq, member.user, replies.encode(sign), more)
        foreign = self._rights.may(member, Action.AMEND_FOREIGN, room.name)
        if isinstance(request, requests.Delete):
            deleted = bodies.DeletedBody("deleted", room.name, request.cid, request.seq, *who)
            return deleted, Amendment("delete", request.seq, member.user, foreign=foreign)
        check_text(request.text, self._text_chars)
        users = mentioned(request.text, self._people(room)) if "@" in request.text else []
        edited = bodies.EditedBody("edited", room.name, request.cid, request.seq, *who, request.text, users)
        more = replies.encode(users) if users else b""
        return edited, Amendment("edit", request.seq, member.user, replies.encode(request.text), more, foreign)


def check_text(text: str, most_chars: int) -> None:
    """Raises BadRequest or TooLarge for a text that no message has."""
    if not text:
        raise BadRequest("a text has at least one character")
    if len(text) > most_chars:
        raise TooLarge(f"a text has at most {most_chars} characters", limit="text_chars")


class Change:
    """A change on its way to the log, and the member that waits for its ack."""

    __slots__ = ("_begun", "_counters", "_id", "_member", "_room", "body", "cid", "sender")

    def __init__(
        self, member: Member, request: requests.Send | requests.Amend, room: str, body: bytes, counters: Counters
    ) -> None:
        self.sender = member.sender
        self.cid = request.cid
        self.body = body
        self._member = member
        self._id = request.id
        self._room = room
        self._counters = counters
        self._begun = perf_counter()

    def under_way(self) -> None:
        """The broker has taken it."""
        self._member.unacked += 1
        self._counters.sends += 1
        self._counters.unconfirmed += 1

    def stored(self, seq: int, mid: str, ts: int, dup: bool) -> None:
        """See app.backplane.broker.Change."""
        self._member.unacked -= 1
        self._counters.unconfirmed -= 1
        self._counters.acks += 1
        self._counters.send_to_ack_seconds.observe(perf_counter() - self._begun)
        self._counters.duplicates += dup
        self._member.reply(replies.encode(replies.Ack(self._id, self._room, self.cid, seq, mid, ts, dup)))

    def failed(self, error: ParleyError) -> None:
        """See app.backplane.broker.Change."""
        self._member.unacked -= 1
        self._counters.unconfirmed -= 1
        self._counters.refusals += 1
        self._member.reply(replies.refusal(self._id, error))


class Message(Change):
    """A message that somebody is to be told of when it is stored: `tell` gets its seq and whether it was before."""

    __slots__ = ("_tell",)

    def __init__(
        self,
        member: Member,
        request: requests.Send,
        room: str,
        body: bytes,
        counters: Counters,
        tell: Callable[[int, bool], None],
    ) -> None:
        super().__init__(member, request, room, body, counters)
        self._tell = tell

    def stored(self, seq: int, mid: str, ts: int, dup: bool) -> None:
        """See app.backplane.broker.Change."""
        super().stored(seq, mid, ts, dup)
        self._tell(seq, dup)
