"""The rooms of a client: entered, kept over reconnects, resumed at their positions, left.

Owns every room and who waits to enter it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from app.client.errors import ClientError, NoAnswer, Refused
from app.client.link import Link, Message
from app.client.outbox import Outbox
from app.client.room import Gap, Room, Verdict

RETRY_SECONDS = 0.5


class Joined:
    """A room this client wants to be in, and who waits for that."""

    def __init__(self, name: str, limit: int, rows_max: int) -> None:
        self.room = Room(name, rows_max)
        self.limit = limit
        self.typed_at = float("-inf")
        self.first: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def fail(self, error: ClientError) -> None:
        """It was not entered, and will not be."""
        if not self.first.done():
            self.first.set_exception(error)
            self.first.exception()  # nobody has to ask


class Rooms:
    """All rooms. `tell(kind, detail)` is called as described at `Client`."""

    def __init__(self, outbox: Outbox, rows_max: int, tell: Callable[[str, Message], None]) -> None:
        self.by_name: dict[str, Joined] = {}
        self._outbox = outbox
        self._rows_max = rows_max
        self._tell = tell
        self._link: Link | None = None

    def enter(self, name: str, limit: int) -> Joined:
        """Want to be in a room from now on."""
        joined = self.by_name.get(name)
        if joined is None:
            joined = self.by_name[name] = Joined(name, limit, self._rows_max)
            self._outbox.open(name)
            self._join(joined)
        return joined

    async def leave(self, name: str) -> bool:
        """Want it no more; False if that was so already."""
        joined = self.by_name.pop(name, None)
        if joined is None:
            return False
        joined.fail(Refused("not_joined", "the room was left"))
        await self._outbox.shut(name)
        return True

    def online(self, link: Link) -> None:
        """A connection was welcomed: enter everything again."""
        self._link = link
        for joined in self.by_name.values():
            self._join(joined)

    def lost(self) -> None:
        """The connection is gone."""
        self._link = None
        for name, joined in self.by_name.items():
            joined.room.exit()
            self._outbox.hold(name)

    def close(self, error: ClientError) -> None:
        """The client is gone for good."""
        for joined in self.by_name.values():
            joined.fail(error)

    # What arrives

    def receive(self, event: Message) -> bool:
        """Take a live event; False if others are missing before it."""
        joined = self.by_name.get(event.get("room", ""))
        if joined is None:
            return True
        match joined.room.receive(event):
            case Verdict.DELIVER:
                self._outbox.settle(event)
                self._tell("event", event)
            case Verdict.REPEAT:
                self._tell("repeat", event)
            case Verdict.HOLE:
                self._tell("hole", event)
                joined.room.joined = False
                return False
        return True

    def resync(self, push: Message) -> None:
        """Take the server's new account of a room."""
        joined = self.by_name.get(push["room"])
        if joined is not None and joined.room.joined:
            events, gap = joined.room.catch_up(push, push["lost"] is not True)
            joined.room.topic = push.get("topic", joined.room.topic)
            self._tell("resync", push)
            self._hand_on(joined.room, events, gap)

    def note(self, push: Message) -> None:
        """Take what is said of a room besides its events."""
        now = asyncio.get_running_loop().time()
        everywhere = push["type"] == "moderated" and not push.get("room")
        for joined in self.by_name.values() if everywhere else [self.by_name.get(push.get("room", ""))]:
            if joined is not None:
                joined.room.note(push, now)

    def taken_out(self, push: Message) -> None:
        """The server has taken this user out of a room: it is not entered again."""
        joined = self.by_name.get(push["room"])
        if joined is not None:
            reason = str(push.get("reason") or "rights")
            why = "you may not be in this room any longer" if reason == "rights" else f"you were {reason}"
            self._not_joined(joined, Refused(reason, why))

    def _hand_on(self, room: Room, events: list[Message], gap: Gap | None) -> None:
        if gap is not None:
            detail = {"after": gap.after, "upto": gap.upto, "epoch_changed": gap.epoch_changed}
            self._tell("gap", {"room": room.name, **detail})
        for event in events:
            self._outbox.settle(event)
            self._tell("event", event)

    # Joining

    def _join(self, joined: Joined) -> None:
        link, position = self._link, joined.room.position
        if link is None:
            return
        since = None if position is None else position._asdict()
        body: Message = {"room": joined.room.name, "limit": joined.limit}

        def done(reply: Message | Refused) -> None:
            if self.by_name.get(joined.room.name) is joined and self._link is link:
                if isinstance(reply, Refused):
                    self._not_joined(joined, reply)
                else:
                    self._joined(joined, {**reply, "since": since})

        link.ask("join", body if since is None else {**body, "since": since}, done)

    def _joined(self, joined: Joined, reply: Message) -> None:
        room, fresh = joined.room, joined.room.position is None
        events, gap = room.catch_up(reply, reply["recovered"] is True)
        room.enter(reply, asyncio.get_running_loop().time())
        self._tell("joined", reply)
        if not fresh:
            self._hand_on(room, events, gap)
        if not joined.first.done():
            joined.first.set_result(reply)
        self._outbox.release(room.name, recovered=not fresh and gap is None)

    def _not_joined(self, joined: Joined, error: Refused) -> None:
        link = self._link
        if link is not None and (isinstance(error, NoAnswer) or error.code == "already_joined"):
            # Server and client do not agree on whether this connection is in the room: another one begins outside.
            link.cut()
            return
        if error.temporary:
            # Never sooner than the server says: it takes that for a flood.
            wait = (error.retry or RETRY_SECONDS) * random.uniform(1.0, 1.5)

            def again() -> None:
                if self._link is link and self.by_name.get(joined.room.name) is joined:
                    self._join(joined)

            asyncio.get_running_loop().call_later(wait, again)
            return
        del self.by_name[joined.room.name]
        self._outbox.abandon(joined.room.name, error)
        joined.fail(error)
        self._tell("refused", {"room": joined.room.name, "error": error})
