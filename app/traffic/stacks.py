"""What is tested or loaded: a stack of servers, with the handles that faults need.

A stack that has no handle for something raises Unsupported, and the fault counts as not taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis

from app.allowances import KINDS
from app.errors import reason

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
DRAIN_SECONDS = 3
UNLIMITED = {
    "PARLEY_CONNECTIONS_PER_ADDRESS": "0",
    "PARLEY_CONNECTIONS_PER_USER": "0",
    **{f"PARLEY_{kind.upper()}_PER_SECOND": "1000000" for kind in ("sends", "guest_sends", *KINDS)},
    "PARLEY_GUESTS_PER_MINUTE": "1000000",
    "PARLEY_BYTES_PER_SECOND": "1000000000",
}
"""Settings of a server that one machine loads with what thousands of people do: limits meant for one are off, or so
high that they count and are never reached.
"""
REPLACED_SECONDS = 60.0


class Unsupported(Exception):
    """This stack cannot do that to itself."""


class StackError(Exception):
    """The stack does not come up."""


class NotTaken(Exception):
    """A fault did not do what it is for; says why."""


class Stack(Protocol):
    """A running system under test."""

    urls: list[str]
    description: str

    async def start(self) -> None:
        """Bring it up; returns when it is ready. Raises StackError."""

    async def stop(self) -> None:
        """Remove all that `start` made."""

    async def workers(self) -> list[str]:
        """What serves: process ids, or names of containers. Raises Unsupported."""

    async def ready(self) -> bool:
        """Whether all workers serve."""

    async def signal_worker(self, worker: str, number: signal.Signals) -> None:
        """Send a signal to a worker."""

    async def signal_redis(self, number: signal.Signals) -> None:
        """Send a signal to Redis."""

    async def redis_process(self) -> str:
        """What Redis is now: changes when it was started again. Raises OSError while it is away."""

    async def redis(self, *command: str) -> Any:
        """One command to Redis."""


def fetch(url: str) -> tuple[int, str]:
    """GET; the status and the body. Raises OSError."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def kill(pid: str, number: signal.Signals) -> None:
    """Send a signal to one process, never to a group of them. Raises OSError if there is no such process."""
    if int(pid) <= 1:
        raise ProcessLookupError(f"{pid} is no process of ours")
    os.kill(int(pid), number)


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Poll until `holds()` is true. Raises NotTaken, saying `what`, if that takes too long."""
    give_up = time.monotonic() + REPLACED_SECONDS
    while not await holds():
        if time.monotonic() > give_up:
            raise NotTaken(f"not within {REPLACED_SECONDS:.0f} s: {what}")
        await asyncio.sleep(POLL_SECONDS)


async def replaced(stack: Stack, gone: str) -> None:
    """Wait until another worker serves in place of one that ended. Raises NotTaken."""

    async def holds() -> bool:
        try:
            return gone not in await stack.workers() and await stack.ready()
        except OSError:
            return False

    await until(holds, f"a new worker in place of {gone}")


def page_of(url: str, path: str) -> str:
    """The http address of a path beside a websocket's."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def socket_of(url: str) -> str:
    """The websocket's address of a server given in any form."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, "/ws" if parts.path in ("", "/") else parts.path, "", ""))


class Remote:
    """Servers that run already: nothing but their clients can be disturbed."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = [socket_of(url) for url in urls]
        self.description = ", ".join(self.urls)

    async def start(self) -> None:
        """Nothing to do but to look whether they are there."""
        for url in self.urls:
            try:
                await asyncio.to_thread(fetch, page_of(url, "/livez"))
            except OSError as error:
                raise StackError(f"{url} cannot be reached: {reason(error)}") from None

    async def stop(self) -> None:
        """They go on running."""

    async def ready(self) -> bool:
        """Whether each says so."""
        try:
            answers = [await asyncio.to_thread(fetch, page_of(url, "/readyz")) for url in self.urls]
        except OSError:
            return False
        return all(status == 200 for status, _ in answers)

    async def workers(self) -> list[str]:
        """Unknown from outside."""
        raise Unsupported("its workers are out of reach")

    async def signal_worker(self, worker: str, number: signal.Signals) -> None:
        """Out of reach."""
        raise Unsupported("its workers are out of reach")

    async def signal_redis(self, number: signal.Signals) -> None:
        """Out of reach."""
        raise Unsupported("its Redis is out of reach")

    async def redis_process(self) -> str:
        """Out of reach."""
        raise Unsupported("its Redis is out of reach")

    async def redis(self, *command: str) -> Any:
        """Out of reach."""
        raise Unsupported("its Redis is out of reach")


class OwnRedis:
    """The handles on an embedded Valkey, all read from its data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data

    async def redis_process(self) -> str:
        """Its process id, from the file it writes."""
        return (self._data / "valkey" / "valkey.pid").read_text().strip()

    async def signal_redis(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        kill(await self.redis_process(), number)

    async def redis(self, *command: str) -> Any:
        """One command over a connection of its own. Raises redis.RedisError."""
        lines = (self._data / "valkey" / "valkey.conf").read_text().splitlines()
        settings = dict(line.split(" ", 1) for line in lines if " " in line)
        port, password = int(settings["port"]), settings["requirepass"]
        async with Redis(host="127.0.0.1", port=port, password=password, socket_timeout=5) as link:
            return await link.execute_command(*command)  # type: ignore[no-untyped-call]


class Served(OwnRedis):
    """`parley serve` with its embedded Valkey, in a temporary data directory, as child processes."""

    def __init__(self, workers: int, log: Path | None = None, settings: dict[str, str] | None = None) -> None:
        self.urls: list[str] = []
        self._settings = settings or {}
        self.description = f"parley serve, {workers} workers, embedded Valkey"
        self._workers = workers
        super().__init__(Path(tempfile.mkdtemp(prefix="parley-stack-")))
        self._log = log or self._data / "server.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and read its address from its first line."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        settings |= {"PARLEY_LOG_FORMAT": "json", "PARLEY_DRAIN_SECONDS": str(DRAIN_SECONDS)}
        settings |= UNLIMITED | self._settings
        arguments = ["--port", "0", "--workers", str(self._workers), "--data-dir", str(self._data)]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "app.cli", "serve", *arguments),
                env=settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        found = re.search(r"http://\S+", line)
        if found is None:
            raise StackError(f"the server does not start: {line or self._log.read_text()[-500:]}")
        self.urls = [socket_of(found[0])]

    async def stop(self) -> None:
        """Stop it as Ctrl-C does, and remove its data."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(OSError, Unsupported):
                await self.signal_redis(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The supervisor's process id; the workers and Valkey descend from it."""
        assert self._process is not None
        return self._process.pid

    async def _health(self) -> dict[str, Any]:
        _, body = await asyncio.to_thread(fetch, page_of(self.urls[0], "/health"))
        health: dict[str, Any] = json.loads(body)
        return health

    async def workers(self) -> list[str]:
        """The process ids of the workers that are ready."""
        each = (await self._health())["workers"]["each"]
        return [str(one["pid"]) for one in each if one["state"] == "ready"]

    async def ready(self) -> bool:
        """All workers deliver."""
        try:
            return len(await self.workers()) == self._workers
        except OSError:
            return False

    async def signal_worker(self, worker: str, number: signal.Signals) -> None:
        """Send a signal to a worker's process."""
        kill(worker, number)
