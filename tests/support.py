"""What tests share: real servers as child processes, a Valkey for them, and a peer that speaks the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from app.backplane import permissions
from app.embedded import binary_path
from app.traffic.stacks import UNLIMITED

RATES = {name: value for name, value in UNLIMITED.items() if name.endswith(("_PER_SECOND", "_PER_MINUTE"))}
"""What servers of tests are given unless a test says otherwise: a test may be as fast as it can."""
DEADLINE_SECONDS = 60.0
PASSWORD = "that-of-the-servers-user"
USER_OPTIONS = ("--user", *permissions.user(PASSWORD).split()[1:])
"""Make the user when a Redis or a Valkey starts."""
SECRET = "that of all servers which tests let share a store"
# Below those that systems choose from, so that it is still free when the one it is for starts, or starts again.
PORTS = range(20_000, 32_000)
ROOT = Path(__file__).parent.parent


def until(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Poll until `holds()` is true and return its value; fail, saying `what`, after `seconds`."""
    give_up = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < give_up, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


async def until_async(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """The same without blocking the event loop."""
    give_up = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < give_up, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return value


def runs(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    return False


def free_port() -> int:
    """A port that is free now, and that the system gives to nobody who does not name it."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Valkey:
    """A Valkey server of the test's own: the binary that ships with Parley, started on a fixed port.

    `url` is for a user who may do what servers need and nothing else; who does not log in may do everything.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://{permissions.USER}:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._given = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), *USER_OPTIONS]
        self._options = ["--save", "", "--logfile", "valkey.log", *options]
        self.start()

    def start(self) -> None:
        """Start it, again after `kill` or `stop`."""
        self.process = subprocess.Popen(
            [binary_path(), *self._given, *self._options],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: self.command("PING") == "+PONG", "Valkey answers")

    def command(self, *words: str) -> str | None:
        """Send one command over a connection of its own; the first line of the answer, None if there is none."""
        packed = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
                link.sendall(packed.encode())
                return link.recv(65536).decode().split("\r\n")[0]
        except OSError:
            return None

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """As if the machine had lost power."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """The end, however it stands."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)


class Metrics:
    """What one answer of /metrics says."""

    def __init__(self, text: str) -> None:
        self.text = text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all workers, or of its series with these labels."""
        lines = [line for line in self.text.splitlines() if line.startswith((name + "{", name + " "))]
        lines = [line for line in lines if all(f'{key}="{value}"' in line for key, value in labels.items())]
        return sum(float(line.split()[-1]) for line in lines)


class Server:
    """A `parley serve` of the test's own. `url` is the page's address with a slash at the end."""

    def __init__(self, log: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        if "--redis-url" in arguments:
            inherited["PARLEY_SECRET"] = SECRET
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.cli", "serve", *arguments],
                env={**inherited, "PARLEY_LOG_FORMAT": "json", **RATES, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "is ready" in line, f"no server: {line!r}\n{log.read_text()}"
        self.url = line.split()[-1]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        self.ws = f"ws://127.0.0.1:{self.port}/ws"
        self.feed = f"ws://127.0.0.1:{self.port}/feed"

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an HTTP request."""
        try:
            with urllib.request.urlopen(self.url + path.lstrip("/"), timeout=DEADLINE_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def health(self) -> dict[str, Any]:
        """The body of /health."""
        return dict(json.loads(self.get("/health")[1]))

    def metrics(self) -> Metrics:
        """All metrics of one moment; two questions may be answered by workers that looked at different times."""
        return Metrics(self.get("/metrics")[1].decode())

    def metric(self, name: str, **labels: str) -> float:
        """One metric as it is now; see Metrics."""
        return self.metrics().metric(name, **labels)

    def logged(self) -> list[dict[str, Any]]:
        """All lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(DEADLINE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class Peer:
    """A client that speaks the protocol word for word and keeps what it was sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pushes: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self.welcome: dict[str, Any] = {}

    @classmethod
    async def open(cls, url: str, name: str = "Ada", source: str = "", **hello: Any) -> Self:
        """Connect, from one of this machine's other addresses if wanted, and say hello."""
        peer = await cls.bare(url, source)
        peer.welcome = await peer.ask("hello", name=name, **hello)
        assert peer.welcome["type"] == "welcome", peer.welcome
        return peer

    @classmethod
    async def bare(cls, url: str, source: str = "") -> Self:
        """Connect and say nothing."""
        place: dict[str, Any] = {"local_addr": (source, 0)} if source else {}
        return cls(await connect(url, max_size=None, max_queue=None, compression=None, proxy=None, **place))

    async def send(self, type_: str, **fields: Any) -> int:
        """Send a request and return its id."""
        number = next(self._ids)
        await self.socket.send(json.dumps({"type": type_, "id": number, **fields}))
        return number

    async def reply(self, number: int) -> dict[str, Any]:
        """The reply to a request; pushes that come before it are kept."""
        while True:
            message = await self.receive()
            if message.get("id") == number:
                return message
            self.pushes.append(message)

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its reply."""
        return await self.reply(await self.send(type_, **fields))

    async def join_at(self, seq: int, room: str, **fields: Any) -> dict[str, Any]:
        """Join the room where its worker has relayed everything up to `seq`; what was pushed until then is dropped.

        An ack may come before its event, and be another worker's. Until the event is there, leave and join again.
        """
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (joined := await self.ask("join", room=room, **fields))["seq"] < seq:
                await self.ask("leave", room=room)
                self.pushes = [push for push in self.pushes if push.get("room") != room]
            return joined

    async def receive(self) -> dict[str, Any]:
        """The next message, whatever it is."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return dict(json.loads(await self.socket.recv()))

    async def push(self, type_: str) -> dict[str, Any]:
        """The next push of a type; others before it are dropped."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                message = self.pushes.pop(0) if self.pushes else await self.receive()
                if message["type"] == type_ and "id" not in message:
                    return message

    async def texts(self, count: int) -> list[str]:
        """The texts of the next `count` messages."""
        return [(await self.push("message"))["text"] for _ in range(count)]

    async def closed(self) -> int:
        """Wait until the server has closed; the close code."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.socket.wait_closed()
        return self.socket.close_code or 1006

    async def close(self) -> None:
        """Say goodbye."""
        await self.socket.close()
