"""Who may do what in which room: one place to ask."""

from __future__ import annotations

from enum import Enum

from app.grants import Right, Rules
from app.member import Member
from app.protocol.names import direct_handles


class Action(Enum):
    """What somebody wants to do in a room."""

    JOIN = "join"
    WRITE = "send, and change what one has sent"
    SET_TOPIC = "set the topic"
    AMEND_FOREIGN = "edit or delete what others wrote"


_NEEDED = {
    Action.JOIN: Right.READ,
    Action.WRITE: Right.WRITE,
    Action.SET_TOPIC: Right.WRITE,
    Action.AMEND_FOREIGN: Right.MODERATE,
}


class Rights:
    """What a member's token grants decides; in rooms that it does not name, the rule for everybody."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()

    def of(self, member: Member, room: str) -> Right:
        """The right of a member in the room of that name."""
        pair = direct_handles(room)
        if pair is not None:
            return Right.WRITE if member.handle in pair else Right.NONE
        granted = member.grants.right(room) if member.grants is not None else None
        return self._rules.everybody(room) if granted is None else granted

    def may(self, member: Member, action: Action, room: str) -> bool:
        """Whether a member may do this in the room of that name."""
        if action is Action.SET_TOPIC and direct_handles(room) is not None:
            return False
        return self.of(member, room) >= _NEEDED[action]

    def everybody(self, room: str) -> Right:
        """What the rule for a room says of those of whom nothing is known. Direct rooms have none: see `of`."""
        return self._rules.everybody(room)
