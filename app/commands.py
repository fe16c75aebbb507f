"""What members ask: one method per client message.

Most are answered without waiting, in the turn of the loop in which they came. A request that has to wait for Redis
runs as a task, and what the same member asks meanwhile waits behind it, so that requests of one connection take effect
in the order sent.
"""

from __future__ import annotations

import secrets
from collections import deque
from itertools import count

import structlog

from app.allowances import Allowances
from app.amending import Amending
from app.auth import Guests
from app.backplane.broker import Broker
from app.backplane.personal import Personal
from app.deadlines import Deadlines
from app.direct import Direct
from app.directory import Directory
from app.errors import BadRequest, NotJoined, ParleyError, RateLimited, Unauthorized
from app.grants import Right
from app.greeting import Greeting, Promises
from app.hub import Hub
from app.inbox import Inbox
from app.joining import Joining, Work
from app.marks import Marks
from app.member import ERRORS_IN_A_ROW, WAITING_REQUESTS, Member, State
from app.metrics import Counters
from app.moderating import Moderating
from app.moderation import Moderation
from app.paging import turn_page
from app.people import People
from app.presence import Presence
from app.protocol import replies, requests
from app.protocol.codes import REASONS, CloseCode
from app.protocol.names import ROOM_MAX, room_name
from app.quota import Quotas
from app.rights import Action, Rights
from app.room import Room
from app.seats import Seats
from app.sending import Sending
from app.signin import Signin
from app.tasks import Tasks

FREE_REQUESTS = 16
"""So many requests of a connection besides sends are not counted: nobody needs a bucket to come in."""

FLOOD_SECONDS = 10.0
"""Who has sent too much for about so long, and goes on, is sent away."""

_KINDS: dict[type, str] = {
    requests.Join: "joins",
    requests.History: "histories",
    requests.Ping: "pings",
}

