"""What a person has waiting: in each room how far it has read and what is unread, and with whom it talks alone."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import UNSET

from app.backplane.personal import Mark, Person, Personal, Place
from app.directory import ROOMS_MAX, Directory
from app.errors import NotConfirmed
from app.hub import Hub
from app.marks import Marks
from app.member import Member
from app.protocol import replies, requests
from app.rights import Action, Rights


class Inbox:
    """Answers `rooms`."""

    def __init__(self, hub: Hub, directory: Directory, marks: Marks, store: Personal, rights: Rights) -> None:
        self._rights = rights
        self._hub = hub
        self._directory = directory
        self._marks = marks
        self._store = store

    async def answer(self, member: Member, request: requests.Rooms) -> None:
        """The newest rooms, and the member's direct ones. Raises Unavailable, NotConfirmed."""
        if not self._marks.at_hand(member):
            await asyncio.shield(self._marks.load(member))
        listed = await self._directory.rooms(ROOMS_MAX)
        known = [entry for entry in listed if self._rights.may(member, Action.JOIN, entry.room)]
        rooms = [self._marked(member, entry) for entry in known[: request.limit]]
        direct = await self._direct(member, request.limit)
        member.reply(replies.encode(replies.RoomList(request.id, rooms, direct)))

    def _marked(self, member: Member, entry: replies.RoomEntry) -> replies.RoomEntry:
        """A room of the list, which all share, with what it is to this person."""
        mark = self._marks.mark(member, entry.room)
        place = self._place(entry.room, self._directory.place(entry.room))
        if mark is None or place is None or mark.epoch != place.epoch:
            return entry
        return msgspec.structs.replace(entry, read=mark.seq, unread=_unread(mark, place))

    def _place(self, name: str, read: Place | None) -> Place | None:
        """Where a room is: what this worker sees of one that is open here is newer than what was read."""
        room = self._hub.entered(name)
        return Place(room.at.epoch, room.at.seq, 0, room.others) if room is not None else read

    async def _direct(self, member: Member, limit: int) -> list[replies.DirectEntry]:
        """Direct rooms with something in them, newest first; of more than `limit` those that the member has read."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[dict[str, Person] | None] = loop.create_future()
        self._store.directs(member.handle, lambda known: None if found.done() else found.set_result(known))
        people = await found
        if not people:
            if people is None:
                raise NotConfirmed("Redis did not say with whom you talk")
            return []
        places: asyncio.Future[list[Place | None]] = loop.create_future()
        self._store.places(list(people), lambda read: None if places.done() else places.set_result(read))
        entries = [
            self._direct_entry(member, room, person, place)
            for (room, person), place in zip(people.items(), await places, strict=True)
            if place is not None and place.seq
        ]
        # Strangers, of whom there can be many, do not fill the list before those that one talks with.
        chosen = sorted(entries, key=lambda entry: (entry.read is UNSET, -entry.ts))[:limit]
        return sorted(chosen, key=lambda entry: -entry.ts)

    def _direct_entry(self, member: Member, room: str, person: Person, place: Place) -> replies.DirectEntry:
        mark = self._marks.mark(member, room)
        now = self._place(room, place) or place
        if mark is None or mark.epoch != place.epoch:
            return replies.DirectEntry(room, person, place.seq, place.ts, _unread(Mark(place.epoch, 0, 0), now))
        return replies.DirectEntry(room, person, place.seq, place.ts, _unread(mark, now), mark.seq)


def _unread(mark: Mark, place: Place) -> int:
    """How many messages there are after a mark."""
    return max(0, place.seq - mark.seq - (place.others - mark.others))
