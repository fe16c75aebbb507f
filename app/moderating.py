"""What moderators ask: their right is checked, it is done, and they are told how that went."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from msgspec import UNSET, UnsetType

from app.backplane.broker import Broker
from app.backplane.moderation import Written
from app.errors import BadRequest, Forbidden, ParleyError
from app.member import Member
from app.moderation import By, Moderation
from app.protocol import replies, requests
from app.protocol.names import room_name
from app.protocol.replies import Person
from app.rights import Action, Rights
from app.sanctions import Held
from app.tasks import Tasks

DEEDS_MAX = 200
RECORD_TRIES = 30
RECORD_SECONDS = 1.0
"""So often, and so long after each other, it is tried to write down an edit or deletion while Redis is away."""
FINISH_SECONDS = 2.0

Work = Coroutine[Any, Any, None]

_log = structlog.get_logger(component="moderating")


class Moderating:
    """Carries out the requests of moderators. Owns the tasks that write down what they did to messages."""

    def __init__(self, moderation: Moderation, rights: Rights, broker: Broker) -> None:
        self._moderation = moderation
        self._rights = rights
        self._broker = broker
        self._records = Tasks()

    def carry_out(self, member: Member, request: requests.Moderate) -> Work:
        """What has to wait for Redis.

        Raises:
            Forbidden: the member does not moderate the room, or not everywhere; nobody does anything to himself.
        """
        room = room_name(request.room) if request.room else ""
        if room:
            self._rights.check(member, Action.MODERATE, room)
        elif not self._rights.everywhere(member):
            raise Forbidden("you may not moderate everywhere")
        if isinstance(request, requests.Moderation):
            return self._list(member, request, room)
        if request.user == member.user and not isinstance(request, requests.Unmute | requests.Unban):
            raise BadRequest("this is yourself")
        if (
            isinstance(request, requests.Ban | requests.Unban)
            and request.address
            and not self._rights.everywhere(member)
        ):
            raise Forbidden("addresses are for those who moderate everywhere; ban a user with its addresses instead")
        return self._do(member, request, room)

    async def _do(self, member: Member, request: requests.Moderate, room: str) -> None:
        by, moderation = By(member.user, member.name, self._rights.everywhere(member)), self._moderation
        reply: object
        match request:
            case requests.Kick():
                await moderation.kick(request.user, by, room, request.reason)
                reply = replies.Kicked(request.id, request.user, room)
            case requests.Mute():
                done = await moderation.mute(request.user, request.seconds, by, room, request.reason)
                reply = replies.Muted(request.id, request.user, room, ends_at(done.until))
            case requests.Unmute():
                done = await moderation.unmute(request.user, by, room)
                reply = replies.Unmuted(request.id, request.user, done.changed > 0, room)
            case requests.Ban():
                done = await moderation.ban(
                    by,
                    request.user,
                    request.address,
                    request.seconds,
                    room,
                    request.reason,
                    request.addresses,
                    member.address,
                )
                reply = replies.Banned(request.id, request.user, request.address, room, ends_at(done.until))
            case requests.Unban():
                done = await moderation.unban(by, request.user, request.address, room)
                reply = replies.Unbanned(request.id, done.changed > 0, request.user, request.address, room)
        member.reply(replies.encode(reply))

    async def _list(self, member: Member, request: requests.Moderation, room: str) -> None:
        shown = self._rights.everywhere(member)
        deeds = await self._moderation.deeds(room, min(request.limit, DEEDS_MAX), request.before)
        reply = replies.ModerationList(
            request.id,
            [held_entry(held, shown) for held in self._moderation.held(room)],
            [deed_entry(deed, shown) for deed in deeds],
            room,
        )
        member.reply(replies.encode(reply))

    def amended(self, member: Member, room: str, seq: int, kind: str) -> None:
        """A moderator has edited or deleted a message: it is written down if it was somebody else's."""
        self._records.start(self._record(member, room, seq, kind), name=f"record of {member.conn}")

    async def finish(self) -> None:
        """Wait for what is being written down, FINISH_SECONDS at most: the worker goes."""
        await self._records.finish(FINISH_SECONDS)

    async def _record(self, member: Member, room: str, seq: int, kind: str) -> None:
        """Again for RECORD_TRIES: twice is better than not at all. What is given up is at least in the log."""
        done = False
        try:
            for _ in range(RECORD_TRIES):
                with suppress(ParleyError):
                    await self._write_down(member, room, seq, kind)
                    done = True
                    return
                await asyncio.sleep(RECORD_SECONDS)
        finally:
            if not done:
                _log.error("a deed is not written down", room=room, seq=seq, deed=kind, user=member.user)

    async def _write_down(self, member: Member, room: str, seq: int, kind: str) -> None:
        page = await self._broker.between(room, seq, 1)
        event = json.loads(page.events[0]) if page.events else {}
        if event.get("seq") == seq and event["user"] != member.user:
            by = By(member.user, member.name)
            await self._moderation.note(kind, event["user"], event["name"], by, room, seq)


def ends_at(until: float) -> int | UnsetType:
    """When something ends, in the milliseconds of the protocol; unset for what holds for ever."""
    return UNSET if math.isinf(until) else round(until * 1000)


def held_entry(held: Held, shown: bool) -> replies.HeldEntry:
    """A ban or mute, for who asks what holds; its address only if that may be `shown`."""
    sanction = held.sanction
    return replies.HeldEntry(
        kind=sanction.kind,
        at=round(held.at * 1000),
        by=Person(sanction.by, sanction.by_name),
        user=sanction.user,
        name=sanction.name,
        address=sanction.address if shown else "",
        addresses=bool(sanction.address) or sanction.spread,
        room=sanction.room,
        until=ends_at(held.until),
        reason=sanction.reason,
    )


def deed_entry(deed: Written, shown: bool) -> replies.Deed:
    """What was done, for who asks; with an address only if that may be `shown`."""
    sanction = deed.sanction
    return replies.Deed(
        id=deed.id,
        kind=sanction.kind,
        at=round(deed.at * 1000),
        by=Person(sanction.by, sanction.by_name),
        user=sanction.user,
        name=sanction.name,
        address=sanction.address if shown else "",
        room=sanction.room,
        until=ends_at(deed.until),
        reason=sanction.reason,
        seq=sanction.seq,
    )
