"""Every operation of the HTTP API, declared once: requests are routed by this table, the document is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from app.errors import BadRequest
from app.protocol import service

BASE = "/api/v1"


class Operation(NamedTuple):
    """One thing that can be asked for.

    Attributes:
        path: below BASE; a part in braces stands for a name.
        scope: what a key needs to be for.
        answer: the type of the body of a good answer; None: it has none.
        query, body: the types of what may be asked with.
        everywhere: it is not about one room, and needs a key for all.
        idempotent: it takes the header Idempotency-Key.
    """

    name: str
    method: str
    path: str
    scope: str
    summary: str
    answer: Any
    status: int = 200
    query: Any = None
    body: Any = None
    everywhere: bool = False
    idempotent: bool = False


def _moderation(path: str, name: str, where: str, everywhere: bool) -> tuple[Operation, ...]:
    """What can be done about people in one room, or in all."""

    def operation(verb: str, summary: str, answer: Any, body: Any) -> Operation:
        title = f"{verb}{name}"
        return Operation(title, "POST", f"{path}/{verb}", "moderate", summary, answer, body=body, everywhere=everywhere)

    return (
        operation("mute", f"Have a user write nothing {where} for a while.", service.Ruled, service.Mute),
        operation("unmute", f"End a mute {where}.", service.Lifted, service.Unmute),
        operation("ban", f"Keep a user or an address away {where}.", service.Ruled, service.Ban),
        operation("unban", f"End a ban {where}.", service.Lifted, service.Unban),
        Operation(
            f"readModeration{name}",
            "GET",
            f"{path}/moderation",
            "moderate",
            f"See the bans and mutes that hold {where}, and what was done.",
            service.ModerationPage,
            query=service.ModerationQuery,
            everywhere=everywhere,
        ),
    )


OPERATIONS = (
    Operation(
        "sendMessage",
        "POST",
        "/rooms/{room}/messages",
        "send",
        "Say something in a room, as the service that the key is of.",
        service.Sent,
        status=201,
        body=service.NewMessage,
        idempotent=True,
    ),
    Operation(
        "readMessages",
        "GET",
        "/rooms/{room}/messages",
        "read",
        "Read a page of what is kept of a room.",
        service.MessagePage,
        query=service.PageQuery,
    ),
    Operation("readPresence", "GET", "/rooms/{room}/presence", "presence", "See who is in a room.", service.RoomPeople),
    Operation(
        "listRooms",
        "GET",
        "/rooms",
        "rooms",
        "List rooms, newest activity first, at most 200.",
        service.RoomPage,
        query=service.ListQuery,
    ),
    Operation("readRoom", "GET", "/rooms/{room}", "rooms", "See the state of a room.", service.RoomState),
    Operation("readCounts", "GET", "/counts", "counts", "Count connections, people, rooms, workers.", service.Counts),
    Operation(
        "kickUser",
        "POST",
        "/rooms/{room}/kick",
        "moderate",
        "Take a user out of a room.",
        service.Ruled,
        body=service.Kick,
    ),
    *_moderation("/rooms/{room}", "InRoom", "in a room", everywhere=False),
    *_moderation("", "Everywhere", "everywhere", everywhere=True),
    Operation(
        "disconnectUser",
        "POST",
        "/users/{user}/disconnect",
        "disconnect",
        "Close all connections of a user, on all replicas, with 4503: clients do not come back by themselves.",
        None,
        status=202,
        everywhere=True,
    ),
)


class Found(NamedTuple):
    """The operations of a path by method, and what the parts in braces stand for."""

    methods: dict[str, Operation]
    names: dict[str, str]


def find(path: str) -> Found:
    """What can be asked for at a path, percent-encoded as it came; nothing if `methods` is empty.

    Raises:
        BadRequest: what is encoded there is not UTF-8.
    """
    given = path.removeprefix(BASE).split("/") if path.startswith(BASE + "/") else []
    methods, names = {}, {}
    for operation in OPERATIONS:
        if (matched := _matched(operation.path.split("/"), given)) is not None:
            methods[operation.method] = operation
            names = matched
    try:
        return Found(methods, {name: unquote(part, errors="strict") for name, part in names.items()})
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None


def _matched(wanted: list[str], given: list[str]) -> dict[str, str] | None:
    if len(wanted) != len(given):
        return None
    names = {}
    for part, found in zip(wanted, given, strict=True):
        if part.startswith("{") and found:
            names[part[1:-1]] = found
        elif part != found:
            return None
    return names


def placeholders(operation: Operation) -> Iterator[str]:
    """The names of the parts in braces."""
    return (part[1:-1] for part in operation.path.split("/") if part.startswith("{"))