_log = structlog.get_logger(component="commands")


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
        moderation: Moderation,
        quotas: Quotas,
        allowances: Allowances,
        rights: Rights,
        seats: Seats,
        signin: Signin | None = None,
    ) -> None:
        self.rights = rights
        self._hub = hub
        self._presence = presence
        self._tasks = tasks
        self._counters = counters
        self._promises = promises
        self._people = people
        self._seats = seats
        self._allowances = allowances
        self._quota = quotas.sends
        self.marks = Marks(hub, personal, deadlines)
        people.on_mark = self.marks.heard
        self._inbox = Inbox(hub, directory, self.marks, personal, rights)
        self._direct = Direct(personal, people, deadlines)
        self._joining = Joining(
            hub, broker, presence, counters, promises.rooms, promises.resume_events, self.marks, rights
        )
        self._greeting = Greeting(
            guests, signin, rights, deadlines, people, self.marks, self._joining, promises, self._expel, seats, quotas
        )
        self.greet = self._greeting.greet
        self._sending = Sending(
            broker, presence, self._direct, rights, counters, quotas, promises.text_chars, promises.unacked
        )
        self._send = self._sending.send
        self._moderating = Moderating(moderation, rights, broker)
        moderation.take_out, moderation.people_of = self._joining.take_out, presence.people
        moderation.hush = presence.typists.stop
        self._amending = Amending(
            broker,
            counters,
            promises.text_chars,
            self._sending.people_of,
            rights,
            self._moderating.amended,
            self._sending.admit,
        )
        self._worker = secrets.token_hex(4)
        self._numbers = count(1)

    def next_conn(self) -> str:
        """An id for a new connection, unlike that of any other, on any worker, at any time.

        It names the session of a client that gives none: were it used again, so would be the client's cids.
        """
        return f"{self._worker}-{next(self._numbers):x}"

    def may_feed(self, room: str, address: str) -> bool:
        """Whether those who do not say who they are may write under a room's name, from that address."""
        open_ = self._promises.guests and self.rights.everybody(room) >= Right.WRITE
        return open_ and not self.rights.banned_address(address, room)

    # Members come, ask, go

    async def finish(self) -> None:
        """The worker goes: what members have done is written, as far as Redis takes it within seconds."""
        await self.marks.flush()
        await self._moderating.finish()

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

    def throttled(self, member: Member, limit: str, seconds: float) -> None:
        """The member has sent more frames or bytes than it may; the connection reads no more for so long."""
        self._refuse(
            member, None, RateLimited(f"this connection sends too many {limit}", round(seconds, 3), limit=limit)
        )
        if self._allowances.draw_seconds("refusals", member, 2 * seconds) > FLOOD_SECONDS:
            member.close(CloseCode.FLOOD, REASONS[CloseCode.FLOOD])

    def goodbye(self, member: Member) -> None:
        """The peer has closed for good: the member leaves all its rooms."""
        self._gone(member, lost=False)

    def lost(self, member: Member) -> None:
        """The connection is gone: the member is out of all its rooms, but it may come back."""
        self._gone(member, lost=True)

    def _gone(self, member: Member, lost: bool) -> None:
        member.state = State.GONE
        member.waiting = None
        self._greeting.gone(member)
        for room in member.rooms:
            self._hub.leave(member, room)
            self._presence.leave(room, member, lost)
        member.rooms = ()
        self._people.leave(member)
        self._seats.leave(member)

    def _carry_out(self, member: Member, payload: bytes) -> None:
        try:
            request = requests.decode(payload)
        except BadRequest as error:
            self._bad(member, requests.id_of(payload), error)
            return
        member.errors = 0
        request_id = request.id or None  # typing has none
        try:
            if type(request) is requests.Send and member.state is State.HERE:
                self._send(member, request, self._room(member, request.room))
                return
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

    def _dispatch(self, member: Member, request: requests.Request) -> Work | None:
        """Answer now, or return what has to wait."""
        self._charge(member, request)
        match request:
            case requests.Hello():
                return self._greeting.hello(member, request)
            case _ if member.state is not State.HERE:
                self._expel(member, request.id or None, Unauthorized("hello comes first"), CloseCode.NO_HELLO)
            case requests.Edit() | requests.Delete() | requests.React() | requests.SetTopic():
                self._amending.amend(member, request, self._room(member, request.room))
            case requests.Join():
                return self._joining.join(member, request)
            case requests.Leave():
                self._joining.leave(member, request, self._room(member, request.room))
            case requests.Read():
                return self.marks.read(member, request, self._room(member, request.room))
            case requests.OpenDirect():
                seen = (self._presence.people(room.name) for room in member.rooms)
                return self._direct.open(member, request, seen)
            case requests.History():
                return turn_page(self._hub, member, request, self._room(member, request.room))
            case requests.Typing():
                room = member.joined(request.room)
                if room is not None and self.rights.may(member, Action.WRITE, room.name):
                    self._presence.typists.type(room, member)
            case requests.Rooms():
                self._allowances.take("lists", member.handle)
                return self._inbox.answer(member, request)
            case requests.Moderation():
                self._allowances.take("lists", member.handle)
                return self._moderating.carry_out(member, request)
            case requests.Kick() | requests.Mute() | requests.Unmute() | requests.Ban() | requests.Unban():
                self._quota.take(member.handle)
                return self._moderating.carry_out(member, request)
            case requests.Refresh():
                return self._greeting.refresh(member, request)
            case requests.Ping():
                member.reply(replies.encode(replies.Pong(request.id)))
        return None

    def _charge(self, member: Member, request: requests.Request) -> None:
        """Take a request from the connection's allowance; its first ones are free. Raises RateLimited.

        Changes are not among them: those are counted by user.
        """
        if isinstance(request, requests.Amend):
            return
        if member.asked < FREE_REQUESTS:
            member.asked += 1
        else:
            self._allowances.take(_KINDS.get(type(request), "requests"), member)

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
            # What was answered counts before more is asked for.
            member.outbox.flush()
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
        member.reply(replies.refusal(request_id, error))
        if isinstance(error, RateLimited) and self._allowances.draw("refusals", member, 1.0):
            member.close(CloseCode.FLOOD, REASONS[CloseCode.FLOOD])

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


def _about(member: Member, request: requests.Request) -> dict[str, str]:
    """What a line of the log says of a request; never what it brings."""
    room = getattr(request, "room", "")
    named = {"room": room[:ROOM_MAX]} if room else {}
    return {"request": type(request).__name__.lower(), "seldom": member.user, **named, **member.about}
