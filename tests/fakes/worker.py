"""A worker without Redis, sockets or time: the real parts between connection and broker, on fakes at both ends."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from app.allowances import Allowances
from app.auth import Guests
from app.backplane import keys
from app.commands import Commands
from app.connection import Connection, Connections
from app.deadlines import Deadlines
from app.directory import Directory
from app.fanout import Fanout
from app.grants import Rules
from app.greeting import Promises
from app.hub import Hub
from app.limits import Rate
from app.member import Member
from app.metrics import Counters
from app.moderation import Moderation
from app.outbox import OutboxLimits, OutboxPool
from app.people import People
from app.presence import Patience, Presence
from app.quota import GUEST_SENDS, NEWCOMERS, SENDS, Counted, Quota, Quotas
from app.reader import Reader
from app.relay import Relay
from app.rights import Rights
from app.sanctions import Sanctions
from app.seats import Seats
from app.signin import Signin
from app.tasks import Tasks
from tests.fakes.broker import MemoryBroker, MemoryStore
from tests.fakes.loop import Clock
from tests.fakes.moderation import MemoryModeration
from tests.fakes.personal import MemoryPersonal
from tests.fakes.rosters import MemoryActivity, MemoryRosters
from tests.fakes.seats import MemorySeats
from tests.fakes.sends import MemorySends
from tests.fakes.subscriber import MemorySubscriber
from tests.fakes.transport import Transport
from tests.fakes.wire import TEXT, close_code, frame
from tests.support import DEADLINE_SECONDS, until_async

SECRET = "a secret of at least thirty-two characters"
PROMISES = Promises(
    node="n1",
    text_chars=100,
    frame_bytes=65536,
    rooms=5,
    rate=20,
    unacked=32,
    ping_seconds=25,
    resume_events=300,
)
EPOCH = 1_700_000_000.0
"""When the clocks of workers stand at 0, by Redis' clock."""
PLENTY = Rate(1e6, 1e6)
WRITES: dict[str, dict[str, Any]] = {
    "send": {"text": "x"},
    "edit": {"seq": 1, "text": "x"},
    "delete": {"seq": 1},
    "react": {"seq": 1, "emoji": "👍"},
    "topic": {"topic": "x"},
}
"""Every way of writing in a room: type and fields of the request."""
PATIENCE = Patience(limit=5, grace_seconds=10.0, lease_seconds=15.0)


