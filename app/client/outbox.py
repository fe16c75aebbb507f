"""Changes on their way: in order, a bounded number in flight per room, again with the same cid until acknowledged.

Owns one carrier task per room and flight, and every change until it is acknowledged, refused or given up.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.client.errors import ClientError, Closed, OutboxFull, Refused, Unconfirmed
from app.client.link import Message, Tuning

RETRY_SECONDS = 0.5


class Ack(NamedTuple):
    """A stored change. `mid` is empty and `ts` 0 for a repeated one whose event is no longer kept.

    `dup`: the server says that an earlier try was stored already.
    """

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
        # By the loop's clock, which stands still while the machine sleeps, and by the wall's, which may be set.
        self.tried_at: tuple[float, float] | None = None
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
        self.tried: dict[str, _Change] = {}
        self.carried: set[_Change] = set()
        self.wake = asyncio.Condition()
        self.ready = asyncio.Event()
        self.carriers: list[asyncio.Task[None]] = []


class Outbox:
    """All lanes; `pending` changes are in them. `request(type, body)` returns the reply or raises Refused, temporary
    without connection. `user` is whose changes these are, once that is known; `wall` gives seconds since 1970.
    """

    def __init__(
        self,
        tuning: Tuning,
        request: Callable[[str, Message], Awaitable[Message]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._tuning = tuning
        self._request = request
        self._wall = wall
        self.user = ""
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

    def release(self, room: str, recovered: bool) -> None:
        """The room is joined: send.

        What was tried so long ago that the server may have forgotten its cid is sent again only if the room was resumed
        without a gap (`recovered`): then its event would have come, and it was never stored.
        """
        lane = self._lanes[room]
        for change in lane.tried.values():
            if not self._old(change):
                continue
            if recovered:
                change.tried_at = None
            else:
                change.fail(Unconfirmed("not acknowledged for too long; it may or may not be stored"))
        lane.ready.set()

    def settle(self, event: Message) -> None:
        """An event of a room shows what an ack would: the server has the change with this cid."""
        lane = self._lanes.get(event["room"])
        change = lane.tried.get(event.get("cid", "")) if lane is not None else None
        if change is not None and event.get("user") == self.user and not change.result.done():
            ack = Ack(event["room"], event["cid"], event["seq"], event["mid"], event["ts"], False)
            change.result.set_result(ack)

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
            if lane.tried.get(change.body["cid"]) is change:
                del lane.tried[change.body["cid"]]

    async def _confirm(self, lane: _Lane, change: _Change) -> Ack | None:
        """Send until acknowledged; None if nobody waits for it any more."""
        while True:
            await lane.ready.wait()
            if change.result.done():
                return None
            if self._old(change):
                raise Unconfirmed("not acknowledged for too long; it may or may not be stored")
            change.tried_at = change.tried_at or (asyncio.get_running_loop().time(), self._wall())
            lane.tried[change.body["cid"]] = change
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

    def _old(self, change: _Change) -> bool:
        """Whether it was tried first so long ago that the server may not know its cid any more."""
        if change.tried_at is None:
            return False
        ticked, passed = asyncio.get_running_loop().time() - change.tried_at[0], self._wall() - change.tried_at[1]
        return max(ticked, passed) > self._tuning.resend_seconds
