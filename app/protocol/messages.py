"""The messages of docs/protocol.md as types. Unknown fields are ignored, wrong types are refused."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from app.errors import BadRequest, ParleyError

RequestId = Annotated[int, Meta(ge=1, le=2**53)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Token = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
Session = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
Opaque = Annotated[str, Meta(max_length=64)]
PageSize = Annotated[int, Meta(ge=0, le=2**53)]


class Since(Struct, frozen=True):
    """A position as a resuming client gives it."""

    epoch: Opaque
    seq: Seq
    mid: Opaque


class Hello(Struct, tag="hello", frozen=True):
    """The first message: who is there. `token`, or `name`, or `guest` with an optional new `name`."""

    id: RequestId
    token: Annotated[str, Meta(max_length=8192)] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    guest: Annotated[str, Meta(max_length=2048)] | UnsetType = UNSET
    session: Session | UnsetType = UNSET


class Join(Struct, tag="join", frozen=True):
    """Enter a room, fresh or resuming `since` a position."""

    id: RequestId
    room: str
    limit: PageSize = 50
    since: Since | UnsetType = UNSET


class Leave(Struct, tag="leave", frozen=True):
    """Leave a room."""

    id: RequestId
    room: str


class Send(Struct, tag="send", frozen=True):
    """A new message."""

    id: RequestId
    room: str
    cid: Token
    text: str


class Edit(Struct, tag="edit", frozen=True):
    """Another text for a message of one's own."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq
    text: str


class Delete(Struct, tag="delete", frozen=True):
    """The text of a message of one's own goes, for good."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq


class React(Struct, tag="react", frozen=True):
    """An emoji for a message; `on` false takes it back."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq
    emoji: str
    on: bool = True


class SetTopic(Struct, tag="topic", frozen=True):
    """What the room is about; empty for nothing."""

    id: RequestId
    room: str
    cid: Token
    topic: str


class Read(Struct, tag="read", frozen=True):
    """Everything up to `seq` was read."""

    id: RequestId
    room: str
    seq: Seq


class OpenDirect(Struct, tag="direct", frozen=True):
    """Asks for the room shared with another user alone."""

    id: RequestId
    user: Annotated[str, Meta(min_length=1, max_length=255)]


class History(Struct, tag="history", frozen=True):
    """A page of kept events before or after a seq."""

    id: RequestId
    room: str
    before: Seq | UnsetType = UNSET
    after: Seq | UnsetType = UNSET
    limit: PageSize = 50


class Typing(Struct, tag="typing", frozen=True):
    """The client's user is typing. No reply."""

    room: str
    id: RequestId | UnsetType = UNSET


class Refresh(Struct, tag="refresh", frozen=True):
    """A new token for the same user, before the old one ends."""

    id: RequestId
    token: Annotated[str, Meta(max_length=8192)]


class Rooms(Struct, tag="rooms", frozen=True):
    """Asks for the rooms there are, newest activity first."""

    id: RequestId
    limit: PageSize = 50


class Ping(Struct, tag="ping", frozen=True):
    """Asks for a pong."""

    id: RequestId


Amend = Edit | Delete | React | SetTopic
Request = Hello | Join | Leave | Send | Amend | Read | OpenDirect | History | Typing | Rooms | Refresh | Ping

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_encode = msgspec.json.Encoder().encode


class _InRoom(Struct):
    room: str


_in_room: msgspec.json.Decoder[_InRoom] = msgspec.json.Decoder(_InRoom)


def read_room(push: bytes | msgspec.Raw) -> str:
    """The room of a push."""
    return _in_room.decode(push).room


class _Addressed(Struct):
    id: RequestId


_addressed: msgspec.json.Decoder[_Addressed] = msgspec.json.Decoder(_Addressed)


def decode(payload: bytes) -> Request:
    """One client message. Raises BadRequest with a sentence that says what is wrong with it."""
    try:
        return _requests.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)[:200] or "not a message") from None


def id_of(payload: bytes) -> int | None:
    """The request id of a message that could not be decoded, if it has a proper one."""
    try:
        return _addressed.decode(payload).id
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Not JSON in the strict sense, like half an emoji; its sender still waits for an answer.
        found = _ID.search(payload)
        return int(found[1]) if found else None


_ID = re.compile(rb'"id"\s*:\s*([1-9]\d{0,14})\b')


class Limits(Struct):
    """The limits a client has to know: characters of a text, bytes of a frame, rooms, unacknowledged changes."""

    text: int
    frame: int
    rooms: int
    unacked: int


class Welcome(Struct, tag="welcome"):
    """Answers hello. `ping` is in seconds: the server sends something at least that often.

    A guest gets the token by which it is known again; a signed-in user the seconds until its token ends, `exp`.
    """

    id: int
    conn: str
    user: str
    name: str
    ping: int
    limits: Limits
    session: str
    node: str
    guest: str | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    version: int = 1


class Ack(Struct, tag="ack"):
    """A change is stored. `ts` is in milliseconds since 1970, by Redis' clock."""

    id: int
    room: str
    cid: str
    seq: int
    mid: str
    ts: int
    dup: bool


class Refreshed(Struct, tag="refreshed"):
    """Answers refresh: the new token ends in `exp` seconds."""

    id: int
    exp: int


