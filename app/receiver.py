"""What a connection tells of its peer, and whom."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Who gets the messages of a connection. `heartbeat` is what shows its peer that the connection lives."""

    heartbeat: bytes

    @property
    def about(self) -> dict[str, str]:
        """What a line of the log says of the peer: conn, user, room, as far as it has them."""

    def text(self, payload: bytes) -> None:
        """A text message; valid UTF-8."""

    def binary(self, payload: bytes) -> None:
        """A binary message."""

    def throttled(self, limit: str, seconds: float) -> None:
        """The peer sends more than it may of what `limit` names, and is not read for so long."""

    def goodbye(self) -> None:
        """The peer has closed with 1000, for good; `lost` follows."""

    def lost(self) -> None:
        """The connection is gone; called exactly once."""
