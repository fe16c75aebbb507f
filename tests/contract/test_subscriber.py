"""The subscriber: what is wanted is heard, in order, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import pytest
import redis

from app.backplane import keys
from app.backplane import subscriber as module
from app.backplane.link import Address
from app.backplane.pipeline import WATCH_SECONDS
from app.backplane.subscriber import CHANNELS_AT_ONCE, PING_SECONDS, Message, Subscriber
from app.config import Settings
from app.errors import Unavailable
from tests.contract.engines import Engine, witness
from tests.fakes.sent import running
from tests.support import until_async


class Ear:
    """A subscriber and what it has heard: `reads` holds the publications of each read, `again` counts reconnects."""

    def __init__(self, url: str, seconds: float) -> None:
        self.subscriber = Subscriber(Address.parse(url), "parley-contract-ear", seconds)
        self.subscriber.on_messages = lambda messages: self.reads.append(list(messages))
        self.subscriber.on_again = self._come_back
        self.reads: list[list[Message]] = []
        self.again = 0

    def _come_back(self) -> None:
        self.again += 1

    def heard(self) -> list[Message]:
        """All publications, in order."""
        return [message for read in self.reads for message in read]

    async def hears(self, count: int) -> list[bytes]:
        """Wait for so many publications; their data."""
        await until_async(lambda: len(self.heard()) >= count, f"{count} publications are heard")
        return [data for _, data in self.heard()]


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., object]]:
    """Starts subscribers: `await listen(url)`."""
    async with AsyncExitStack() as stack:

        async def start(url: str, seconds: float = 5.0) -> Ear:
            ear = Ear(url, seconds)
            await stack.enter_async_context(running(ear.subscriber.run()))
            await until_async(lambda: ear.subscriber.up, "the subscriber is connected")
            return ear

        yield start


@pytest.fixture
def channel(room: str) -> str:
    """A channel that no other test uses, and that the servers' user may hear."""
    return f"{keys.PREFIX}{room}"


def subscribers(client: redis.Redis, channel: str) -> int:
    """How many connections hear a channel."""
    return client.pubsub_numsub(channel)[0][1]


async def test_a_confirmed_subscription_hears_everything_after_it(url: str, channel: str, listen) -> None:
    """From the moment `subscribe` returns nothing is missed, and the order is that of publishing."""
    ear = await listen(url)
    with witness(url) as client:
        await ear.subscriber.subscribe(channel.encode())
        for number in range(500):
            client.publish(channel, b"%d" % number)
        assert await ear.hears(500) == [b"%d" % number for number in range(500)]
        assert {heard for heard, _ in ear.heard()} == {channel.encode()}


async def test_publications_of_one_read_come_together(url: str, channel: str, listen) -> None:
    """What Redis sends at once is handed on at once, so that it can be written to members at once."""
    ear = await listen(url)
    with witness(url) as client:
        await ear.subscriber.subscribe(channel.encode())
        publish_many = "for i = 1, 200 do redis.call('PUBLISH', ARGV[1], i) end"
        client.eval(publish_many, 0, channel)
        assert await ear.hears(200) == [b"%d" % number for number in range(1, 201)]
        assert len(ear.reads) < 50


async def test_any_bytes_are_heard_as_they_are(url: str, channel: str, listen) -> None:
    """Newlines, nulls and what looks like the protocol of Redis."""
    ear = await listen(url)
    blobs = [b"", bytes(range(256)), b"\r\n*3\r\n$7\r\nmessage\r\n", b"x" * 300_000]
    with witness(url) as client:
        await ear.subscriber.subscribe(channel.encode())
        for blob in blobs:
            client.publish(channel, blob)
        assert await ear.hears(len(blobs)) == blobs


async def test_only_what_is_wanted_is_heard(url: str, channel: str, listen) -> None:
    """Not before subscribing, not after unsubscribing, not other channels."""
    ear = await listen(url)
    other, last = f"{channel}-other", f"{channel}-last"
    with witness(url) as client:
        client.publish(channel, b"early")
        await ear.subscriber.subscribe(channel.encode())
        client.publish(other, b"other")
        client.publish(channel, b"now")
        await ear.hears(1)
        ear.subscriber.unsubscribe(channel.encode())
        await until_async(lambda: not subscribers(client, channel), "Redis has taken the channel off")
        client.publish(channel, b"late")
        await ear.subscriber.subscribe(last.encode())
        client.publish(last, b"end")
        assert await ear.hears(2) == [b"now", b"end"]


