"""One connection to the server, from the handshake to the close: requests and replies, deadlines, silence.

Owns the socket, what waits to be written and the requests that wait for their reply. Replies and pushes are handed on
in the order they came, synchronously, so that a `joined` is dealt with before the events that follow it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from app.client.errors import NoAnswer, Refused
from app.errors import reason
from app.protocol.codes import CloseCode

Message = dict[str, Any]
Done = Callable[[Message | Refused], None]

FRAME_BYTES_MAX = 32 * 2**20
REQUESTS_MAX = 1000
PROBE_PART, PROBE_LEAST_SECONDS, PROBE_MOST_SECONDS = 0.4, 1.0, 5.0

_decode = msgspec.json.Decoder(Message).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Times and bounds of a client.

    Attributes:
        base_seconds, cap_seconds: of the backoff with full jitter.
        stable_seconds: a connection that held so long starts the backoff afresh.
        connect_seconds: from the first packet to the welcome.
        close_seconds: for the closing handshake.
        reply_seconds: an unanswered request counts as temporarily refused.
        resend_seconds: a change is sent again for so long after its first try, and later where the room was resumed
            without a gap, which would have shown it; the server remembers a cid for 600.
        in_flight: changes per room sent before the first is acknowledged. Above 1 the sender's order may change.
        pending_max: changes that may wait for their acknowledgement, in all rooms together.
        rows_max: newest messages of each room kept as they read now; 0 where nobody looks at them.
    """

    base_seconds: float = 0.5
    cap_seconds: float = 15.0
    stable_seconds: float = 10.0
    connect_seconds: float = 10.0
    close_seconds: float = 2.0
    reply_seconds: float = 15.0
    resend_seconds: float = 540.0
    in_flight: int = 1
    pending_max: int = 1000
    rows_max: int = 500


class Link:
    """A connection. `run` returns its close code; everything else may be called only meanwhile."""

    def __init__(self, tuning: Tuning, on_message: Callable[[Message], None]) -> None:
        self._tuning = tuning
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._socket: ClientConnection | None = None
        self._out: deque[str | None] = deque()
        self._wake = asyncio.Event()
        self._welcome = asyncio.Event()
        self._ids = count(1)
        self._open: dict[int, tuple[Done, asyncio.TimerHandle]] = {}
        self._heard_at = 0.0
        self._ping_seconds = 25.0
        self.trouble = ""
        """Why the server could not be reached, if so."""

    async def run(self, url: str, opened: Callable[[], None]) -> int:
        """Connect, call `opened`, hand on what arrives until the connection is gone.

        Returns:
            The close code; 1006 if the server could not be reached or the connection broke.
        """
        tuning = self._tuning
        try:
            socket = await connect(
                url,
                compression=None,
                proxy=None,
                open_timeout=tuning.connect_seconds,
                close_timeout=tuning.close_seconds,
                ping_interval=None,
                max_size=FRAME_BYTES_MAX,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            self.trouble = reason(error)
            return 1006
        self._socket = socket
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._write(socket), name="client writer"),
                    tasks.create_task(self._watch(socket), name="client watch"),
                ]
                opened()
                await self._read(socket)
                for helper in helpers:
                    helper.cancel()
        finally:
            self._socket = None
            self._abandon()
            await socket.close()
        return socket.close_code or 1006

    # From the owner

    def ask(self, type_: str, body: Message, done: Done, seconds: float | None = None) -> None:
        """Send a request; `done` is called exactly once, with the reply or with why there is none."""
        if self._socket is None or len(self._open) >= REQUESTS_MAX:
            done(Refused("unavailable", "not connected, or too many open requests", temporary=True))
            return
        number = next(self._ids)
        timer = self._loop.call_later(seconds or self._tuning.reply_seconds, self._too_late, number)
        self._open[number] = (done, timer)
        self._post(json.dumps({"type": type_, "id": number, **body}, ensure_ascii=False))

    def say(self, type_: str, body: Message) -> None:
        """Send what has no reply; dropped where the connection does not keep up."""
        if self._socket is not None and len(self._out) < REQUESTS_MAX:
            self._post(json.dumps({"type": type_, **body}, ensure_ascii=False))

    def established(self, ping_seconds: float) -> None:
        """The server has welcomed this connection and says something at least that often."""
        self._ping_seconds = ping_seconds if ping_seconds > 0 else 25.0
        self._welcome.set()

    def leave(self) -> None:
        """Close properly, after what was asked before has been written; to the server it is no leave of the user's."""
        self._post(None)

    def cut(self) -> None:
        """Break the connection without a word, as a lost network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    # Tasks

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                self._heard_at = self._loop.time()
                self._receive(data)
        except ConnectionClosed:
            pass

    def _receive(self, data: str | bytes) -> None:
        try:
            message = _decode(data)
        except msgspec.DecodeError:
            return  # not this protocol: nothing that could be acted on
        waiting = self._open.pop(message.get("id", 0), None)
        if waiting is None:
            self._on_message(message)
            return
        done, timer = waiting
        timer.cancel()
        done(Refused.of(message) if message.get("type") == "error" else message)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._out:
                    message = self._out.popleft()
                    if message is None:
                        await socket.close(CloseCode.GOING_AWAY)
                        return
                    await socket.send(message)
                self._wake.clear()
                await self._wake.wait()
        except ConnectionClosed:
            pass  # the reader has seen it too

    async def _watch(self, socket: ClientConnection) -> None:
        """Cut a connection that is not welcomed in time, or falls silent and does not answer a ping."""
        try:
            async with asyncio.timeout(self._tuning.connect_seconds):
                await self._welcome.wait()
        except TimeoutError:
            socket.transport.abort()
            return
        allowed = self._ping_seconds + min(1.0, self._ping_seconds / 10)
        patience = min(PROBE_MOST_SECONDS, max(PROBE_LEAST_SECONDS, PROBE_PART * self._ping_seconds))
        while True:
            silent_at = self._heard_at + allowed
            if silent_at > self._loop.time():
                await asyncio.sleep(silent_at - self._loop.time())
                continue
            asked = self._loop.time()
            self.ask("ping", {}, lambda _answer: None)
            await asyncio.sleep(patience)
            if self._heard_at < asked:
                socket.transport.abort()
                return

    # Inside

    def _post(self, message: str | None) -> None:
        self._out.append(message)
        self._wake.set()

    def _too_late(self, number: int) -> None:
        waiting = self._open.pop(number, None)
        if waiting is not None:
            waiting[0](NoAnswer())

    def _abandon(self) -> None:
        """The connection is gone: what was asked over it may or may not have happened."""
        asked, self._open = self._open, {}
        for done, timer in asked.values():
            timer.cancel()
            done(Refused("unavailable", "the connection was lost", temporary=True))
