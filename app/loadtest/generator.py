"""A process of simulated members: told what to do by lines of JSON on its input, reports by lines on its output.

It owns its members' sockets, the schedule of what they send, and the ledgers of the rooms as they saw them. It ends
when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import uvloop

from app.tasks import Tasks
from app.traffic.channel import Channel
from app.traffic.member import Member, Scene
from app.traffic.room import Room
from app.traffic.tally import Tally
from app.traffic.wire import Wire, dial

TICK_SECONDS = 0.5
STEP_SECONDS, POLL_SECONDS = 0.001, 0.01
DIAL_SECONDS = 15.0
DIALS_MAX = 128
LEAVE_SECONDS = 2.0

Action = Callable[..., Coroutine[Any, Any, None]]


class Config(msgspec.Struct):
    """What one generator is to be: the members whose number modulo `step` is `offset`."""

    urls: list[str]
    token: str
    rooms: int
    sockets: int
    pages: int
    text_bytes: int
    offset: int = 0
    step: int = 1

    def room_name(self, index: int) -> str:
        """The name of a room; nobody else uses it."""
        return f"{self.token}-{index}"

    def members_of(self, index: int) -> int:
        """How many sockets and pages a room has."""
        return sum(len(range(index, count, self.rooms)) for count in (self.sockets, self.pages))


class Generator:
    """All members of this process."""

    def __init__(self, config: Config, say: Callable[[dict[str, Any]], None]) -> None:
        self._config = config
        self._say = say
        self._tasks = Tasks()
        self._scene = Scene(self._dial, Tally(), config.text_bytes)
        self._rooms = [Room(config.room_name(index), config.members_of(index)) for index in range(config.rooms)]
        self.members = {number: self._member(number) for number in range(config.offset, config.sockets, config.step)}
        self._until = self._own_order = 0
        self._sending = False

    def _member(self, number: int) -> Member:
        config = self._config
        url = config.urls[number // config.step % len(config.urls)]
        return Member(number, self._rooms[number % config.rooms], self._scene, url, config.token)

    def _dial(self, member: Member) -> Wire:
        wire = Wire(member.url, member)
        self._tasks.start(dial(wire, member.url, DIAL_SECONDS), f"dial {member.name}")
        return wire

    # Commands

    async def connect(self, seconds: float) -> None:
        """Let all members in, spread evenly over so many seconds, but never with too many handshakes under way."""
        begin = time.monotonic()
        for place, member in enumerate(self.members.values()):
            due = begin + seconds * place / len(self.members)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await _until(lambda: len(self._tasks) < DIALS_MAX)
            member.connect()
        await _until(lambda: all(member.here or member.gone for member in self.members.values()))
        gc.freeze()  # what is here now stays; later collections need not look at it again
        self._say({"kind": "connected"})

    async def load(self, begin: float, rate: float, seconds: float) -> None:
        """Send message n of the load at begin + n / rate, whatever the server does; the rooms take turns."""
        self._until, self._sending, n = int(rate * seconds), True, 0
        rooms = self._config.rooms
        crowds = [len(range(index, self._config.sockets, rooms)) for index in range(rooms)]
        try:
            while n < self._until:
                now = time.monotonic()
                while n < self._until and (due := begin + n / rate) <= now:
                    room = n % rooms
                    member = self.members.get(n // rooms % crowds[room] * rooms + room)
                    if member is not None:
                        member.send(int(due * 1e6))
                    n += 1
                await asyncio.sleep(max(STEP_SECONDS, begin + n / rate - time.monotonic()))
        finally:
            self._sending = False

    def hold(self) -> None:
        """Send nothing more of the load."""
        self._until = 0

    def tops(self) -> dict[str, int]:
        """The highest seq known of each room."""
        return {room.name: room.ledger.top for room in self._rooms}

    def account(
        self, tops: dict[str, int], shown: dict[str, list[tuple[int, int]]], forget: bool = False
    ) -> dict[str, Any]:
        """The exact end: what every member has of what its room had, and whether all agree on the order.

        `shown` is what others were given, pairs of seq and key by room. With `forget`, the ledgers let go of events.
        """
        seats = [(member.seat, tops[member.room.name]) for member in self.members.values()]
        ledgers = [room.ledger for room in self._rooms]
        own_order = sum(room.ledger.out_of_order(room.excused) for room in self._rooms)
        for room in self._rooms:
            room.ledger.compare(shown.get(room.name, []))
        account = {
            "kind": "account",
            "expected": sum(top + 1 - seat.first for seat, top in seats),
            "given": sum(seat.given() for seat, _ in seats),
            "lost": sum(seat.lost(top) for seat, top in seats),
            "twice": sum(seat.twice for seat, _ in seats),
            "late": sum(seat.late for seat, _ in seats),
            "conflicts": sum(ledger.conflicts for ledger in ledgers),
            "stored_twice": sum(ledger.twice for ledger in ledgers),
            "own_order": self._own_order + own_order,
            "strange": sum(room.strange for room in self._rooms),
            "resets": sum(room.reset for room in self._rooms),
            "unanswered": sum(member.waiting for member in self.members.values()),
            "gone": sum(member.gone for member in self.members.values()),
            "errors": self._scene.errors,
        }
        if forget:
            self._own_order += own_order
            for ledger in ledgers:
                ledger.forget()
        return account

    def ledgers(self) -> dict[str, list[tuple[int, int]]]:
        """What the rooms said, as pairs of seq and key."""
        return {room.name: list(room.ledger.events.items()) for room in self._rooms}

    async def leave(self) -> None:
        """Everybody goes."""
        self._scene.closing = True
        for member in self.members.values():
            member.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await _until(lambda: not any(member.here for member in self.members.values()))
        for member in self.members.values():
            member.abort()
        await self._tasks.cancel()

    # Reports

    async def tick(self) -> None:
        """Report twice a second and look after the members, for ever."""
        at, cpu = time.monotonic(), _cpu_seconds()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, cpu_now = time.monotonic(), _cpu_seconds()
            report = self._scene.tally.take()
            report |= {"kind": "tick", "at": now, "seconds": now - at, "cpu": (cpu_now - cpu) / (now - at)}
            report |= self._state()
            self._say(report)
            at, cpu = now, cpu_now
            clock = asyncio.get_running_loop().time()
            for member in self.members.values():
                member.look_after(clock)

    def _state(self) -> dict[str, Any]:
        members = self.members.values()
        tops = self.tops()
        return {
            "here": sum(member.here for member in members),
            "target": len(members),
            "waiting": sum(member.waiting for member in members),
            "behind": sum(member.seat.lost(tops[member.room.name]) for member in members),
            "sending": self._sending,
        }


async def _until(holds: Callable[[], bool]) -> None:
    """Poll: what is waited for is thousands of members' business, none of whom should pay for telling."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """Configured by the first line; then command by command."""

    channel = await Channel.open()
    say = channel.say
    generator = Generator(msgspec.json.decode(await channel.line(), type=Config), say)
    work = Tasks()
    work.start(generator.tick(), "tick")
    actions: dict[str, Action] = {"connect": generator.connect, "load": generator.load}
    while line := await channel.line():
        command: dict[str, Any] = msgspec.json.decode(line)
        match command.pop("do"):
            case "hold":
                generator.hold()
            case "tops":
                say({"kind": "tops", "tops": generator.tops()})
            case "ledgers":
                say({"kind": "ledgers", "ledgers": generator.ledgers()})
            case "account":
                say(generator.account(**command))
            case name:
                work.start(actions[name](**command), name)
    await work.cancel()
    await generator.leave()


if __name__ == "__main__":
    uvloop.run(main())
