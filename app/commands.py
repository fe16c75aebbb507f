"""What members ask: one method per client message.

Most are answered without waiting, in the turn of the loop in which they came. A request that has to wait for Redis
runs as a task, and what the same member asks meanwhile waits behind it, so that requests of one connection take effect
in the order sent.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

import structlog
from msgspec import UNSET

from app.amending import Amending, Change, Message, check_text
from app.auth import Guests, Identity
from app.backplane.broker import Broker
from app.backplane.personal import Personal
from app.deadlines import Deadlines
from app.direct import Direct
from app.directory import Directory
from app.errors import BadRequest, Expired, Forbidden, NotJoined, ParleyError, RateLimited, Unauthorized
from app.events import head
from app.grants import Right
from app.hub import Hub
from app.inbox import Inbox
from app.joining import PAGE_MAX, Joining, Work, newest, oldest
from app.marks import Marks
from app.member import ERRORS_IN_A_ROW, WAITING_REQUESTS, Member, State
from app.mentions import mentioned
from app.metrics import Counters
from app.people import People
from app.presence import Presence
from app.protocol import messages as wire
from app.protocol.codes import REASONS, CloseCode
from app.protocol.names import DIRECT, ROOM_MAX, handle, room_name, user_name
from app.rights import Action, Rights
from app.room import Room
from app.signin import Signin
from app.tasks import Tasks
from app.tokens import User

HELLO_SECONDS = 10.0
MEANT_MAX = 1000
_log = structlog.get_logger(component="commands")


@dataclass(frozen=True, slots=True)
class Promises:
    """What a welcome says about this server: its node, its limits, its heartbeat in seconds."""

    node: str
    text_chars: int
    frame_bytes: int
    rooms: int
    unacked: int
    ping_seconds: int
    resume_events: int
    guests: bool = True


class Commands:
    """Carries out the requests of this worker's members."""

    def __init__(
        self,
        hub: Hub,
        broker: Broker,
        presence: Presence,
        directory: Directory,
        guests: Guests,
        tasks: Tasks,
        deadlines: Deadlines,
        counters: Counters,
        promises: Promises,
        people: People,
        personal: Personal,
        signin: Signin | None = None,
        rights: Rights | None = None,
    ) -> None:
        self._signin = signin
        self.rights = rights = rights or Rights()
        self._hub = hub
        self._broker = broker
        self._presence = presence
        self._typing = presence.typists.rooms
        self._guests = guests
        self._tasks = tasks
        self._deadlines = deadlines
        self._counters = counters
        self._promises = promises
        self._people = people
        self.marks = Marks(hub, personal, deadlines)
        people.on_mark = self.marks.heard
        self._inbox = Inbox(hub, directory, self.marks, personal, rights)
        self._direct = Direct(personal, people, deadlines)
        self._joining = Joining(
            hub, broker, presence, counters, promises.rooms, promises.resume_events, self.marks, rights
        )
        self._amending = Amending(broker, counters, promises.text_chars, self._people_of, rights)
        self._limits = wire.Limits(promises.text_chars, promises.frame_bytes, promises.rooms, promises.unacked)
        self._worker = secrets.token_hex(4)
        self._numbers = count(1)

    def next_conn(self) -> str:
        """An id for a new connection, unlike that of any other, on any worker, at any time.

        It names the session of a client that gives none: were it used again, so would be the client's cids.
        """
        return f"{self._worker}-{next(self._numbers):x}"

    def anybody_may_read(self, room: str) -> bool:
        """Whether a room may be shown to those who do not say who they are."""
        return self._promises.guests and self.rights.everybody(room) >= Right.READ

    def anybody_may_write(self, room: str) -> bool:
        """Whether those who do not say who they are may write under a room's name."""
        return self._promises.guests and self.rights.everybody(room) >= Right.WRITE

    # Members come, ask, go

    def greet(self, member: Member) -> None:
        """A new connection: it has HELLO_SECONDS to say who is there."""
        self._deadlines.set(
            member, "hello", HELLO_SECONDS, lambda: member.close(CloseCode.NO_HELLO, REASONS[CloseCode.NO_HELLO])
        )

    def receive(self, member: Member, payload: bytes) -> None:
        """One text frame. Queued behind a request that still waits; too many queued stop the reading."""
        if not member.busy:
            self._carry_out(member, payload)
            return
        if member.waiting is None:
            member.waiting = deque()
        member.waiting.append(payload)
        if len(member.waiting) >= WAITING_REQUESTS:
            member.link.hold()

    def binary(self, member: Member) -> None:
        """A binary frame: never part of the protocol."""
        self._bad(member, None, BadRequest("messages are text frames"))

    def goodbye(self, member: Member) -> None:
        """The peer has closed for good: the member leaves all its rooms."""
        self._gone(member, lost=False)

    def lost(self, member: Member) -> None:
        """The connection is gone: the member is out of all its rooms, but it may come back."""
        self._gone(member, lost=True)

    def _gone(self, member: Member, lost: bool) -> None:
        member.state = State.GONE
        member.waiting = None
        self._deadlines.clear(member, "hello")
        self._deadlines.clear(member, "token")
        for room in member.rooms:
            self._hub.leave(member, room)
            self._presence.leave(room, member, lost)
        member.rooms = ()
        self._people.leave(member)

    def _carry_out(self, member: Member, payload: bytes) -> None:
        try:
            request = wire.decode(payload)
        except BadRequest as error:
            self._bad(member, wire.id_of(payload), error)
            return
        member.errors = 0
        request_id = request.id or None  # typing has none
        try:
            work = self._dispatch(member, request)
        except ParleyError as error:
            self._refuse(member, request_id, error)
            return
        except Exception:
            _log.exception("a request failed", **_about(member, request))
            self._refuse(member, request_id, ParleyError("the server failed"))
            return
        if work is not None:
            member.busy = True
            self._tasks.start(self._finish(member, request_id, work), name=f"{type(request).__name__} {member.conn}")

    def _dispatch(self, member: Member, request: wire.Request) -> Work | None:
        """Answer now, or return what has to wait."""
        match request:
            case wire.Send() if member.state is State.HERE:
                self._send(member, request)
            case wire.Hello():
                return self._hello(member, request)
            case _ if member.state is not State.HERE:
                self._expel(member, request.id or None, Unauthorized("hello comes first"), CloseCode.NO_HELLO)
            case wire.Edit() | wire.Delete() | wire.React() | wire.SetTopic():
                self._check_unacked(member)
                self._amending.amend(member, request, self._room(member, request.room))
            case wire.Join():
                return self._joining.join(member, request)
            case wire.Leave():
                self._leave(member, request)
            case wire.Read():
                return self.marks.read(member, request, self._room(member, request.room))
            case wire.OpenDirect():
                seen = (person for room in member.rooms for person in self._people_of(room))
                return self._direct.open(member, request, seen)
            case wire.History():
                return self._history(member, request, self._room(member, request.room))
            case wire.Typing():
                room = member.joined(request.room)
                if room is not None and self.rights.may(member, Action.WRITE, room.name):
                    self._presence.typists.type(room, member)
            case wire.Rooms():
                return self._inbox.answer(member, request)
            case wire.Refresh():
                return self._refresh(member, request)
            case wire.Ping():
                member.reply(wire.encode(wire.Pong(request.id)))
        return None

    async def _finish(self, member: Member, request_id: int | None, work: Work) -> None:
        """See a waiting request through, then those that came after it."""
        try:
            await work
        except ParleyError as error:
            self._refuse(member, request_id, error)
        except Exception:
            _log.exception("a request failed", seldom=member.user, **member.about)
            self._refuse(member, request_id, ParleyError("the server failed"))
        while member.waiting and not member.outbox.closed:
            if member.outbox.behind:
                await member.outbox.drained()
                continue
            member.busy = False
            self._carry_out(member, member.waiting.popleft())
            if member.busy:
                return
            member.busy = True
        member.busy = False
        member.waiting = None
        if member.state is not State.GONE:
            member.link.release()

    def _refuse(self, member: Member, request_id: int | None, error: ParleyError) -> None:
        self._counters.refusals += 1
        if error.limit:
            self._counters.hit(error.limit)
        member.reply(wire.refusal(request_id, error))

    def _bad(self, member: Member, request_id: int | None, error: BadRequest) -> None:
        self._refuse(member, request_id, error)
        member.errors += 1
        if member.errors == ERRORS_IN_A_ROW:
            member.close(CloseCode.BAD_MESSAGES, REASONS[CloseCode.BAD_MESSAGES])

    def _expel(self, member: Member, request_id: int | None, error: ParleyError, code: CloseCode) -> None:
        """Refuse a request in a way that ends the connection."""
        self._refuse(member, request_id, error)
        member.close(code, REASONS[code])

    def _room(self, member: Member, name: str) -> Room:
        room = member.joined(name) or member.joined(room_name(name))
        if room is None:
            raise NotJoined("join the room first")
        return room

    # Hello

    def _hello(self, member: Member, request: wire.Hello) -> Work | None:
        if member.state is not State.GREETING:
            raise BadRequest("hello was said already")
        try:
            if request.token:
                found = self._users().user(request.token)
                if not isinstance(found, User):
                    return self._hello_later(member, request, found)
                self._signed_in(member, request, found)
            else:
                self._welcome(member, request, self._identify(request))
        except Unauthorized as error:
            self._expel_stranger(member, request, error)
        return None

    async def _hello_later(self, member: Member, request: wire.Hello, found: Coroutine[Any, Any, User]) -> None:
        """The key of the token has to be fetched first."""
        try:
            user = await found
        except Unauthorized as error:
            self._expel_stranger(member, request, error)
        except ParleyError as error:
            self._expel(member, request.id, error, CloseCode.OVERLOADED)
        else:
            if member.state is State.GREETING:
                self._signed_in(member, request, user)

    def _expel_stranger(self, member: Member, request: wire.Hello, error: Unauthorized) -> None:
        expired = isinstance(error, Expired)
        self._expel(member, request.id, error, CloseCode.TOKEN_EXPIRED if expired else CloseCode.BAD_TOKEN)

    def _users(self) -> Signin:
        if self._signin is None:
            raise Unauthorized("this server knows no signed-in users")
        return self._signin

    def _signed_in(self, member: Member, request: wire.Hello, user: User) -> None:
        member.grants = user.grants
        seconds = self._until_end(member, user)
        self._welcome(member, request, Identity(user.user, user.name), seconds)

    def _until_end(self, member: Member, user: User) -> int:
        """The connection ends with the token, unless it is refreshed: the seconds until then."""
        seconds = user.ends - time.time()
        lasting = max(0.0, seconds + self._users().leeway_seconds)
        code = CloseCode.TOKEN_EXPIRED
        self._deadlines.set(member, "token", lasting, lambda: member.close(code, REASONS[code]))
        return max(0, int(seconds))

    def _welcome(self, member: Member, request: wire.Hello, identity: Identity, seconds: int | None = None) -> None:
        """Somebody is here: a guest, or a signed-in user whose token ends in so many seconds."""
        member.user, member.name, member.handle = identity.user, identity.name, handle(identity.user)
        member.marked = not identity.new
        session = request.session or member.conn
        member.session = session
        member.state = State.HERE
        self._deadlines.clear(member, "hello")
        self._people.enter(member)
        if not self.marks.at_hand(member):
            self.marks.load(member)
        promises = self._promises
        member.reply(
            wire.encode(
                wire.Welcome(
                    id=request.id,
                    conn=member.conn,
                    user=identity.user,
                    name=identity.name,
                    guest=self._guests.token(identity) if seconds is None else UNSET,
                    exp=UNSET if seconds is None else seconds,
                    ping=promises.ping_seconds,
                    limits=self._limits,
                    session=session,
                    node=promises.node,
                )
            )
        )

    def _identify(self, request: wire.Hello) -> Identity:
        if not self._promises.guests:
            raise Unauthorized("this server is for signed-in users: hello needs a token")
        if request.guest:
            try:
                known = self._guests.again(request.guest)
                return Identity(known.user, user_name(request.name)) if request.name else known
            except Unauthorized:
                # Somebody whose token is too old comes in as new, under the name given.
                if not request.name:
                    raise
        if not request.name:
            raise BadRequest("hello needs a name or a guest token")
        return self._guests.new(request.name)

    def _refresh(self, member: Member, request: wire.Refresh) -> Work | None:
        found = self._users().user(request.token)
        if not isinstance(found, User):
            return self._refresh_later(member, request, found)
        self._refreshed(member, request, found)
        return None

    async def _refresh_later(self, member: Member, request: wire.Refresh, found: Coroutine[Any, Any, User]) -> None:
        user = await found
        if member.state is State.HERE:
            self._refreshed(member, request, user)

    def _refreshed(self, member: Member, request: wire.Refresh, user: User) -> None:
        """The new token's end and grants hold; its name only from the next connection on. Rooms lost are left."""
        if not self._deadlines.has(member, "token"):
            raise Forbidden("a guest has no token to refresh")
        if user.user != member.user:
            raise Forbidden("this token is somebody else's")
        member.grants = user.grants
        member.author = None
        seconds = self._until_end(member, user)
        for room in member.rooms:
            if not self.rights.may(member, Action.JOIN, room.name):
                self._take_out(member, room)
                member.reply(wire.encode(wire.Left(room.name)))
        member.reply(wire.encode(wire.Refreshed(request.id, seconds)))

    # Rooms

    def _leave(self, member: Member, request: wire.Leave) -> None:
        room = self._room(member, request.room)
        self._take_out(member, room)
        member.reply(wire.encode(wire.Left(room.name, request.id)))

    def _take_out(self, member: Member, room: Room) -> None:
        self._hub.leave(member, room)
        self._presence.leave(room, member)
        member.rooms = tuple(other for other in member.rooms if other is not room)

    # Messages

    def _send(self, member: Member, request: wire.Send) -> None:
        room = self._room(member, request.room)
        text = request.text
        check_text(text, self._promises.text_chars)
        self._check_unacked(member)
        author = member.author
        if author is None or author[0] is not room:
            if not self.rights.may(member, Action.WRITE, room.name):
                raise Forbidden("you may not write in this room")
            member.author = author = (room, wire.message_start(room.name, member.user, member.name))
        body = wire.message_body(author[1], request.cid, text)
        if self._typing:
            self._presence.typists.stop(room, member)
        if "@" in text or room.name.startswith(DIRECT):
            change = self._meant(member, request, room, body)
        else:
            change = Change(member, request, room.name, body, self._counters)
        self._broker.publish(room.name, change)
        member.unacked += 1
        self._counters.sends += 1
        self._counters.unconfirmed += 1

    def _meant(self, member: Member, request: wire.Send, room: Room, body: bytes) -> Change:
        """A message that names people, or goes to one: they are told, wherever they are."""
        users = mentioned(request.text, self._people_of(room))

        def tell(seq: int, dup: bool) -> None:
            self._direct.sent(member, room.name, seq)
            if not dup:
                self._direct.mentioned(users, member, room.name, seq)

        return Message(member, request, room.name, wire.mentioning(body, users), self._counters, tell)

    def _people_of(self, room: Room) -> Iterable[tuple[str, str]]:
        """User and name of the people of a room who can be meant by name: all, or where they are many those here."""
        everybody = self._presence.people(room.name)
        if everybody:
            return everybody.items()
        return ((member.user, member.name) for member in room.members[:MEANT_MAX] if isinstance(member, Member))

    def _check_unacked(self, member: Member) -> None:
        if member.unacked >= self._promises.unacked:
            raise RateLimited(
                f"at most {self._promises.unacked} changes may be unacknowledged", retry_seconds=0.2, limit="unacked"
            )

    async def _history(self, member: Member, request: wire.History, room: Room) -> None:
        limit = min(request.limit, PAGE_MAX)
        before, after = request.before, request.after
        if isinstance(before, int):
            if isinstance(after, int):
                raise BadRequest("history goes before or after, not both")
            before = min(before, room.at.seq + 1)
            first = max(1, before - limit)
            page = await self._hub.page(room, first, before - first)
            events = [event for event in page.events if head(event).seq < before]
        elif isinstance(after, int):
            page = await self._hub.page(room, after + 1, limit)
            events = page.events
        else:
            page = await self._hub.page(room, None, limit)
            events = page.events
        if isinstance(after, int):
            events = oldest(events)
            more = bool(events) and head(events[-1]).seq < page.top.seq
        else:
            events = newest(events)
            more = bool(events) and head(events[0]).seq > page.oldest
        member.reply(wire.history(request, room.name, events, more))


def _about(member: Member, request: wire.Request) -> dict[str, str]:
    """What a line of the log says of a request; never what it brings."""
    room = getattr(request, "room", "")
    named = {"room": room[:ROOM_MAX]} if room else {}
    return {"request": type(request).__name__.lower(), "seldom": member.user, **named, **member.about}
