"""What it costs when everybody reconnects at once: `python -m bench.reconnect`.

Starts a server with two workers and the embedded Valkey, joins clients to rooms, cuts all connections without a
goodbye, and has the same users come back as fast as the machine allows. Watchers, one on each worker, follow pushes.
Reported is when everybody was back, when the watchers' counts were right, who was told to have left, and what it cost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import time
from collections.abc import AsyncIterator
from typing import Any

import uvloop

from app.client import Client
from app.traffic import machine
from app.traffic.crowd import Crowd
from app.traffic.room import Room
from app.traffic.stacks import Served, fetch, page_of

PATIENCE_SECONDS = 60.0
REST_SECONDS = 3.0
BACKOFF_SECONDS = 0.01
COUNTED = ("roster_writes", "roster_reads", "presence_pushes")


class Watcher:
    """Follows one room from one worker."""

    def __init__(self, room: str, url: str, name: str) -> None:
        self._room, self._url, self._name = room, url, name
        self.members = self.pushes = self.left = 0
        self.right_at = 0.0
        self.client: Client | None = None

    async def open(self, not_on: str) -> str:
        """Come in on another worker than that; the name of the one it is on."""
        while self.client is None or self.client.node == not_on:
            await self.close()
            self.client = Client(self._url, name=self._name, on=self._hear)
            await self.client.start()
        await self.client.join(self._room)
        return self.client.node

    async def close(self) -> None:
        """Go."""
        if self.client is not None:
            await self.client.close()

    def _hear(self, kind: str, message: dict[str, Any]) -> None:
        if kind not in ("joined", "presence"):
            return
        if kind == "presence":
            self.pushes += 1
            self.left += len(message.get("left", ()))
            if message["members"] < self.members and "left" not in message:
                self.left += self.members - message["members"]
        self.members = message["members"]
        self.right_at = time.monotonic()


def metrics(url: str) -> dict[str, float]:
    """The sums over all workers."""
    lines = fetch(page_of(url, "/metrics"))[1].splitlines()
    return {
        name: sum(float(line.split()[-1]) for line in lines if line.startswith(f"parley_{name}_total{{"))
        for name in COUNTED
    }


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds of the server's processes and of its engine."""
    tree = machine.descendants(pid)
    engines = [one for one in tree if machine.is_engine(one)]
    return machine.cpu_seconds([one for one in tree if one not in engines]), machine.cpu_seconds(engines)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """A server of our own."""
    stack = Served(2)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


async def measure(rooms: int, members: int) -> None:
    """One shape of rooms."""
    async with served() as stack:
        (url,), count = stack.urls, rooms * members
        watchers = [Watcher("room-0", url, name) for name in ("W1", "W2")]
        await watchers[1].open(not_on=await watchers[0].open(not_on=""))
        crowd = Crowd([url], [Room(f"room-{number}", members) for number in range(rooms)], range(count), "P")
        crowd.scene.base_seconds = BACKOFF_SECONDS
        expected = members + len(watchers)
        before, began = usage(stack.pid), time.monotonic()
        await crowd.enter(0)
        joined = time.monotonic() - began
        await right(watchers, expected)
        report("first join", count, joined, watchers, began, before, usage(stack.pid))
        await asyncio.sleep(REST_SECONDS)
        counts, before = metrics(url), usage(stack.pid)
        for watcher in watchers:
            watcher.pushes = watcher.left = 0
        began = time.monotonic()
        await crowd.cut()
        joined = time.monotonic() - began
        await asyncio.sleep(REST_SECONDS)
        await right(watchers, expected)
        report("all back", count, joined, watchers, began, before, usage(stack.pid))
        spent = {name: int(value - counts[name]) for name, value in metrics(url).items()}
        print(f"    left told: {sum(one.left for one in watchers)}; ", spent, crowd.scene.errors or "")
        await crowd.leave()
        for watcher in watchers:
            await watcher.close()


async def right(watchers: list[Watcher], members: int) -> None:
    """Wait until all watchers count so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(watcher.members != members for watcher in watchers):
        if time.monotonic() > deadline:
            raise SystemExit(f"counts stay {[watcher.members for watcher in watchers]}, not {members}")
        await asyncio.sleep(0.02)


def report(
    what: str,
    number: int,
    joined: float,
    watchers: list[Watcher],
    began: float,
    before: tuple[float, float],
    after: tuple[float, float],
) -> None:
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
    parser = argparse.ArgumentParser(prog="python -m bench.reconnect", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rooms", type=int, nargs="*", default=[1, 500], help="numbers of rooms to try")
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for rooms in options.rooms:
        print(f"{options.clients} clients, {rooms} rooms, 2 workers, {os.cpu_count()} cores", flush=True)
        uvloop.run(measure(rooms, options.clients // rooms))


if __name__ == "__main__":
    main()
