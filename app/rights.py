"""Who may do what in which room: one place to ask."""

from __future__ import annotations

from enum import Enum

from app.member import Member
from app.protocol.names import direct_handles


class Action(Enum):
    """What somebody wants to do in a room. Sending is part of being there."""

    JOIN = "join"
    SET_TOPIC = "set the topic"
    AMEND_FOREIGN = "edit or delete what others wrote"


def may(member: Member, action: Action, room: str) -> bool:
    """Whether a member may do this in the room of that name."""
    pair = direct_handles(room)
    if pair is not None:
        return action is Action.JOIN and member.handle in pair
    return action is not Action.AMEND_FOREIGN
