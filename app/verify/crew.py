"""The clients of a run: they send at a rate, lose their connections, send again what is stored, and note everything."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as replaced

from app.client import Ack, Client, ClientError, Closed, Refused, Tuning
from app.client.link import Message
from app.events import Position
from app.traffic.history import (
    Acked,
    Away,
    ClientHistory,
    Event,
    Failed,
    Hole,
    Joined,
    Repeat,
    Resync,
    RoomLog,
    Seen,
    Sent,
    State,
    short,
)
from app.traffic.stacks import POLL_SECONDS

ROOMS_EACH = 2
RESEND_SHARE, AMEND_SHARE = 0.03, 0.25
EDIT_SHARE, DELETE_SHARE, ON_SHARE = 0.35, 0.15, 0.7
OWN_KEPT, SEEN_KEPT = 30, 50
EMOJI = ("\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}", "\N{PARTY POPPER}")
CUT_MEAN_SECONDS = 25.0
AWAY_SHARE, AWAY_SECONDS, AWAY_GRACE_SECONDS = 0.2, (4.0, 12.0), 3.0
WIDE = "\N{GRINNING FACE}"
BURST_TEXT = 3900 * WIDE
PAGE = 200
WAITING_EACH = 50
AGREE_SECONDS = 5.0
"""So long a worker may take to relay what was acknowledged before what it says of a room has to be what the log has."""
TUNING = Tuning(base_seconds=0.25, cap_seconds=2.0, connect_seconds=5.0, reply_seconds=8.0, rows_max=0)
BURST_TUNING = replace(TUNING, in_flight=32)


class Participant:
    """A client and its history. `positions` has the last seq handed on, by room."""

    def __init__(self, urls: list[str], name: str, clock: Callable[[], float], tuning: Tuning = TUNING) -> None:
        self.history = ClientHistory(name, ordered=tuning.in_flight == 1)
        self.client = Client(urls, name=name, session=f"{name}-{secrets.token_hex(4)}", on=self._on, tuning=tuning)
        self.rooms: list[str] = []
        self.heard_at: dict[str, float] = {}
        self.deliveries = 0
        self.back_at = float("-inf")
        self._clock = clock
        self._node = ""
        self._sent: list[Sent] = []
        self._own: dict[str, list[tuple[int, str]]] = {}
        self._seen: dict[str, deque[tuple[int, str]]] = {}
        self._numbers = 0

    async def enter(self, rooms: list[str]) -> None:
        """Connect and join."""
        await self.client.start()
        self.history.user = self.client.user
        self.rooms = rooms
        for room in rooms:
            await self.client.join(room)

    async def say(self, room: str, text: str = "") -> Ack | None:
        """Send a new text and note the outcome; the ack if there was one."""
        cid = self._cid()
        ack = await self._new(Sent(0.0, room, cid, text or f"{cid} {secrets.token_hex(8)}"))
        if ack is not None:
            own = self._own.setdefault(room, [])
            own.append((ack.seq, ack.mid))
            del own[:-OWN_KEPT]
        return ack

    async def amend(self, room: str) -> Ack | None:
        """Edit or delete something of one's own, or react to what somebody said not long ago."""
        cid, own, seen = self._cid(), self._own.get(room), self._seen.get(room)
        dice = random.random()
        if own and dice < EDIT_SHARE:
            of, mid = random.choice(own)
            text = f"{cid} {secrets.token_hex(8)}"
            return await self._new(Sent(0.0, room, cid, text, "edited", of, of_mid=mid))
        if own and dice < EDIT_SHARE + DELETE_SHARE:
            of, mid = own.pop(random.randrange(len(own)))
            return await self._new(Sent(0.0, room, cid, "", "deleted", of, of_mid=mid))
        if seen:
            on = random.random() < ON_SHARE
            of, mid = random.choice(seen)
            return await self._new(Sent(0.0, room, cid, "", "reacted", of, random.choice(EMOJI), on, mid))
        return None

    async def say_again(self) -> None:
        """Send something of the last minutes once more, with the cid it had: it must not appear twice."""
        if self._sent:
            await self._send(random.choice(self._sent))

    def _cid(self) -> str:
        self._numbers += 1
        return f"{self.history.name}-{self._numbers}"

    async def _new(self, change: Sent) -> Ack | None:
        self._sent.append(change)
        del self._sent[:-20]
        return await self._send(change)

    def _carry(self, change: Sent) -> Coroutine[Any, Any, Ack]:
        room, cid, of, mid = change.room, change.cid, change.of, change.of_mid
        match change.what:
            case "edited":
                return self.client.edit(room, of, change.text, cid, mid)
            case "deleted":
                return self.client.delete(room, of, cid, mid)
            case "reacted":
                return self.client.react(room, of, change.emoji, change.on, cid, mid)
        return self.client.send(room, change.text, cid)

    async def _send(self, change: Sent) -> Ack | None:
        note = self.history.records.append
        room, cid = change.room, change.cid
        note(replaced(change, at=self._clock(), text=short(change.text)))
        try:
            ack = await self._carry(change)
        except ClientError as error:
            code = error.code if isinstance(error, Refused) else type(error).__name__
            note(Failed(self._clock(), room, cid, not isinstance(error, Refused | Closed), code))
            return None
        note(Acked(self._clock(), room, cid, ack.seq, ack.mid, ack.dup))
        return ack

    def _on(self, kind: str, detail: Message) -> None:
        note, now = self.history.records.append, self._clock()
        match kind:
            case "event":
                self.deliveries += 1
                self.heard_at[detail["room"]] = now
                event = Event.read(detail)
                note(Seen(now, detail["room"], event))
                if event.kind == "message":
                    self._seen.setdefault(detail["room"], deque(maxlen=SEEN_KEPT)).append((event.seq, event.mid))
            case "joined":
                since = detail["since"]
                events = [Event.read(event) for event in detail["messages"]]
                at = since if since is None else Position(**since)
                note(Joined(now, detail["room"], at, _position(detail), detail["recovered"], events))
            case "resync":
                events = [Event.read(event) for event in detail["messages"]]
                note(Resync(now, detail["room"], _position(detail), detail["lost"], events))
            case "repeat":
                note(Repeat(now, detail["room"], Event.read(detail)))
            case "hole":
                note(Hole(now, detail["room"], Event.read(detail)))
            case "welcome":
                self._node = detail["node"]
            case "state":
                note(State(now, "", detail["state"], detail["code"], self._node))

    @property
    def there(self) -> bool:
        """In all its rooms right now."""
        rooms = self.client.rooms
        return all(room in rooms and rooms[room].joined for room in self.rooms)

    def stay_away(self, seconds: float) -> None:
        """Lose the connection for so long at the least."""
        self.history.records.append(Away(self._clock(), "", seconds))
        if seconds:
            self.back_at = self._clock() + seconds
        self.client.cut(seconds)

    def heard_since(self, moment: float) -> bool:
        """In all its rooms, and given an event of each since then; or away because it was told to be."""
        if self.back_at + AWAY_GRACE_SECONDS > self._clock():
            return True
        return self.there and all(self.heard_at.get(room, -1.0) > moment for room in self.rooms)


