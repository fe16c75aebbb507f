"""Coming in with a token on the page: asked for where the server wants one, forgotten with the tab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from app.tokens import make
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.support import Server, Valkey

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SECRET = "a secret for tokens of at least thirty-two characters"


@pytest.fixture(scope="module")
def members_only(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[str]:
    """A server that lets no guests in."""
    log = tmp_path_factory.mktemp("members") / "log"
    env = {"PARLEY_TOKEN_SECRET": SECRET, "PARLEY_GUESTS": "off"}
    server = Server(log, "--port", "0", "--workers", "1", "--redis-url", valkey.url, env=env)
    yield server.url.rstrip("/")
    server.stop()


def token(seconds: int = 600, name: str = "Grace") -> str:
    """A token of the operator's."""
    return make(SECRET, "u-grace", seconds, {"name": name})


async def sign_in(visitor: Visitor, with_: str) -> None:
    """Fill in the form."""
    await visitor.page.get_by_label("Your token").fill(with_)
    await visitor.page.get_by_role("button", name="Sign in", exact=True).click()


async def test_who_needs_a_token_is_asked_for_it(members_only: str, visit: Visit, room: str) -> None:
    """A name does not do, nor what is no token, nor one that has ended; a good one does, for this tab."""
    grace = await visit(members_only, room, None)
    await grace.page.get_by_label("Your name", exact=True).fill("Grace")
    await grace.page.get_by_role("button", name="Join", exact=True).click()
    problem = grace.page.get_by_role("alert")
    await expect(problem).to_contain_text("signed-in users")
    await expect(grace.page.get_by_label("Your token")).to_be_focused()
    await sign_in(grace, "not one")
    await expect(problem).to_contain_text("three parts")
    await sign_in(grace, token(-600))
    await expect(problem).to_contain_text("expired")
    await sign_in(grace, token())
    await grace.connected()
    await grace.say("signed in")
    assert token() not in grace.page.url
    await grace.page.reload()
    await expect(grace.row("signed in")).to_be_visible()
    other = await grace.context.new_page()
    await other.goto(grace.page.url)
    await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_where_guests_are_welcome_a_token_is_a_choice(members_only: str, visit: Visit, room: str) -> None:
    """By a button at the door and back; whoever signs out is asked who it is."""
    grace = await visit(members_only, room, None)
    await grace.page.get_by_role("button", name="Sign in with a token").click()
    await grace.page.get_by_role("button", name="Come in as a guest").click()
    await grace.page.get_by_role("button", name="Sign in with a token").click()
    await sign_in(grace, token())
    await grace.connected()
    await expect(grace.page.get_by_role("button", name="Change your name")).to_have_count(0)
    await grace.say("as Grace")
    await grace.page.get_by_role("button", name="Sign out").click()
    name = grace.page.get_by_label("Your name", exact=True)
    await expect(name).to_be_visible()
    await expect(grace.row("as Grace")).to_have_count(0)
    kept = await grace.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "eyJ" not in kept
    assert "Grace" not in kept
    # Whoever comes in from now on is not her.
    await name.fill("Eve")
    await grace.page.get_by_role("button", name="Join", exact=True).click()
    await expect(grace.page.get_by_role("alert")).to_contain_text("signed-in users")
