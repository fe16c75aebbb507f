"""Every error Parley raises on purpose, with the code its reader gets.

ParleyError
  ClientFault            the request was wrong; sending it again unchanged will not help
    BadRequest           ill-formed: JSON, a type, a field, a name
    Unauthorized         no hello yet, or not allowed in
      Expired            the token was good and is too old; come with a new one
    Forbidden            known, but may not do this
      Banned             kept out of a room or of the server
      TooManyConnections a user has as many connections as one may have
      Muted              may not write for a while
    NotJoined            the room is not joined on this connection
    AlreadyJoined        the room is joined on this connection
    TooLarge             a text or frame is over its limit
    RateLimited          too much at once; temporary, retry later
    UnknownRoom          no such room
    UnknownMessage       no such message in the room
  ServerFault            the request may be fine; the server could not do it now
    Unavailable          refused before anything was sent to Redis; retry with the same cid
    NotConfirmed         Redis did not confirm in time; it may or may not be stored; retry with the same cid
  StartError             the program cannot start; one line says why
    SettingError         a setting is wrong; names it

What the system says of its own errors is put into these by `reason`.
"""

from __future__ import annotations

import os
import re
from typing import ClassVar

_NUMBERED = re.compile(r"\[Errno (\d+)\]")


def reason(error: Exception) -> str:
    """Why something failed, in the system's words: without its number, and without the file or address again."""
    inner = getattr(error, "reason", None)
    if isinstance(inner, Exception):
        return reason(inner)
    numbers = dict.fromkeys(_NUMBERED.findall(str(error)))  # several where a name has several addresses
    words = ", ".join(os.strerror(int(number)) for number in numbers)
    return words or getattr(error, "strerror", None) or str(error)


class ParleyError(Exception):
    """Base of all. `code` is the wire code, `temporary` says whether sending again may help.

    `limit` names the limit that was hit, if one was: Counters has a counter for each.
    """

    code: ClassVar[str] = "internal"
    temporary: ClassVar[bool] = False
    retry_seconds: float | None = None

    def __init__(self, message: str = "", *, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit


class ClientFault(ParleyError):
    """The request was wrong."""


class BadRequest(ClientFault):
    """Ill-formed: JSON, a type, a field, a name."""

    code = "bad_request"


class Unauthorized(ClientFault):
    """Nobody said hello on this connection, or the server does not let this user in."""

    code = "unauthorized"


class Expired(Unauthorized):
    """The token was good and is too old."""

    code = "expired"


class Forbidden(ClientFault):
    """The user is known but may not do this."""

    code = "forbidden"


class Banned(Forbidden):
    """Kept out of a room or of the server, for so many seconds more; for ever without."""

    def __init__(self, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class TooManyConnections(Forbidden):
    """A user has as many connections as one may have."""

    def __init__(self) -> None:
        super().__init__("you have too many connections", limit="connections_per_user")


class Muted(Forbidden):
    """May not write in a room, or anywhere, for so many seconds more; for ever without. Nothing was stored."""

    code = "muted"

    def __init__(self, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class NotJoined(ClientFault):
    """The command needs a room that this connection has not joined."""

    code = "not_joined"


class AlreadyJoined(ClientFault):
    """The connection has joined this room already."""

    code = "already_joined"


class TooLarge(ClientFault):
    """A text or a request is over its documented limit."""

    code = "too_large"


class RateLimited(ClientFault):
    """Too much at once. Nothing was stored; the same request may be sent again after `retry_seconds`."""

    code = "rate_limited"
    temporary = True

    def __init__(self, message: str, retry_seconds: float = 1.0, *, limit: str = "") -> None:
        super().__init__(message, limit=limit)
        self.retry_seconds = retry_seconds


class UnknownRoom(ClientFault):
    """There is no such room."""

    code = "unknown_room"


class UnknownMessage(ClientFault):
    """There is no such message in the room, or it is no longer kept."""

    code = "unknown_message"


class ServerFault(ParleyError):
    """The server could not do what was asked."""


class Unavailable(ServerFault):
    """Redis cannot be reached or too much waits for it. Nothing was sent to it for this request."""

    code, temporary = "unavailable", True
    retry_seconds = 1.0


class NotConfirmed(ServerFault):
    """Redis did not confirm in time; the event may or may not be stored. Retry with the same cid."""

    code, temporary = "unavailable", True
    retry_seconds = 1.0


class StartError(ParleyError):
    """The program cannot start. The message is the one line that a person needs."""


class SettingError(StartError):
    """A setting is wrong. `setting` is its name, the message says what would be right."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting
