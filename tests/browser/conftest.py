"""Fixtures of the browser tests: one Chromium and two replicas for the whole run, a profile for each visitor.

All run on the session's event loop, the one that the browser's connection belongs to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.proxy import Proxy
from tests.browser.visitor import Visitor
from tests.support import Server, Valkey

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EXPECT_MS = 30_000
# Roomy limits, so that a text of 64 kB is a message like any other.
LIMITS = {"PARLEY_TEXT_CHARS": "70000", "PARLEY_MESSAGE_BYTES": "262144"}

Visit = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(undisturbed_chromium: str) -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    expect.set_options(timeout=EXPECT_MS)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=undisturbed_chromium, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
def replicas(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[tuple[str, str]]:
    """The addresses of two servers that share one store, for all tests that do them no harm."""
    directory = tmp_path_factory.mktemp("replicas")
    servers = [
        Server(
            directory / f"{node}.log",
            *("--port", "0", "--workers", "1", "--node", node, "--redis-url", valkey.url),
            env=LIMITS,
        )
        for node in ("left", "right")
    ]
    yield servers[0].url.rstrip("/"), servers[1].url.rstrip("/")
    for server in servers:
        server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(replicas: tuple[str, str]) -> AsyncIterator[Proxy]:
    """A network of the test's own in front of the first replica."""
    started = Proxy(replicas[0])
    await started.start()
    yield started
    await started.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """`visit(url, room, name)` opens a room in a browser profile of its own, named and connected.

    With `name=None` the visitor is left at the door. Afterwards every page must be free of faults: dialogs, console
    errors, violated policies, requests to other origins.
    """
    visitors: list[Visitor] = []

    async def open_(url: str, room: str, name: str | None = "Ada", *, clock: bool = False, **profile: Any) -> Visitor:
        context = await browser.new_context(**{"viewport": {"width": 1000, "height": 700}, **profile})
        page = await context.new_page()
        if clock:
            await page.clock.install()
        visitor = Visitor(context, page, url)
        visitors.append(visitor)
        await visitor.arrive(f"{url}/r/{room}")
        if name is not None:
            await visitor.named(name)
        return visitor

    yield open_
    for visitor in visitors:
        await visitor.context.close()
    for visitor in visitors:
        visitor.check()


@pytest_asyncio.fixture(loop_scope="session")
async def blank(replicas: tuple[str, str], visit: Visit) -> Visitor:
    """A page that has the client's modules at hand and is not connected."""
    return await visit(replicas[0], "double", None)