class Left(Struct, tag="left"):
    """Answers leave. Without an id: the user's new token does not let it be there any longer."""

    room: str
    id: int | UnsetType = UNSET


class Pong(Struct, tag="pong"):
    """Answers ping."""

    id: int


class ReadTo(Struct, tag="read"):
    """Answers read, and tells a user's other connections: everything up to `seq` was read."""

    room: str
    seq: int
    id: int | UnsetType = UNSET


class Person(Struct, frozen=True, omit_defaults=True):
    """Somebody, as others see them. `confusable`: somebody else in the room has a name that looks alike."""

    user: str
    name: str
    confusable: bool = False


class Direct(Struct, tag="direct"):
    """Answers direct, and tells the other one, with the first message: the room, and with whom it is."""

    room: str
    person: Person = field(name="with")
    id: int | UnsetType = UNSET


class Mentioned(Struct, tag="mentioned"):
    """Tells a user who has not joined the room that a message there is meant for him."""

    room: str
    seq: int
    user: str
    name: str


class GoingAway(Struct, tag="going-away"):
    """This connection will be closed after so many seconds; come back then."""

    after: float
    reason: str


class Error(Struct, tag="error", omit_defaults=True):
    """A refusal. `temporary` says that the same request may be sent again, after `retry` seconds if given."""

    code: str
    message: str
    id: int | UnsetType = UNSET
    temporary: bool | UnsetType = UNSET
    retry: float | UnsetType = UNSET


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


class Presence(Struct, tag="presence", omit_defaults=True):
    """Who came and went since the last push; or all who are there, which replaces what a client knows."""

    room: str
    members: int
    joined: list[Person] = []
    left: list[str] = []
    presence: list[Person] | UnsetType = UNSET


class Typists(Struct, tag="typing"):
    """All who are typing now."""

    room: str
    users: list[Person]


class RoomEntry(Struct, omit_defaults=True):
    """A room in a list. `ts` is the time of its last event, `members` how many people are there.

    `read` and `unread`, which counts messages, are there where the user has a mark.
    """

    room: str
    members: int
    seq: int
    ts: int
    topic: str | UnsetType = UNSET
    read: int | UnsetType = UNSET
    unread: int | UnsetType = UNSET


class DirectEntry(Struct):
    """A direct room in a list; `read` is there where the user has a mark."""

    room: str
    person: Person = field(name="with")
    seq: int
    ts: int
    unread: int
    read: int | UnsetType = UNSET


class RoomList(Struct, tag="rooms"):
    """Answers rooms."""

    id: int
    rooms: list[RoomEntry]
    direct: list[DirectEntry] = []


Reply = Welcome | Refreshed | Ack | ReadTo | Direct | Mentioned | Left | Pong | GoingAway | Error

encode = _encode
"""Any message to JSON."""

HEARTBEAT = b'{"type":"ping"}'
"""The push that shows browsers, which cannot see websocket pings, that the connection lives."""


def refusal(request_id: int | None, error: ParleyError) -> bytes:
    """The error reply for a request, or the error push if it had no usable id."""
    retry = error.retry_seconds
    return _encode(
        Error(
            code=error.code,
            message=str(error),
            id=UNSET if request_id is None else request_id,
            temporary=error.temporary,
            retry=UNSET if retry is None else retry,
        )
    )


def message_start(room: str, user: str, name: str) -> bytes:
    """What all messages of a person in a room have in common; see `message_body`."""
    return b',"type":"message","room":%b,"user":%b,"name":%b,"cid":"' % (_encode(room), _encode(user), _encode(name))


def mentioning(body: bytes, users: list[str]) -> bytes:
    """The body of a message that is meant for these users."""
    return b'%b,"mentions":%b}' % (body[:-1], _encode(users)) if users else body


def message_body(start: bytes, cid: str, text: str) -> bytes:
    """A message without its head, as it goes into the log: one line, beginning with a comma. The cid is a Token."""
    return b"".join((start, cid.encode(), b'","text":', _encode(text), b"}"))


def joined(
    request: Join, room: str, position: tuple[str, int, str], recovered: bool, events: list[bytes], more: bytes = b""
) -> bytes:
    """Answers join. The events are stored JSON already, so they are put in as they are; `more` is further members."""
    epoch, seq, mid = position
    return b'{"type":"joined","id":%d,"room":%s,"epoch":"%s","seq":%d,"mid":"%s","recovered":%s%s,"messages":[%s]}' % (
        request.id,
        _encode(room),
        epoch.encode(),
        seq,
        mid.encode(),
        b"true" if recovered else b"false",
        more,
        b",".join(events),
    )


def resync(room: str, position: tuple[str, int, str], lost: bool, events: list[bytes]) -> bytes:
    """Replaces what follows a member's last seq. `lost` says that events between are not to be had."""
    epoch, seq, mid = position
    return b'{"type":"resync","room":%s,"epoch":"%s","seq":%d,"mid":"%s","lost":%s,"messages":[%s]}' % (
        _encode(room),
        epoch.encode(),
        seq,
        mid.encode(),
        b"true" if lost else b"false",
        b",".join(events),
    )


def history(request: History, room: str, events: list[bytes], more: bool) -> bytes:
    """Answers history."""
    return b'{"type":"history","id":%d,"room":%s,"messages":[%s],"more":%s}' % (
        request.id,
        _encode(room),
        b",".join(events),
        b"true" if more else b"false",
    )
