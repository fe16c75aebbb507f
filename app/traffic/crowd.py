"""Many simulated members in one process: they come in, come back when they lose their connections, and are counted.

What each was given is accounted for exactly: a Ledger a room, a Seat a member.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app.tasks import Tasks
from app.traffic.history import ClientHistory
from app.traffic.member import Member, Scene
from app.traffic.room import Room
from app.traffic.tally import Tally
from app.traffic.wire import Wire, dial

POLL_SECONDS = 0.01
DIAL_SECONDS = 15.0
DIALS_MAX = 128
LEAVE_SECONDS = 2.0


class Crowd:
    """Members by number. Number n is a member of room n modulo the number of rooms; the servers take turns.

    Attributes:
        scene: what the members share: their counts and what went wrong.
    """

    def __init__(
        self, urls: Sequence[str], rooms: Sequence[Room], numbers: Iterable[int], token: str, text_bytes: int = 128
    ) -> None:
        self.rooms = rooms
        self.scene = Scene(self._dial, Tally(), text_bytes)
        self.members = {
            number: Member(number, rooms[number % len(rooms)], self.scene, urls[place % len(urls)], token)
            for place, number in enumerate(numbers)
        }
        self._tasks = Tasks()
        self._gate = asyncio.Semaphore(DIALS_MAX)

    def _dial(self, member: Member) -> Wire:
        wire = Wire(member.url, member)
        self._tasks.start(self._connect(wire, member.url), f"dial {member.name}")
        return wire

    async def _connect(self, wire: Wire, url: str) -> None:
        async with self._gate:
            await dial(wire, url, DIAL_SECONDS)

    async def enter(self, seconds: float) -> None:
        """Let all members in, spread evenly over so many seconds; returns when all are there, or sent away for good."""
        begin = time.monotonic()
        for place, member in enumerate(self.members.values()):
            due = begin + seconds * place / len(self.members)
            if (wait := due - time.monotonic()) > 0 or len(self._tasks) >= DIALS_MAX:
                await asyncio.sleep(max(0.0, wait))
                await _until(lambda: len(self._tasks) < DIALS_MAX)
            member.connect()
        await self.all_here()

    async def all_here(self) -> None:
        """Wait until everybody is there who is not sent away for good."""
        await _until(lambda: all(member.here or member.gone for member in self.members.values()))

    async def cut(self) -> None:
        """Break all connections as a lost network does; returns when all are back."""
        before = self.scene.tally.reconnects
        for member in self.members.values():
            member.abort()
        await _until(lambda: self.scene.tally.reconnects - before >= len(self.members))
        await self.all_here()

    def look_after(self) -> None:
        """To be called about once a second: end silent connections, send again what got no answer."""
        now = asyncio.get_running_loop().time()
        for member in self.members.values():
            member.look_after(now)

    def tops(self) -> dict[str, int]:
        """The highest seq known of each room."""
        return {room.name: room.top for room in self.rooms}

    def state(self) -> dict[str, int]:
        """How many are there, what waits for its acknowledgement, what was not given yet of what is known."""
        members, tops = self.members.values(), self.tops()
        return {
            "here": sum(member.here for member in members),
            "target": len(members),
            "waiting": sum(member.waiting for member in members),
            "behind": sum(member.seat.lost(tops[member.room.name]) for member in members),
        }

    def account(self, tops: Mapping[str, int]) -> dict[str, Any]:
        """What every member has of what its room had, up to these seqs, and whether all agree on it.

        The names are those of app.traffic.account.Account.
        """
        seats = [(member.seat, tops[member.room.name]) for member in self.members.values()]
        ledgers = [room.ledger for room in self.rooms]
        return {
            "expected": sum(top + 1 - seat.first for seat, top in seats),
            "given": sum(seat.given() for seat, _ in seats),
            "lost": sum(seat.lost(top) for seat, top in seats),
            "twice": sum(seat.twice for seat, _ in seats),
            "late": sum(seat.late for seat, _ in seats),
            "conflicts": sum(ledger.conflicts for ledger in ledgers),
            "stored_twice": sum(ledger.twice for ledger in ledgers),
            "strange": sum(room.strange for room in self.rooms),
            "resets": sum(room.reset for room in self.rooms),
            "unanswered": sum(member.waiting for member in self.members.values()),
            "gone": sum(member.gone for member in self.members.values()),
        }

    def histories(self) -> list[ClientHistory]:
        """Of each member to whom something happened that does not happen when all is well: that, and no more."""
        return [ClientHistory(name, "", True, records) for name, records in self.scene.records.items()]

    async def leave(self) -> None:
        """Everybody goes."""
        self.scene.closing = True
        for member in self.members.values():
            member.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await _until(lambda: not any(member.here for member in self.members.values()))
        for member in self.members.values():
            member.abort()
        await self._tasks.cancel()


async def _until(holds: Callable[[], bool]) -> None:
    """Poll: what is waited for is thousands of members' business, none of whom should pay for telling."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
