"""What back ends say and hear over HTTP, as types. Unknown fields are refused: they may be slips of the pen."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.protocol.replies import Person
from app.protocol.requests import Seq
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
