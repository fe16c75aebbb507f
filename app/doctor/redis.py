"""What a Redis is set up to keep, and whether it does what the server needs: publish, subscribe, scripts, time."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import ssl
import statistics
import time
from collections.abc import Awaitable, Callable

import hiredis

from app.backplane import keys
from app.backplane.assess import assess
from app.backplane.link import Address, Link
from app.backplane.subscriber import Subscriber
from app.config import Settings, flag
from app.embedded import running
from app.errors import NotConfirmed, ParleyError, Unavailable
from app.findings import Finding, bad, good, weak

PINGS = 20
FAR_SECONDS = 0.005
CLOCK_SECONDS = 2.0
HEAR_SECONDS = 5.0
CONNECTIONS = 2
"""What a worker takes of Redis' connections, for as long as it runs."""
ADVICE = {
    "NOPERM": "allow what parley redis-user lists",
    "MISCONF": "make room on its disk; its log has the error",
    "OOM": "give it more memory, or keep less history",
}
"""What to do about an error, by its first word."""
_TRY = "redis.call('SET', KEYS[1], '1', 'PX', 1000) return redis.call('TTL', KEYS[1])"


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
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(4 * HEAR_SECONDS):
            findings += (await assess(link)).findings
            findings.append(transport(link.peer, address.tls))
            for topic, step in _steps(address, link, given):
                try:
                    findings += await step()
                except hiredis.ReplyError as error:
                    findings.append(_refused(topic, str(error)))
    except (ParleyError, TimeoutError) as error:
        said = "the connection was lost" if isinstance(error, NotConfirmed) else str(error) or "no answer"
        findings.append(bad("redis", said, "it went away in the middle of the examination", "look at its log"))
    finally:
        link.drop()
    return findings


def _steps(address: Address, link: Link, given: Settings) -> list[tuple[str, Callable[[], Awaitable[list[Finding]]]]]:
    """What is tried, one after the other, each by what it is about; all may raise hiredis.ReplyError."""
    steps: list[tuple[str, Callable[[], Awaitable[list[Finding]]]]] = [
        ("redis distance", lambda: _distance(link)),
        ("clock", lambda: _clock(link)),
        ("redis scripts", lambda: _scripts(link)),
        ("redis pub/sub", lambda: _hearing(address, link, given)),
        ("redis connections", lambda: _clients(link, given.worker_count)),
    ]
    return steps if given.embedded else [("redis user", lambda: _user(link)), *steps]


def _refused(topic: str, said: str) -> Finding:
    """Redis answered with an error where every server needs an answer."""
    means = "the server needs it, and sends are refused or members get nothing without it"
    return bad(topic, said[:100], means, ADVICE.get(said.split(" ")[0], "look at its log"))


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


async def _distance(link: Link) -> list[Finding]:
    times = []
    for _ in range(PINGS):
        begin = time.perf_counter()
        await link.call("PING")
        times.append(time.perf_counter() - begin)
    median = statistics.median(times)
    found = f"{median * 1000:.2f} ms away"
    if median > FAR_SECONDS:
        means = "every send waits for one round trip, every delivery for another half"
        return [weak("redis distance", found, means, "put the workers nearer to it")]
    return [good("redis distance", found, "sends and deliveries wait for little more")]


async def _clock(link: Link) -> list[Finding]:
    asked = time.time()
    seconds, micros = await link.call("TIME")
    offset = int(seconds) + int(micros) / 1e6 - (asked + time.time()) / 2
    found = f"{offset:+z.3f} s from this machine's"
    if abs(offset) > CLOCK_SECONDS:
        means = "times of messages are Redis'; order does not depend on clocks, but when tokens end does"
        return [weak("clock", found, means, "run NTP on both machines")]
    return [good("clock", found, "times of messages are Redis'; order does not depend on clocks")]


async def _scripts(link: Link) -> list[Finding]:
    """Writes a key of the server's for a second, as every send does."""
    await link.call("EVAL", _TRY, 1, keys.doctor(secrets.token_hex(4)))
    return [good("redis scripts", "allowed", "order, dedupe and publishing are one step")]


async def _clients(link: Link, workers: int) -> list[Finding]:
    """Whether the workers of these settings find room for their connections."""
    topic, need = "redis connections", CONNECTIONS * workers + 1
    try:
        info: bytes = await link.call("INFO", "clients")
    except hiredis.ReplyError:
        return []  # nothing needs it
    said = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    if "maxclients" not in said or "connected_clients" not in said:
        return []
    most, open_now = int(said["maxclients"]), int(said["connected_clients"])
    found, advice = f"{open_now} of at most {most}", "raise maxclients, and the open files that Redis may have"
    if most < need:
        return [bad(topic, found, f"{need} are needed for a server with as many workers: it does not start", advice)]
    if most - open_now < need:
        means = f"another server with as many workers needs {need}: an upgrade has no room for it"
        return [weak(topic, found, means, advice)]
    return [good(topic, found, "room for another server")]


async def _subscribe(subscriber: Subscriber, channel: bytes) -> None:
    """Subscribe as soon as there is a connection."""
    while True:
        try:
            return await subscriber.subscribe(channel)
        except Unavailable:
            await asyncio.sleep(0.01)


async def _hearing(address: Address, link: Link, given: Settings) -> list[Finding]:
    """Subscribe on one connection and publish on another: what every delivery goes through."""
    channel, heard = keys.canary(f"doctor-{secrets.token_hex(4)}"), asyncio.Event()
    subscriber = Subscriber(address, "parley-doctor-sub", given.redis_timeout_seconds)
    subscriber.on_messages = lambda _: heard.set()
    subscriber.on_again = lambda: None
    task = asyncio.create_task(subscriber.run(), name="doctor subscriber")
    means = "what is published is what members get"
    try:
        async with asyncio.timeout(HEAR_SECONDS):
            await link.call("PUBLISH", channel, "0")  # a channel that is not allowed is refused here, in words
            await _subscribe(subscriber, channel)
            begin = time.perf_counter()
            await link.call("PUBLISH", channel, "1")
            await heard.wait()
        return [good("redis pub/sub", f"heard after {(time.perf_counter() - begin) * 1000:.1f} ms", means)]
    except (TimeoutError, ParleyError, hiredis.ReplyError) as error:
        said = str(error)[:100] or f"nothing heard for {HEAR_SECONDS:g} s"
        advice = "allow what parley redis-user lists, SUBSCRIBE and PUBLISH above all"
        return [bad("redis pub/sub", said, means, advice)]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
