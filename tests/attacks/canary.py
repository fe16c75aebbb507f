"""Somebody who chats while the server is attacked, and measures it: a process of its own, so that it is not slowed
by the attacker.

Two people on two workers talk in one room; a trip is a message from when it was due until both have it. Beside them
newcomers open a websocket, say hello and go. `python -m tests.attacks.canary URL` writes a line of JSON, the Report
since the last one, for every line it reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

ROOT = Path(__file__).parents[2]
INTERVAL_SECONDS = 0.05
NEWCOMER_SECONDS = 0.5
GIVE_UP_SECONDS = 30.0
TRIES = 40
CALM_MS = 100.0
CALM_SECONDS = 12.0


@dataclass(slots=True)
class Report:
    """What happened since the last one. Times in milliseconds.

    Attributes:
        trips: of messages, from when each was due until both had it.
        pending_ms: how long the one that is under way has been due.
        newcomers: of those who came in, from connecting to welcome.
        turned_away: why others did not.
        wrong: what must not happen to anybody: messages lost, twice, out of order, connections cut.
    """

    trips: list[float] = field(default_factory=list)
    pending_ms: float = 0.0
    newcomers: list[float] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, later: Report) -> None:
        """Take in the one that follows."""
        self.trips += later.trips
        self.newcomers += later.newcomers
        self.turned_away += later.turned_away
        self.wrong += later.wrong
        self.pending_ms = later.pending_ms


class Chatter:
    """One of the two. `heard` is the text it was given last."""

    def __init__(self, url: str, room: str, name: str) -> None:
        self._url = url
        self._room = room
        self._name = name
        self._seq = 0
        self.node = ""
        self.heard = ""
        self.news = asyncio.Event()

    async def come(self) -> None:
        """Connect, say hello, join."""
        self.socket: ClientConnection = await connect(self._url, compression=None, proxy=None, ping_interval=None)
        self.node = (await self._ask("hello", name=self._name))["node"]
        self._seq = (await self._ask("join", room=self._room))["seq"]

    async def _ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        await self.socket.send(json.dumps({"type": type_, "id": 1, **fields}))
        while True:
            message: dict[str, Any] = json.loads(await self.socket.recv())
            if message.get("id") == 1:
                if message["type"] == "error":
                    raise OSError(message["message"])
                return message

    async def listen(self, wrong: Callable[[str], None]) -> None:
        """Hear messages until the connection ends, which it must not."""
        try:
            async for data in self.socket:
                message = json.loads(data)
                if message["type"] == "message":
                    if message["seq"] != self._seq + 1:
                        wrong(f"{self._name} was given seq {message['seq']} after {self._seq}")
                    self._seq = message["seq"]
                    self.heard = message["text"]
                    self.news.set()
                elif message["type"] in ("error", "resync"):
                    wrong(f"{self._name} was told {data!r}")
        except ConnectionClosed:
            pass
        wrong(f"{self._name} was cut with {self.socket.close_code}")

    async def say(self, text: str) -> None:
        """Send a message."""
        message = {"type": "send", "id": 2, "room": self._room, "cid": text, "text": text}
        await self.socket.send(json.dumps(message))


class Canary:
    """The process that sings: owns both chatters and the report under way."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._room = f"canary-{time.monotonic_ns()}"
        self._due = 0.0
        self._report = Report()

    def _wrong(self, what: str) -> None:
        self._report.wrong.append(what)

    def report(self) -> Report:
        """What happened since this was asked last."""
        done, self._report = self._report, Report()
        done.pending_ms = max(0.0, time.monotonic() - self._due) * 1000
        return done

    async def sing(self) -> None:
        """Until cancelled."""
        pair = [Chatter(self._url, self._room, "Piep"), Chatter(self._url, self._room, "Matz")]
        await pair[0].come()
        for _ in range(TRIES):
            await pair[1].come()
            if pair[1].node != pair[0].node:
                break
            await pair[1].socket.close()
        print(json.dumps({"nodes": [one.node for one in pair]}), flush=True)
        async with asyncio.TaskGroup() as tasks:
            for one in pair:
                tasks.create_task(one.listen(self._wrong))
            tasks.create_task(self._newcomers())
            await self._talk(pair)

    async def _talk(self, pair: list[Chatter]) -> None:
        self._due = time.monotonic()
        number = 0
        while True:
            number += 1
            text = f"tweet-{number}"
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await pair[number % 2].say(text)
                    for one in pair:
                        while one.heard != text:
                            one.news.clear()
                            await one.news.wait()
            except (TimeoutError, ConnectionClosed) as error:
                self._wrong(f"{text} did not arrive: {error!r}")
                await asyncio.sleep(1)
            self._report.trips.append((time.monotonic() - self._due) * 1000)
            self._due += INTERVAL_SECONDS
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))

    async def _newcomers(self) -> None:
        while True:
            began = time.monotonic()
            newcomer = Chatter(self._url, self._room, "New")
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await newcomer.come()
                    self._report.newcomers.append((time.monotonic() - began) * 1000)
                    await newcomer.socket.close()
            except (OSError, TimeoutError, WebSocketException) as error:
                self._report.turned_away.append(str(error)[:80] or type(error).__name__)
            await asyncio.sleep(max(0.0, began + NEWCOMER_SECONDS - time.monotonic()))


class Cage:
    """The canary as the one who attacks sees it: a child process that is asked for reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def open(cls, url: str) -> Self:
        """Start it; it sings when this returns."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.attacks.canary", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
            cwd=ROOT,
        )
        cage = cls(process)
        cage.nodes = (await cage._line())["nodes"]
        return cage

    nodes: list[str]

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(GIVE_UP_SECONDS):
            return dict(json.loads(await self._process.stdout.readline()))

    async def report(self) -> Report:
        """What happened since this was asked last."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return Report(**await self._line())

    async def calm(self) -> Report:
        """What happened since this was asked last and until it sings undisturbed again, or for CALM_SECONDS more."""
        whole = await self.report()
        until = time.monotonic() + CALM_SECONDS
        calm = 0
        # Both have spoken, and each message was begun after this was asked.
        while calm < 3 and not whole.wrong and time.monotonic() < until:
            await asyncio.sleep(INTERVAL_SECONDS)
            later = await self.report()
            whole.add(later)
            calm = calm + len(later.trips) if max([*later.trips, later.pending_ms]) < CALM_MS else 0
        return whole

    async def close(self) -> None:
        """End it."""
        self._process.terminate()
        await self._process.wait()


async def _main(url: str) -> None:
    canary = Canary(url)
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    singing = asyncio.create_task(canary.sing())
    while await orders.readline():
        if singing.done():
            singing.result()
        print(json.dumps(asdict(canary.report())), flush=True)
    singing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await singing


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
