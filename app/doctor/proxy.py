"""What a running server sees of those who come through the proxies before it."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Origin

from app.errors import reason
from app.findings import Finding, bad, good, weak

SECONDS = 10.0
LATE_SECONDS = 5.0
FORGED = "192.0.2.123"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP gave: the status, and what the body says if it is JSON."""

    status: int
    body: dict[str, Any]


async def examine(url: str, patient: bool) -> list[Finding]:
    """Everything about the way to the server at `url`. With `patient` it waits for a heartbeat, to see timeouts."""
    base = url.rstrip("/")
    try:
        ready, seen, metrics = await asyncio.to_thread(_ask_all, base)
    except (OSError, ValueError) as error:
        means = "nobody reaches the server this way"
        advice = "is the address right, does the proxy find the server?"
        return [bad("proxy", f"{base}: {reason(error)}", means, advice)]
    through = [*await _websocket(base, patient), *await _page(base, seen)]
    return [_ready(ready), *_seen(base, seen), _metrics(base, metrics), *through]


def _ask_all(base: str) -> tuple[Answer, Answer, Answer]:
    claimed = {"X-Forwarded-For": FORGED, "X-Real-IP": FORGED}
    return _ask(f"{base}/readyz"), _ask(f"{base}/seen", claimed), _ask(f"{base}/metrics")


def _ask(url: str, headers: dict[str, str] | None = None) -> Answer:
    """GET. Raises OSError if nobody answers, ValueError for what is no URL."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return Answer(response.status, _json(response.read(65536)))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _json(error.read(65536)))


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _ready(answer: Answer) -> Finding:
    if answer.status == 200 and answer.body.get("status") == "ready":
        return good("proxy: readiness", "ready", "the replica that answered delivers")
    reasons = ", ".join(answer.body.get("reasons", [])) or "no Parley answers there"
    means = "members there get nothing"
    return bad("proxy: readiness", f"{answer.status}: {reasons}", means, "look at the replica's log, and at Redis")


def _seen(base: str, answer: Answer) -> list[Finding]:
    if answer.status != 200 or "host" not in answer.body:
        return []
    seen, address = answer.body, urlsplit(base)
    found = []
    if seen["host"] == address.netloc:
        found.append(good("proxy: Host", seen["host"], "the server knows the name that people use"))
    else:
        means = "the server does not know the name that people use: comparing it with a page's origin fails"
        advice = "pass it on: proxy_set_header Host $http_host"
        found.append(weak("proxy: Host", f"{seen['host']}, not {address.netloc}", means, advice))
    claimed = seen["forwarded_for"]
    if claimed == FORGED:
        means = "no proxy there, or one that passes on what clients claim: they can pretend any address"
        advice = "where there is a proxy: proxy_set_header X-Forwarded-For $remote_addr"
        found.append(weak("proxy: X-Forwarded-For", "as the client claims", means, advice))
    elif FORGED in claimed:
        means = "what a client claims about its address comes first"
        advice = "replace instead of appending: proxy_set_header X-Forwarded-For $remote_addr"
        found.append(weak("proxy: X-Forwarded-For", claimed, means, advice))
    elif claimed and seen.get("address", "") not in map(str.strip, claimed.split(",")):
        means = "bans and limits by address meet everybody behind that proxy, and nobody else"
        advice = "set PARLEY_PROXIES to the number of proxies before the server"
        said = f"{claimed}, but the server takes {seen['address'] or 'no address'} for the client's"
        found.append(bad("proxy: X-Forwarded-For", said, means, advice))
    elif claimed:
        found.append(good("proxy: X-Forwarded-For", claimed, "set by the proxy, not by the client"))
    else:
        means = "all clients have the proxy's address"
        found.append(weak("proxy: X-Forwarded-For", "none", means, "proxy_set_header X-Forwarded-For $remote_addr"))
    if address.scheme == "https" and seen["forwarded_proto"] != "https":
        means = "the server takes encrypted connections for plain ones"
        advice = "proxy_set_header X-Forwarded-Proto $scheme"
        found.append(weak("proxy: X-Forwarded-Proto", seen["forwarded_proto"] or "none", means, advice))
    return found


def _metrics(base: str, answer: Answer) -> Finding:
    if answer.status != 200:
        return good("proxy: /metrics", f"hidden ({answer.status})", "numbers are for the inside")
    if urlsplit(base).hostname in LOOPBACK:
        return good("proxy: /metrics", "open, on this machine", "see that it is not from outside")
    means = "everybody who can reach the page can read how it is doing"
    return weak("proxy: /metrics", "open", means, "let the proxy answer 404 for /metrics")


# Websockets


def _ws(base: str) -> str:
    return "ws" + base.removeprefix("http") + "/ws"


async def _websocket(base: str, patient: bool) -> list[Finding]:
    topic, means = "proxy: websocket", "without websockets there is no chat"
    url = _ws(base)
    try:
        async with asyncio.timeout(SECONDS), connect(url, ping_interval=None, max_size=None, proxy=None) as socket:
            loop = asyncio.get_running_loop()
            begin = loop.time()
            welcome = await _reply(socket, {"type": "hello", "id": 1, "name": "doctor"})
            found = f"answers after {(loop.time() - begin) * 1000:.0f} ms, node {welcome.get('node')}"
            findings = [good(topic, found, "upgrade and messages pass")]
            findings.append(await _large(socket, int(welcome["limits"]["frame"])))
    except InvalidStatus as error:
        advice = "pass it on: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade, Connection upgrade"
        return [bad(topic, f"handshake answered {error.response.status_code}", means, advice)]
    except (OSError, TimeoutError, WebSocketException, KeyError, ValueError) as error:
        said = str(error) or "no answer"
        return [bad(topic, said, means, "does the proxy buffer, or close after the upgrade?")]
    if patient:
        findings.append(await _silence(url, int(welcome["ping"])))
    return findings


async def _page(base: str, seen: Answer) -> list[Finding]:
    """Whether the server's own page, opened at this address, may open a websocket."""
    topic, own = "proxy: Origin", urlsplit(base)
    origin, expected = f"{own.scheme}://{own.netloc}", seen.body.get("origin")
    try:
        async with asyncio.timeout(SECONDS), connect(_ws(base), origin=Origin(origin), proxy=None):
            return [good(topic, origin, "the page comes in")]
    except InvalidStatus as error:
        if error.response.status_code != 403:
            return []  # the finding about websockets says it
        advice = "let the proxy tell Host and X-Forwarded-Proto and set PARLEY_PROXIES, or list it in PARLEY_ORIGINS"
        return [weak(topic, f"{origin} is refused; {expected or 'none'} is expected", "the page has no chat", advice)]
    except (OSError, TimeoutError, WebSocketException):
        return []


