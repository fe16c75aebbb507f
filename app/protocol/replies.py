"""What the server says, replies and pushes, as types; events, which are put together as bytes, are in `bodies`."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from app.errors import ParleyError


class Limits(Struct):
    """The limits a client has to know: characters of a text, bytes of a frame, rooms, changes.

    Of changes, `rate` is how many a user may make a second, `unacked` how many of a connection may be unacknowledged.
    """

    text: int
    frame: int
    rooms: int
    rate: int
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
    """Answers leave. Without an id the user may not be there any longer: `reason` is kicked, banned or rights."""

    room: str
    id: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET


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


class Kicked(Struct, tag="kick", omit_defaults=True):
    """Answers kick."""

    id: int
    user: str
    room: str = ""


class Muted(Struct, tag="mute", omit_defaults=True):
    """Answers mute. `until` is in milliseconds since 1970, by Redis' clock; without it, for ever."""

    id: int
    user: str
    room: str = ""
    until: int | UnsetType = UNSET


class Unmuted(Struct, tag="unmute", omit_defaults=True):
    """Answers unmute; `was` says whether there was anything to end."""

    id: int
    user: str
    was: bool
    room: str = ""


class Banned(Struct, tag="ban", omit_defaults=True):
    """Answers ban. `until` is as in mute."""

    id: int
    user: str = ""
    address: str = ""
    room: str = ""
    until: int | UnsetType = UNSET


class Unbanned(Struct, tag="unban", omit_defaults=True):
    """Answers unban; `was` says whether there was anything to end."""

    id: int
    was: bool
    user: str = ""
    address: str = ""
    room: str = ""


class HeldEntry(Struct, omit_defaults=True):
    """A ban or mute that holds, since `at` and until `until`, or for ever. `address` is for who moderates everywhere.

    With `addresses` it is what a user was connected from that is banned.
    """

    kind: str
    at: int
    by: Person
    user: str = ""
    name: str = ""
    address: str = ""
    addresses: bool = False
    room: str = ""
    until: int | UnsetType = UNSET
    reason: str = ""


class Deed(Struct, omit_defaults=True):
    """What a moderator did: kick, mute, unmute, ban, unban, delete or edit; of the last two, `seq` is the message's."""

    id: str
    kind: str
    at: int
    by: Person
    user: str = ""
    name: str = ""
    address: str = ""
    room: str = ""
    until: int | UnsetType = UNSET
    reason: str = ""
    seq: int = 0


class ModerationList(Struct, tag="moderation", omit_defaults=True):
    """Answers moderation: what holds, newest first, and what was done, newest first."""

    id: int
    held: list[HeldEntry]
    deeds: list[Deed]
    room: str = ""


class Moderated(Struct, tag="moderated", omit_defaults=True):
    """Tells a user what a moderator did: `action` is kick, mute, unmute or ban; without `seconds` it is for ever."""

    action: str
    room: str = ""
    seconds: float | UnsetType = UNSET
    reason: str = ""


Reply = Welcome | Refreshed | Ack | ReadTo | Direct | Mentioned | Left | Pong | GoingAway | Error

encode = msgspec.json.Encoder().encode
"""Any message to JSON."""

HEARTBEAT = b'{"type":"ping"}'
"""The push that shows browsers, which cannot see websocket pings, that the connection lives."""


def refusal(request_id: int | None, error: ParleyError) -> bytes:
    """The error reply for a request, or the error push if it had no usable id."""
    retry = error.retry_seconds
    return encode(
        Error(
            code=error.code,
            message=str(error),
            id=UNSET if request_id is None else request_id,
            temporary=error.temporary,
            retry=UNSET if retry is None else retry,
        )
    )
