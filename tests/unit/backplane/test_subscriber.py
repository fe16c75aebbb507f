"""What the subscriber makes of replies that come late, apart or out of step. Redis is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from app.backplane.link import Address
from app.backplane.subscriber import Message, Subscriber
from app.errors import Unavailable
from tests.fakes.redis import OK, Command, PlayedRedis, played
from tests.fakes.sent import running
from tests.support import until_async


def mute(command: Command) -> bytes:
    """A Redis that lets everybody in, and confirms nothing by itself."""
    return OK if command[0] == b"CLIENT" else b""


def confirmation(channel: bytes, kind: bytes = b"subscribe") -> bytes:
    """What Redis says when it has subscribed a channel."""
    return b"*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:1\r\n" % (len(kind), kind, len(channel), channel)


def publication(channel: bytes, data: bytes) -> bytes:
    """What Redis says when somebody publishes."""
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel, len(data), data)


class Bench:
    """A subscriber on a played Redis."""

    def __init__(self, redis: PlayedRedis) -> None:
        self.redis = redis
        self.reads: list[list[Message]] = []
        self.again = 0
        self.subscriber = Subscriber(Address(port=redis.port), "tester", 5.0)
        self.subscriber.on_messages = self.reads.append
        self.subscriber.on_again = self._come_back

    def _come_back(self) -> None:
        self.again += 1

    def asked(self, verb: bytes = b"SUBSCRIBE") -> list[bytes]:
        """The channels of all commands of a kind."""
        return [channel for command in self.redis.commands if command[0] == verb for channel in command[1:]]

    async def asking(self, channel: bytes, times: int = 1) -> asyncio.Future[None]:
        """Ask for a channel and wait until Redis has been asked so many times."""
        future = asyncio.ensure_future(self.subscriber.subscribe(channel))
        await until_async(lambda: self.asked().count(channel) >= times, "Redis is asked")
        return future


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A connected subscriber."""
    async with played(mute) as redis:
        bench = Bench(redis)
        async with running(bench.subscriber.run()):
            await until_async(lambda: bench.subscriber.up, "the subscriber is connected")
            yield bench


async def test_subscribe_returns_when_redis_has_confirmed(bench: Bench) -> None:
    """Not before, and all who asked for the channel at once."""
    first = await bench.asking(b"a")
    second = asyncio.ensure_future(bench.subscriber.subscribe(b"a"))
    other = await bench.asking(b"b")
    bench.redis.say(confirmation(b"b"))
    await other
    assert not first.done()
    bench.redis.say(confirmation(b"a"))
    await asyncio.gather(first, second)
    await bench.subscriber.subscribe(b"a")
    assert bench.asked() == [b"a", b"b"]


async def test_the_confirmation_of_a_subscription_given_up_does_not_count(bench: Bench) -> None:
    """Given up and wanted again: only the confirmation of the second one is, for the first was taken back."""
    first = await bench.asking(b"a")
    bench.subscriber.unsubscribe(b"a")
    again = await bench.asking(b"a", times=2)
    bench.redis.say(confirmation(b"a") + confirmation(b"a", b"unsubscribe") + publication(b"a", b"between"))
    await until_async(lambda: bench.reads, "what came with it is heard")
    assert not again.done()
    bench.redis.say(confirmation(b"a"))
    await again
    with pytest.raises(Unavailable, match="no more"):
        await first


async def test_publications_of_one_read_are_one_call(bench: Bench) -> None:
    """With confirmations among them, in order; a read without publications calls nobody."""
    waiting = await bench.asking(b"a")
    bench.redis.say(publication(b"a", b"1") + confirmation(b"a") + publication(b"b", b"2") + publication(b"a", b""))
    await waiting
    bench.redis.say(confirmation(b"x"))
    bench.redis.say(publication(b"a", b"3"))
    await until_async(lambda: len(bench.reads) == 2, "both reads are heard")
    assert bench.reads == [[(b"a", b"1"), (b"b", b"2"), (b"a", b"")], [(b"a", b"3")]]


async def test_a_publication_may_come_in_pieces(bench: Bench) -> None:
    """However the network cuts it."""
    for byte in publication(b"a", b"x\r\ny"):
        bench.redis.say(bytes([byte]))
        await asyncio.sleep(0)
    await until_async(lambda: bench.reads, "it is heard")
    assert bench.reads == [[(b"a", b"x\r\ny")]]


async def test_a_refused_subscription_is_logged_and_times_out(bench: Bench) -> None:
    """By an access rule of Redis, for instance."""
    bench.subscriber._seconds = 0.5
    with structlog.testing.capture_logs() as lines:
        waiting = await bench.asking(b"a")
        bench.redis.say(b"-NOPERM this user has no permissions to access the 'a' channel\r\n")
        with pytest.raises(Unavailable):
            await waiting
    assert any("NOPERM" in str(line) for line in lines)


async def test_who_waits_during_a_reconnect_is_confirmed_by_the_new_connection(bench: Bench) -> None:
    """A confirmation of the old one counts no more; everything wanted is asked for anew, in the end once."""
    confirmed = await bench.asking(b"a")
    bench.redis.say(confirmation(b"a"))
    await confirmed
    waiting = await bench.asking(b"b")
    bench.redis.hang_up()
    await until_async(lambda: bench.again and bench.asked().count(b"b") == 2, "everything is asked for anew")
    assert bench.asked().count(b"a") == 2
    again = asyncio.ensure_future(bench.subscriber.subscribe(b"a"))
    bench.redis.say(confirmation(b"b"))
    await waiting
    assert not again.done()
    bench.redis.say(confirmation(b"a"))
    await again
    assert (bench.again, bench.subscriber.reconnects) == (1, 1)


async def test_an_unsubscription_reaches_redis(bench: Bench) -> None:
    """At once; of a channel that nobody wanted nothing is said."""
    waiting = await bench.asking(b"a")
    bench.redis.say(confirmation(b"a"))
    await waiting
    bench.subscriber.unsubscribe(b"never")
    bench.subscriber.unsubscribe(b"a")
    await until_async(lambda: bench.asked(b"UNSUBSCRIBE"), "Redis is told")
    assert bench.asked(b"UNSUBSCRIBE") == [b"a"]


async def test_wanted_and_given_up_in_one_turn_leaves_nothing_wanted(bench: Bench) -> None:
    """After the next reconnect it is not asked for."""
    waiting = asyncio.ensure_future(bench.subscriber.subscribe(b"a"))
    await asyncio.sleep(0)
    bench.subscriber.unsubscribe(b"a")
    with pytest.raises(Unavailable, match="no more"):
        await waiting
    before = bench.asked().count(b"a")
    bench.redis.hang_up()
    await until_async(lambda: bench.again, "it is connected again")
    await bench.asking(b"b")
    assert bench.asked().count(b"a") == before
