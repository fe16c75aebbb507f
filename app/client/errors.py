"""What can go wrong for a user of the client.

ClientError
  Refused        the server's error reply, with its code; `temporary` says that the same may be asked again
    NoAnswer     it did not answer in time: what was asked may have happened
  Unconfirmed    a change was sent but given up before an answer came: it may or may not be stored
  Closed         the client was closed, or the server sent it away for good; the change was never sent
  OutboxFull     too many changes wait for their acknowledgement; this one was not taken
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of all."""


class Refused(ClientError):
    """The server said no. `retry` is in seconds, 0 if the server names none."""

    def __init__(self, code: str, message: str, *, temporary: bool = False, retry: float = 0.0) -> None:
        super().__init__(message or code)
        self.code = code
        self.temporary = temporary
        self.retry = retry

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Refused:
        """The error that an `error` message stands for."""
        retry = reply.get("retry")
        return cls(
            str(reply.get("code") or "internal"),
            str(reply.get("message") or ""),
            temporary=reply.get("temporary") is True,
            retry=float(retry) if isinstance(retry, int | float) and retry > 0 else 0.0,
        )


class NoAnswer(Refused):
    """The server did not answer in time; temporary. What was asked may have happened, or happen yet."""

    def __init__(self) -> None:
        super().__init__("unavailable", "no answer in time", temporary=True)


class Unconfirmed(ClientError):
    """It may or may not be stored."""


class Closed(ClientError):
    """The client is closed; nothing was sent."""


class OutboxFull(ClientError):
    """Too many changes are waiting."""
