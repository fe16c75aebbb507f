"""How a member enters a room, fresh or resuming from its position, and leaves it.

The room is the authority. A member is answered up to the room's own position and gets everything later as broadcasts;
between the last part of the answer and the entry nothing waits, so there is no hole and no repeat. Who has missed more
than one frame should carry gets the rest as further events, as fast as it takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from app import frames
from app.backplane.broker import Broker
from app.errors import AlreadyJoined, Forbidden, ParleyError
from app.events import Position, head
from app.grants import Right
from app.hub import Hub
from app.marks import Marks
from app.member import Member, State
from app.metrics import Counters
from app.presence import Presence
from app.protocol import bodies, replies, requests
from app.protocol.names import room_name
from app.rights import Action, Rights
from app.room import Room

PAGE_MAX = 200
PART_EVENTS = 64
PART_BYTES = 256 * 1024
RETRY_SECONDS = 0.25

_TOLD = {
    Right.NONE: b'"rights":[],',
    Right.READ: b'"rights":["read"],',
    Right.WRITE: b'"rights":["read","write"],',
    Right.MODERATE: b'"rights":["read","write","moderate"],',
}
"""What an answer to a join says of rights."""

Work = Coroutine[Any, Any, None]


def newest(events: list[bytes], most_bytes: int = 4 * PART_BYTES) -> list[bytes]:
    """The last events that together have at most so many bytes; at least one, if there is any."""
    size = 0
    for index in range(len(events) - 1, -1, -1):
        size += len(events[index])
        if size > most_bytes:
            return events[min(index + 1, len(events) - 1) :]
    return events


def oldest(events: list[bytes], most_bytes: int = 4 * PART_BYTES) -> list[bytes]:
    """The first events that together have at most so many bytes; at least one, if there is any."""
    size = 0
    for index, event in enumerate(events):
        size += len(event)
        if size > most_bytes:
            return events[: max(index, 1)]
    return events


class Joining:
    """Lets members into rooms. `rooms` and `resume_events` are the limits of the same name."""

    def __init__(
        self,
        hub: Hub,
        broker: Broker,
        presence: Presence,
        counters: Counters,
        rooms: int,
        resume_events: int,
        marks: Marks,
        rights: Rights,
    ) -> None:
        self._rights = rights
        self._hub = hub
        self._presence = presence
        self._marks = marks
        self._broker = broker
        self._counters = counters
        self._rooms = rooms
        self._resume_events = resume_events

    def join(self, member: Member, request: requests.Join) -> Work | None:
        """Answer a join now, or return what has to wait.

        Raises:
            BadRequest, AlreadyJoined, Forbidden: the name, the room, one room too many.
        """
        name = room_name(request.room)
        if member.joined(name) is not None:
            raise AlreadyJoined("the room is joined already")
        self._rights.check(member, Action.JOIN, name)
        if len(member.rooms) >= self._rooms:
            raise Forbidden(f"a connection joins at most {self._rooms} rooms", limit="rooms_per_connection")
        if not self._marks.at_hand(member):
            return self._join_when_known(member, request, name)
        return self._join(member, request, name)

    async def _join_when_known(self, member: Member, request: requests.Join, name: str) -> None:
        """The answer says how far the person has read; where Redis does not tell, it says nothing of that."""
        if not self._marks.at_hand(member):
            await asyncio.shield(self._marks.load(member))
        self._rights.check(member, Action.JOIN, name)
        work = self._join(member, request, name) if member.state is State.HERE else None
        if work is not None:
            await work

    def _join(self, member: Member, request: requests.Join, name: str) -> Work | None:
        room = self._hub.entered(name)
        events = self._at_hand(room, request) if room is not None else None
        if room is None or events is None:
            return self._join_later(member, request, name)
        self._enter(member, room)
        self._answer(member, request, room, room.at, bool(request.since), events)
        return None

    def _at_hand(self, room: Room, request: requests.Join) -> list[bytes] | None:
        """The events a join is answered with, from the room's recent ones; None if they do not do."""
        since = request.since
        if not since:
            return self._page(room, request)
        if since.epoch != room.at.epoch or room.mid_at(since.seq) != since.mid:
            return None
        events = room.after(since.seq)
        return events if events is not None and sum(map(len, events)) <= PART_BYTES else None

    @staticmethod
    def _page(room: Room, request: requests.Join) -> list[bytes] | None:
        """The latest events, as many as are asked for; None if the room's recent ones do not reach back that far."""
        limit = min(request.limit, PAGE_MAX)
        return newest(room.latest(limit)) if room.recent_first <= max(1, room.at.seq - limit + 1) else None

    async def _join_later(self, member: Member, request: requests.Join, name: str) -> None:
        await member.outbox.room()
        if request.since and await self._resume(member, request, name, request.since):
            return
        while True:
            room = await self._hub.enter(name)
            events = self._page(room, request)
            if events is not None:
                break
            limit = min(request.limit, PAGE_MAX)
            await self._hub.reach_back(room, room.at.seq - limit + 1)
            if self._hub.get(name) is room:
                events = newest(room.latest(limit))
                break
        if member.state is State.HERE:
            self._rights.check(member, Action.JOIN, name)
            self._enter(member, room)
            self._answer(member, request, room, room.at, False, events)

    async def _resume(self, member: Member, request: requests.Join, name: str, since: requests.Since) -> bool:
        """Give a member exactly what follows its position, in parts; False if that cannot be proved, or is too much."""
        position = Position(since.epoch, since.seq, since.mid)
        if not await self._proved(await self._hub.enter(name), position):
            return False
        answered = False
        while member.state is State.HERE:
            try:
                await member.outbox.room()
                room = await self._hub.enter(name)
                events = await self._part(room, position)
            except ParleyError:
                if not answered:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if member.state is not State.HERE:
                break  # gone while its part was read: nobody would ever take it out again
            if self._hub.get(name) is not room:
                continue
            if not answered:
                self._rights.check(member, Action.JOIN, name)
            elif not self._rights.may(member, Action.JOIN, name):
                member.reply(replies.encode(replies.Left(name, reason="rights")))
                break
            if events is None:
                if answered:
                    self._counters.resumes_lost += 1
                    self._enter(member, room)
                    lost = bodies.resync(name, room.at, True, newest(room.latest(PAGE_MAX)), room.topic)
                    member.write(frames.text(lost))
                return answered
            # From here to the entry nothing waits.
            if events:
                last = head(events[-1])
                position = Position(position.epoch, last.seq, last.mid)
            here = position == room.at
            if here:
                self._enter(member, room)
            if answered:
                member.outbox.reply(frames.texts(events))
            else:
                self._answer(member, request, room, position, True, events)
                answered = True
            if here:
                break
            await member.outbox.drained()
        return True

    async def _proved(self, room: Room, position: Position) -> bool:
        """Whether the position is in the room's log, and not too far back."""
        if position.epoch != room.at.epoch or position.seq > room.at.seq:
            # The client may know more than this worker has heard yet.
            await self._hub.refresh(room)
        if position.epoch != room.at.epoch or not 0 <= room.at.seq - position.seq <= self._resume_events:
            return False
        await self._hub.reach_back(room, position.seq)
        known = room.mid_at(position.seq)
        if known is None:
            # More than is kept at hand, or no longer in the log.
            return (await self._broker.since(room.name, position, 0)).proved
        return known == position.mid and position.epoch == room.at.epoch

    async def _part(self, room: Room, position: Position) -> list[bytes] | None:
        """The next events after a position, none beyond the room's; None if they are not to be had any more.

        The log may have lost its tail since the part before: each part is proved to follow that one.
        """
        if room.at.epoch != position.epoch or position.seq > room.at.seq:
            return None
        known = room.mid_at(position.seq)
        if known is None:
            page = await self._broker.since(room.name, position, PART_EVENTS)
            if not page.proved or room.at.epoch != position.epoch or not page.events:
                return None
            return oldest([event for event in page.events if head(event).seq <= room.at.seq], PART_BYTES)
        return oldest(room.after(position.seq) or [], PART_BYTES) if known == position.mid else None

    def leave(self, member: Member, request: requests.Leave, room: Room) -> None:
        """Carry out and answer a leave of a joined room."""
        self.take_out(member, room)
        member.reply(replies.encode(replies.Left(room.name, request.id)))

    def take_out(self, member: Member, room: Room) -> None:
        """The member is no longer in a room that it has joined; it is not told."""
        self._hub.leave(member, room)
        self._presence.leave(room, member)
        member.rooms = tuple(other for other in member.rooms if other is not room)

    def _enter(self, member: Member, room: Room) -> None:
        room.join(member)
        member.rooms += (room,)
        self._presence.enter(room, member)

    def _answer(
        self,
        member: Member,
        request: requests.Join,
        room: Room,
        position: Position,
        recovered: bool,
        events: list[bytes],
    ) -> None:
        self._counters.joins += 1
        if recovered:
            self._counters.resumes_recovered += 1
        elif request.since:
            self._counters.resumes_page += 1
        more = b',"topic":%b,' % room.topic if room.topic else b","
        read = self._marks.of(member, room)
        if read:
            more += b'"read":%d,' % read
        more += _TOLD[self._rights.of(member, room.name)]
        muted = self._rights.sanctions.mute(member.user, room.name)
        if muted is not None:
            more += b'"muted":%.3f,' % (self._rights.sanctions.seconds(muted) or 0)
        more += self._presence.summary(room)
        member.reply(bodies.joined(request, room.name, position, recovered, events, more))
