"""Pages of a room's history."""

from __future__ import annotations

from app.errors import BadRequest
from app.events import head
from app.hub import Hub
from app.joining import PAGE_MAX, newest, oldest
from app.member import Member
from app.protocol import bodies, requests
from app.room import Room


async def turn_page(hub: Hub, member: Member, request: requests.History, room: Room) -> None:
    """Answer with the latest events, or those before or after a seq. Raises BadRequest or Unavailable."""
    limit = min(request.limit, PAGE_MAX)
    before, after = request.before, request.after
    if isinstance(before, int):
        if isinstance(after, int):
            raise BadRequest("history goes before or after, not both")
        if before > room.at.seq + 1:
            # How far the log goes, the log has to say: an ack may come before this worker has heard the event.
            before = min(before, (await hub.page(room, None, 1)).top.seq + 1)
        first = max(1, before - limit)
        page = await hub.page(room, first, before - first)
        events = [event for event in page.events if head(event).seq < before]
    elif isinstance(after, int):
        page = await hub.page(room, after + 1, limit)
        events = page.events
    else:
        page = await hub.page(room, None, limit)
        events = page.events
    if isinstance(after, int):
        events = oldest(events)
        more = bool(events) and head(events[-1]).seq < page.top.seq
    else:
        events = newest(events)
        more = bool(events) and head(events[0]).seq > page.oldest
    member.reply(bodies.history(request, room.name, events, more))
