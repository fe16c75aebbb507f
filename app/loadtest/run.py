"""One load test from beginning to end: processes and stack up, members in, loads, accounts, everything gone again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from app.loadtest.browsers import PagesConfig
from app.loadtest.gauges import Gauges
from app.loadtest.generator import Config
from app.loadtest.measure import Measure
from app.loadtest.plan import Plan
from app.tasks import Tasks
from app.traffic import machine
from app.traffic.account import Account
from app.traffic.children import Child, ChildError
from app.traffic.faults import FaultMark
from app.traffic.history import ClientHistory, History
from app.traffic.stacks import NotTaken, Served, Stack, Unsupported, page_of, replaced, until

ENTER_SECONDS = 120.0
LEAD_SECONDS = 0.3
POLL_SECONDS = 0.05
DRAIN_SECONDS, QUIET_SECONDS = 30.0, 6.0
INTERRUPTED_DRAIN_SECONDS = 3.0
PICTURE_AT = 0.7


class Display(Protocol):
    """Who is told how the run goes on."""

    def say(self, line: str) -> None:
        """Something happened."""

    def second(self, session: Session) -> None:
        """Another second is over."""


class Session:
    """The running load test. `interrupt` ends it early, with what there is.

    Attributes:
        account, history: the exact figures of all loads so far, and what was not as it should be.
        pinned: which cores servers and generators were given, if they were.
    """

    def __init__(self, plan: Plan, stack: Stack, display: Display, picture: Path | None) -> None:
        self.plan = replace(plan, token=f"load-{secrets.token_hex(4)}")
        self.stack = stack
        self.display = display
        self.picture = picture
        self.gauges = Gauges()
        self.faults: list[FaultMark] = []
        self.browser = self.pinned = ""
        self.errors: dict[str, int] = {}
        self.account, self.history = Account(), History()
        self.interrupted = asyncio.Event()
        self.generators: list[Child] = []
        self.pages: Child | None = None
        self._tasks = Tasks()

    # Up and down

    async def __aenter__(self) -> Session:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        """Browsers first, because they may be missing; then the stack, then the generators."""
        if self.plan.pages:
            self.pages = Child("the pages", lambda report: self.gauges.tick("pages", report))
            config = PagesConfig(min(self.plan.browsers, self.plan.pages), self.plan.pages, self.plan.browser)
            await self.pages.start("app.loadtest.pages", config)
            self.browser = (await self.pages.hear("launched"))["browser"]
            self.gauges.meter.watch("pages", self.pages.pid)
        self.display.say(f"starting: {self.stack.description}")
        servers, generators = self._split_cores()
        with machine.pinned(servers):
            await self.stack.start()
        if isinstance(self.stack, Served):
            self.gauges.meter.watch("server", self.stack.pid)
        for offset in range(self.plan.generators):
            name = f"generator {offset + 1}"
            child = Child(name, lambda report, name=name: self.gauges.tick(name, report))  # type: ignore[misc]
            self.generators.append(child)
            with machine.pinned(generators):
                await child.start("app.loadtest.generator", self._config(offset))
            self.gauges.meter.watch(name, child.pid)
        self._tasks.start(self._seconds(), "seconds")

    def _split_cores(self) -> tuple[list[int], list[int]]:
        """Cores for the own servers and for the generators: apart, unless browsers need room too."""
        cores = machine.cores()
        apart = not self.pages and isinstance(self.stack, Served) and len(cores) > self.plan.generators
        if not apart:
            return [], []
        self.pinned = (
            f"servers on {len(cores) - self.plan.generators} cores, generators on {self.plan.generators} apart"
        )
        return cores[: -self.plan.generators], cores[-self.plan.generators :]

    def _config(self, offset: int) -> Config:
        plan = self.plan
        sizes = {"rooms": plan.rooms, "sockets": plan.sockets, "pages": plan.pages, "text_bytes": plan.text_bytes}
        return Config(
            urls=self.stack.urls,
            token=plan.token,
            begun=self.gauges.begun,
            offset=offset,
            step=plan.generators,
            **sizes,
        )

    async def _stop(self) -> None:
        await self._tasks.cancel()
        children = [*self.generators, *([self.pages] if self.pages else [])]
        await asyncio.gather(*(child.stop() for child in children), return_exceptions=True)
        await self.stack.stop()

    async def _seconds(self) -> None:
        due = time.monotonic()
        while True:
            due += 1.0
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.gauges.close_second()
            self.display.second(self)

    async def _unless_interrupted(self, work: Any) -> bool:
        """Wait for something, or for the interruption; whether it came to its end. Raises what the work raises."""
        task, stop = asyncio.ensure_future(work), asyncio.create_task(self.interrupted.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return True
            return False
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    # Members

    async def enter(self) -> bool:
        """Let everybody in over the ramp; whether all are in. Raises ChildError if they do not get in in time."""
        self.gauges.phase = "ramp"
        seconds = self.plan.ramp
        patience = seconds + ENTER_SECONDS
        waits = [child.ask("connect", "connected", patience, seconds=seconds) for child in self.generators]
        if self.pages:
            addresses = [page_of(url, "/") for url in self.stack.urls]
            rooms = [self._config(0).room_name(number % self.plan.rooms) for number in range(self.plan.pages)]
            arguments = {"urls": addresses, "rooms": rooms, "seconds": seconds}
            waits.append(self.pages.ask("enter", "connected", patience, **arguments))
        return await self._unless_interrupted(asyncio.gather(*waits))

    # Loads

    async def load(
        self, rate: float, seconds: float, *, settle: float = 0.0, forget: bool = False, kill_at: float | None = None
    ) -> Measure:
        """Send at a rate for so many seconds, wait for what is under way, and account for it.

        Latencies count once the load has lasted for `settle` seconds. With `forget` what was compared is let go of: for
        long searches.
        """
        gauges, before = self.gauges, self.account
        begun = gauges.clock()
        measure = Measure(rate, seconds, begun, begun + LEAD_SECONDS + settle if settle else 0.0)
        gauges.measure, gauges.phase = measure, "load"
        begin = time.monotonic() + LEAD_SECONDS
        for child in self.generators:
            child.tell("load", begin=begin, rate=rate, seconds=seconds)
        meanwhile = [self._lasting(begin + seconds)]
        if kill_at is not None:
            meanwhile.append(self._kill(begin + kill_at))
        if self.pages and self.picture and not forget:
            meanwhile.append(self._picture(begin + PICTURE_AT * seconds))
        measure.whole = await self._unless_interrupted(asyncio.gather(*meanwhile))
        for child in self.generators:
            child.tell("hold")
        gauges.phase = "drain"
        await self._drain(DRAIN_SECONDS if measure.whole else INTERRUPTED_DRAIN_SECONDS)
        self.account, self.history = await self._account(forget), await self._recorded()
        measure.account = self.account.since(before)
        measure.account.refused = measure.refused
        gauges.measure, gauges.phase = None, "rest"
        return measure

    async def _lasting(self, until: float) -> None:
        """Wait, and notice when a process of ours ends before its time. Raises ChildError."""
        while (left := until - time.monotonic()) > 0:
            for child in (*self.generators, *([self.pages] if self.pages else [])):
                if not child.alive:
                    raise ChildError(f"{child.name} ended in the middle of the load")
            await asyncio.sleep(min(left, 0.2))

    async def _drain(self, most_seconds: float) -> None:
        """Until all that was due is sent, acknowledged, delivered and shown, or nothing has moved for a while."""
        give_up, moved_at, state = time.monotonic() + most_seconds, time.monotonic(), (-1, -1)
        asked = time.monotonic()
        while (now := time.monotonic()) < min(give_up, moved_at + QUIET_SECONDS):
            if self.gauges.reported_since(asked):
                left = (self.gauges.latest("waiting"), self.gauges.latest("behind") + await self._unshown())
                if left == (0, 0) and not self.gauges.latest("sending"):
                    return
                if left != state:
                    state, moved_at = left, now
                asked = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)

    async def _tops(self) -> dict[str, int]:
        """The highest seq of each room that anybody of ours was told of."""
        tops: dict[str, int] = {}
        for child in self.generators:
            for room, top in (await child.ask("tops", "tops"))["tops"].items():
                tops[room] = max(top, tops.get(room, 0))
        return tops

    async def _unshown(self) -> int:
        if self.pages is None:
            return 0
        tops = await self._tops()
        return sum(max(0, tops[room] + 1 - seq) for room, seq in self.pages.last.get("next", {}).items())

    async def _account(self, forget: bool) -> Account:
        """All processes' accounts, each held against what the others were told."""
        tops, account = await self._tops(), Account()
        shown: dict[str, list[Any]] = {}
        if self.pages is not None:
            report = await self.pages.ask("account", "account", tops=tops, forget=forget)
            shown = report.pop("shown")
            account.add(report)
        for child in self.generators[1:]:
            for room, events in (await child.ask("ledgers", "ledgers"))["ledgers"].items():
                shown.setdefault(room, []).extend(events)
        for child in self.generators:
            mine = shown if child is self.generators[0] else {}
            report = await child.ask("account", "account", tops=tops, shown=mine, forget=forget)
            account.add(report)
            self.errors |= report["errors"]
        return account

    async def _recorded(self) -> History:
        """What happened to members that does not happen when all is well, and the faults."""
        found = History(faults=self.faults, ended=self.gauges.clock())
        for child in self.generators:
            told = (await child.ask("histories", "histories"))["clients"]
            found.clients += msgspec.convert(told, list[ClientHistory])
        return found

    # Meanwhile

    async def _kill(self, at: float) -> None:
        """Kill a worker of the own stack and note when everybody is there again."""
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        mark = FaultMark("kill-worker", self.gauges.clock())
        self.faults.append(mark)
        try:
            victim = random.choice(await self.stack.workers())
            await self.stack.signal_worker(victim, signal.SIGKILL)
            mark.lifted = self.gauges.clock()
            mark.effect, mark.took = f"worker {victim} killed", True
            self.display.say(f"{mark.begun:6.1f} s  worker {victim} is killed")
            await replaced(self.stack, victim)
            mark.effect += " and replaced"
            await until(self._all_here(time.monotonic()), "everybody there again")
            mark.back = self.gauges.clock()
            self.display.say(f"{mark.back:6.1f} s  everybody is there again")
        except (Unsupported, NotTaken, OSError) as error:
            mark.effect = f"{mark.effect} ({error})"

    def _all_here(self, asked: float) -> Callable[[], Awaitable[bool]]:
        """Whether everybody was there after a moment."""

        async def holds() -> bool:
            return self.gauges.reported_since(asked) and self.gauges.latest("here") == self.plan.members

        return holds

    async def _picture(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        assert self.pages is not None
        with contextlib.suppress(ChildError):
            await self.pages.ask("picture", "picture", path=str(self.picture))
