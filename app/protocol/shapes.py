"""The messages that are put together as bytes, as types: for whoever reads them, the AsyncAPI document and the tests.

The server never makes one of these: events leave as they were stored, see `bodies.joined` and backplane/scripts.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.protocol import replies, requests
from app.protocol.replies import Person


class Reaction(Struct):
    """An emoji under a message, and the users it comes from."""

    emoji: str
    users: list[str]


class _Event(Struct, kw_only=True):
    seq: int
    mid: str
    ts: int
    room: str
    cid: str
    user: str
    name: str


class MessageEvent(_Event, tag="message", kw_only=True):
    """A message. In pages it is folded: as it is now. `edited` is a time, `edit` the seq of the last `edited`."""

    text: str
    mentions: list[str] | UnsetType = UNSET
    edited: int | UnsetType = UNSET
    edit: int | UnsetType = UNSET
    reactions: list[Reaction] | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class EditedEvent(_Event, tag="edited", kw_only=True):
    """The text of the message with the seq `of` is another one."""

    of: int
    text: str
    mentions: list[str] | UnsetType = UNSET


class SupersededEvent(_Event, tag="superseded", kw_only=True):
    """An `edited` whose text does not hold any longer."""

    of: int


class DeletedEvent(_Event, tag="deleted", kw_only=True):
    """The message with the seq `of` is gone."""

    of: int


class ReactedEvent(_Event, tag="reacted", kw_only=True):
    """Somebody put an emoji under the message with the seq `of`, or took it back."""

    of: int
    emoji: str
    on: bool


class TopicEvent(_Event, tag="topic", kw_only=True):
    """The room has another topic."""

    topic: str


Event = MessageEvent | EditedEvent | SupersededEvent | DeletedEvent | ReactedEvent | TopicEvent


class Joined(Struct, tag="joined", kw_only=True):
    """Answers join: a position, the events that lead to it, who is there, what the user has read and may do.

    `muted`: for so many seconds, 0 for ever, it may not write.
    """

    id: int
    room: str
    epoch: str
    seq: int
    mid: str
    recovered: bool
    messages: list[Event]
    members: int | UnsetType = UNSET
    presence: list[Person] | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    read: int | UnsetType = UNSET
    rights: list[str] | UnsetType = UNSET
    muted: float | UnsetType = UNSET


class Page(Struct, tag="history"):
    """Answers history: events, oldest first, and whether there are more in that direction."""

    id: int
    room: str
    messages: list[Event]
    more: bool


class Resync(Struct, tag="resync"):
    """Replaces what follows a client's last seq. `lost`: events between are not to be had any more."""

    room: str
    epoch: str
    seq: int
    mid: str
    lost: bool
    topic: str
    messages: list[Event]


class Heartbeat(Struct, tag="ping"):
    """The server lives."""


REPLIES: dict[str, tuple[str, ...]] = {
    "hello": ("welcome",),
    "join": ("joined",),
    "leave": ("left",),
    "send": ("ack",),
    "edit": ("ack",),
    "delete": ("ack",),
    "react": ("ack",),
    "topic": ("ack",),
    "read": ("read",),
    "direct": ("direct",),
    "history": ("history",),
    "rooms": ("rooms",),
    "refresh": ("refreshed",),
    "ping": ("pong",),
    "typing": (),
    "kick": ("kick",),
    "mute": ("mute",),
    "unmute": ("unmute",),
    "ban": ("ban",),
    "unban": ("unban",),
    "moderation": ("moderation",),
}
"""Which message answers a request; each may be answered by `error` instead, but for those that have no answer."""


def tag(type_: Any) -> str:
    """The `type` by which a message goes."""
    return str(type_.__struct_config__.tag)


def _tagged() -> tuple[Any, ...]:
    """Every message type of `replies`."""
    return tuple(
        type_
        for type_ in vars(replies).values()
        if isinstance(type_, type) and issubclass(type_, Struct) and type_.__struct_config__.tag is not None
    )


CLIENT: tuple[Any, ...] = get_args(requests.Request)
"""What a client says."""

SERVER: tuple[Any, ...] = (*_tagged(), Joined, Page, Resync, Heartbeat, *get_args(Event))
"""What a server says."""


def fields(type_: Any) -> list[tuple[str, bool, Any]]:
    """Name, whether it is always there, and type, of each field as it is on the wire."""
    info = msgspec.inspect.type_info(type_)
    assert isinstance(info, msgspec.inspect.StructType)
    return [(field.encode_name, field.required, field.type) for field in info.fields]
