"""The client: stays connected, stays in its rooms, and brings its changes to the server.

Owns the reconnecting; its rooms and its outbox own the rest.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import structlog

from app.client import backoff
from app.client.errors import Closed, Refused
from app.client.link import Done, Link, Message, Tuning
from app.client.moderator import Moderator
from app.client.outbox import Ack, Outbox
from app.client.renewal import Renewal
from app.client.room import Room, is_event
from app.client.rooms import Rooms
from app.protocol.codes import CloseCode

Callback = Callable[[str, Message], None]

TYPING_SECONDS = 3.0
"""A client that types says so at most this often."""

_log = structlog.get_logger(component="client")


class Client:
    """One participant. `async with Client(...)`, or `start` and `close`.

    It comes as a guest by `name`, as the same guest again by `guest` (a welcome's token), or signed in by `token`: a
    JWT, or a function that gives a valid one, asked for each connection and before the one given ends, so that the
    connection goes on. `session` names the sender over restarts.

    `on(kind, detail)` is told, synchronously and in order, what happens; an exception it raises is logged. Kinds:

        event     an event of a room's sequence, each exactly once, in order
        joined    in a room: the server's reply and `since`, the position asked for (None: fresh). The `messages` of a
                  fresh join come only here, those of a resumed one also as `event`s right after
        resync    the server's new account of a room, in place of what followed the position; its events follow
        gap       {room, after, upto, epoch_changed}: events that can no longer be had; those after them follow
        repeat    an event that was handed on already and is dropped
        hole      an event before which others are missing: dropped; the client reconnects and resumes
        refused   {room, error}: the room cannot be joined, or was left by the server's will, and is not tried again
        state     {state, code}: connecting, online, waiting or offline; `code` is the last close code
        moderated what a moderator did to this user; `left` follows where that took it out of a room
        welcome, going-away, presence, typing, read, mentioned, direct and every other push: the server's message

    Attributes:
        user, name, node: of the last welcome; `node` names the worker that serves this connection.
        limits: what the server allows, as the welcome says it.
        state: connecting, online, waiting or offline.
        retry_at: while waiting, when the next connection is tried, on the event loop's clock.
        latency_ms: the round trip that `ping` measured last, None before.
        moderator: what moderators may do.
        refusal: why the server does not let this client in, if so.
        put_off: why the server has this client come again later, if so.
        trouble: why the server could not be reached the last time, if so.
    """

    def __init__(
        self,
        urls: Sequence[str] | str,
        *,
        name: str = "",
        session: str = "",
        guest: str = "",
        token: str | Callable[[], str] = "",
        on: Callback | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self.name = name
        self.session = session or secrets.token_hex(8)
        self.guest = guest
        self.user = self.node = ""
        self.limits: Mapping[str, int] = {}
        self.state = "offline"
        self.code = 0
        self.retry_at = 0.0
        self.latency_ms: float | None = None
        self.refusal: Refused | None = None
        self.put_off: Refused | None = None
        self.trouble = ""
        self._renewal = Renewal(token if callable(token) else lambda: token)
        self._on = on
        self._tuning = tuning or Tuning()
        self._outbox = Outbox(self._tuning, self._request)
        self.moderator = Moderator(self._request)
        self._rooms = Rooms(self._outbox, self._tuning.rows_max, self._tell)
        self._link: Link | None = None
        self._welcomed = False
        self._leave_at = 0.0
        self._away_seconds = 0.0
        self._online_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None

    # Coming and going

    async def start(self) -> None:
        """Connect, trying for as long as it takes. Raises Refused if the server sends this client away for good."""
        self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"client {self.name}")
        await self._first

    async def close(self) -> None:
        """Leave for good. Changes that were tried end as Unconfirmed, others as Closed."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait([task])

    async def stay(self) -> None:
        """Wait until it is closed. Raises Refused once the server has sent it away for good."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self.refusal is not None:
            raise self.refusal

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def cut(self, away_seconds: float = 0.0) -> None:
        """Break the connection as a lost network does; the client comes back by itself, after so long at the least."""
        if self._link is not None:
            self._away_seconds = away_seconds
            self._link.cut()

    # Rooms

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms this client is in or wants to be in, with what is known of them."""
        return {name: joined.room for name, joined in self._rooms.by_name.items()}

    @property
    def pending(self) -> int:
        """How many changes are not acknowledged yet."""
        return self._outbox.pending

    async def join(self, name: str, limit: int = 50) -> Message:
        """Enter a room and stay in it over reconnects; returns its first `joined`.

        Raises:
            Refused: for good. Closed: the client is closed, or was before it got in.
        """
        if self._task is None:
            raise Closed("the client is closed")
        return await asyncio.shield(self._rooms.enter(name, limit).first)

    async def leave(self, name: str) -> None:
        """Leave a room; what waits to be sent there is given up."""
        if await self._rooms.leave(name) and self._welcomed:
            await self._request("leave", {"room": name})

    async def direct(self, user: str) -> Message:
        """The room that this user and another one have for themselves: `{room, with}`, to be joined like any."""
        return await self._request("direct", {"user": user})

    async def list(self, limit: int = 50) -> Message:
        """The rooms there are, newest activity first, and one's own direct rooms: `{rooms, direct}`."""
        return await self._request("rooms", {"limit": limit})

    # Changes: each is one event, stored once, in the order of the calls of its room

    async def send(self, room: str, text: str, cid: str | None = None) -> Ack:
        """Send a text to a joined room; returns once it is stored, however often that takes trying.

        A temporary error or a lost connection is tried again with the same cid. Changes of one room are stored in the
        order of the calls. If the caller is cancelled, the change is not tried again, but may be stored already. A
        `cid` of one's own is unique among all that this user sends: an event with it is as good as an ack.

        Raises:
            Refused: for good, or the room is not joined. Unconfirmed, Closed, OutboxFull: see app.client.errors.
        """
        return await self._change("send", room, cid, text=text)

    # A message is named by seq and mid, as a room that lost events uses their seqs again. Without a mid it is the one
    # that this client knows by that seq: of the last events, of its acks, of the rows that it keeps.

    async def edit(self, room: str, seq: int, text: str, cid: str | None = None, mid: str = "") -> Ack:
        """Give one's own message another text; like `send`. Refused if no message has that seq and mid any more."""
        return await self._change("edit", room, cid, **self._named(room, seq, mid), text=text)

    async def delete(self, room: str, seq: int, cid: str | None = None, mid: str = "") -> Ack:
        """Delete one's own message, its text for good; like `edit`."""
        return await self._change("delete", room, cid, **self._named(room, seq, mid))

    async def react(
        self, room: str, seq: int, emoji: str, on: bool = True, cid: str | None = None, mid: str = ""
    ) -> Ack:
        """Put an emoji to a message, or take it away; like `edit`."""
        return await self._change("react", room, cid, **self._named(room, seq, mid), emoji=emoji, on=on)

    async def topic(self, room: str, topic: str, cid: str | None = None) -> Ack:
        """Give a room a topic, or none by an empty one; like `send`."""
        return await self._change("topic", room, cid, topic=topic)

    def _named(self, room: str, seq: int, mid: str) -> Message:
        joined = self._rooms.by_name.get(room)
        known = mid or (joined.room.mid_of(seq) if joined is not None else "")
        if joined is not None and not known:
            raise Refused("unknown_message", f"this client has not seen message {seq}: name its mid as well")
        return {"seq": seq, "mid": known}

    async def _change(self, type_: str, room: str, cid: str | None, **fields: Any) -> Ack:
        joined = self._rooms.by_name.get(room)
        if joined is None:
            raise Refused("not_joined", "join the room first")
        if type_ == "send":
            joined.typed_at = float("-inf")  # a message ends the typing: the next key tells of it anew
        ack = await self._outbox.change(type_, {"room": room, "cid": cid or secrets.token_hex(8), **fields})
        joined.room.acknowledged(ack.seq, ack.mid)
        return ack

    # Requests: asked once, on this connection. Without one they raise a temporary Refused.

    async def history(
        self, room: str, *, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Message:
        """A page of history, before or after a seq: `{messages, more}`. Raises Refused, also when not connected."""
        bounds = {name: seq for name, seq in (("before", before), ("after", after)) if seq is not None}
        page = await self._request("history", {"room": room, "limit": limit, **bounds})
        joined = self._rooms.by_name.get(room)
        if joined is not None:
            joined.room.timeline.older(page["messages"])
        return page

    async def read(self, room: str, seq: int) -> int:
        """Mark a room as read up to a seq; returns where the mark is now. It only moves forward."""
        reply = await self._request("read", {"room": room, "seq": seq})
        self._rooms.note(reply)
        return int(reply["seq"])

    async def ping(self) -> float:
        """Measure the round trip, in milliseconds."""
        asked = asyncio.get_running_loop().time()
        await self._request("ping", {})
        self.latency_ms = 1000 * (asyncio.get_running_loop().time() - asked)
        return self.latency_ms

    def typing(self, room: str) -> None:
        """Say that this user types there now. To be called with every key: it is said every TYPING_SECONDS at most."""
        joined, now = self._rooms.by_name.get(room), asyncio.get_running_loop().time()
        if self._link is None or joined is None or not joined.room.joined or now - joined.typed_at < TYPING_SECONDS:
            return
        joined.typed_at = now
        self._link.say("typing", {"room": room})

    async def _request(self, type_: str, body: Message) -> Message:
        """Ask and wait for the reply. Raises Refused: the server's error, or a temporary one without connection."""
        if self._link is None:
            raise Refused("unavailable", "not connected", temporary=True)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._link.ask(type_, body, _settle(answer))
        return await answer

    # The connection

    async def _run(self) -> None:
        error: Refused | Closed = Closed("the client is closed")
        try:
            await self._reconnect()
            self.refusal = error = self.refusal or _sent_away(self.code)
        finally:
            self._become("offline")
            await self._outbox.close()
            self._rooms.close(error)
            if self._first is not None and not self._first.done():
                self._first.set_exception(error)
                self._first.exception()  # nobody has to ask

    async def _reconnect(self) -> None:
        """One connection after another; returns after a refusal, or a close code that says to stay away."""
        tuning, tries = self._tuning, 0
        loop = asyncio.get_running_loop()
        while True:
            self._leave_at = self._online_at = 0.0
            self.put_off = None
            self._become("connecting")
            link = self._link = Link(tuning, self._receive)
            try:
                self.code = await link.run(random.choice(self._urls), self._hello)
            finally:
                self._lost()
            self.trouble = link.trouble
            now = loop.time()
            if self.refusal or not backoff.comes_back(self.code):
                return
            if self._online_at and now - self._online_at >= tuning.stable_seconds:
                tries = 0
            self.retry_at = now + self._away_seconds
            self._away_seconds = 0.0
            if self._leave_at:
                # Announced by the server: its delay stands for the first backoff.
                self.retry_at = max(self.retry_at, self._leave_at)
            else:
                self.retry_at += backoff.delay(tries, tuning.base_seconds, tuning.cap_seconds)
                tries += 1
            self._become("waiting")
            await asyncio.sleep(self.retry_at - loop.time())

    def _hello(self) -> None:
        assert self._link is not None
        try:
            token = self._renewal.token()
        except Exception:
            _log.exception("no token for this connection")
            self._link.cut()
            return
        mine = {"token": token} if token else {"name": self.name, "guest": self.guest}
        who = {key: value for key, value in mine.items() if value}
        self._link.ask("hello", {**who, "session": self.session}, self._greeted)

    def _greeted(self, reply: Message | Refused) -> None:
        if self._link is None:
            return
        if isinstance(reply, Refused):
            if not reply.temporary and reply.code != "expired":
                self.refusal = reply
            elif reply.retry:
                self.put_off = reply
            self.cut(reply.retry)
            return
        self.user, self.name, self.node = reply["user"], reply["name"], reply.get("node", "")
        self._outbox.user = self.user
        self.guest = reply.get("guest") or self.guest
        self.limits = reply.get("limits", {})
        self._welcomed = True
        self._online_at = asyncio.get_running_loop().time()
        self._link.established(reply["ping"])
        if "exp" in reply:
            self._renewal.began(self._link, reply["exp"])
        self._tell("welcome", reply)
        self._become("online")
        self._rooms.online(self._link)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def _lost(self) -> None:
        self._link, self._welcomed = None, False
        self._renewal.over()
        self._rooms.lost()

    def _become(self, state: str) -> None:
        self.state = state
        self._tell("state", {"state": state, "code": self.code})

    def _tell(self, kind: str, detail: Message) -> None:
        if self._on is None:
            return
        try:
            self._on(kind, detail)
        except Exception:
            _log.exception("the callback failed", kind=kind)

    def _receive(self, message: Message) -> None:
        if is_event(message):
            if not self._rooms.receive(message):
                # The server promises that there is none. Should there be one, resuming at the position closes it.
                self.cut()
            return
        match message.get("type"):
            case "resync":
                self._rooms.resync(message)
            case "going-away":
                self._tell("going-away", message)
                self._go_in(max(0.0, float(message["after"])))
            case "left":
                self._tell("left", message)
                self._rooms.taken_out(message)
            case str(other):
                self._rooms.note(message)
                self._tell(other, message)

    def _go_in(self, seconds: float) -> None:
        """The server goes away then: leave it at that moment, neither sooner nor later."""
        loop = asyncio.get_running_loop()
        self._leave_at = loop.time() + seconds
        if self._link is not None:
            loop.call_later(seconds, self._link.leave)


def _sent_away(code: int) -> Refused:
    """Why a connection was closed for good."""
    done = {int(CloseCode.KICKED): "kicked", int(CloseCode.BANNED): "banned"}.get(code)
    if done is not None:
        return Refused(done, f"you were {done}")
    return Refused("closed", f"the server closed with {code}")


def _settle(answer: asyncio.Future[Message]) -> Done:
    def done(reply: Message | Refused) -> None:
        if answer.done():
            return
        if isinstance(reply, Refused):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    return done
