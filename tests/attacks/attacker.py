"""Whoever attacks: its addresses, its connections, how much of everything it may do, and what it has seen."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.attacks.target import Target
from tests.attacks.wire import Raw, Wrong, upgrade

AT_ONCE = 100
_numbers = itertools.count(1)


class Attacker:
    """One attack's view of the server.

    Attributes:
        long: whether there is time for all of it; tests do with less.
        seen: what the server did, by kind, for the report.
        room: a room that nobody else knows.
    """

    def __init__(self, target: Target, long: bool) -> None:
        self.target = target
        self.long = long
        self.seen: Counter[str] = Counter()
        self.number = next(_numbers)
        self.room = f"attacked-{self.number}"
        self._links: list[Raw] = []
        self._addresses = (f"127.{self.number % 200 + 20}.{n // 250}.{n % 250 + 1}" for n in itertools.count())
        self._address = next(self._addresses)
        self._ids = itertools.count(1)

    def much(self, full: int, short: int) -> int:
        """How many of something: all, or as many as a test has time for."""
        return full if self.long else short

    def while_time(self, full: float, short: float) -> Iterator[int]:
        """Count for so many seconds."""
        until = time.monotonic() + (full if self.long else short)
        for number in itertools.count():
            if time.monotonic() >= until:
                return
            yield number

    async def tcp(self, elsewhere: bool = False, deaf: bool = False) -> Raw:
        """A bare connection, from the attacker's own address or from one that nobody else has."""
        link = await Raw.open(self.target.port, next(self._addresses) if elsewhere else self._address, deaf)
        self._links.append(link)
        return link

    async def http(self, data: bytes, elsewhere: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The answer to bytes that are sent on a connection of their own."""
        link = await self.tcp(elsewhere)
        await link.send(data)
        answer = await link.answer()
        link.reset()
        self.seen[str(answer[0] or "closed")] += 1
        return answer

    async def websocket(self, path: str = "/ws", elsewhere: bool = False, deaf: bool = False) -> Raw:
        """An open websocket that has said nothing."""
        link = await self.tcp(elsewhere, deaf)
        await link.send(upgrade(path))
        if (status := (await link.answer())[0]) != 101:
            raise Wrong(f"no websocket: {status}")
        return link

    async def guest(self, elsewhere: bool = False, deaf: bool = False, **hello: Any) -> Raw:
        """Somebody who has said hello."""
        link = await self.websocket("/ws", elsewhere, deaf)
        welcome = await link.ask(type="hello", id=1, **{"name": f"Guest {next(self._ids)}", **hello})
        if welcome["type"] != "welcome":
            raise Wrong(f"no welcome: {welcome}")
        link.user, link.name = welcome["user"], welcome["name"]
        return link

    async def member(self, room: str = "", elsewhere: bool = False, deaf: bool = False) -> Raw:
        """Somebody in a room."""
        link = await self.guest(elsewhere, deaf)
        joined = await link.ask(type="join", id=2, room=room or self.room, limit=0)
        if joined["type"] != "joined":
            raise Wrong(f"not joined: {joined}")
        return link

    async def crowd(self, count: int, one: Callable[[], Awaitable[Raw]]) -> list[Raw]:
        """Many of a kind, a hundred at a time."""
        found: list[Raw] = []
        while len(found) < count:
            found += await asyncio.gather(*(one() for _ in range(min(AT_ONCE, count - len(found)))))
        return found

    async def codes(self, links: list[Raw]) -> Counter[int]:
        """How the server ends these connections, by close code."""
        codes = Counter(await asyncio.gather(*(link.closed() for link in links)))
        for code, times in codes.items():
            self.seen[str(code)] += times
        return codes

    def leave(self) -> None:
        """Drop all connections at once."""
        for link in self._links:
            link.reset()
        self._links.clear()


Attacking = Callable[[Attacker], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to do harm. What it is, is the first line of the function's docstring. `waits`: for a deadline."""

    area: str
    run: Attacking
    waits: bool = False

    @property
    def name(self) -> str:
        """The function's name in words."""
        return self.run.__name__.replace("_", " ")  # type: ignore[attr-defined]

    @property
    def about(self) -> str:
        """One sentence: what is done, and what the server has to do about it."""
        return (self.run.__doc__ or "").strip().split("\n")[0]


ATTACKS: list[Attack] = []


def attack(area: str, waits: bool = False) -> Callable[[Attacking], Attacking]:
    """Put a function among the attacks. One that `waits` is over when the server's patience is."""

    def enter(run: Attacking) -> Attacking:
        ATTACKS.append(Attack(area, run, waits))
        return run

    return enter
