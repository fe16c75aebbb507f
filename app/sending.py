"""How messages are sent: checked, put together, handed to the broker, and told to whom they are meant for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from app.amending import check_text
from app.author import Asked, MemberAuthor
from app.backplane.broker import Broker
from app.direct import Direct
from app.errors import RateLimited
from app.member import Member
from app.mentions import AUTHORS_OF, mentioned, with_authors
from app.metrics import Counters
from app.presence import Presence
from app.protocol import bodies, requests
from app.quota import SHORT_CHARS, Quotas, units
from app.rights import Action, Rights
from app.room import Room

MEANT_MAX = 1000


class Sending:
    """Takes members' messages to the broker. `text_chars` and `unacked` are the limits of the same names."""

    def __init__(
        self,
        broker: Broker,
        presence: Presence,
        direct: Direct,
        rights: Rights,
        counters: Counters,
        quotas: Quotas,
        text_chars: int,
        unacked: int,
    ) -> None:
        self._broker = broker
        self._presence = presence
        self._typing = presence.typists.rooms
        self._direct = direct
        self._rights = rights
        self._counters = counters
        self._quota = quotas.sends
        self._guest_quota = quotas.guest_sends
        self._text_chars = text_chars
        self._unacked = unacked

    def send(self, member: Member, request: requests.Send, room: Room) -> None:
        """Have a message for a joined room stored; its ack follows. Raises ClientFault or Unavailable."""
        text = request.text
        if not 0 < len(text) <= self._text_chars:
            check_text(text, self._text_chars)
        if member.unacked >= self._unacked:
            self._too_many()
        author = member.author
        if not isinstance(author, MemberAuthor) or author.room is not room:
            self._rights.check(member, Action.WRITE, room.name)
            member.author = author = MemberAuthor(member, room, self._counters)
        count = 1 if len(text) <= SHORT_CHARS else units(text)
        self._quota.take(member.handle, count)
        if member.crowd:
            self._take_of_crowd(member, count)
        body = bodies.message_body(author.start, request.cid, text)
        if self._typing:
            self._presence.typists.stop(room, member)
        change = self._meant(author, request, body) if "@" in text or author.direct else Asked(author, request, body)
        self._broker.publish(room.name, change)
        author.waits()

    def _meant(self, author: MemberAuthor, request: requests.Send, body: bytes) -> Asked:
        """A message that names people, or goes to one: they are told, wherever they are."""
        member, room = author.member, author.room
        users = mentioned(request.text, self.people_of(room))

        def tell(seq: int, dup: bool) -> None:
            self._direct.sent(member, room.name, seq)
            if not dup:
                self._direct.mentioned(users, member, room.name, seq)

        return Asked(author, request, bodies.mentioning(body, users), tell)

    def people_of(self, room: Room) -> Iterable[tuple[str, str]]:
        """User and name of the people of a room who can be meant by name.

        All who are there, or where they are many those of this worker; and who has written of late, there or not.
        """
        there = self._presence.people(room.name) or {
            member.user: member.name for member in room.members[:MEANT_MAX] if isinstance(member, Member)
        }
        return with_authors(there, room.latest(AUTHORS_OF))

    def admit(self, member: Member, text: str = "") -> None:
        """A change that may have a text. Raises RateLimited: too many are on their way, or were made of late."""
        if member.unacked >= self._unacked:
            self._too_many()
        count = units(text)
        self._quota.take(member.handle, count)
        if member.crowd:
            self._take_of_crowd(member, count)

    def _take_of_crowd(self, member: Member, count: int) -> None:
        """A guest is also counted with the others of its network, and not by itself where those are refused."""
        assert self._guest_quota is not None  # else it had no crowd
        try:
            self._guest_quota.take(member.crowd, count)
        except RateLimited:
            self._quota.give_back(member.handle, count)
            raise

    def _too_many(self) -> NoReturn:
        """So many changes wait for Redis."""
        raise RateLimited(f"at most {self._unacked} changes may be unacknowledged", retry_seconds=0.2, limit="unacked")