async def test_wanted_given_up_and_wanted_again_is_wanted(url: str, channel: str, listen) -> None:
    """In one turn or in several, the last word counts, and the last confirmation is what is waited for."""
    ear = await listen(url)
    with witness(url) as client:
        for _ in range(20):
            first = asyncio.ensure_future(ear.subscriber.subscribe(channel.encode()))
            await asyncio.sleep(0)
            ear.subscriber.unsubscribe(channel.encode())
            await ear.subscriber.subscribe(channel.encode())
            assert subscribers(client, channel) == 1
            await asyncio.wait([first])
            with suppress(asyncio.CancelledError, Unavailable):
                first.result()
            ear.subscriber.unsubscribe(channel.encode())
        ear.subscriber.unsubscribe(channel.encode())
        await until_async(lambda: not subscribers(client, channel), "Redis has taken the channel off")


async def test_many_subscriptions_at_once_are_all_confirmed(url: str, channel: str, listen) -> None:
    """More than go into one command, asked for in one turn by many; one channel by several."""
    ear = await listen(url)
    channels = [f"{channel}-{number}".encode() for number in range(CHANNELS_AT_ONCE * 2 + 7)]
    await asyncio.gather(*(ear.subscriber.subscribe(channel) for channel in channels for _ in range(2)))
    with witness(url) as client:
        assert {count for _, count in client.pubsub_numsub(*channels)} == {1}


async def test_a_lost_connection_is_made_again_with_everything_wanted(url: str, channel: str, listen) -> None:
    """The owner is told once, then hears again; channels wanted meanwhile are subscribed as well."""
    ear = await listen(url)
    with witness(url) as client:
        for number in range(3):
            await ear.subscriber.subscribe(f"{channel}-{number}".encode())
        ear.subscriber.unsubscribe(f"{channel}-2".encode())
        _cut(client, "parley-contract-ear")
        await until_async(lambda: ear.again, "the owner is told")
        for number in (0, 1, 3):
            await ear.subscriber.subscribe(f"{channel}-{number}".encode())
            client.publish(f"{channel}-{number}", b"again %d" % number)
        assert await ear.hears(3) == [b"again 0", b"again 1", b"again 3"]
        assert subscribers(client, f"{channel}-2") == 0
        assert (ear.again, ear.subscriber.reconnects) == (1, 1)


def _cut(client: redis.Redis, name: str) -> None:
    """What an administrator's CLIENT KILL TYPE pubsub does, to the connection of that name alone."""
    for entry in client.client_list(_type="pubsub"):
        if entry["name"] == name:
            client.client_kill_filter(_id=entry["id"])


async def test_a_subscription_during_an_outage_is_refused_and_kept(engine: Engine, channel: str, listen) -> None:
    """Whoever asks is told at once, and the channel is subscribed when Redis is back."""
    ear = await listen(engine.url)
    await asyncio.to_thread(engine.kill)
    await until_async(lambda: not ear.subscriber.up, "the loss is noticed")
    with pytest.raises(Unavailable):
        await ear.subscriber.subscribe(channel.encode())
    await asyncio.to_thread(engine.start)
    await until_async(lambda: ear.again, "the subscriber is back")
    with witness(engine.url) as client:
        await until_async(lambda: subscribers(client, channel), "the channel is subscribed")
        client.publish(channel, b"here")
        assert await ear.hears(1) == [b"here"]


async def test_a_frozen_redis_is_noticed(engine: Engine, channel: str, listen) -> None:
    """Although its connection stands and says nothing; when it goes on, everything is wanted again."""
    ear = await listen(engine.url, 0.5)
    await ear.subscriber.subscribe(channel.encode())
    await asyncio.to_thread(engine.freeze)
    await until_async(lambda: not ear.subscriber.up, "the freeze is noticed")
    with pytest.raises(Unavailable):
        await ear.subscriber.subscribe(channel.encode())
    assert ear.again == 0
    await asyncio.to_thread(engine.thaw)
    await until_async(lambda: ear.again, "the subscriber is back")
    await ear.subscriber.subscribe(channel.encode())
    with witness(engine.url) as client:
        client.publish(channel, b"here")
    assert await ear.hears(1) == [b"here"]


def test_a_freeze_is_noticed_within_five_seconds() -> None:
    """With the defaults: a ping's interval, its deadline, and the steps of the watch."""
    assert PING_SECONDS + Settings().redis_timeout_seconds + 2 * WATCH_SECONDS <= 5


async def test_a_quiet_connection_is_kept(url: str, channel: str, listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is no fault while pings are answered, also when the deadline is shorter than the pings' interval."""
    monkeypatch.setattr(module, "PING_SECONDS", 0.4)
    ear = await listen(url, 0.3)
    await ear.subscriber.subscribe(channel.encode())
    link = ear.subscriber._link
    assert link is not None
    pings: list[float] = []
    post = link.ping
    link.ping = lambda: (pings.append(asyncio.get_running_loop().time()), post())  # type: ignore[method-assign]
    await until_async(lambda: len(pings) >= 2, "two more pings")
    assert (ear.subscriber.up, ear.again) == (True, 0)
