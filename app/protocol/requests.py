"""What clients say, as types, and how it is read. Unknown fields are ignored, wrong types are refused."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.errors import BadRequest

RequestId = Annotated[int, Meta(ge=1, le=2**53)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Token = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
Session = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.:\-]+\Z")]
Opaque = Annotated[str, Meta(max_length=64)]
PageSize = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=2**53)]


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
    """Another text for a message of one's own. With its `mid`, another message that has its `seq` now is left alone."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq
    text: str
    mid: Opaque = ""


class Delete(Struct, tag="delete", frozen=True):
    """The text of a message of one's own goes, for good; `mid` as in an edit."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq
    mid: Opaque = ""


class React(Struct, tag="react", frozen=True):
    """An emoji for a message; `on` false takes it back; `mid` as in an edit."""

    id: RequestId
    room: str
    cid: Token
    seq: Seq
    emoji: str
    on: bool = True
    mid: Opaque = ""


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


class Kick(Struct, tag="kick", frozen=True):
    """Take a user out of a room; without one, off the server."""

    id: RequestId
    user: str
    room: str = ""
    reason: str = ""


class Mute(Struct, tag="mute", frozen=True):
    """Have a user write nothing in a room, or without one anywhere, for so long; 0: for ever."""

    id: RequestId
    user: str
    seconds: Seconds
    room: str = ""
    reason: str = ""


class Unmute(Struct, tag="unmute", frozen=True):
    """End a mute."""

    id: RequestId
    user: str
    room: str = ""


class Ban(Struct, tag="ban", frozen=True):
    """Keep a user or an address out of a room, or without one off the server, for so long; without that for ever.

    `addresses`: ban what the user is connected from as well.
    """

    id: RequestId
    user: str = ""
    address: str = ""
    room: str = ""
    seconds: Seconds = 0
    reason: str = ""
    addresses: bool = False


class Unban(Struct, tag="unban", frozen=True):
    """End a ban; a user's with those of its addresses."""

    id: RequestId
    user: str = ""
    address: str = ""
    room: str = ""


class Moderation(Struct, tag="moderation", frozen=True):
    """Asks who is banned and muted in a room, or without one everywhere, and what moderators did."""

    id: RequestId
    room: str = ""
    limit: PageSize = 50
    before: Opaque = ""


Amend = Edit | Delete | React | SetTopic
Moderate = Kick | Mute | Unmute | Ban | Unban | Moderation
Request = Hello | Join | Leave | Send | Amend | Read | OpenDirect | History | Typing | Rooms | Refresh | Ping | Moderate

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


class _Addressed(Struct):
    id: RequestId


_addressed: msgspec.json.Decoder[_Addressed] = msgspec.json.Decoder(_Addressed)

# Of what is no JSON.
_ID = re.compile(rb'"id"\s*:\s*([1-9]\d{0,14})\b')


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