def _position(account: Message) -> Position:
    return Position(account["epoch"], account["seq"], account["mid"])


@dataclass(slots=True)
class Crew:
    """All participants, and the traffic they make. `rate` is sends per second, of all together."""

    urls: list[str]
    rooms: list[str]
    rate: float
    dice: random.Random
    begun: float = field(default_factory=time.monotonic)
    members: list[Participant] = field(default_factory=list)
    loud: list[Participant] = field(default_factory=list)
    acked: int = 0
    errors: list[str] = field(default_factory=list)
    _entering: list[Participant] = field(default_factory=list)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    async def enter(self, count: int) -> None:
        """Let so many clients in, each into ROOMS_EACH of the rooms."""
        each = min(ROOMS_EACH, len(self.rooms))
        for number in range(count):
            member = Participant(self.urls, f"c{number:03}", self.clock)
            self._entering.append(member)
            first = number % len(self.rooms)
            await member.enter([self.rooms[(first + step) % len(self.rooms)] for step in range(each)])
            self.members.append(member)

    async def talk(self) -> None:
        """Send at the rate, from random clients into random rooms of theirs, until cancelled.

        Falls silent where too much waits for its acknowledgement already.
        """
        due = time.monotonic()
        while True:
            due += self.dice.expovariate(self.rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1.0)
            if len(self._sending) < WAITING_EACH * len(self.members):
                self._let(self.dice.choice(self.members))

    def _let(self, member: Participant) -> None:
        dice = self.dice.random()
        if dice < RESEND_SHARE:
            work = member.say_again()
        else:
            work = self._say(member, amending=dice < RESEND_SHARE + AMEND_SHARE)
        task = asyncio.create_task(work, name="say")
        self._sending.add(task)
        task.add_done_callback(self._said)

    def _said(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(f"the tool itself failed: {error!r}")

    async def _say(self, member: Participant, amending: bool) -> None:
        room = self.dice.choice(member.rooms)
        if await (member.amend(room) if amending else member.say(room)) is not None:
            self.acked += 1

    async def stumble(self) -> None:
        """Cut random clients' connections now and then, some for long, until cancelled."""
        while True:
            await asyncio.sleep(self.dice.expovariate(len(self.members) / CUT_MEAN_SECONDS))
            long = self.dice.random() < AWAY_SHARE
            self.dice.choice(self.members).stay_away(self.dice.uniform(*AWAY_SECONDS) if long else 0.0)

    async def enter_loud(self, count: int) -> None:
        """Let in members who all share one room, for bursts; they send many at once, so their order is not promised."""
        room = self.dice.choice(self.rooms)
        for number in range(count):
            member = Participant(self.urls, f"loud{number}", self.clock, BURST_TUNING)
            self._entering.append(member)
            await member.enter([room])
            self.members.append(member)
            self.loud.append(member)

    async def burst(self, sends: int) -> None:
        """So many large texts from each of the loud at once."""
        texts = [f"{number} {BURST_TEXT}" for number in range(sends)]
        await asyncio.gather(*(member.say(member.rooms[0], text) for member in self.loud for text in texts))

    async def settled(self, seconds: float) -> bool:
        """Wait until no send is under way; False if that takes longer."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=seconds)
        return not self._sending

    @property
    def unanswered(self) -> int:
        """How many sends are under way."""
        return len(self._sending)

    async def leave(self) -> None:
        """Everybody goes."""
        await asyncio.gather(*(member.client.close() for member in self._entering))
        await self.settled(5.0)


async def read_logs(urls: list[str], rooms: list[str]) -> dict[str, RoomLog]:
    """The rooms' logs, read by page by a client that comes in fresh."""
    logs: dict[str, RoomLog] = {}
    async with Client(urls, name="auditor", tuning=TUNING) as auditor:
        for room in rooms:
            logs[room] = await _read_log(auditor, room)
    return logs


async def _read_log(auditor: Client, room: str) -> RoomLog:
    """Read it again for AGREE_SECONDS where it does not end at the position that the join gave."""
    give_up = time.monotonic() + AGREE_SECONDS
    while True:
        joined = await auditor.join(room, limit=1)
        log = RoomLog(room, _position(joined), await _pages(auditor, room))
        await auditor.leave(room)
        if log.ends_there or time.monotonic() > give_up:
            return log
        await asyncio.sleep(POLL_SECONDS)


async def _pages(auditor: Client, room: str) -> list[Event]:
    events: list[Event] = []
    before: int | None = None
    while True:
        try:
            page = await auditor.history(room, before=before, limit=PAGE)
        except Refused as error:
            if not error.temporary:
                raise
            await asyncio.sleep(error.retry or 0.2)
            continue
        events[:0] = [Event.read(message) for message in page["messages"]]
        if not page["more"]:
            return events
        before = events[0].seq
