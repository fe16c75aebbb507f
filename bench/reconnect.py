"""What it costs when everybody reconnects at once: `python -m bench.reconnect`.

Starts a server with two workers and the embedded Valkey, joins clients to rooms, cuts all connections without a
goodbye, and has the same users come back as fast as the machine allows. Watchers, one on each worker, follow pushes.
Reported is when everybody was back, when the watchers' counts were right, who was told to have left, and what it cost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator

from bench import machine

PARALLEL = 256
PATIENCE_SECONDS = 60.0
COUNTED = ("roster_writes", "roster_reads", "presence_pushes")


def frame(message: dict) -> bytes:
    """A text frame with a mask of zeros."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Client(asyncio.Protocol):
    """One connection: says hello, joins a room, and hands every message on to `heard`."""

    def __init__(self, room: str, guest: str, name: str, heard: Callable[[dict], None] | None):
        self._room, self._guest, self._name, self._heard = room, guest, name, heard
        self._buffer = bytearray()
        self._shaken = False
        self.transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.guest = guest
        self.node = ""

    def connection_made(self, transport):
        self.transport = transport
        who = {"guest": self._guest} if self._guest else {"name": self._name}
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self._first = frame({"type": "hello", "id": 1, **who}) + frame({"type": "join", "id": 2, "room": self._room})

    def data_received(self, data):
        self._buffer += data
        if not self._shaken:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del self._buffer[: end + 4]
            self._shaken = True
            self.transport.write(self._first)
        for payload in self._payloads():
            if self._heard is None and self.ready.done():
                continue
            message = json.loads(payload)
            if message["type"] == "welcome":
                self.guest, self.node = message["guest"], message["node"]
            elif message["type"] == "error" and not self.ready.done():
                self.ready.set_exception(ConnectionError(message["message"]))
            elif message["type"] == "joined" and not self.ready.done():
                self.ready.set_result(None)
            if self._heard:
                self._heard(message)

    def _payloads(self) -> Iterator[bytes]:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < start + size:
                break
            if buffer[at] == 0x81:
                yield bytes(buffer[start : start + size])
            at = start + size
        del buffer[:at]

    def connection_lost(self, exc):
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed"))


class Watcher:
    """Follows one room from one worker."""

    def __init__(self, room: str, port: int, name: str):
        self._room, self._port, self._name = room, port, name
        self.members = 0
        self.pushes = 0
        self.left = 0
        self.right_at = 0.0
        self.client: Client | None = None

    async def open(self, not_on: str) -> str:
        while self.client is None or self.client.node == not_on:
            if self.client:
                self.client.transport.write(b"\x88\x82\0\0\0\0\x03\xe8")
            self.client = await connect(self._port, self._room, "", self._name, self._hear)
        return self.client.node

    def _hear(self, message: dict) -> None:
        if message["type"] in ("joined", "presence"):
            if message["type"] == "presence":
                self.pushes += 1
                self.left += len(message.get("left", ()))
                if message["members"] < self.members and "left" not in message:
                    self.left += self.members - message["members"]
            self.members = message["members"]
            self.right_at = time.monotonic()


async def connect(port: int, room: str, guest: str, name: str, heard=None) -> Client:
    """A client that is in; tries again where the server had no time for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            _, client = await loop.create_connection(lambda: Client(room, guest, name, heard), "127.0.0.1", port)
            await client.ready
            return client
        except OSError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)


async def all_in(port: int, people: list[tuple[str, str, str]]) -> list[Client]:
    """Connect everybody: (room, guest token or empty, name)."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one(room: str, guest: str, name: str) -> Client:
        async with gate:
            return await connect(port, room, guest, name)

    return list(await asyncio.gather(*(one(*person) for person in people)))


def metrics(port: int) -> dict[str, float]:
    """The sums over all workers."""
    found = dict.fromkeys(COUNTED, 0.0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            for name in COUNTED:
                if line.startswith(f"parley_{name}_total{{"):
                    found[name] += float(line.split()[-1])
    return found


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds of the server's processes and of its engine."""
    tree = machine.descendants(pid)
    engines = [one for one in tree if machine.is_engine(one)]
    return machine.cpu_seconds([one for one in tree if one not in engines]), machine.cpu_seconds(engines)


@contextlib.contextmanager
def server(workers: int) -> Iterator[tuple[int, subprocess.Popen]]:
    """A server of our own; its port and process."""
    with tempfile.TemporaryDirectory() as home, open(f"{home}/log", "wb") as log:
        argv = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--workers", str(workers), "--data-dir", home]
        argv += ["--connections-per-address", "0"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0)
        try:
            yield int(process.stdout.readline().rstrip("/\n").rpartition(":")[2]), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            process.stdout.close()


async def measure(rooms: int, members: int) -> None:
    """One shape of rooms."""
    with server(2) as (port, process):
        watchers = [Watcher("room-0", port, name) for name in ("W1", "W2")]
        await watchers[1].open(not_on=await watchers[0].open(not_on=""))
        people = [(f"room-{number % rooms}", "", f"P{number}") for number in range(rooms * members)]
        expected = members + len(watchers)
        before, began = usage(process.pid), time.monotonic()
        clients = await all_in(port, people)
        joined = time.monotonic() - began
        await right(watchers, expected)
        report("first join", len(clients), joined, watchers, began, before, usage(process.pid))
        await asyncio.sleep(3)
        counts, before = metrics(port), usage(process.pid)
        for watcher in watchers:
            watcher.pushes = watcher.left = 0
        began = time.monotonic()
        for client in clients:
            client.transport.abort()
        tokens = [(room, client.guest, name) for (room, _, name), client in zip(people, clients, strict=True)]
        clients = await all_in(port, tokens)
        joined = time.monotonic() - began
        await asyncio.sleep(3)
        await right(watchers, expected)
        report("all back", len(clients), joined, watchers, began, before, usage(process.pid))
        await asyncio.sleep(1.5)
        spent = {name: value - counts[name] for name, value in metrics(port).items()}
        print(f"    left told: {sum(one.left for one in watchers)}; ", {name: int(n) for name, n in spent.items()})
        for client in clients:
            client.transport.abort()


async def right(watchers: list[Watcher], members: int) -> None:
    """Wait until all watchers count so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(watcher.members != members for watcher in watchers):
        if time.monotonic() > deadline:
            raise SystemExit(f"counts stay {[watcher.members for watcher in watchers]}, not {members}")
        await asyncio.sleep(0.02)


def report(what, number, joined, watchers, began, before, after) -> None:
    """A line of figures."""
    last = max(0.0, max(watcher.right_at for watcher in watchers) - began)
    ours, engine = (now - then for now, then in zip(after, before, strict=True))
    print(
        f"  {what}: {number} in {joined:.2f} s ({number / joined:.0f}/s); counts right "
        f"{last:.2f} s after the beginning; {sum(w.pushes for w in watchers)} pushes to {len(watchers)} watchers; "
        f"CPU: server {ours:.2f} s ({ours / number * 1e6:.0f} us each), Valkey {engine:.2f} s",
        flush=True,
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.reconnect", description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rooms", type=int, nargs="*", default=[1, 500], help="numbers of rooms to try")
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for rooms in options.rooms:
        print(f"{options.clients} clients, {rooms} rooms, 2 workers, {os.cpu_count()} cores", flush=True)
        asyncio.run(measure(rooms, options.clients // rooms))


if __name__ == "__main__":
    main()
