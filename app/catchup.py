"""Merge what was read from the log with what this worker's room has, for one joining member.

The room is the authority: the member is answered up to the room's position and gets everything later as
broadcasts. A log read may lag behind the room or run ahead of it; both are put right here, without waiting.
"""

from __future__ import annotations

from app.events import head
from app.room import Room


def up_to(room: Room, events: list[bytes], top: int) -> list[bytes] | None:
    """The events read, cut or extended to end exactly at the room's position.

    Args:
        room: a settled room.
        events: consecutive events from the log, oldest first, ending at `top`.
        top: the seq up to which the log was read; also when `events` is empty.

    Returns:
        None if the room has moved on further than its recent events reach back: read again.
    """
    position = room.position
    assert position is not None
    if top > position.seq:
        return [event for event in events if head(event).seq <= position.seq]
    rest = room.after(top)
    return None if rest is None else events + rest
