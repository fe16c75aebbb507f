"""A person in front of a page: what they do and see, in the words of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, expect

# What Chromium itself says when a connection that a test has broken is gone.
BROKEN_CONNECTION = re.compile(r"WebSocket connection to .* failed|net::ERR_|Failed to load resource")


class Visitor:
    """One page of one browser profile, watched for everything that must not happen on it."""

    def __init__(self, context: BrowserContext, page: Page, origin: str) -> None:
        self.context = context
        self.page = page
        self.origin = origin
        self.network_fails = False
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.leave_anyway = True
        self.warnings = 0
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._address(socket.url))

    @property
    def log(self) -> Locator:
        """The message list."""
        return self.page.get_by_role("log")

    @property
    def rows(self) -> Locator:
        """All messages shown."""
        return self.log.locator("[data-state]")

    @property
    def composer(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def people(self) -> Locator:
        """The list of those who are there."""
        return self.page.get_by_role("complementary", name="People")

    @property
    def status(self) -> Locator:
        """The state of the connection."""
        return self.page.get_by_role("status")

    @property
    def banner(self) -> Locator:
        """What is shown when the connection is in trouble."""
        return self.status.get_by_text(re.compile("Connection lost|Connecting|You are offline"))

    def row(self, text: str) -> Locator:
        """The rows with exactly this text; a test that expects one gets an error from two."""
        return self.rows.filter(has=self.page.get_by_text(text, exact=True))

    async def arrive(self, url: str) -> None:
        """Open an address."""
        await self.page.goto(url)
        await expect(self.page.locator("#page > *")).to_be_attached()

    async def named(self, name: str) -> None:
        """Give a name at the door and wait until inside."""
        await self.page.get_by_label("Your name", exact=True).fill(name)
        await self.page.get_by_role("button", name="Join", exact=True).click()
        await self.connected()

    async def connected(self) -> None:
        """Wait until the page is online."""
        await expect(self.status).to_have_attribute("data-connection", "online")

    async def hurries(self) -> None:
        """Press "Try now", unless the page is back by itself before that."""
        await self.status.evaluate("status => status.querySelector('.banner button')?.click()")
        await self.connected()

    async def reconnects(self, cut: Callable[[], None]) -> None:
        """Break the connection and wait until the page has made another, which may take less than a glance."""
        async with self.page.expect_event("websocket"):
            cut()
        await self.connected()

    async def write(self, text: str) -> None:
        """Type a message and press Enter, or the button where one goes by finger."""
        await self.composer.fill(text)
        if await self.page.evaluate("matchMedia('(pointer: coarse)').matches"):
            await self.page.get_by_role("button", name="Send", exact=True).tap()
        else:
            await self.composer.press("Enter")

    async def say(self, text: str) -> None:
        """Send a message and wait until it is sent."""
        await self.write(text)
        await expect(self.row(text)).to_have_attribute("data-state", "sent")

    async def do(self, text: str, action: str) -> None:
        """Take the message with this text in hand and press a button of its toolbar."""
        await self.row(text).hover()
        await self.row(text).get_by_role("toolbar").get_by_role("button", name=action, exact=True).click()

    async def enter(self, room: str) -> None:
        """Add a room by name and wait until it is shown."""
        await self.page.get_by_role("button", name="Add a room").click()
        await self.page.get_by_label("Name of the room").fill(room)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(f"#{room}")

    async def texts(self) -> list[str]:
        """The texts of all rows, from top to bottom."""
        return await self.log.locator("[data-state] .words").all_inner_texts()

    def check(self) -> None:
        """Nothing may have gone wrong on the page, and nothing may have been asked of anyone else."""
        assert self.faults == []

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.network_fails and BROKEN_CONNECTION.search(message.text):
            return
        self.faults.append(f"console {message.type}: {message.text}")

    async def _dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.faults.append(f"dialog: {dialog.message}")
            return
        self.warnings += 1
        await (dialog.accept() if self.leave_anyway else dialog.dismiss())

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        self.requests.append(url)
        if urlsplit(url).netloc != urlsplit(self.origin).netloc:
            self.faults.append(f"asked another origin: {url}")
