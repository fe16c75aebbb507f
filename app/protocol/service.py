"""What back ends say and hear over HTTP, as types. Unknown fields are refused: they may be slips of the pen."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.protocol.replies import Deed, HeldEntry, Person
from app.protocol.requests import Opaque, Seq
from app.protocol.shapes import Event

PAGE_MAX = 200

PageSize = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
User = Annotated[str, Meta(min_length=1, max_length=255)]


class NewMessage(Struct, forbid_unknown_fields=True):
    """A message to be said by the service that asks."""

    text: Annotated[str, Meta(min_length=1)]


class Sent(Struct, omit_defaults=True):
    """A message is stored. `dup` says that it was before, under the same idempotency key.

    `ts` is in milliseconds since 1970. A duplicate that is no longer kept has neither `mid` nor `ts`.
    """

    room: str
    seq: int
    cid: str
    dup: bool
    mid: str | UnsetType = UNSET
    ts: int | UnsetType = UNSET


class PageQuery(Struct, forbid_unknown_fields=True):
    """Which events: the latest, or those before or after a seq."""

    before: Seq | UnsetType = UNSET
    after: Seq | UnsetType = UNSET
    limit: PageSize = 50


class MessagePage(Struct):
    """Kept events of a room, oldest first, and whether there are `more` in the direction asked for.

    Messages are as they read now. `seq` is that of the room's last event; another `epoch` is another life of the room.
    """

    room: str
    epoch: str
    seq: int
    messages: list[Event]
    more: bool


class RoomPeople(Struct, omit_defaults=True):
    """How many people are in a room, and in one of up to 1,000 who."""

    room: str
    members: int
    people: list[Person] | UnsetType = UNSET


class ListQuery(Struct, forbid_unknown_fields=True):
    """How many, newest first."""

    limit: PageSize = 50


class ListedRoom(Struct, omit_defaults=True):
    """A room: how many people are there, `seq` and time of the last event, the topic, if there is one."""

    room: str
    members: int
    seq: int
    ts: int
    topic: str | UnsetType = UNSET


class RoomPage(Struct):
    """Rooms, newest activity first, as far as the key is for them."""

    rooms: list[ListedRoom]


class RoomState(Struct, omit_defaults=True):
    """A room as it is now; `ts` is there if something was ever said. Another `epoch` is another life of the room."""

    room: str
    epoch: str
    members: int
    seq: int
    ts: int | UnsetType = UNSET
    topic: str | UnsetType = UNSET


class Counts(Struct):
    """Of all replicas: open connections, people, rooms with kept events, workers.

    People are counted once each while no worker has more than 1,000 of them (`exact`); beyond, who is on several
    workers counts for each.
    """

    connections: int
    people: int
    exact: bool
    rooms: int
    workers: int


Reason = Annotated[str, Meta(max_length=200)]
Seconds = Annotated[float, Meta(ge=0, le=2**53)]


class Kick(Struct, forbid_unknown_fields=True):
    """Who is to be taken out of the room; the user is told the reason, and may come back."""

    user: User
    reason: Reason = ""


class Mute(Struct, forbid_unknown_fields=True):
    """Who is to write nothing for so many seconds; 0: for ever."""

    user: User
    seconds: Seconds
    reason: Reason = ""


class Unmute(Struct, forbid_unknown_fields=True):
    """Whose mute ends."""

    user: User


class Ban(Struct, forbid_unknown_fields=True):
    """Who is to be kept away: a user, or whoever comes from an address or a network like 192.0.2.0/24.

    For so many seconds; 0: for ever. `addresses`: ban what the user is connected from as well.
    """

    user: Annotated[str, Meta(max_length=255)] = ""
    address: Opaque = ""
    seconds: Seconds = 0
    reason: Reason = ""
    addresses: bool = False


class Unban(Struct, forbid_unknown_fields=True):
    """Whose ban ends: a user's, with those of its addresses, or an address'."""

    user: Annotated[str, Meta(max_length=255)] = ""
    address: Opaque = ""


class Ruled(Struct, omit_defaults=True):
    """It is done, and written down. `until` is in milliseconds since 1970; without it, for ever, or done with."""

    kind: str
    room: str = ""
    user: str = ""
    address: str = ""
    until: int | UnsetType = UNSET


class Lifted(Struct):
    """It is done; `was` says whether there was anything to end."""

    was: bool


class ModerationQuery(Struct, forbid_unknown_fields=True):
    """How many deeds, and before which one."""

    limit: PageSize = 50
    before: Opaque = ""


class ModerationPage(Struct):
    """The bans and mutes that hold, and what moderators and services did, both newest first."""

    held: list[HeldEntry]
    deeds: list[Deed]


class Problem(Struct, omit_defaults=True):
    """What went wrong (RFC 9457). `code` and `type` are for programs, `detail` is for people.

    `temporary` says that the same request may be sent again, after `retry` seconds if given.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    temporary: bool = False
    retry: float | UnsetType = UNSET
