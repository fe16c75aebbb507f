"""The client: stays connected, stays in its rooms, and brings its changes to the server.

Owns the rooms, the reconnecting, and every change until it is acknowledged or given up.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from typing import Self

import structlog

from app.client import backoff
from app.client.errors import Closed, Refused
from app.client.link import Done, Link, Message, Tuning
from app.client.outbox import Ack, Outbox
from app.client.room import Gap, Room, Verdict, is_event
from app.protocol.codes import CloseCode

Callback = Callable[[str, Message], None]

_log = structlog.get_logger(component="client")


class Client:
    """One participant. `async with Client(...)`, or `start` and `close`.

    `on(kind, detail)` is told, synchronously and in order, what happens; an exception it raises is logged. Kinds:

        event     an event of a room's sequence, each exactly once, in order
        joined    in a room: the server's reply and `since`, the position asked for (None: fresh). The `messages` of a
                  fresh join come only here, those of a resumed one also as `event`s right after
        resync    the server's new account of a room, in place of what followed the position; its events follow
        gap       {room, after, upto, epoch_changed}: events that can no longer be had; those after them follow
        repeat    an event that was handed on already and is dropped
        hole      an event before which others are missing: dropped; the client reconnects and resumes
        refused   {room, error}: the room cannot be joined and is not tried again
        state     {state, code}: connecting, online, waiting or offline; `code` is the last close code
        welcome, going-away and every other push: the server's message, under its own type
    """

    def __init__(
        self,
        urls: Sequence[str] | str,
        *,
        name: str = "",
        session: str = "",
        guest: str = "",
        on: Callback | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self.name = name
        self.session = session or secrets.token_hex(8)
        self.guest = guest
        self.user = ""
        self.state = "offline"
        self._on = on
        self._tuning = tuning or Tuning()
        self._rooms: dict[str, _Joined] = {}
        self._outbox = Outbox(self._tuning, self._request)
        self._link: Link | None = None
        self._welcomed = False
        self._leave_at = 0.0
        self._away_seconds = 0.0
        self._online_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self.code = 0

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
        """The rooms this client is in or wants to be in."""
        return {name: joined.room for name, joined in self._rooms.items()}

    async def join(self, name: str, limit: int = 50) -> Message:
        """Enter a room and stay in it over reconnects; returns its first `joined`.

        Raises:
            Refused: for good. Closed: the client is closed, or was before it got in.
        """
        if self._task is None:
            raise Closed("the client is closed")
        joined = self._rooms.get(name)
        if joined is None:
            joined = self._rooms[name] = _Joined(name, limit)
            self._outbox.open(name)
            if self._welcomed:
                self._join(joined)
        return await asyncio.shield(joined.first)

    async def leave(self, name: str) -> None:
        """Leave a room; what waits to be sent there is given up."""
        joined = self._rooms.pop(name, None)
        if joined is None:
            return
        await self._outbox.shut(name)
        if self._welcomed:
            await self._request("leave", {"room": name})

    async def send(self, room: str, text: str, cid: str | None = None) -> Ack:
        """Send a text to a joined room; returns once it is stored, however often that takes trying.

        A temporary error or a lost connection is tried again with the same cid. Sends of one room are stored in the
        order of the calls. If the caller is cancelled, the change is not tried again, but may be stored already.

        Raises:
            Refused: for good, or the room is not joined. Unconfirmed, Closed, OutboxFull: see app.client.errors.
        """
        if room not in self._rooms:
            raise Refused("not_joined", "join the room first")
        return await self._outbox.send(room, text, cid or secrets.token_hex(8))

    async def history(
        self, room: str, *, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Message:
        """A page of history, before or after a seq: `{messages, more}`. Raises Refused, also when not connected."""
        bounds = {name: seq for name, seq in (("before", before), ("after", after)) if seq is not None}
        return await self._request("history", {"room": room, "limit": limit, **bounds})

    # The connection

    async def _run(self) -> None:
        error: Refused | Closed = Closed("the client is closed")
        try:
            await self._reconnect()
            error = Refused("closed", f"the server closed with {self.code}")
        finally:
            self._become("offline")
            await self._outbox.close()
            for future in [self._first, *(joined.first for joined in self._rooms.values())]:
                if future is not None and not future.done():
                    future.set_exception(error)
                    future.exception()  # nobody has to ask

    async def _reconnect(self) -> None:
        """One connection after another; returns after a close code that says to stay away."""
        loop = asyncio.get_running_loop()
        tuning = self._tuning
        tries = 0
        while True:
            self._leave_at = self._online_at = 0.0
            self._become("connecting")
            self._link = Link(tuning, self._receive)
            try:
                self.code = await self._link.run(random.choice(self._urls), self._hello)
            finally:
                self._lost()
            now = loop.time()
            left_as_asked = self._leave_at and self.code == CloseCode.BYE
            if not left_as_asked and not backoff.comes_back(self.code):
                return
            if self._online_at and now - self._online_at >= tuning.stable_seconds:
                tries = 0
            self._become("waiting")
            away, self._away_seconds = self._away_seconds, 0.0
            await asyncio.sleep(away)
            if self._leave_at:
                # Announced by the server: its delay stands for the first backoff.
                await asyncio.sleep(self._leave_at - loop.time())
            else:
                await asyncio.sleep(backoff.delay(tries, tuning.base_seconds, tuning.cap_seconds))
                tries += 1

    def _hello(self) -> None:
        assert self._link is not None
        who = {key: value for key, value in (("name", self.name), ("guest", self.guest)) if value}
        self._link.ask("hello", {**who, "session": self.session}, self._greeted)

    def _greeted(self, reply: Message | Refused) -> None:
        if isinstance(reply, Refused):
            return  # the server closes, with the code that says what to do
        assert self._link is not None
        self.user, self.name, self.guest = reply["user"], reply["name"], reply.get("guest") or self.guest
        self._welcomed = True
        self._online_at = asyncio.get_running_loop().time()
        self._link.established(reply["ping"])
        self._tell("welcome", reply)
        self._become("online")
        for joined in self._rooms.values():
            self._join(joined)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def _lost(self) -> None:
        self._link, self._welcomed = None, False
        for name, joined in self._rooms.items():
            joined.room.joined = False
            self._outbox.hold(name)

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

    # What arrives

    def _receive(self, message: Message) -> None:
        if is_event(message):
            joined = self._rooms.get(message.get("room", ""))
            if joined is not None:
                self._event(joined.room, message)
            return
        match message.get("type"):
            case "resync":
                self._resync(message)
            case "going-away":
                self._tell("going-away", message)
                self._go_in(max(0.0, float(message["after"])))
            case str(other):
                self._tell(other, message)

    def _event(self, room: Room, event: Message) -> None:
        match room.receive(event):
            case Verdict.DELIVER:
                self._tell("event", event)
            case Verdict.REPEAT:
                self._tell("repeat", event)
            case Verdict.HOLE:
                # The server promises that there is none. Should there be one, resuming at the position closes it.
                self._tell("hole", event)
                room.joined = False
                self.cut()

    def _resync(self, push: Message) -> None:
        joined = self._rooms.get(push["room"])
        if joined is not None and joined.room.joined:
            events, gap = joined.room.catch_up(push, push["lost"] is not True)
            self._tell("resync", push)
            self._hand_on(joined.room, events, gap)

    def _hand_on(self, room: Room, events: list[Message], gap: Gap | None) -> None:
        if gap is not None:
            detail = {"after": gap.after, "upto": gap.upto, "epoch_changed": gap.epoch_changed}
            self._tell("gap", {"room": room.name, **detail})
        for event in events:
            self._tell("event", event)

    def _go_in(self, seconds: float) -> None:
        """The server goes away then: leave it at that moment, neither sooner nor later."""
        loop = asyncio.get_running_loop()
        self._leave_at = loop.time() + seconds
        if self._link is not None:
            loop.call_later(seconds, self._link.leave)

    # Joining

    def _join(self, joined: _Joined) -> None:
        link, position = self._link, joined.room.position
        if link is None:
            return
        since = None if position is None else position._asdict()
        body: Message = {"room": joined.room.name, "limit": joined.limit}

        def done(reply: Message | Refused) -> None:
            if self._rooms.get(joined.room.name) is joined and self._link is link:
                if isinstance(reply, Refused):
                    self._not_joined(joined, reply)
                else:
                    self._joined(joined, {**reply, "since": since})

        link.ask("join", body if since is None else {**body, "since": since}, done)

    def _joined(self, joined: _Joined, reply: Message) -> None:
        room, fresh = joined.room, joined.room.position is None
        events, gap = room.catch_up(reply, reply["recovered"] is True)
        room.joined = True
        self._tell("joined", reply)
        if not fresh:
            self._hand_on(room, events, gap)
        if not joined.first.done():
            joined.first.set_result(reply)
        self._outbox.release(room.name)

    def _not_joined(self, joined: _Joined, error: Refused) -> None:
        if error.temporary:
            wait = (error.retry or 0.5) * random.uniform(0.5, 1.5)
            link = self._link

            def again() -> None:
                if self._link is link and self._rooms.get(joined.room.name) is joined:
                    self._join(joined)

            asyncio.get_running_loop().call_later(wait, again)
            return
        del self._rooms[joined.room.name]
        self._outbox.abandon(joined.room.name, error)
        if not joined.first.done():
            joined.first.set_exception(error)
            joined.first.exception()
        self._tell("refused", {"room": joined.room.name, "error": error})

    # Requests

    async def _request(self, type_: str, body: Message) -> Message:
        """Ask and wait for the reply. Raises Refused: the server's error, or a temporary one without connection."""
        if self._link is None:
            raise Refused("unavailable", "not connected", temporary=True)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._link.ask(type_, body, _settle(answer))
        return await answer


class _Joined:
    """A room this client wants to be in, and who waits for that."""

    def __init__(self, name: str, limit: int) -> None:
        self.room = Room(name)
        self.limit = limit
        self.first: asyncio.Future[Message] = asyncio.get_running_loop().create_future()


def _settle(answer: asyncio.Future[Message]) -> Done:
    def done(reply: Message | Refused) -> None:
        if answer.done():
            return
        if isinstance(reply, Refused):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    return done
