"""The plain websocket: byte for byte, bounded, ended where it cannot keep its word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from app.errors import NotConfirmed, ParleyError, Unavailable
from app.feed import UNCONFIRMED_MAX, FeedClient
from tests.fakes.transport import Transport
from tests.fakes.wire import BINARY, TEXT, close_code, frame
from tests.fakes.worker import Worker


class HeldBroker:
    """Takes feed messages; a test confirms them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.done: list[Callable[[ParleyError | None], None]] = []
        self.failure: ParleyError | None = None

    def broadcast(self, room: str, data: bytes, done: Callable[[ParleyError | None], None]) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append((room, data))
        self.done.append(done)


class Bench:
    """One client of a feed."""

    def __init__(self) -> None:
        from app.connection import Connection

        self.worker = Worker()
        self.broker = HeldBroker()
        self.transport = Transport(asyncio.get_running_loop())  # type: ignore[arg-type]
        self.connection = Connection(self.transport, self.worker.connections)
        self.transport.set_protocol(self.connection)
        self.client = FeedClient(self.connection, "lobby", self.worker.hub, self.broker, self.worker.counters)  # type: ignore[arg-type]
        self.connection.receiver = self.client

    @property
    def code(self) -> int | None:
        """The close code sent."""
        return close_code(self.transport.sent)


@pytest.fixture
async def bench() -> Bench:
    """A client that has entered."""
    bench = Bench()
    await bench.client.enter()
    await asyncio.sleep(0)
    return bench


async def test_nothing_is_read_before_the_client_is_in(bench: Bench) -> None:
    """What it sends early is published once it hears the feed itself."""
    early = Bench()
    early.transport.receive(frame(TEXT, b"early"))
    await asyncio.sleep(0)
    assert early.broker.sent == []
    await early.client.enter()
    for _ in range(3):
        await asyncio.sleep(0)
    assert early.broker.sent == [("lobby", b"tearly")]


async def test_messages_are_published_with_their_kind(bench: Bench) -> None:
    """Text and binary, empty ones too, in order."""
    bench.transport.receive(frame(TEXT, "grüß".encode()) + frame(BINARY, b"\xff\x00") + frame(TEXT, b""))
    assert bench.broker.sent == [("lobby", "tgrüß".encode()), ("lobby", b"b\xff\x00"), ("lobby", b"t")]


async def test_unconfirmed_messages_are_bounded(bench: Bench) -> None:
    """Reading stops at UNCONFIRMED_MAX and goes on at half of it; nothing is lost."""
    total = 5 * UNCONFIRMED_MAX
    for number in range(total):
        bench.transport.receive(frame(TEXT, b"%d" % number))
    assert len(bench.broker.sent) == UNCONFIRMED_MAX
    while bench.broker.done:
        assert len(bench.broker.done) <= UNCONFIRMED_MAX
        bench.broker.done.pop(0)(None)
        for _ in range(3):
            await asyncio.sleep(0)
    assert [data for _, data in bench.broker.sent] == [b"t%d" % number for number in range(total)]


async def test_a_client_hears_what_is_sent_to_the_feed(bench: Bench) -> None:
    """Itself included, for the room knows no sender."""
    (feed,) = bench.worker.hub.feeds.values()
    feed.send_message(b"\x81\x02hi")
    assert bytes(bench.transport.sent) == b"\x81\x02hi"


@pytest.mark.parametrize("failure", [Unavailable("away"), NotConfirmed("lost")])
async def test_a_message_that_is_not_taken_ends_the_connection(bench: Bench, failure: ParleyError) -> None:
    """1013: there is no other way to tell; whether refused at once or later."""
    bench.broker.failure = failure
    bench.transport.receive(frame(TEXT, b"x"))
    assert bench.code == 1013
    other = Bench()
    await other.client.enter()
    await asyncio.sleep(0)
    other.transport.receive(frame(TEXT, b"x"))
    other.broker.done[0](failure)
    assert other.code == 1013


async def test_a_feed_that_cannot_be_entered_ends_the_connection() -> None:
    """1013 as well."""
    bench = Bench()
    bench.worker.subscriber.up = False
    await bench.client.enter()
    assert bench.code == 1013


async def test_a_client_that_vanishes_leaves(bench: Bench) -> None:
    """Before or after it is in; late confirmations find nobody and harm nobody."""
    (feed,) = bench.worker.hub.feeds.values()
    assert len(feed) == 1
    bench.transport.receive(frame(TEXT, b"x"))
    bench.transport.abort()
    await asyncio.sleep(0)
    bench.broker.done[0](None)
    assert len(feed) == 0
    early = Bench()
    early.transport.abort()
    await asyncio.sleep(0)
    await early.client.enter()
    assert [len(room) for room in early.worker.hub.feeds.values()] == [0]
    early.worker.later(60)
    assert early.worker.hub.feeds == {}
