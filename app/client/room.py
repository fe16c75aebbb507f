"""One room as the client sees it: its position, and the verdict on everything that arrives for it.

Pure: no socket, no clock. The position names the last event that was handed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from app.events import Position

Message = dict[str, Any]

REMEMBERED = 512
"""Mids of the last events, to tell after a gap what was seen already: more than a page of history has."""


class Verdict(Enum):
    """What to do with a live event."""

    DELIVER = "deliver"
    REPEAT = "repeat"
    EARLY = "early"
    HOLE = "hole"


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that this client will never get: those after `after` up to `upto`, or an unknown number."""

    after: int
    upto: int
    epoch_changed: bool


class Room:
    """The pure part of a joined room."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.position: Position | None = None
        self.joined = False
        self._mids: dict[str, None] = {}

    def receive(self, event: Message) -> Verdict:
        """Judge a live event; DELIVER advances the position past it.

        REPEAT was seen before, EARLY came before the room was joined, HOLE means events are missing before it.
        """
        if not self.joined or self.position is None:
            return Verdict.EARLY
        seq: int = event["seq"]
        if seq <= self.position.seq:
            return Verdict.REPEAT
        if seq > self.position.seq + 1:
            return Verdict.HOLE
        self.position = Position(self.position.epoch, seq, event["mid"])
        self._remember(event)
        return Verdict.DELIVER

    def catch_up(self, account: Message, proven: bool) -> tuple[list[Message], Gap | None]:
        """Take the server's account of what was missed (a `joined` or `resync`) and its new position.

        Args:
            proven: the server proves that the messages follow the position without a hole.

        Returns:
            The events not seen before, and the hole before them. Without an earlier position nothing is missing.
        """
        before, messages = self.position, account["messages"]
        now = self.position = Position(account["epoch"], account["seq"], account["mid"])
        same_epoch = before is not None and before.epoch == now.epoch
        if not same_epoch:
            self._mids.clear()
        fresh = [event for event in messages if event["mid"] not in self._mids]
        for event in messages:
            self._remember(event)
        if before is None:
            return fresh, None
        known = any(event["seq"] == before.seq and event["mid"] == before.mid for event in messages)
        follows = fresh[0]["seq"] == before.seq + 1 if fresh else now.seq == before.seq
        if same_epoch and follows and (proven or known or (now.seq, now.mid) == (before.seq, before.mid)):
            return fresh, None
        upto = (fresh[0]["seq"] if fresh else now.seq + 1) - 1
        return fresh, Gap(before.seq, upto, not same_epoch)

    def _remember(self, event: Message) -> None:
        self._mids[event["mid"]] = None
        if len(self._mids) > REMEMBERED:
            del self._mids[next(iter(self._mids))]


def is_event(message: Message) -> bool:
    """Whether a push is an event of a room's sequence, also of a type this version does not know."""
    return "id" not in message and "mid" in message and "seq" in message and message["type"] != "resync"
