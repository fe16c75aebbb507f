"""The bodies of events, and the messages that carry stored events: put together as bytes, never made twice."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.protocol.replies import encode
from app.protocol.requests import History, Join


class MessageBody(Struct):
    """A `message` event without its head, as `message_body` makes it."""

    type: str
    room: str
    user: str
    name: str
    cid: str
    text: str


class EditedBody(Struct, omit_defaults=True):
    """An `edited` event without its head; `of` is the seq of the message."""

    type: str
    room: str
    cid: str
    of: int
    user: str
    name: str
    text: str
    mentions: list[str] = []


class DeletedBody(Struct):
    """A `deleted` event without its head."""

    type: str
    room: str
    cid: str
    of: int
    user: str
    name: str


class ReactedBody(Struct):
    """A `reacted` event without its head."""

    type: str
    room: str
    cid: str
    of: int
    user: str
    name: str
    emoji: str
    on: bool


class TopicBody(Struct):
    """A `topic` event without its head."""

    type: str
    room: str
    cid: str
    user: str
    name: str
    topic: str


class _InRoom(Struct):
    room: str


_in_room: msgspec.json.Decoder[_InRoom] = msgspec.json.Decoder(_InRoom)


def read_room(push: bytes | msgspec.Raw) -> str:
    """The room of a push."""
    return _in_room.decode(push).room


def message_start(room: str, user: str, name: str) -> bytes:
    """What all messages of a person in a room have in common; see `message_body`."""
    return b',"type":"message","room":%b,"user":%b,"name":%b,"cid":"' % (encode(room), encode(user), encode(name))


def mentioning(body: bytes, users: list[str]) -> bytes:
    """The body of a message that is meant for these users."""
    return b'%b,"mentions":%b}' % (body[:-1], encode(users)) if users else body


def message_body(start: bytes, cid: str, text: str) -> bytes:
    """A message without its head, as it goes into the log: one line, beginning with a comma. The cid is a Token."""
    return b"".join((start, cid.encode(), b'","text":', encode(text), b"}"))


def joined(
    request: Join, room: str, position: tuple[str, int, str], recovered: bool, events: list[bytes], more: bytes = b""
) -> bytes:
    """Answers join. The events are stored JSON already, so they are put in as they are; `more` is further members."""
    epoch, seq, mid = position
    return b'{"type":"joined","id":%d,"room":%s,"epoch":"%s","seq":%d,"mid":"%s","recovered":%s%s,"messages":[%s]}' % (
        request.id,
        encode(room),
        epoch.encode(),
        seq,
        mid.encode(),
        b"true" if recovered else b"false",
        more,
        b",".join(events),
    )


def resync(room: str, position: tuple[str, int, str], lost: bool, events: list[bytes], topic: bytes) -> bytes:
    """Replaces what follows a member's last seq. `lost` says that events between are not to be had.

    `topic` is the room's as it is now, as JSON, empty for none: its change may be among the events lost.
    """
    epoch, seq, mid = position
    return b'{"type":"resync","room":%s,"epoch":"%s","seq":%d,"mid":"%s","lost":%s,"topic":%s,"messages":[%s]}' % (
        encode(room),
        epoch.encode(),
        seq,
        mid.encode(),
        b"true" if lost else b"false",
        topic or b'""',
        b",".join(events),
    )


def history(request: History, room: str, events: list[bytes], more: bool) -> bytes:
    """Answers history."""
    return b'{"type":"history","id":%d,"room":%s,"messages":[%s],"more":%s}' % (
        request.id,
        encode(room),
        b",".join(events),
        b"true" if more else b"false",
    )
