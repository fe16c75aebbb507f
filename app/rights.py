"""Who may do what in which room: one place to ask."""

from __future__ import annotations

from enum import Enum

from app.member import Member


class Action(Enum):
    """What somebody wants to do in a room."""

    JOIN = "join"
    SET_TOPIC = "set the topic"
    AMEND_FOREIGN = "edit or delete what others wrote"


def may(member: Member, action: Action, room: str) -> bool:
    """Whether a member may do this in the room of that name. What is done in a joined room is asked again."""
    return action is not Action.AMEND_FOREIGN
