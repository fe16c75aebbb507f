"""Edits, deletions, reactions, topics: what members change of what was said before."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from app.author import Asked, MemberAuthor
from app.backplane.broker import Amendment, Broker
from app.errors import BadRequest, TooLarge
from app.member import Member
from app.mentions import mentioned
from app.metrics import Counters
from app.protocol import bodies, replies, requests
from app.protocol.names import emoji, topic_line
from app.rights import Action, Rights
from app.room import Room


class Amending:
    """Takes members' amendments to the broker. `text_chars` is the limit of the same name.

    `people` gives user and name of those who can be mentioned in a room. `on_foreign` is told of the amendments of
    those who may amend what others wrote: by whom, in which room, of which seq, and "edit" or "delete". `admit` raises
    RateLimited for a member that changes too much, and gets the text, if there is one.
    """

    def __init__(
        self,
        broker: Broker,
        counters: Counters,
        text_chars: int,
        people: Callable[[Room], Iterable[tuple[str, str]]],
        rights: Rights,
        on_foreign: Callable[[Member, str, int, str], None],
        admit: Callable[[Member, str], None],
    ) -> None:
        self._on_foreign = on_foreign
        self._admit = admit
        self._rights = rights
        self._people = people
        self._broker = broker
        self._counters = counters
        self._text_chars = text_chars

    def amend(self, member: Member, request: requests.Amend, room: Room) -> None:
        """Have an amendment of a joined room stored; its ack follows. Raises ClientFault or Unavailable."""
        self._check(member, request, room)
        # What is made of it may cost a thousand times what its bytes do, so whoever asks too much is refused before.
        self._admit(member, request.text if isinstance(request, requests.Edit) else "")
        body, amendment = self._amendment(member, request, room)
        author = MemberAuthor(member, room, self._counters)
        tell: Callable[[int, bool], None] | None = None
        if amendment.foreign:

            def tell(seq: int, dup: bool) -> None:
                if not dup:
                    self._on_foreign(member, room.name, amendment.of, amendment.kind)

        self._broker.amend(room.name, Asked(author, request, b"," + replies.encode(body)[1:], tell), amendment)
        author.waits()

    def _check(self, member: Member, request: requests.Amend, room: Room) -> None:
        """What can be told cheaply, so that it counts as nothing. Raises ClientFault."""
        if isinstance(request, requests.SetTopic):
            self._rights.check(member, Action.SET_TOPIC, room.name)
            topic_line(request.topic)
            return
        self._rights.check(member, Action.WRITE, room.name)
        if not request.seq:
            raise BadRequest("seqs begin at 1")
        if isinstance(request, requests.React):
            emoji(request.emoji)
        elif isinstance(request, requests.Edit):
            check_text(request.text, self._text_chars)

    def _amendment(self, member: Member, request: requests.Amend, room: Room) -> tuple[object, Amendment]:
        """The event to be stored, and what it does."""
        who = (member.user, member.name)
        if isinstance(request, requests.SetTopic):
            topic = topic_line(request.topic)
            event = bodies.TopicBody("topic", room.name, request.cid, *who, topic)
            return event, Amendment("topic", 0, member.user, replies.encode(topic))
        if isinstance(request, requests.React):
            sign = emoji(request.emoji)
            reacted = bodies.ReactedBody("reacted", room.name, request.cid, request.seq, *who, sign, request.on)
            more = b"1" if request.on else b""
            return reacted, Amendment("react", request.seq, member.user, replies.encode(sign), more, mid=request.mid)
        foreign = self._rights.may(member, Action.AMEND_FOREIGN, room.name)
        if isinstance(request, requests.Delete):
            deleted = bodies.DeletedBody("deleted", room.name, request.cid, request.seq, *who)
            return deleted, Amendment("delete", request.seq, member.user, foreign=foreign, mid=request.mid)
        users = mentioned(request.text, self._people(room)) if "@" in request.text else []
        edited = bodies.EditedBody("edited", room.name, request.cid, request.seq, *who, request.text, users)
        more = replies.encode(users) if users else b""
        text = replies.encode(request.text)
        return edited, Amendment("edit", request.seq, member.user, text, more, foreign, request.mid)


def check_text(text: str, most_chars: int) -> None:
    """Raises BadRequest or TooLarge for a text that no message has."""
    if not text:
        raise BadRequest("a text has at least one character")
    if len(text) > most_chars:
        raise TooLarge(f"a text has at most {most_chars} characters", limit="text_chars")
