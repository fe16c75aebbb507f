"""The chat of pipes: lines in are messages, messages out are lines, or events as JSON, one a line.

Owns standard input and output while it runs. What is written to a full pipe is waited for, and so is the server's
acknowledgement of a line before the next is sent: nothing piles up on either side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import stat
import sys
import threading
from collections.abc import AsyncIterator

import msgspec

from app.client import Client, ClientError, Unconfirmed
from app.client.link import Message
from app.client.timeline import Timeline
from app.terminal.text import inline
from app.terminal.transcript import Line, Transcript, moderated, plain

LINE_BYTES_MAX = 65536
READ_BYTES = 65536
ECHO_SECONDS = 2.0
WATCH_SECONDS = 0.2
_HARMFUL = re.compile("[\x7f-\x9f\u00ad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def as_json(event: Message) -> str:
    """An event in one line of JSON that is safe to show on a terminal as well."""
    line = msgspec.json.encode(event).decode()
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class Output:
    """Lines to standard output, those of one turn of the loop in one write. `closed` is set once nobody reads them."""

    def __init__(self, descriptor: int) -> None:
        self.closed = asyncio.Event()
        self._descriptor = descriptor
        self._lines: list[str] = []
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            # A pipe becomes "readable" when its reader has gone: known at once, not at the next line.
            asyncio.get_running_loop().add_reader(descriptor, self._end)

    def write(self, line: str) -> None:
        """One line, soon."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Everything, now."""
        lines, self._lines = self._lines, []
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        while data and not self.closed.is_set():
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # whoever gave us this pipe did not want it to block
                select.select([], [self._descriptor], [])
            except OSError:
                self._end()

    def _end(self) -> None:
        self.closed.set()
        asyncio.get_running_loop().remove_reader(self._descriptor)


class Input:
    """The lines of standard input, read by a thread, for a pipe, a file and a terminal alike; one waits at a time.

    Empty lines are left out. A line longer than LINE_BYTES_MAX comes as None.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[list[str | None]] = asyncio.Queue(1)
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncIterator[str | None]:
        # Nothing can interrupt a read: the thread must not keep the process alive.
        threading.Thread(target=self._read, name="standard input", daemon=True).start()
        return self._each()

    async def _each(self) -> AsyncIterator[str | None]:
        while lines := await self._lines.get():
            for line in lines:
                yield line

    def _read(self) -> None:
        splitter = Splitter()
        while True:
            try:
                data = os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                select.select([self._descriptor], [], [])
                continue
            except OSError:
                data = b""
            lines = splitter.feed(data)
            if lines and not self._put(lines):
                return
            if not data:
                self._put([])
                return

    def _put(self, lines: list[str | None]) -> bool:
        try:
            asyncio.run_coroutine_threadsafe(self._lines.put(lines), self._loop).result()
        except (RuntimeError, asyncio.CancelledError):
            return False  # the loop has ended
        return True


class Splitter:
    """Bytes to lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[str | None]:
        """The lines that these bytes complete; empty bytes are the end."""
        *whole, rest = (self._rest + (data or b"\n")).split(b"\n")
        self._rest = rest
        lines: list[str | None] = []
        for line in whole:
            if self._skipping:
                self._skipping = False
                lines.append(None)
            elif len(line) > LINE_BYTES_MAX:
                lines.append(None)
            elif line.strip():
                lines.append(line.rstrip(b"\r").decode("utf-8", "replace"))
        if len(rest) > LINE_BYTES_MAX:
            self._rest, self._skipping = b"", True
        elif self._skipping:
            self._rest = b""
        return lines


