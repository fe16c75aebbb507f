"""A process with real browsers: pages of the product, each a member of one room, that count what they show.

What a page has rendered is read from its document: each message when its row appears, and all rows at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import Browser, Error, Page, Playwright, async_playwright

from app.loadtest.browsers import ARGUMENTS, PagesConfig, installed
from app.tasks import Tasks
from app.traffic import mark
from app.traffic.channel import Channel
from app.traffic.ledger import Seat
from app.traffic.tally import Tally, bucket

TICK_SECONDS = 1.0
ENTER_MS = 30_000
CLOCK_TRIES = 7
CLOSE_SECONDS = 5.0
ROWS_MAX = 5_000
FAULTS_MAX = 3
Action = Callable[..., Coroutine[Any, Any, None]]
OBSERVE = Path(__file__).with_name("observe.js")


class Shown:
    """One page and the account of what it showed. `clock_us` is what its clock lacks to that of the run."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seat = Seat()
        self.keys: dict[int, int] = {}
        self.clock_us = 0.0
        self.online = False
        self.crashed = False
        self.reconnects = 0
        self.faults: list[str] = []
        page.on("crash", self._crash)
        page.on("pageerror", lambda error: self._fault(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: self._fault(f"not loaded: {request.url} ({request.failure})"))

    def _crash(self, _: Page) -> None:
        self.crashed = True

    def _fault(self, what: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(what)

    async def enter(self, url: str, name: str) -> None:
        """Open a room and give a name. Raises playwright's Error."""
        page = self.page
        page.set_default_timeout(ENTER_MS)
        await page.add_init_script(path=OBSERVE)
        await page.goto(url)
        await page.get_by_label("Your name", exact=True).fill(name)
        await page.get_by_role("button", name="Join", exact=True).click()
        await page.wait_for_selector("[data-connection=online]", state="attached")
        await page.wait_for_selector("[role=log]")
        await self._compare_clocks()
        self.online = True

    async def _compare_clocks(self) -> None:
        best = float("inf")
        for _ in range(CLOCK_TRIES):
            before = time.monotonic()
            theirs = await self.page.evaluate("performance.now()")
            after = time.monotonic()
            if after - before < best:
                best = after - before
                self.clock_us = (before + after) / 2 * 1e6 - theirs * 1e3

    async def take(self, tally: Tally) -> None:
        """Enter what the page showed since the last time into its account and the tally."""
        try:
            taken = await self.page.evaluate("parleyLoad.take()")
        except Error:
            return  # crashed: its account ends here, and the run is invalid
        online = taken["state"] == "online"
        self.reconnects += self.online and not online
        tally.reconnects += self.online and not online
        self.online = online
        for seq, text, at_ms, twice in taken["shown"]:
            self._row(seq, text, int(at_ms * 1e3 + self.clock_us), twice, tally)
        for late_ms in taken["late"]:
            tally.lag[bucket(int(late_ms * 1e3))] += 1

    def _row(self, seq: int, text: str, at_us: int, twice: bool, tally: Tally) -> None:
        read = mark.read(text)
        late = self.seat.late
        if twice or not self.seat.see(seq):
            self.seat.twice += bool(twice)
            tally.twice += 1
            return
        tally.late += self.seat.late - late
        if read is not None:
            self.keys[seq] = read.key
            tally.shown(read.time_us, at_us)

    def forget(self) -> None:
        """Let go of what was compared with the ledgers."""
        self.keys = dict(sorted(self.keys.items())[-ROWS_MAX:])

    async def wrong_rows(self) -> int:
        """Rows that the page shows now and that are out of order, or not what it was seen to show."""
        try:
            rows = await self.page.evaluate("parleyLoad.read()")
        except Error:
            return 0
        newest = sorted(self.keys)[-len(rows) :] if rows else []
        wrong = abs(len(newest) - len(rows))
        for seq, (there, text) in zip(newest, rows, strict=False):
            read = mark.read(text)
            wrong += there != seq or read is None or read.key != self.keys[seq]
        return wrong


class Pages:
    """All browsers and pages of a run."""

    def __init__(self, channel: Channel, config: PagesConfig) -> None:
        self._channel = channel
        self._config = config
        self._browsers: list[Browser] = []
        self._shown: list[Shown] = []
        self._rooms: list[str] = []
        self._tally = Tally()
        self._entering: Shown | None = None

    async def launch(self, playwright: Playwright) -> None:
        """Start the browsers; the first page of each is not made yet. Raises playwright's Error."""
        path = self._config.browser or installed()
        for _ in range(self._config.browsers):
            self._browsers.append(await playwright.chromium.launch(executable_path=path, args=ARGUMENTS))
        self._channel.say({"kind": "launched", "browser": f"Chromium {self._browsers[0].version}"})

    async def enter(self, urls: list[str], rooms: list[str], seconds: float) -> None:
        """Open all pages, one after the other within about so many seconds."""
        begin = time.monotonic()
        self._rooms = rooms
        try:
            for number, room in enumerate(rooms):
                due = begin + seconds * number / len(rooms)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                browser = self._browsers[number % len(self._browsers)]
                context = await browser.new_context(viewport={"width": 1000, "height": 700})
                shown = Shown(await context.new_page())
                self._entering = shown
                await shown.enter(f"{urls[number % len(urls)].rstrip('/')}/r/{room}", f"page {number + 1}")
                self._shown.append(shown)
        except Error as error:
            why = "; ".join([error.message.splitlines()[0], *(self._entering.faults if self._entering else ())])
            self._channel.say({"kind": "failed", "why": f"page {len(self._shown) + 1} does not get in: {why}"})
            return
        self._channel.say({"kind": "connected"})

    async def tick(self) -> None:
        """Report once a second, for ever."""
        at = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            shown = list(self._shown)
            await asyncio.gather(*(one.take(self._tally) for one in shown))
            now = time.monotonic()
            report = self._tally.take() | {"kind": "tick", "at": now, "seconds": now - at}
            report |= {"here": sum(one.online for one in shown), "target": self._config.pages}
            report["crashed"] = sum(one.crashed for one in shown)
            report["next"] = {room: one.seat.next for room, one in zip(self._rooms, shown, strict=False)}
            self._channel.say(report)
            at = now

    async def picture(self, path: str) -> None:
        """Take a picture of the first page."""
        with contextlib.suppress(Error):
            await self._shown[0].page.screenshot(path=path, animations="disabled")
        self._channel.say({"kind": "picture"})

    async def account(self, tops: dict[str, int], forget: bool = False) -> None:
        """Say exactly what each page has shown of what its room had; with `forget`, keep only what counts on."""
        for shown in self._shown:
            await shown.take(self._tally)
        seats = [(one.seat, tops[room]) for one, room in zip(self._shown, self._rooms, strict=True)]
        keys: dict[str, dict[int, int]] = {}
        conflicts = 0
        for one, room in zip(self._shown, self._rooms, strict=True):
            known = keys.setdefault(room, {})
            for seq, key in one.keys.items():
                conflicts += known.setdefault(seq, key) != key
        self._channel.say(
            {
                "kind": "account",
                "expected": sum(top + 1 - seat.first for seat, top in seats),
                "given": sum(seat.given() for seat, _ in seats),
                "lost": (lost := sum(seat.lost(top) for seat, top in seats)),
                "lost_in_pages": lost,
                "twice": sum(seat.twice for seat, _ in seats),
                "late": sum(seat.late for seat, _ in seats),
                "conflicts": conflicts,
                "wrong_rows": sum([await one.wrong_rows() for one in self._shown]),
                "crashed": sum(one.crashed for one in self._shown),
                "shown": {room: list(events.items()) for room, events in keys.items()},
            }
        )
        for one in self._shown if forget else ():
            one.forget()

    async def close(self) -> None:
        """Close the browsers."""
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(browser.close() for browser in self._browsers))


async def main() -> None:
    """Configured by the first line; then command by command."""
    channel = await Channel.open()
    pages = Pages(channel, msgspec.json.decode(await channel.line(), type=PagesConfig))
    work = Tasks()
    async with async_playwright() as playwright:
        try:
            await pages.launch(playwright)
        except Error as error:
            channel.say({"kind": "failed", "why": error.message.strip().splitlines()[0]})
            await pages.close()
            return
        work.start(pages.tick(), "tick")
        actions: dict[str, Action] = {"enter": pages.enter, "picture": pages.picture, "account": pages.account}
        while line := await channel.line():
            command: dict[str, Any] = msgspec.json.decode(line)
            name = command.pop("do")
            work.start(actions[name](**command), name)
        await work.cancel()
        await pages.close()


if __name__ == "__main__":
    asyncio.run(main())
