"""Who may do what in which room: one place to ask."""

from __future__ import annotations

import time
from enum import Enum

from app.errors import Banned, Forbidden, Muted
from app.grants import Right, Rules
from app.member import Member
from app.protocol.names import direct_handles
from app.sanctions import MUTE, Held, Sanctions


class Action(Enum):
    """What somebody wants to do in a room."""

    JOIN = "join"
    WRITE = "write in"
    SET_TOPIC = "set the topic of"
    AMEND_FOREIGN = "edit or delete what others wrote in"
    MODERATE = "moderate"


_NEEDED = {
    Action.JOIN: Right.READ,
    Action.WRITE: Right.WRITE,
    Action.SET_TOPIC: Right.WRITE,
    Action.AMEND_FOREIGN: Right.MODERATE,
    Action.MODERATE: Right.MODERATE,
}


class Rights:
    """What a member's token grants decides; in rooms that it does not name, the rule for everybody.

    Above both stand the rules' moderators, and above all who is banned or muted, `sanctions`.
    """

    def __init__(self, rules: Rules | None = None, sanctions: Sanctions | None = None) -> None:
        self._rules = rules or Rules()
        self.sanctions = sanctions if sanctions is not None else Sanctions(time.time)

    def of(self, member: Member, room: str) -> Right:
        """The right of a member in the room of that name, whether or not it is banned or muted there."""
        pair = direct_handles(room)
        if pair is not None:
            return Right.WRITE if member.handle in pair else Right.NONE
        if self._rules.moderates(member.user, room):
            return Right.MODERATE
        granted = member.grants.right(room) if member.grants is not None else None
        return self._rules.everybody(room) if granted is None else granted

    def everywhere(self, member: Member) -> bool:
        """Whether a member moderates all rooms, and the server: its token says `"*": "moderate"`, or the rules do."""
        granted = member.grants is not None and member.grants.everywhere
        return granted or self._rules.moderates_everywhere(member.user)

    def may(self, member: Member, action: Action, room: str) -> bool:
        """Whether a member may do this in the room of that name."""
        if action is Action.SET_TOPIC and direct_handles(room) is not None:
            return False
        if self.of(member, room) < _NEEDED[action]:
            return False
        if action is Action.MODERATE and self.everywhere(member):
            return True
        return not self.sanctions or self._sanction(member, action, room) is None

    def check(self, member: Member, action: Action, room: str) -> None:
        """Raises Forbidden, Banned or Muted unless a member may do this in the room of that name."""
        if self.may(member, action, room):
            return
        held = self._sanction(member, action, room) if self.of(member, room) >= _NEEDED[action] else None
        if held is None:
            raise Forbidden(f"you may not {action.value} this room")
        seconds = self.sanctions.seconds(held)
        until = "" if seconds is None else f" for another {seconds:.0f} seconds"
        if held.sanction.kind == MUTE:
            raise Muted(f"you are muted{until}", seconds)
        raise Banned(f"you are banned from this room{until}", seconds)

    def check_here(self, user: str, address: str) -> None:
        """Raises Banned if a user, or whoever comes from its address, is kept away from the server."""
        held = self.sanctions.ban(user, address, "")
        if held is not None:
            seconds = self.sanctions.seconds(held)
            until = "" if seconds is None else f" for another {seconds:.0f} seconds"
            raise Banned(f"you are banned{until}", seconds)

    def banned_address(self, address: str, room: str) -> bool:
        """Whether an address is banned from the server, or from the room of that name."""
        return any(self.sanctions.ban("", address, where) is not None for where in ("", room))

    def _sanction(self, member: Member, action: Action, room: str) -> Held | None:
        """What forbids somebody what its right would allow."""
        banned = self.sanctions.ban(member.user, member.address, room)
        if banned is not None or action is Action.JOIN:
            return banned
        return self.sanctions.mute(member.user, room)

    def everybody(self, room: str) -> Right:
        """What the rule for a room says of those of whom nothing is known. Direct rooms have none: see `of`."""
        return self._rules.everybody(room)
