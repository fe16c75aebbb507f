"""Pages of a room's history."""

from __future__ import annotations

from msgspec import UnsetType

from app.backplane.broker import Page
from app.errors import BadRequest, NotJoined
from app.events import head
from app.hub import Hub
from app.joining import PAGE_MAX, newest, oldest
from app.member import Member
from app.protocol import bodies, requests
from app.room import Room


async def turn_page(hub: Hub, member: Member, request: requests.History, room: Room) -> None:
    """Answer with the latest events, or those before or after a seq. Raises BadRequest, NotJoined or Unavailable."""
    limit = min(request.limit, PAGE_MAX)
    ready = member.outbox.room
    before, after = sides(request.before, request.after)
    if isinstance(before, int):
        if before > room.at.seq + 1:
            # How far the log goes, the log has to say: an ack may come before this worker has heard the event.
            before = min(before, (await hub.page(room, None, 1)).top.seq + 1)
        first = max(1, before - limit)
        page = await hub.page(room, first, before - first, ready)
    elif isinstance(after, int):
        page = await hub.page(room, after + 1, limit, ready)
    else:
        page = await hub.page(room, None, limit, ready)
    if member.joined(room.name) is not room:
        # It was taken out while the log was read, and what is there now is not for it any more.
        raise NotJoined("join the room first")
    events, more = shown(page, before, after)
    member.reply(bodies.history(request, room.name, events, more))


def sides(before: int | UnsetType, after: int | UnsetType) -> tuple[int | None, int | None]:
    """Where a page ends or begins: at most one of the two. Raises BadRequest for both."""
    if isinstance(before, int) and isinstance(after, int):
        raise BadRequest("history goes before or after, not both")
    return before if isinstance(before, int) else None, after if isinstance(after, int) else None


def shown(page: Page, before: int | None, after: int | None) -> tuple[list[bytes], bool]:
    """The events of a page that are shown, oldest first, and whether there are more in the direction asked for."""
    if after is not None:
        events = oldest(page.events)
        return events, bool(events) and head(events[-1]).seq < page.top.seq
    events = newest([event for event in page.events if before is None or head(event).seq < before])
    return events, bool(events) and head(events[0]).seq > page.oldest