async def _large(socket: ClientConnection, most: int) -> Finding:
    """As large a message as the server takes."""
    topic, padding = "proxy: message size", "x" * (most - 64)
    try:
        await _reply(socket, {"type": "ping", "id": 2, "padding": padding})
    except (OSError, TimeoutError, WebSocketException) as error:
        means = "long messages end the connection"
        return weak(topic, f"{most} bytes: {error}", means, "raise the limit of what stands between")
    return good(topic, f"{most} bytes pass", "whatever the server takes reaches it")


async def _silence(url: str, ping_seconds: int) -> Finding:
    """Say nothing and see whether the server's heartbeats come, or the proxy cuts first.

    The first one may come soon by chance: what counts is one after as long a silence as there can be.
    """
    topic = "proxy: silence"
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        async with connect(url, ping_interval=None, proxy=None) as socket:
            await _reply(socket, {"type": "hello", "id": 1, "name": "doctor"})
            for _ in range(2):
                begin = loop.time()
                async with asyncio.timeout(ping_seconds + LATE_SECONDS):
                    while json.loads(await socket.recv()).get("type") != "ping":
                        pass
                if loop.time() - begin >= ping_seconds:
                    break
    except TimeoutError:
        means = "the server's heartbeat does not come through: browsers think that the connection is dead"
        return bad(
            topic, f"nothing for {ping_seconds + LATE_SECONDS:g} s", means, "switch buffering off: proxy_buffering off"
        )
    except (OSError, WebSocketException):
        lasted = loop.time() - begin
        means = "whoever says nothing is cut, and reconnects, all the time"
        advice = f"let the proxy wait for longer than PARLEY_PING_SECONDS ({ping_seconds}): proxy_read_timeout 90s"
        return bad(topic, f"cut after {lasted:.0f} s", means, advice)
    return good(topic, f"a heartbeat within {ping_seconds} s", "silent connections stay")


async def _reply(socket: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    """Ask, and wait for the answer with the same id."""
    await socket.send(json.dumps(request))
    async with asyncio.timeout(SECONDS):
        while True:
            message = json.loads(await socket.recv())
            if message.get("id") == request["id"]:
                return dict(message)
