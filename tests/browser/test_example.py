"""The example of the browser client: a page of twenty lines, under the same policy as the real one."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from app.client import Client
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_example_talks(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """It shows what was said and what is said, edits and deletions, and sends; without a fault or another origin."""
    async with Client(replicas[1].replace("http", "ws") + "/ws", name="Bob") as bob:
        await bob.join(room)
        before = await bob.send(room, "before <b>")
        visitor = await visit(replicas[0], room, None)
        page = visitor.page
        await page.goto(f"{replicas[0]}/client/example.html#{room}")
        await expect(page.get_by_label("Connection")).to_have_text("online")
        await expect(page.get_by_role("listitem")).to_have_text(["Bob: before <b>"])
        await page.get_by_label("Message", exact=True).fill("hello")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("listitem")).to_have_text(["Bob: before <b>", "Visitor: hello"])
        after = await bob.send(room, "after")
        await bob.edit(room, before.seq, "edited")
        await bob.delete(room, after.seq)
        await expect(page.get_by_role("listitem")).to_have_text(["Bob: edited", "Visitor: hello", "(deleted)"])
        await page.reload()
        await expect(page.get_by_role("listitem")).to_have_text(["Bob: edited", "Visitor: hello", "(deleted)"])
