"""What a Redis is set up to keep, and whether it does what the server needs: publish, subscribe, scripts, time."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import ssl
import statistics
import time

import hiredis

from app.backplane import keys
from app.backplane.assess import assess
from app.backplane.link import Address, Link
from app.backplane.subscriber import Subscriber
from app.config import Settings, flag
from app.embedded import running
from app.errors import ParleyError, Unavailable
from app.findings import Finding, bad, good, weak

PINGS = 20
FAR_SECONDS = 0.005
CLOCK_SECONDS = 2.0
HEAR_SECONDS = 5.0


async def examine(given: Settings) -> list[Finding]:
    """Everything about the Redis of these settings, or about the embedded Valkey if it runs."""
    try:
        address = await _address(given)
        if address is None:
            means = "acknowledged events survive a crash; a crash of the machine or a stuck disk may cost seconds"
            return [good("redis", "the embedded Valkey, which is not running", means)]
        link = await Link.connect(address, "parley-doctor", given.redis_timeout_seconds, lambda: None)
    except ParleyError as error:
        means = "without it the server does not start; a running one refuses every send"
        said = str(error).removeprefix(f"{flag('redis_url')}: ")
        return [bad("redis", said, means, "start it, or correct PARLEY_REDIS_URL")]
    try:
        async with asyncio.timeout(4 * HEAR_SECONDS):
            assessment = await assess(link)
            return [
                *assessment.findings,
                transport(link.peer, address.tls),
                *(() if given.embedded else await _user(link)),
                await _distance(link),
                await _clock(link),
                await _scripts(link),
                await _hearing(address, link, given),
            ]
    except (ParleyError, TimeoutError) as error:
        means = "it was lost in the middle of the examination"
        return [bad("redis", str(error) or "no answer", means, "look at its log")]
    finally:
        link.drop()


async def _address(given: Settings) -> Address | None:
    if not given.embedded:
        return Address.of(given)
    return await running(given.data_place)


def transport(peer: str, tls: ssl.SSLContext | None) -> Finding:
    """Who is between here and Redis. `peer` is its IP address, empty for a socket of this machine."""
    topic = "redis transport"
    if tls is not None and tls.verify_mode is ssl.CERT_NONE:
        means = "whoever is on the network between may pretend to be Redis, and reads and changes everything"
        return weak(topic, f"TLS to {peer}, its certificate is not looked at", means, "set PARLEY_REDIS_CA_FILE")
    if tls is not None:
        return good(topic, f"TLS to {peer}", "nobody on the way reads or changes anything")
    if not peer or ipaddress.ip_address(peer).is_loopback:
        return good(topic, "plain text, inside this machine", "nobody is on the way")
    means = "whoever is on the network between reads all messages and the password, and may change them"
    return weak(topic, f"plain text to {peer}", means, "use rediss://, unless nobody else is on that network")


async def _user(link: Link) -> list[Finding]:
    """Whether a stolen password opens more than the chat. A user with limits may not even ask."""
    topic, advice = "redis user", "give the server a user of its own: parley redis-user"
    try:
        name = await link.call("ACL", "WHOAMI")
        said = await link.call("ACL", "GETUSER", name)
        user = dict(zip(said[::2], said[1::2], strict=True))
        anybody, everything = b"nopass" in user[b"flags"], b"+@all" in user[b"commands"].split()
    except hiredis.ReplyError as error:
        if not str(error).startswith("NOPERM"):
            return []
        anybody = everything = False
    except (TypeError, KeyError):
        return []
    if anybody and everything:
        means = "whoever reaches Redis reads, changes and removes everything, and may stop it"
        return [weak(topic, "no password is asked for, and everything is allowed", means, advice)]
    if everything:
        means = "whoever has the server's password may remove everything, and stop or change Redis"
        return [weak(topic, "it may do everything", means, advice)]
    return [good(topic, "it may do what it needs", "whoever has its password may read and change the chat, no more")]


async def _distance(link: Link) -> Finding:
    times = []
    for _ in range(PINGS):
        begin = time.perf_counter()
        await link.call("PING")
        times.append(time.perf_counter() - begin)
    median = statistics.median(times)
    found = f"{median * 1000:.2f} ms away"
    if median > FAR_SECONDS:
        means = "every send waits for one round trip, every delivery for another half"
        return weak("redis distance", found, means, "put the workers nearer to it")
    return good("redis distance", found, "sends and deliveries wait for little more")


async def _clock(link: Link) -> Finding:
    asked = time.time()
    seconds, micros = await link.call("TIME")
    offset = int(seconds) + int(micros) / 1e6 - (asked + time.time()) / 2
    found = f"{offset:+z.3f} s from this machine's"
    if abs(offset) > CLOCK_SECONDS:
        means = "times of messages are Redis'; order does not depend on clocks, but when tokens end does"
        return weak("clock", found, means, "run NTP on both machines")
    return good("clock", found, "times of messages are Redis'; order does not depend on clocks")


async def _scripts(link: Link) -> Finding:
    try:
        await link.call("EVAL", "return redis.call('TIME')[1]", 0)
    except hiredis.ReplyError as error:
        means = "order, dedupe and publishing are one script: without it nothing can be sent"
        return bad("redis scripts", str(error)[:100], means, "allow what parley redis-user lists")
    return good("redis scripts", "allowed", "order, dedupe and publishing are one step")


async def _subscribe(subscriber: Subscriber, channel: bytes) -> None:
    """Subscribe as soon as there is a connection."""
    while True:
        try:
            return await subscriber.subscribe(channel)
        except Unavailable:
            await asyncio.sleep(0.01)


async def _hearing(address: Address, link: Link, given: Settings) -> Finding:
    """Subscribe on one connection and publish on another: what every delivery goes through."""
    channel, heard = keys.canary(f"doctor-{secrets.token_hex(4)}"), asyncio.Event()
    subscriber = Subscriber(address, "parley-doctor-sub", given.redis_timeout_seconds)
    subscriber.on_messages = lambda _: heard.set()
    subscriber.on_again = lambda: None
    task = asyncio.create_task(subscriber.run(), name="doctor subscriber")
    means = "what is published is what members get"
    try:
        async with asyncio.timeout(HEAR_SECONDS):
            await _subscribe(subscriber, channel)
            begin = time.perf_counter()
            await link.call("PUBLISH", channel, "1")
            await heard.wait()
        return good("redis pub/sub", f"heard after {(time.perf_counter() - begin) * 1000:.1f} ms", means)
    except (TimeoutError, ParleyError, hiredis.ReplyError) as error:
        said = str(error)[:100] or f"nothing heard for {HEAR_SECONDS:g} s"
        return bad("redis pub/sub", said, means, "allow what parley redis-user lists, SUBSCRIBE and PUBLISH above all")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
