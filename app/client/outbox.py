"""Changes on their way: in order, a bounded number in flight per room, again with the same cid until acknowledged.

Owns one carrier task per room and flight, and every change until it is acknowledged, refused or given up.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.client.errors import ClientError, Closed, OutboxFull, Refused, Unconfirmed
from app.client.link import Message, Tuning

RETRY_SECONDS = 0.5


class Ack(NamedTuple):
    """A stored change. `mid` is empty and `ts` 0 for a repeated one whose event is no longer kept."""

    room: str
    cid: str
    seq: int
    mid: str
    ts: int
    dup: bool


class _Change:
    def __init__(self, type_: str, body: Message) -> None:
        self.type = type_
        self.body = body
        self.tried_at = 0.0
        self.result: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()

    def fail(self, error: ClientError) -> None:
        if not self.result.done():
            self.result.set_exception(error)

    def give_up(self) -> None:
        if self.tried_at:
            self.fail(Unconfirmed("given up before it was acknowledged; it may or may not be stored"))
        else:
            self.fail(Closed("given up before it was sent"))


class _Lane:
    """One room's changes. `ready` is set while the room is joined."""

    def __init__(self) -> None:
        self.changes: deque[_Change] = deque()
        self.carried: set[_Change] = set()
        self.wake = asyncio.Condition()
        self.ready = asyncio.Event()
        self.carriers: list[asyncio.Task[None]] = []


class Outbox:
    """All lanes; `pending` changes are in them. `request(type, body)` returns the reply or raises Refused, temporary
    without connection.
    """

    def __init__(self, tuning: Tuning, request: Callable[[str, Message], Awaitable[Message]]) -> None:
        self._tuning = tuning
        self._request = request
        self._lanes: dict[str, _Lane] = {}
        self.pending = 0

    # Rooms

    def open(self, room: str) -> None:
        """Take changes for a room."""
        lane = self._lanes[room] = _Lane()
        for number in range(self._tuning.in_flight):
            lane.carriers.append(asyncio.create_task(self._carry(lane), name=f"carrier {number} of {room}"))

    def hold(self, room: str) -> None:
        """The room is not joined now."""
        self._lanes[room].ready.clear()

    def release(self, room: str) -> None:
        """The room is joined: send."""
        self._lanes[room].ready.set()

    async def shut(self, room: str) -> None:
        """Give up what waits for a room."""
        lane = self._lanes.pop(room)
        carriers = self._end(lane)
        await asyncio.wait(carriers)
        for change in (*lane.carried, *lane.changes):
            change.give_up()

    def abandon(self, room: str, error: Refused) -> None:
        """The room cannot be joined: what waits for it fails with that error."""
        lane = self._lanes.pop(room)
        self._end(lane)
        for change in (*lane.carried, *lane.changes):
            change.fail(error)

    async def close(self) -> None:
        """Give up everything."""
        for room in list(self._lanes):
            await self.shut(room)

    def _end(self, lane: _Lane) -> list[asyncio.Task[None]]:
        for carrier in lane.carriers:
            carrier.cancel()
        return lane.carriers

    # Changes

    async def change(self, type_: str, body: Message) -> Ack:
        """Queue a change of `body["room"]` and wait until it is acknowledged; see Client.send."""
        if self.pending >= self._tuning.pending_max:
            raise OutboxFull(f"{self.pending} changes wait for their acknowledgement")
        lane = self._lanes.get(body["room"])
        if lane is None:
            raise Closed("the client is closed")
        change = _Change(type_, body)
        self.pending += 1
        try:
            lane.changes.append(change)
            async with lane.wake:
                lane.wake.notify()
            return await change.result
        finally:
            self.pending -= 1

    async def _carry(self, lane: _Lane) -> None:
        while True:
            async with lane.wake:
                await lane.wake.wait_for(lambda: lane.changes)
                change = lane.changes.popleft()
            lane.carried.add(change)
            try:
                ack = await self._confirm(lane, change)
                if ack is not None and not change.result.done():
                    change.result.set_result(ack)
            except ClientError as error:
                change.fail(error)
            lane.carried.discard(change)

    async def _confirm(self, lane: _Lane, change: _Change) -> Ack | None:
        """Send until acknowledged; None if nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        while True:
            await lane.ready.wait()
            if change.result.done():
                return None
            now = loop.time()
            if change.tried_at and now - change.tried_at > self._tuning.resend_seconds:
                raise Unconfirmed("not acknowledged for too long; it may or may not be stored")
            change.tried_at = change.tried_at or now
            try:
                reply = await self._request(change.type, change.body)
            except Refused as error:
                if not error.temporary:
                    raise
                if lane.ready.is_set():
                    await asyncio.sleep((error.retry or RETRY_SECONDS) * random.uniform(1.0, 1.25))
                continue
            body = change.body
            return Ack(body["room"], body["cid"], reply["seq"], reply["mid"], reply["ts"], reply["dup"])
