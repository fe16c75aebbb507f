"""What back ends read: pages of history, who is in a room, which rooms there are, how much goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import msgspec
from msgspec import UNSET

from app.apikeys import ApiKey
from app.backplane.activity import About, Activity
from app.backplane.broker import Broker
from app.backplane.rosters import Store, Written
from app.directory import ROOMS_MAX, Directory
from app.errors import NotConfirmed, UnknownRoom
from app.mentions import AUTHORS_OF, with_authors
from app.paging import shown, sides
from app.presence import Presence
from app.protocol.replies import Person
from app.protocol.service import (
    ListedRoom,
    ListQuery,
    MessagePage,
    PageQuery,
    RoomPage,
    RoomPeople,
    RoomState,
)
from app.protocol.shapes import Event

NAMED_MAX = 1000
"""People of a room who are told by name; more are counted."""


class Reading:
    """Reads from Redis, on any worker, whether the room is open there or not."""

    def __init__(
        self, broker: Broker, activity: Activity, rosters: Store, presence: Presence, directory: Directory
    ) -> None:
        self._broker = broker
        self._activity = activity
        self._rosters = rosters
        self._presence = presence
        self._directory = directory

    async def messages(self, room: str, query: PageQuery) -> MessagePage:
        """A page of a room's events, folded. Raises BadRequest, UnknownRoom."""
        before, after = sides(query.before, query.after)
        about = await self._about(room)
        if before is not None:
            before = min(before, about.seq + 1)
            first = max(1, before - query.limit)
            page = await self._broker.between(room, first, before - first)
        elif after is not None:
            page = await self._broker.between(room, after + 1, query.limit)
        else:
            page = await self._broker.latest(room, query.limit)
        events, more = shown(page, before, after)
        # They leave as they were stored.
        messages = cast(list[Event], [msgspec.Raw(event) for event in events])
        return MessagePage(room, page.top.epoch, page.top.seq, messages, more)

    async def people(self, room: str) -> RoomPeople:
        """Who is in a room. Raises UnknownRoom."""
        about = await self._about(room)
        if about.members > NAMED_MAX:
            return RoomPeople(room, about.members)
        names = await self._names(room)
        return RoomPeople(room, len(names), [Person(user, name) for user, name in names.items()])

    async def names(self, room: str) -> dict[str, str]:
        """User -> name of the people of a room; of nobody where they are only counted."""
        about = await self._activity.room(room, self._presence.workers)
        return await self._names(room) if about is not None and 0 < about.members <= NAMED_MAX else {}

    async def known(self, room: str) -> Iterable[tuple[str, str]]:
        """User and name of those who can be meant in a room: its people, and who has written there of late."""
        names = await self.names(room)
        return with_authors(names, (await self._broker.latest(room, AUTHORS_OF)).events)

    async def _names(self, room: str) -> dict[str, str]:
        read: asyncio.Future[list[Written] | None] = asyncio.get_running_loop().create_future()
        self._rosters.read(room, self._presence.workers, lambda found: None if read.done() else read.set_result(found))
        rosters = await read
        if rosters is None:
            raise NotConfirmed("Redis did not say who is there")
        return {user: name for roster in rosters for user, name in roster.people.items()}

    async def rooms(self, key: ApiKey, query: ListQuery) -> RoomPage:
        """The rooms with the newest activity that a key is for."""
        listed = [entry for entry in await self._directory.rooms(ROOMS_MAX) if key.reaches(entry.room)]
        shown = [ListedRoom(one.room, one.members, one.seq, one.ts, one.topic) for one in listed[: query.limit]]
        return RoomPage(shown)

    async def room(self, room: str) -> RoomState:
        """A room as it is now. Raises UnknownRoom."""
        about = await self._about(room)
        topic = msgspec.json.decode(about.topic, type=str) if about.topic else UNSET
        return RoomState(room, about.epoch, about.members, about.seq, about.ts or UNSET, topic)

    async def _about(self, room: str) -> About:
        about = await self._activity.room(room, self._presence.workers)
        if about is None:
            raise UnknownRoom("there is no such room")
        return about
