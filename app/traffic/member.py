"""One simulated member: comes in, reads, sends, and after a lost connection resumes and sends again.

It is the protocol's contract in little, without the comforts of app.client: a few hundred bytes and no task each.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from app.client import backoff
from app.events import Position
from app.traffic import mark, wire
from app.traffic.history import Failed, Hole, Joined, Record, Repeat, Resync, Seen, State
from app.traffic.ledger import Seat
from app.traffic.room import Event, Room, Told
from app.traffic.tally import Tally, bucket, now_us
from app.traffic.wire import Wire

CONNECT_SECONDS, REPLY_SECONDS, SILENCE_SECONDS = 15.0, 15.0, 70.0
CAP_SECONDS = 5.0
RETRY_SECONDS = 0.5
WINDOW = 32
RECORDS_MAX = 5_000
HELLO, JOIN, FIRST_SEND = 1, 2, 3

_encode = msgspec.json.encode


@dataclass(slots=True)
class Scene:
    """What all members of a process share.

    `dial` connects a wire to one of the servers; `base_seconds` is the most that the first try to come back waits;
    `begun` is when the run began, `records` what happened since that does not happen when all is well, by member.
    """

    dial: Callable[[Member], Wire]
    tally: Tally
    text_bytes: int
    errors: dict[str, int] = field(default_factory=dict)
    closing: bool = False
    base_seconds: float = 0.5
    begun: float = 0.0
    records: dict[str, list[Record]] = field(default_factory=dict)
    recorded: int = 0

    def record(self, name: str, record: Record) -> None:
        """Something that does not happen when all is well, for the history. Bounded: what comes after is dropped."""
        if self.recorded < RECORDS_MAX:
            self.records.setdefault(name, []).append(record)
            self.recorded += 1

    def clock(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    def note(self, error: str) -> None:
        """Something went wrong that the report should name."""
        if len(self.errors) < 50 or error in self.errors:
            self.errors[error] = self.errors.get(error, 0) + 1


class Member:
    """A member of one room. `number` is also its number as a sender.

    Attributes:
        here: in the room; `gone`: sent away for good.
        seat: what it was given; `told_of_gap`: whether the server ever said that it cannot give everything.
    """

    __slots__ = (
        *("_acks", "_began", "_epoch", "_flying", "_guest", "_heard", "_heard_at", "_ids", "_mid", "_next"),
        *(
            "_known",
            "_queue",
            "_scene",
            "_tally",
            "_tries",
            "_window",
            "_wire",
            "gone",
            "here",
            "name",
            "number",
            "room",
            "seat",
            "told_of_gap",
            "url",
        ),
    )

    def __init__(self, number: int, room: Room, scene: Scene, url: str, token: str) -> None:
        self.number, self.room, self.url = number, room, url
        self.name = f"{token}-{number}"
        self.seat = Seat()
        self.here = self.gone = self.told_of_gap = False
        self._scene = scene
        self._tally = scene.tally
        self._known = room.known
        self._wire: Wire | None = None
        self._guest = self._epoch = self._mid = ""
        self._tries = self._next = 0
        self._window = WINDOW
        self._ids = FIRST_SEND
        self._began = self._heard_at = 0.0
        self._heard = False
        self._queue: deque[tuple[int, int]] = deque()
        self._flying: dict[int, tuple[int, float]] = {}
        self._acks: dict[int, int] = {}

    # Coming and going

    def connect(self) -> None:
        """Begin to connect; from then on the member comes back whenever it loses its connection."""
        if not self._scene.closing:
            self._began = asyncio.get_running_loop().time()
            self._wire = self._scene.dial(self)

    def opened(self) -> None:
        """Say hello and join in one write."""
        assert self._wire is not None
        hello: dict[str, object] = {"type": "hello", "id": HELLO, "session": self.name}
        hello |= {"guest": self._guest} if self._guest else {"name": self.name[-32:]}
        join: dict[str, object] = {"type": "join", "id": JOIN, "room": self.room.name, "limit": 1}
        if self._epoch:
            join["since"] = {"epoch": self._epoch, "seq": self.seat.next - 1, "mid": self._mid}
        self._wire.send(_encode(hello), _encode(join))

    def closed(self, code: int) -> None:
        """Come back, unless the server wants it otherwise."""
        was_here, self.here, self._wire = self.here, False, None
        self._acks.clear()
        if self._scene.closing:
            return
        if was_here:
            self._tries = 0
            self._tally.reconnects += 1
        if not backoff.comes_back(code):
            self.gone = True
            self._scene.note(f"sent away for good with {code}")
            return
        if code != wire.ABNORMAL or was_here:
            self._scene.note(f"closed with {code}")
            self._record(State(self._scene.clock(), "", "waiting", code, ""))
        seconds = backoff.delay(self._tries, self._scene.base_seconds, CAP_SECONDS)
        self._tries += 1
        asyncio.get_running_loop().call_later(seconds, self.connect)

    def leave(self) -> None:
        """Close in order."""
        if self._wire is not None:
            self._wire.say_goodbye()

    def abort(self) -> None:
        """Drop the connection."""
        if self._wire is not None:
            self._wire.abort()

    def look_after(self, now: float) -> None:
        """Once a second: end a connection that does not come about or fell silent; send again what got no answer."""
        if self._wire is None:
            return
        if not self.here:
            if now - self._began > CONNECT_SECONDS:
                self._wire.abort()
            return
        if self._heard:
            self._heard, self._heard_at = False, now
        if now - self._heard_at > SILENCE_SECONDS:
            self._wire.abort()
        elif self._flying:
            number, (_, sent_at) = next(iter(self._flying.items()))
            if now - sent_at > REPLY_SECONDS:
                self._again(number)

    # What arrives

    def received(self, data: bytes) -> bytes:
        """Bytes of frames; what is left of an unfinished one. The first lines are all that a known broadcast costs."""
        self._heard = True
        chunk = self._known.get(data) or self.room.chunk(data)
        if chunk.plain and self.here and chunk.first == self.seat.next:
            self.seat.next = chunk.last + 1
            self._mid = chunk.mid
            self._tally.deliveries(chunk.times)
            return chunk.rest
        for item in chunk.items:
            if isinstance(item, Event):
                self._event(item)
            elif isinstance(item, Told):
                self._told(item)
            elif self._wire is not None:
                self._wire.control(*item)
        return chunk.rest

    def _event(self, event: Event) -> None:
        tally, seat = self._tally, self.seat
        late, due = seat.late, seat.next
        if not seat.see(event.seq):
            tally.twice += 1
            self._record(Repeat(self._scene.clock(), self.room.name, event.record()))
            return
        if event.seq != due:
            kind = Hole if event.seq > due else Seen
            self._record(kind(self._scene.clock(), self.room.name, event.record()))
        tally.late += seat.late - late
        tally.deliveries((event.time_us,))
        if event.seq == seat.next - 1:
            self._mid = event.mid

    def _told(self, told: Told) -> None:
        match told.type:
            case "ack":
                self._acked(told)
            case "joined":
                self._joined(told)
            case "resync":
                self.told_of_gap |= told.lost
                page = [self.room.event(message).record() for message in told.messages]
                self._record(Resync(self._scene.clock(), self.room.name, told.position, told.lost, page))
                self._scene.note("resync")
                self._page(told)
            case "welcome":
                self._guest = told.guest or self._guest
                self._window = max(1, min(WINDOW, int(told.limits.get("unacked", WINDOW))))
            case "error":
                self._refused(told)

    def _record(self, record: Record) -> None:
        self._scene.record(self.name, record)

    def _joined(self, told: Told) -> None:
        if not self._epoch:
            self.seat.sit(told.seq)
            self._epoch, self._mid = told.epoch, told.mid
        else:
            self._tally.resumed += told.recovered
            since = Position(self._epoch, self.seat.next - 1, self._mid)
            page = [self.room.event(message).record() for message in told.messages]
            now, room = self._scene.clock(), self.room.name
            self._record(Joined(now, room, since, told.position, told.recovered, page))
            if not told.recovered:
                self.told_of_gap = True
                self._scene.note("resumed without recovery")
            self._page(told)
        self.here, self._tries, self._heard = True, 0, True
        self.room.top = max(self.room.top, told.seq)
        for number in list(self._flying):
            self._again(number)
        self.flush()

    def _page(self, told: Told) -> None:
        """What a resume or a resync brings; a hole that it leaves is found by the seat."""
        if told.epoch != self._epoch:
            self._scene.note("the room began again")
            self._epoch = told.epoch
            self.room.reset = True
        for message in told.messages:
            event = self.room.event(message)
            if self.seat.fill(event.seq):
                self._tally.deliveries((event.time_us,))
        self._mid = told.mid

    # What is sent

    def send(self, intended_us: int) -> None:
        """A message is due now or was a moment ago; it leaves as soon as the server takes it."""
        if self.here and not self._queue and not self._flying:
            # Nothing but this process itself can have kept it.
            self._tally.lag[bucket(max(0, now_us() - intended_us))] += 1
        self._queue.append((self._next, intended_us))
        self._next += 1
        self.flush()

    @property
    def waiting(self) -> int:
        """Messages that are due and not acknowledged."""
        return len(self._queue) + len(self._flying)

    def flush(self) -> None:
        """Send what is due and allowed."""
        if not self.here or self._wire is None or not self._queue:
            return
        texts = []
        while self._queue and len(self._flying) < self._window and self._wire.unsent < wire.UNSENT_MAX:
            number, intended_us = self._queue.popleft()
            self._flying[number] = (intended_us, asyncio.get_running_loop().time())
            self._tally.sent += 1
            texts.append(self._request(number, intended_us))
        if texts:
            self._wire.send(*texts)

    def _request(self, number: int, intended_us: int) -> bytes:
        self._ids += 1
        self._acks[self._ids] = number
        text = mark.text(self.number, number, intended_us, self._scene.text_bytes)
        cid, room = f"{self.number}-{number}", self.room.name
        return f'{{"type":"send","id":{self._ids},"room":"{room}","cid":"{cid}","text":"{text}"}}'.encode()

    def _again(self, number: int) -> None:
        """Send a message once more with its cid: if it is stored already, it stays one event."""
        if number in self._flying and self.here and self._wire is not None:
            intended_us, _ = self._flying[number]
            self._flying[number] = (intended_us, asyncio.get_running_loop().time())
            self._tally.retried += 1
            self._wire.send(self._request(number, intended_us))

    def _acked(self, told: Told) -> None:
        number = self._acks.pop(told.id, -1)
        flying = self._flying.pop(number, None)
        if flying is None:
            return  # the answer to a second try of what was answered already
        tally = self._tally
        tally.acked += 1
        tally.expected += self.room.members
        tally.ack[bucket(max(0, now_us() - flying[0]))] += 1
        self.room.tell(told.seq, mark.Mark(self.number, number, 0).key)
        self.flush()

    def _refused(self, told: Told) -> None:
        self._scene.note(f"{told.code}: {told.message}"[:120])
        number = self._acks.pop(told.id, -1)
        if number < 0:
            if told.id in (HELLO, JOIN) and self._wire is not None:
                self._wire.abort()  # comes again, after a while
            return
        failed = Failed(self._scene.clock(), self.room.name, f"{self.number}-{number}", told.temporary, told.code)
        self._record(failed)
        if told.temporary:
            self.room.excused.add(mark.Mark(self.number, number, 0).key)
            asyncio.get_running_loop().call_later(told.retry or RETRY_SECONDS, self._again, number)
        elif self._flying.pop(number, None) is not None:
            self._tally.refused += 1
            self.flush()
