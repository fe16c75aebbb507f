"""A process of simulated members: told what to do by lines of JSON on its input, reports by lines on its output.

It owns a crowd, the schedule of what they send, and the ledgers of the rooms as they saw them. It ends when its input
does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import uvloop

from app.tasks import Tasks
from app.traffic.channel import Channel
from app.traffic.crowd import Crowd
from app.traffic.room import Room

TICK_SECONDS = 0.5
STEP_SECONDS = 0.001
NICE = -10

Action = Callable[..., Coroutine[Any, Any, None]]


class Config(msgspec.Struct):
    """What one generator is to be: the members whose number modulo `step` is `offset`. `begun`: see Scene."""

    urls: list[str]
    token: str
    rooms: int
    sockets: int
    pages: int
    text_bytes: int
    begun: float = 0.0
    offset: int = 0
    step: int = 1

    def room_name(self, index: int) -> str:
        """The name of a room; nobody else uses it."""
        return f"{self.token}-{index}"

    def members_of(self, index: int) -> int:
        """How many sockets and pages a room has."""
        return sum(len(range(index, count, self.rooms)) for count in (self.sockets, self.pages))


class Generator:
    """The crowd of this process and what it is to send."""

    def __init__(self, config: Config, say: Callable[[dict[str, Any]], None]) -> None:
        self._config = config
        self._say = say
        rooms = [Room(config.room_name(index), config.members_of(index)) for index in range(config.rooms)]
        numbers = range(config.offset, config.sockets, config.step)
        self.crowd = Crowd(config.urls, rooms, numbers, config.token, config.text_bytes)
        self.crowd.scene.begun = config.begun
        self._until = self._own_order = 0
        self._sending = False

    # Commands

    async def connect(self, seconds: float) -> None:
        """Let all members in, spread evenly over so many seconds."""
        await self.crowd.enter(seconds)
        self._say({"kind": "connected"})

    async def load(self, begin: float, rate: float, seconds: float) -> None:
        """Send message n of the load at begin + n / rate, whatever the server does; the rooms take turns."""
        self._until, self._sending, n = int(rate * seconds), True, 0
        rooms, members = self._config.rooms, self.crowd.members
        crowds = [len(range(index, self._config.sockets, rooms)) for index in range(rooms)]
        try:
            while n < self._until:
                now = time.monotonic()
                while n < self._until and (due := begin + n / rate) <= now:
                    room = n % rooms
                    member = members.get(n // rooms % crowds[room] * rooms + room)
                    if member is not None:
                        member.send(int(due * 1e6))
                    n += 1
                await asyncio.sleep(max(STEP_SECONDS, begin + n / rate - time.monotonic()))
        finally:
            self._sending = False

    def hold(self) -> None:
        """Send nothing more of the load."""
        self._until = 0

    def account(
        self, tops: dict[str, int], shown: dict[str, list[tuple[int, int]]], forget: bool = False
    ) -> dict[str, Any]:
        """The exact end: what every member has of what its room had, and whether all agree on the order.

        `shown` is what others were given, pairs of seq and key by room. With `forget`, the ledgers let go of events.
        """
        rooms = self.crowd.rooms
        own_order = sum(room.out_of_order() for room in rooms)
        for room in rooms:
            room.ledger.compare(shown.get(room.name, []))
        account = self.crowd.account(tops) | {"kind": "account", "errors": self.crowd.scene.errors}
        account["own_order"] = self._own_order + own_order
        if forget:
            self._own_order += own_order
            for room in rooms:
                room.ledger.forget()
        return account

    def ledgers(self) -> dict[str, list[tuple[Any, Any]]]:
        """What the rooms said, as pairs of seq and key."""
        return {room.name: list(room.ledger.events.items()) for room in self.crowd.rooms}

    # Reports

    async def tick(self) -> None:
        """Report twice a second and look after the members, for ever."""
        at, cpu = time.monotonic(), _cpu_seconds()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, cpu_now = time.monotonic(), _cpu_seconds()
            report = self.crowd.scene.tally.take()
            report |= {"kind": "tick", "at": now, "seconds": now - at, "cpu": (cpu_now - cpu) / (now - at)}
            self._say(report | self.crowd.state() | {"sending": self._sending})
            at, cpu = now, cpu_now
            self.crowd.look_after()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """Configured by the first line; then command by command."""

    gc.disable()  # nothing here goes in circles but what lives as long as the process; a collection would make it late
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
                say({"kind": "tops", "tops": generator.crowd.tops()})
            case "ledgers":
                say({"kind": "ledgers", "ledgers": generator.ledgers()})
            case "histories":
                say({"kind": "histories", "clients": generator.crowd.histories()})
            case "account":
                say(generator.account(**command))
            case name:
                work.start(actions[name](**command), name)
    await work.cancel()
    await generator.crowd.leave()


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        # Who measures goes before who is measured, where that is allowed: its own lateness is no finding.
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    uvloop.run(main())
