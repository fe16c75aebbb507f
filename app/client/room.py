"""One room as the client sees it: its position, the verdict on everything that arrives for it, and its present truth.

Pure: no socket, no clock. The position names the last event that was handed on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from app.client.timeline import Timeline
from app.events import Position

Message = dict[str, Any]

REMEMBERED = 512
"""Mids of the last events, to tell after a gap what was seen already: more than a page of history has."""
TYPING_SECONDS = 10.0
"""Who typed is forgotten after so long without word of it: the push that ends it may have been dropped."""
PEOPLE_MAX = 1000
"""Beyond so many the people of a room are counted but not named, whatever the server sends."""


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
    """The pure part of a joined room.

    Attributes:
        timeline: its newest messages as they read now.
        topic: empty if it has none.
        members: how many people are there; None if the server has not said.
        people: their names by user; empty where there are too many to name.
        typing: names by user of those who typed when it was last said; `typists` knows who still does.
        rights: what this client's user may do there: read, write, moderate.
        muted_until: until when it may not write, on the clock of `note`; infinite: for ever; 0 if it may.
        read: up to which seq this client's user has read; 0 without a mark.
    """

    def __init__(self, name: str, rows_max: int = 0) -> None:
        self.name = name
        self.position: Position | None = None
        self.joined = False
        self.timeline = Timeline(rows_max)
        self.topic = ""
        self.members: int | None = None
        self.people: dict[str, str] = {}
        self.typing: dict[str, str] = {}
        self.typing_at = float("-inf")
        self.read = 0
        self.rights: list[str] = []
        self.muted_until = 0.0
        self._mids: dict[int, str] = {}
        self._acked: dict[int, str] = {}

    def receive(self, event: Message) -> Verdict:
        """Judge a live event; DELIVER advances the position past it and folds it in.

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
        self._fold(event)
        return Verdict.DELIVER

    def catch_up(self, account: Message, proven: bool) -> tuple[list[Message], Gap | None]:
        """Take the server's account of what was missed (a `joined` or `resync`) and its new position.

        Args:
            proven: the server proves that the messages follow the position without a hole.

        Returns:
            The events not seen before, and the hole before them. Without an earlier position nothing is missing.
        """
        fresh, gap = self._compare(account, proven)
        if gap is not None:
            self.timeline.clear()
        for event in account["messages"] if gap is not None else fresh:
            self._fold(event)
        return fresh, gap

    def _compare(self, account: Message, proven: bool) -> tuple[list[Message], Gap | None]:
        before, messages = self.position, account["messages"]
        now = self.position = Position(account["epoch"], account["seq"], account["mid"])
        same_epoch = before is not None and before.epoch == now.epoch
        if not same_epoch:
            self._mids.clear()
        fresh = [event for event in messages if self._mids.get(event["seq"]) != event["mid"]]
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

    def acknowledged(self, seq: int, mid: str) -> None:
        """A change of this client is that event, which may come later. Its mid is empty if it is no longer kept."""
        if mid:
            _keep(self._acked, seq, mid)

    def mid_of(self, seq: int) -> str:
        """The mid of the message that this client knows by that seq; empty if it knows none."""
        row = self.timeline.get(seq)
        return self._mids.get(seq) or self._acked.get(seq) or (row.mid if row is not None else "")

    # What is not part of the sequence

    def enter(self, joined: Message, now: float = 0.0) -> None:
        """This connection is in: take from `joined`, which came at `now` seconds, what the room is like now."""
        self.joined = True
        self.topic = joined.get("topic", "")
        self.members = joined.get("members")
        self.people = _names(joined.get("presence", ()))
        self.typing = {}
        self.read = max(self.read, joined.get("read", 0))
        self.rights = list(joined.get("rights", ("read", "write")))
        self.muted_until = now + (joined["muted"] or math.inf) if "muted" in joined else 0.0

    def exit(self) -> None:
        """The connection is gone; who is there and who types is not known any more."""
        self.joined = False
        self.typing = {}

    def typists(self, now: float) -> dict[str, str]:
        """Names by user of those who type, this client's own user among them. `now` is the clock of `note`."""
        return self.typing if now - self.typing_at < TYPING_SECONDS else {}

    def note(self, push: Message, now: float = 0.0) -> None:
        """Take a push that is no event, which came at `now` seconds."""
        match push["type"]:
            case "presence":
                self._presence(push)
            case "typing":
                self.typing, self.typing_at = _names(push.get("users", ())), now
            case "read":
                self.read = max(self.read, push["seq"])
            case "moderated" if push["action"] == "mute":
                self.muted_until = now + push.get("seconds", math.inf)
            case "moderated" if push["action"] == "unmute":
                self.muted_until = 0.0

    def _presence(self, push: Message) -> None:
        self.members = push.get("members", self.members)
        if "presence" in push:
            self.people = _names(push["presence"])  # all there are, whatever was known
        elif "joined" not in push and "left" not in push:
            self.people = {}  # too many to be named
            return
        for user in push.get("left", ()):
            self.people.pop(user, None)
            self.typing.pop(user, None)
        self.people |= _names(push.get("joined", ()))
        if len(self.people) > PEOPLE_MAX:
            self.people = {}

    def _fold(self, event: Message) -> None:
        self.timeline.apply(event)
        match event["type"]:
            case "message":
                self.typing.pop(event["user"], None)
            case "topic":
                self.topic = event["topic"]

    def _remember(self, event: Message) -> None:
        _keep(self._mids, event["seq"], event["mid"])


def _keep(mids: dict[int, str], seq: int, mid: str) -> None:
    mids[seq] = mid
    if len(mids) > REMEMBERED:
        del mids[next(iter(mids))]


def _names(people: Any) -> dict[str, str]:
    names = {person["user"]: person["name"] for person in people}
    return names if len(names) <= PEOPLE_MAX else {}


def is_event(message: Message) -> bool:
    """Whether a push is an event of a room's sequence, also of a type this version does not know."""
    return "id" not in message and "mid" in message and "seq" in message and message["type"] != "resync"