class Worker:
    """Wired as app/server.py does it. Several may share a store."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        promises: Promises = PROMISES,
        patience: Patience = PATIENCE,
        signin: Signin | None = None,
        rules: Rules | None = None,
        most_of_user: int = 0,
        rates: Mapping[str, Rate] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.store = store or MemoryStore()
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.counters = Counters()
        self.tasks = Tasks()
        self.allowances = Allowances(rates or {}, self.deadlines)
        pool = OutboxPool(loop, self.deadlines, OutboxLimits())
        self.connections = Connections(loop, pool, promises.frame_bytes, allowances=self.allowances)
        self._keep_rooms(loop)
        self._know_people(patience, most_of_user)
        self.guests = Guests(SECRET)
        self.commands = Commands(
            self.hub,
            self.broker,
            self.presence,
            self.directory,
            self.guests,
            self.tasks,
            self.deadlines,
            self.counters,
            promises,
            self.people,
            self.personal,
            self.moderation,
            self._quotas(rates or {}),
            self.allowances,
            Rights(rules, self._sanctions),
            self.seats,
            signin,
        )

    def _quotas(self, rates: Mapping[str, Rate]) -> Quotas:
        """Each shared with the other workers of the store; none for guests where their rate is 0."""

        def quota(counted: Counted) -> Quota | None:
            rate = rates.get(counted.limit, PLENTY)
            until = self.store.sends.setdefault(counted.limit, {})
            sends = MemorySends(until, self.clock, rate.per_second)
            return Quota(rate, sends, self.deadlines, counted) if rate.per_second else None

        sends = quota(SENDS)
        assert sends is not None
        return Quotas(sends, quota(GUEST_SENDS), quota(NEWCOMERS))

    def _keep_rooms(self, loop: asyncio.AbstractEventLoop) -> None:
        """From the broker to the members, and back."""
        self.broker = MemoryBroker(self.store)
        self.subscriber = MemorySubscriber(self.store)
        self.fanout = Fanout(loop)
        self.reader = Reader(self.broker, self.fanout, self.counters)
        self.hub = Hub(self.subscriber, self.deadlines, self.reader)  # type: ignore[arg-type]
        self.relay = Relay(self.hub, self.reader, self.fanout, self.broker, self.counters)
        self.relay.on_other = self._other
        self.subscriber.on_messages = self.relay.deliver
        self.subscriber.on_again = self.relay.subscribed_again

    def _know_people(self, patience: Patience, most_of_user: int) -> None:
        """Who is where, who is connected, and who may not be."""
        self.rosters = MemoryRosters(self.store)
        self.presence = Presence(self.hub, self.rosters, self.counters, self.clock, patience)
        self.relay.on_people = self.presence.hear
        self.people = People(self.subscriber, self.counters)
        self.personal = MemoryPersonal(self.store)
        self.activity = MemoryActivity(self.store)
        self.directory = Directory(self.activity, self.presence, self.broker.touched, self.broker.writers, self.clock)
        self._sanctions = Sanctions(lambda: EPOCH + self.clock())
        self.deeds = MemoryModeration(self.store, lambda: EPOCH + self.clock())
        self.moderation = Moderation(
            self.deeds,
            self.subscriber,  # type: ignore[arg-type]
            self.people,
            self._sanctions,
            self.tasks,
            self.counters,
            self.connections,
        )
        self.moderation.known.set()
        self.store.person_listeners.append(self._told)
        self.kept_seats = MemorySeats(self.store, self.rosters.worker)
        self.seats = Seats(self.people, self.kept_seats, lambda: self.presence.workers, self.counters, most_of_user)

    def _told(self, channel: bytes, data: bytes) -> None:
        """Hears of bans and mutes as if it had subscribed, as a worker has."""
        if channel == keys.MODERATION and self.subscriber.up and channel not in self.subscriber.active:
            self.subscriber.tell(channel, data)

    def _other(self, channel: bytes, data: bytes) -> None:
        if channel == keys.MODERATION:
            self.moderation.hear(data)
        else:
            self.people.hear(channel, data)

    def later(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.clock.pass_(seconds)
        self.deadlines.sweep()

    def connect(self, address: str = "") -> Visitor:
        """A websocket that has said nothing yet."""
        return Visitor(self, address)

    async def visitor(self, name: str = "Ada", address: str = "", **hello: Any) -> Visitor:
        """A websocket that has said hello."""
        visitor = self.connect(address)
        assert (await visitor.ask("hello", name=name, **hello))["type"] == "welcome"
        return visitor

    async def idle(self) -> None:
        """Wait until no request is being carried out."""
        await until_async(lambda: not len(self.tasks), "all requests are carried out")


class Visitor:
    """A client of a worker: what it sends goes in as frames, what it is sent is read back from frames."""

    def __init__(self, worker: Worker, address: str = "") -> None:
        self.worker = worker
        self.transport = Transport(asyncio.get_running_loop())  # type: ignore[arg-type]
        self.connection = Connection(self.transport, worker.connections, address)
        self.member = Member(self.connection, worker.commands.next_conn(), worker.commands)
        self.transport.set_protocol(self.connection)
        self.connection.receiver = self.member
        worker.commands.greet(self.member)
        self._ids = itertools.count(1)
        self.last = 0
        self._client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
        self._read = 0
        self._heard: list[dict[str, Any]] = []

    def say(self, type_: str, **fields: Any) -> int:
        """Send a request; its id."""
        self.last = number = next(self._ids)
        self.raw(json.dumps({"type": type_, "id": number, **fields}).encode())
        return number

    def raw(self, payload: bytes) -> None:
        """Send a text frame."""
        self.transport.receive(frame(TEXT, payload))

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its reply."""
        return await self.reply(self.say(type_, **fields))

    async def reply(self, number: int) -> dict[str, Any]:
        """The reply to a request."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                for message in self.heard:
                    if message.get("id") == number:
                        return message
                await asyncio.sleep(0)

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Every JSON message sent to this client so far."""
        fresh, self._read = self.transport.sent[self._read :], len(self.transport.sent)
        self._client.receive_data(bytes(fresh))
        assert self._client.parser_exc is None
        for event in self._client.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._heard.append(json.loads(bytes(event.data)))
        return self._heard

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """Those that answer no request."""
        return [message for message in self.heard if "id" not in message]

    @property
    def seqs(self) -> list[int]:
        """Seqs of the events pushed."""
        return [message["seq"] for message in self.pushes if message["type"] == "message"]

    @property
    def code(self) -> int | None:
        """The close code sent."""
        return close_code(self.transport.sent)

    def vanish(self) -> None:
        """The connection is lost."""
        self.transport.abort()
