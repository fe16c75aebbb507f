"""What services say: messages that go the way of all messages, with the same order and the same dedupe."""

from __future__ import annotations

import asyncio
import re
import secrets
import zlib
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from app.amending import check_text
from app.apikeys import ApiKey
from app.backplane.broker import Broker, Change
from app.backplane.personal import Notice, Personal
from app.errors import BadRequest, ParleyError, Unavailable
from app.mentions import mentioned
from app.metrics import Counters
from app.protocol import bodies, replies
from app.protocol.names import handle
from app.protocol.problems import KeyReused
from app.protocol.service import Sent
from app.service.reading import Reading

LANES = 64
"""Dedupe records of a service in a room. One holds at least 64 messages, so a retry is known among thousands."""

_CID = re.compile(r"[A-Za-z0-9_.:\-]{1,64}\Z")


class Speaking:
    """Has services' messages stored. `text_chars` is the limit of the same name."""

    def __init__(
        self, broker: Broker, personal: Personal, reading: Reading, counters: Counters, text_chars: int
    ) -> None:
        self._broker = broker
        self._personal = personal
        self._reading = reading
        self._counters = counters
        self._text_chars = text_chars

    async def say(self, key: ApiKey, room: str, text: str, idempotency: list[str]) -> Sent:
        """Store a message and say where it is.

        Raises:
            BadRequest, TooLarge: the text or the idempotency key.
            KeyReused: the idempotency key came with another text before.
            Unavailable: nothing was sent. NotConfirmed: it may be stored or not; the same key may be sent again.
        """
        check_text(text, self._text_chars)
        cid = _cid(idempotency) if idempotency else secrets.token_hex(12)
        lane = f"{zlib.crc32(cid.encode()) % LANES:x}" if idempotency else "once"
        people = await self._reading.known(room) if "@" in text else ()
        users = mentioned(text, people)
        body = bodies.message_body(bodies.message_start(room, key.user, key.name), cid, text)
        change = _Message(f"{key.user}/{lane}", cid, bodies.mentioning(body, users), self._counters)
        self._broker.publish(room, change)
        change.under_way()
        sent = await change.answer
        if sent.dup:
            await self._check_same(room, sent.seq, text)
        else:
            self._tell(users, key, room, sent.seq)
        return Sent(room, sent.seq, cid, sent.dup, sent.mid or UNSET, sent.ts or UNSET)

    async def _check_same(self, room: str, seq: int, text: str) -> None:
        """Raises KeyReused if the message there has another text, and not because it was amended."""
        events = (await self._broker.between(room, seq, 1)).events
        if not events:
            return
        message = msgspec.json.decode(events[0], type=_Said)
        amended = message.deleted or message.edited
        if message.seq == seq and not amended and message.text != text:
            raise KeyReused("this idempotency key came with another text before; nothing was stored now")

    def _tell(self, users: list[str], key: ApiKey, room: str, seq: int) -> None:
        """Those who are meant and elsewhere are told."""
        push = msgspec.Raw(replies.encode(replies.Mentioned(room, seq, key.user, key.name)))
        for user in users:
            try:
                self._personal.tell(Notice(handle(user), push, elsewhere=room))
            except Unavailable:
                return


class _Said(msgspec.Struct):
    seq: int
    text: str = ""
    edited: int = 0
    deleted: bool = False


class _Stored(NamedTuple):
    seq: int
    mid: str
    ts: int
    dup: bool


class _Message(Change):
    """A message on its way to the log, and its own author; `answer` is done when the broker has answered."""

    __slots__ = ("_begun", "_counters", "answer", "sender")

    address = ""

    def __init__(self, sender: str, cid: str, body: bytes, counters: Counters) -> None:
        super().__init__(self, cid, body)
        self.sender = sender
        self.answer: asyncio.Future[_Stored] = asyncio.get_running_loop().create_future()
        self._counters = counters
        self._begun = perf_counter()

    def under_way(self) -> None:
        """The broker has taken it."""
        self._counters.sends += 1
        self._counters.unconfirmed += 1

    def stored(self, _changes: list[Any], _epoch: str, first: int, token: str, ts: int) -> None:
        """See app.backplane.broker.Author."""
        self._confirmed(_Stored(first, f"{token}.{first}", ts, False))

    def found(self, _change: Any, _epoch: str, seq: int, mid: str, ts: int) -> None:
        """See app.backplane.broker.Author."""
        self._counters.duplicates += 1
        self._confirmed(_Stored(seq, mid, ts, True))

    def failed(self, _changes: list[Any], error: ParleyError) -> None:
        """See app.backplane.broker.Author."""
        self._counters.unconfirmed -= 1
        if not self.answer.done():
            self.answer.set_exception(error)

    def _confirmed(self, stored: _Stored) -> None:
        self._counters.unconfirmed -= 1
        self._counters.acks += 1
        self._counters.send_to_ack_seconds.observe(perf_counter() - self._begun)
        if not self.answer.done():  # whoever asked may be gone
            self.answer.set_result(stored)


def _cid(idempotency: list[str]) -> str:
    """The cid that an idempotency key is: as it is, or between quotes."""
    (given, *more) = idempotency
    bare = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if more or not _CID.match(bare):
        raise BadRequest("an idempotency key is one of 1 to 64 letters, digits and - _ . :")
    return bare