class Piped:
    """One run: follows a room, and sends what comes in.

    Args:
        patience_seconds: a line waits so long for a server that cannot be reached.
    """

    def __init__(self, room: str, output: Output, json: bool, patience_seconds: float) -> None:
        self._room = room
        self._timeline = Timeline(0)
        self._output = output
        self._json = json
        self._patience_seconds = patience_seconds
        self._transcript = Transcript()
        self._failed = False
        self._was_online = self._moving = False
        self._lost_at: float | None = None
        self._ended = asyncio.Event()

    def on(self, kind: str, detail: Message) -> None:
        """The client's callback."""
        match kind:
            case "event":
                self._show([detail], self._transcript.event(detail, self._timeline))
            case "gap":
                self._show([{"type": "gap", **detail}], [self._transcript.gap(detail)])
            case "joined" if detail["since"] is None:
                self._show(detail["messages"], self._transcript.page(detail["messages"]))
            case "moderated":
                say(moderated(detail))
            case "refused":
                self._fail(f"the server does not let this user in any more: {inline(str(detail['error']))}")
                self._ended.set()
            case "going-away":
                self._moving = True
            case "state":
                self._state(detail["state"])

    def _show(self, events: list[Message], lines: list[Line]) -> None:
        for line in map(as_json, events) if self._json else map(plain, lines):
            self._output.write(line)

    def _state(self, state: str) -> None:
        if state == "online":
            if self._lost_at is not None:
                say("connected again")
            self._was_online, self._moving, self._lost_at = True, False, None
        elif state == "offline":
            self._ended.set()
        elif state == "waiting" and self._moving:
            self._moving = False  # a server that goes as announced is left for another: only a failure is worth a word
        elif state == "waiting" and self._lost_at is None and self._was_online:
            self._lost_at = asyncio.get_running_loop().time()
            say("the connection is lost; trying again")

    async def run(self, client: Client, lines: Input | None, stop: asyncio.Event) -> int:
        """Until there is nothing more to send, or without `lines` until stopped; the exit code.

        `client` is connected and in the room.
        """
        self._timeline = client.rooms[self._room].timeline
        events = (stop, self._ended, self._output.closed)
        tasks = {
            asyncio.create_task(self._feed(client, lines), name="feed"),
            asyncio.create_task(self._unreachable(client), name="patience"),
            *(asyncio.create_task(event.wait(), name="end") for event in events),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return self._verdict(client, stop)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._output.flush()

    def _verdict(self, client: Client, stop: asyncio.Event) -> int:
        if client.refusal is not None:
            self._fail(f"the server ended the connection: {inline(str(client.refusal))}")
        if client.pending:
            self._fail("the last line was not acknowledged; it may or may not be stored")
            return 1 if stop.is_set() or self._output.closed.is_set() else 3
        return 1 if self._failed else 0

    async def _feed(self, client: Client, lines: Input | None) -> None:
        if lines is None:
            await asyncio.Event().wait()
            return
        last = 0
        async for line in lines:
            if line is None:
                self._fail(f"a line of more than {LINE_BYTES_MAX} bytes was not sent")
                continue
            try:
                last = max(last, (await client.send(self._room, line)).seq)
            except Unconfirmed:
                self._fail("a line was not acknowledged; it may or may not be stored")
            except ClientError as error:
                self._fail(f"not sent: {inline(str(error))}")
        await self._echo(client, last)

    def _fail(self, why: str) -> None:
        self._failed = True
        say(why)

    async def _echo(self, client: Client, seq: int) -> None:
        """Wait for what was sent to be shown, too: the event follows its acknowledgement at once."""
        until = asyncio.get_running_loop().time() + ECHO_SECONDS
        while asyncio.get_running_loop().time() < until:
            room = client.rooms.get(self._room)
            if room is None or room.position is None or room.position.seq >= seq:
                return
            await asyncio.sleep(0.005)

    async def _unreachable(self, client: Client) -> None:
        """Ends when a line has waited too long for a connection."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._lost_at is not None and client.pending and loop.time() - self._lost_at > self._patience_seconds:
                return


def say(line: str) -> None:
    """A word about the connection, on standard error."""
    with contextlib.suppress(OSError):
        print(f"parley: {line}", file=sys.stderr, flush=True)
