"""How somebody comes in: hello and welcome, and how long a token lets it stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec import UNSET

from app.addresses import crowd
from app.auth import Guests, Identity
from app.deadlines import Deadlines
from app.errors import (
    BadRequest,
    Banned,
    ClientFault,
    Expired,
    Forbidden,
    ParleyError,
    RateLimited,
    TooManyConnections,
    Unauthorized,
)
from app.joining import Joining, Work
from app.marks import Marks
from app.member import Member, State
from app.people import People
from app.protocol import replies, requests
from app.protocol.codes import REASONS, CloseCode
from app.protocol.names import handle, user_name
from app.quota import Quotas
from app.rights import Action, Rights
from app.seats import Seats
from app.signin import Signin
from app.tokens import User

HELLO_SECONDS = 10.0

_log = structlog.get_logger(component="greeting")

_ENDS: dict[type[ClientFault], CloseCode] = {
    Banned: CloseCode.BANNED,
    TooManyConnections: CloseCode.TOO_MANY_CONNECTIONS,
    Expired: CloseCode.TOKEN_EXPIRED,
    Unauthorized: CloseCode.BAD_TOKEN,
    RateLimited: CloseCode.OVERLOADED,
}

Expel = Callable[[Member, int | None, ParleyError, CloseCode], None]
"""Refuses a request in a way that ends the connection."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What a welcome says about this server: its node, its limits, its heartbeat in seconds."""

    node: str
    text_chars: int
    frame_bytes: int
    rooms: int
    rate: int
    unacked: int
    ping_seconds: int
    resume_events: int
    guests: bool = True


class Greeting:
    """Lets members in, as guests or signed in."""

    def __init__(
        self,
        guests: Guests,
        signin: Signin | None,
        rights: Rights,
        deadlines: Deadlines,
        people: People,
        marks: Marks,
        joining: Joining,
        promises: Promises,
        expel: Expel,
        seats: Seats,
        quotas: Quotas,
    ) -> None:
        self._guests = guests
        self._signin = signin
        self._rights = rights
        self._deadlines = deadlines
        self._people = people
        self._marks = marks
        self._joining = joining
        self._promises = promises
        self._expel = expel
        self._seats = seats
        self._quotas = quotas
        self._limits = replies.Limits(
            promises.text_chars, promises.frame_bytes, promises.rooms, promises.rate, promises.unacked
        )

    def greet(self, member: Member) -> None:
        """A new connection: it has HELLO_SECONDS to say who is there."""
        self._deadlines.set(
            member, "hello", HELLO_SECONDS, lambda: member.close(CloseCode.NO_HELLO, REASONS[CloseCode.NO_HELLO])
        )

    def gone(self, member: Member) -> None:
        """Nothing is waited for any more."""
        self._deadlines.clear(member, "hello")
        self._deadlines.clear(member, "token")

    def hello(self, member: Member, request: requests.Hello) -> Work | None:
        """Somebody says who it is; answered now, or when the key of its token is there. Who is not let in is sent away.

        Raises:
            BadRequest: it has been said, or says nothing.
        """
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
        except (Unauthorized, Banned, TooManyConnections, RateLimited) as error:
            self._expel_stranger(member, request, error)
        return None

    async def _hello_later(self, member: Member, request: requests.Hello, found: Coroutine[Any, Any, User]) -> None:
        """The key of the token has to be fetched first."""
        try:
            user = await found
            if member.state is State.GREETING:
                self._signed_in(member, request, user)
        except (Unauthorized, Banned, TooManyConnections) as error:
            self._expel_stranger(member, request, error)
        except ParleyError as error:
            self._expel(member, request.id, error, CloseCode.OVERLOADED)

    def _expel_stranger(self, member: Member, request: requests.Hello, error: ClientFault) -> None:
        for kind, code in _ENDS.items():
            if isinstance(error, kind):
                self._expel(member, request.id, error, code)
                return

    def _users(self) -> Signin:
        if self._signin is None:
            raise Unauthorized("this server knows no signed-in users")
        return self._signin

    def _signed_in(self, member: Member, request: requests.Hello, user: User) -> None:
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

    def _welcome(self, member: Member, request: requests.Hello, identity: Identity, seconds: int | None = None) -> None:
        """Somebody is here: a guest, or a signed-in user whose token ends in so many seconds.

        Raises:
            Banned, TooManyConnections: the user may not come in.
            RateLimited: too many new guests come from there; this one may later.
        """
        self._rights.check_here(identity.user, member.address)
        user = handle(identity.user)
        self._seats.check(user)
        if seconds is None:
            self._count(member, identity)
        member.user, member.name, member.handle = identity.user, identity.name, user
        member.marked = not identity.new
        session = request.session or member.conn
        member.session = session
        member.state = State.HERE
        self._deadlines.clear(member, "hello")
        self._people.enter(member)
        self._seats.enter(member)
        if not self._marks.at_hand(member):
            self._marks.load(member)
        promises = self._promises
        member.reply(
            replies.encode(
                replies.Welcome(
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

    def _count(self, member: Member, guest: Identity) -> None:
        """A guest is counted with those of its network, one by one when they are new. Raises RateLimited."""
        network = crowd(member.address)
        quotas = self._quotas
        if network and guest.new and quotas.newcomers is not None:
            try:
                quotas.newcomers.take(network)
            except RateLimited:
                _log.info("refused", reason="too many new guests from there", address=member.address, seldom=network)
                raise
        member.crowd = network if quotas.guest_sends is not None else ""

    def _identify(self, request: requests.Hello) -> Identity:
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

    def refresh(self, member: Member, request: requests.Refresh) -> Work | None:
        """A new token, before the old one ends. Raises ClientFault or, with its key away, ServerFault."""
        found = self._users().user(request.token)
        if not isinstance(found, User):
            return self._refresh_later(member, request, found)
        self._refreshed(member, request, found)
        return None

    async def _refresh_later(self, member: Member, request: requests.Refresh, found: Coroutine[Any, Any, User]) -> None:
        user = await found
        if member.state is State.HERE:
            self._refreshed(member, request, user)

    def _refreshed(self, member: Member, request: requests.Refresh, user: User) -> None:
        """The new token's end and grants hold; its name only from the next connection on. Rooms lost are left."""
        if not self._deadlines.has(member, "token"):
            raise Forbidden("a guest has no token to refresh")
        if user.user != member.user:
            raise Forbidden("this token is somebody else's")
        member.grants = user.grants
        member.author = None
        seconds = self._until_end(member, user)
        for room in member.rooms:
            if not self._rights.may(member, Action.JOIN, room.name):
                self._joining.take_out(member, room)
                member.reply(replies.encode(replies.Left(room.name, reason="rights")))
        member.reply(replies.encode(replies.Refreshed(request.id, seconds)))
