"""Kick, mute and ban: what moderators do, and what that means for the people on this worker.

Whoever is asked to do something here is trusted: `app.moderating` and `app.service` check rights before. It is written
to Redis, which tells all workers; each then acts on its own members. This one does so at the answer already: who has
been told that it is done finds it so. A worker that missed a publication finds that out by the version, at the latest
after POLL_SECONDS.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import structlog
from msgspec import UNSET
from msgspec.structs import replace

from app.backplane import keys
from app.backplane.moderation import Done, News, Store, Written, read_news
from app.backplane.subscriber import Subscriber
from app.connection import Connection, Connections
from app.errors import BadRequest, Forbidden, ParleyError
from app.member import Member, State
from app.metrics import Counters
from app.people import People
from app.protocol import replies
from app.protocol.codes import REASONS, CloseCode
from app.protocol.names import handle, room_name
from app.room import Room
from app.sanctions import BAN, KICK, MUTE, UNBAN, UNMUTE, Held, Sanction, Sanctions, span, within
from app.tasks import Tasks

POLL_SECONDS = 2.0
RETRY_SECONDS = 0.1
READS_AGAIN = 5
USER_MAX = 255
REASON_MAX = 200
SECONDS_MAX = 10 * 365 * 86400
HELD_PER_ROOM = 1_000
"""Most bans and mutes of a room, kicks of the last minute included."""
HELD_PER_AUTHOR = 4_000
"""Most of those that somebody has imposed in single rooms who does not moderate everywhere."""
ADDRESSES_MAX = 8
"""Most addresses of a user on one worker that are banned with it."""
SPREAD_TRIES = 30
SPREAD_SECONDS = 1.0
"""So often, and so long after each other, it is tried to ban an address with its user while Redis is away."""
AT_ONCE = 500

_log = structlog.get_logger(component="moderation")


class By(NamedTuple):
    """Who does it: a user, or what an API key is called; whether one that moderates everywhere."""

    user: str
    name: str
    everywhere: bool = False


class Moderation:
    """Owns what is known of bans and mutes, `sanctions`.

    Attributes, set by the owner:
        take_out: takes a member out of a room at once.
        hush: ends a member's typing in a room.
        people_of: user -> name of the people of a room, as far as they are known here.
        known: whether everything has been read once.
    """

    def __init__(
        self,
        store: Store,
        subscriber: Subscriber,
        people: People,
        sanctions: Sanctions,
        tasks: Tasks,
        counters: Counters,
        connections: Connections,
    ) -> None:
        self._store = store
        self._subscriber = subscriber
        self._people = people
        self.sanctions = sanctions
        self._tasks = tasks
        self._counters = counters
        self._connections = connections
        self.take_out: Callable[[Member, Room], None] = lambda member, room: None
        self.people_of: Callable[[str], Mapping[str, str]] = lambda room: {}
        self.hush: Callable[[Room, Member], None] = lambda room, member: None
        self.known = asyncio.Event()
        self._wake = asyncio.Event()

    # What is asked; where no room is given it is for all of them

    async def kick(self, user: str, by: By, room: str = "", reason: str = "") -> Done:
        """Take a user out of a room; without one, close all its connections. It may come back."""
        return await self._impose(self._sanction(KICK, user, by, room, reason), 0, by)

    async def mute(self, user: str, seconds: float, by: By, room: str = "", reason: str = "") -> Done:
        """Have a user write nothing for so long; 0: for ever."""
        return await self._impose(self._sanction(MUTE, user, by, room, reason), seconds, by)

    async def unmute(self, user: str, by: By, room: str = "") -> Done:
        """End a mute; `changed` is 0 where there was none."""
        sanction = self._sanction(UNMUTE, user, by, room)
        return await self._lift(sanction, self.sanctions.of(MUTE, sanction.room, user))

    async def ban(
        self,
        by: By,
        user: str = "",
        address: str = "",
        seconds: float = 0,
        room: str = "",
        reason: str = "",
        spread: bool = False,
        spared: str = "",
    ) -> Done:
        """Keep a user, or whoever comes from an address or a network, away for so long; 0: for ever.

        Args:
            spread: with a user, ban the addresses that it is connected from as well.
            spared: never ban this address, where the author comes from: behind a proxy that the server does not know
                of it would be everybody's.

        Raises:
            BadRequest: what cannot be banned, or the spared address. Forbidden: as much is banned as can be.
        """
        if bool(user) == bool(address):
            raise BadRequest("a ban is for a user or for an address")
        sanction = self._sanction(BAN, user, by, room, reason, address, spread)
        if sanction.address and within(spared, sanction.address):
            raise BadRequest("this is your own address, too")
        return await self._impose(replace(sanction, spared=spared if spread else ""), seconds, by)

    async def unban(self, by: By, user: str = "", address: str = "", room: str = "") -> Done:
        """End a ban, a user's with those of the addresses banned with it; `changed` is 0 where there was none."""
        if bool(user) == bool(address):
            raise BadRequest("a ban is for a user or for an address")
        sanction = self._sanction(UNBAN, user, by, room, address=address)
        names = [sanction.key] if address else self.sanctions.of(BAN, sanction.room, user)
        return await self._lift(sanction, names)

    async def note(self, kind: str, user: str, name: str, by: By, room: str, seq: int) -> None:
        """Write down what was done to somebody's message: DELETE or EDIT."""
        await self._store.note(Sanction(kind, room, user, name=name, by=by.user, by_name=by.name, seq=seq))

    def held(self, room: str) -> list[Held]:
        """The bans and mutes of a room, newest first; "": those for everywhere."""
        return self.sanctions.listed(room)

    async def deeds(self, room: str, limit: int, before: str = "") -> list[Written]:
        """What was last done in a room, newest first; "": what was done everywhere, not in single rooms.

        Raises:
            BadRequest: `before` is no id of a deed.
        """
        if before and not all(part.isdecimal() and len(part) < 16 for part in before.split("-", 1)):
            raise BadRequest("before is the id of an entry")
        return await self._store.written(room, before, limit)

    def _sanction(
        self, kind: str, user: str, by: By, room: str, reason: str = "", address: str = "", spread: bool = False
    ) -> Sanction:
        """Raises BadRequest for what cannot be."""
        if not address and not (1 <= len(user) <= USER_MAX and user.isprintable()):
            raise BadRequest(f"a user has 1 to {USER_MAX} printable characters")
        if len(reason) > REASON_MAX or not reason.isprintable():
            raise BadRequest(f"a reason is one line of at most {REASON_MAX} characters")
        here = self._people.here(handle(user)) if user else ()
        name = here[0].name if here else self.people_of(room).get(user, "")
        address = span(address) if address else ""
        return Sanction(kind, room and room_name(room), user, address, name, by.user, by.name, reason, spread)

    async def _impose(self, sanction: Sanction, seconds: float, by: By) -> Done:
        if not 0 <= seconds <= SECONDS_MAX:
            raise BadRequest(f"it holds for at most {SECONDS_MAX} seconds")
        if sanction.room and sanction.key not in self.sanctions:
            self._check_bounds(sanction.room, by)
        self._counters.sanctions_imposed += 1
        done = await self._store.impose(sanction, seconds)
        await self._done(News(done.before, done.after, Held(sanction, done.at, done.until), sanction, [sanction.key]))
        return done

    def _check_bounds(self, room: str, by: By) -> None:
        """Raises Forbidden where no more can hold in a room, or of its author's."""
        if self.sanctions.count(room) >= HELD_PER_ROOM:
            raise Forbidden(f"a room has at most {HELD_PER_ROOM} bans and mutes", limit="sanctions")
        if not by.everywhere and self.sanctions.count_by(by.user) >= HELD_PER_AUTHOR:
            raise Forbidden(f"you may hold at most {HELD_PER_AUTHOR} bans and mutes in rooms", limit="sanctions")

    async def _lift(self, sanction: Sanction, names: list[str]) -> Done:
        self._counters.sanctions_lifted += 1
        done = await self._store.lift(sanction, names)
        if done.changed:
            await self._done(News(done.before, done.after, None, sanction, names))
        return done

    # What is known

    async def run(self) -> None:
        """Know what holds, for ever: hear of changes, and compare versions every POLL_SECONDS."""
        while True:
            pause = POLL_SECONDS * random.uniform(0.8, 1.2)
            self._wake.clear()
            try:
                # Subscribe, then read: what changes in between is seen twice, never missed.
                await self._subscriber.subscribe(keys.MODERATION)
                if not self.known.is_set() or await self._store.version() != self.sanctions.version:
                    await self._read()
                self.sanctions.prune()
                self._counters.sanctions = len(self.sanctions)
            except ParleyError:
                pause = RETRY_SECONDS
            except Exception:
                _log.exception("what is banned could not be read")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _read(self) -> None:
        before = self.sanctions.version
        known = await self._store.read()
        if self.sanctions.version != before:
            self._wake.set()  # something was heard meanwhile that this may not have
            return
        new, over = self.sanctions.replace(known.version, known.held)
        self.known.set()
        for held in new:
            self._act(held)
        for held in over:
            self._tell_end(held.sanction)

    def subscribed_again(self) -> None:
        """The subscriber was away: something may have been missed."""
        self._wake.set()

    def hear(self, data: bytes) -> None:
        """A publication."""
        try:
            news = read_news(data)
        except ValueError:
            self._counters.foreign += 1
            _log.error("a publication that is none of ours", seldom="moderation")
            return
        if self.known.is_set() and news.after == self.sanctions.version:
            return  # known from the answer, or read
        if not self.known.is_set() or news.before != self.sanctions.version:
            self._wake.set()
            return
        self._take(news)

    async def _done(self, news: News) -> None:
        """A change of this worker is in Redis. Its publication may have come before, or is on its way."""
        for _ in range(READS_AGAIN):
            if not self.known.is_set() or self.sanctions.version >= news.after:
                return
            if self.sanctions.version == news.before:
                self._take(news)
                return
            # What others changed before it is not known here yet.
            try:
                await self._read()
            except ParleyError:
                break
        self._wake.set()

    def _take(self, news: News) -> None:
        """The next change to what is known."""
        self.sanctions.version = news.after
        if news.held is None:
            for held in self.sanctions.drop(news.keys):
                self._tell_end(held.sanction)
        else:
            self.sanctions.put(news.held)
            self._act(news.held)

    # What it means for the members here

    def _act(self, held: Held) -> None:
        sanction, seconds = held.sanction, self.sanctions.seconds(held)
        if seconds == 0:
            return
        if sanction.address:
            if not self._connections.open:
                return
            self._tasks.start(self._close_address(held), name="ban of an address")
            return
        here = [member for member in self._people.here(handle(sanction.user)) if member.user == sanction.user]
        if sanction.spread:
            known = {member.address for member in here} - {""}
            for address in sorted(known)[:ADDRESSES_MAX]:
                if within(sanction.spared, span(address)):
                    continue
                self._tasks.start(self._spread(held, address), name="ban of an address")
        for member in here:
            self._meet(member, sanction, seconds)

    def _meet(self, member: Member, sanction: Sanction, seconds: float | None) -> None:
        """A sanction meets a member."""
        room = member.joined(sanction.room) if sanction.room else None
        if sanction.room and room is None:
            return
        member.author = None
        for each in member.rooms if room is None else (room,):
            self.hush(each, member)
        kind = sanction.kind
        member.reply(_told(sanction, seconds))
        if kind == MUTE:
            return
        leaving = member.rooms if room is None else (room,)
        for each in leaving:
            self.take_out(member, each)
        if room is not None:
            member.reply(replies.encode(replies.Left(room.name, reason="kicked" if kind == KICK else "banned")))
        else:
            code = CloseCode.KICKED if kind == KICK else CloseCode.BANNED
            member.close(code, REASONS[code])

    def _tell_end(self, sanction: Sanction) -> None:
        """A mute is over before its time."""
        if sanction.kind == MUTE:
            for member in self._people.here(handle(sanction.user)):
                if not sanction.room or member.joined(sanction.room) is not None:
                    member.reply(replies.encode(replies.Moderated(UNMUTE, sanction.room)))

    async def _spread(self, held: Held, address: str) -> None:
        """Ban an address that a banned user comes from; again for a while, as long as the user's ban holds."""
        sanction = held.sanction
        # How much its author may hold was looked at with the user's ban.
        by = By(sanction.by, sanction.by_name, everywhere=True)
        more = Sanction(BAN, sanction.room, sanction.user, span(address), sanction.name, *by[:2], sanction.reason)
        for tries in range(SPREAD_TRIES, 0, -1):
            seconds = self.sanctions.seconds(held)
            if seconds == 0 or sanction.key not in self.sanctions:
                return
            try:
                await self._impose(more, seconds or 0, by)
                return
            except ParleyError as error:
                if not error.temporary or tries == 1:
                    # The address is nobody's business who reads the log for this.
                    why = {"code": error.code, "limit": error.limit}
                    _log.warning("an address is not banned with its user", room=sanction.room, **why)
                    return
            await asyncio.sleep(SPREAD_SECONDS)

    async def _close_address(self, held: Held) -> None:
        """Find those who come from a banned network; others get a turn after AT_ONCE of them."""
        net = held.sanction.address
        for number, connection in enumerate(list(self._connections.open)):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if connection.is_open and within(connection.address, net):
                self._meet_address(connection, held)

    def _meet_address(self, connection: Connection, held: Held) -> None:
        receiver, sanction = connection.receiver, held.sanction
        if isinstance(receiver, Member):
            if receiver.state is State.HERE:
                self._meet(receiver, sanction, self.sanctions.seconds(held))
        elif sanction.room in ("", receiver.about.get("room", "")):
            connection.close(CloseCode.BANNED, REASONS[CloseCode.BANNED])


def _told(sanction: Sanction, seconds: float | None) -> bytes:
    """What a user is told of a sanction."""
    lasting = UNSET if seconds is None or sanction.kind == KICK else round(seconds, 3)
    return replies.encode(replies.Moderated(sanction.kind, sanction.room, lasting, sanction.reason))
