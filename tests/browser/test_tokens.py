"""The browser client of a signed-in user: its token is renewed before it ends, and its rooms follow its rights."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.double import ServerDouble
from tests.browser.visitor import Visitor
from tests.support import until_async

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CONNECT = """async tokens => {
    const { Parley } = await import("/client/parley.js");
    const parley = window.parley = new Parley({ token: async () => {
        const token = tokens.length > 1 ? tokens.shift() : tokens[0];
        if (token === "fails") throw new Error("away");
        return token;
    } });
    window.told = [];
    for (const type of ["refused", "left", "moderated"])
        parley.on(type, detail => told.push([type, detail.room ?? "", detail.error?.code ?? ""]));
    parley.connect();
    await parley.join("double");
    await parley.join("other");
}"""


RENEWAL = """async ([tokens, answers, exp]) => {
    const { Renewal } = await import("/client/renewal.js");
    window.brought = [];
    const start = Date.now();
    const token = async () => {
        const next = tokens.length > 1 ? tokens.shift() : tokens[0];
        if (next === "fails") throw new Error("away");
        return next;
    };
    const request = ({ type, token }, done) => {
        brought.push([type, token, Math.round((Date.now() - start) / 1000)]);
        const answer = answers.shift();
        queueMicrotask(() => typeof answer === "number" ? done(null, { exp: answer }) : done(new Error("no")));
        return true;
    };
    window.renewal = new Renewal(token, request);
    await renewal.token();
    renewal.lasts(exp);
}"""


async def brought(visit: Visit, url: str, tokens: list[str], answers: list[Any], exp: int, seconds: int) -> list[Any]:
    """What was brought to the server in so many seconds by a renewal alone, and when; None refuses a token."""
    page = await visit(url, "double", None, clock=True)
    await page.page.evaluate(RENEWAL, [tokens, answers, exp])
    for _ in range(seconds):
        await page.page.clock.run_for(1000)
    found: list[Any] = await page.page.evaluate("brought")
    return found


async def test_a_token_is_renewed_a_minute_before_it_ends(replicas: tuple[str, str], visit: Visit) -> None:
    """Again and again; one that ends soon at half of its time."""
    found = await brought(visit, replicas[0], ["one", "two", "three", "four"], [90, 40, 600], 130, 150)
    assert [(type_, token) for type_, token, _ in found] == [("refresh", name) for name in ("two", "three", "four")]
    assert [abs(at - due) <= 4 for (_, _, at), due in zip(found, (70, 115, 135), strict=True)] == [True] * 3, found


async def test_while_there_is_no_newer_token_it_is_asked_for_again(replicas: tuple[str, str], visit: Visit) -> None:
    """A function that fails, the same token again, and a refusal are not the end of it."""
    found = await brought(visit, replicas[0], ["one", "fails", "one", "two", "three"], [None, 600], 80, 70)
    assert [token for _, token, _ in found] == ["two", "three"]
    assert [abs(at - due) <= 4 for (_, _, at), due in zip(found, (50, 55), strict=True)] == [True] * 2, found


async def connected(visit: Visit, url: str, tokens: list[str], exp: int) -> tuple[Visitor, ServerDouble]:
    """A client on a blank page whose tokens end after so many seconds."""
    page = await visit(url, "double", None)
    double = ServerDouble()
    await double.install(page.page)
    await page.page.reload()
    hello = double._hello
    double.answer["hello"] = lambda request: {**hello({"name": "Ada", **request}), "exp": exp}
    double.answer["refresh"] = lambda _: {"type": "refreshed", "exp": exp}
    await page.page.evaluate(CONNECT, tokens)
    return page, double


async def test_a_connection_goes_on_with_new_tokens(replicas: tuple[str, str], visit: Visit) -> None:
    """Asked for while it is open; each one once."""
    _, double = await connected(visit, replicas[0], ["one", "two", "three"], 1)
    await until_async(lambda: len(double.requests("refresh")) == 2, "two tokens are brought")
    assert double.requests("hello")[0]["token"] == "one"
    assert [request["token"] for request in double.requests("refresh")] == ["two", "three"]
    assert len(double.connections) == 1


async def test_a_room_that_is_lost_is_not_entered_again(replicas: tuple[str, str], visit: Visit) -> None:
    """Not by itself, on no connection; other rooms are; whoever asks for it may enter."""
    page, double = await connected(visit, replicas[0], ["one"], 600)
    double.push(type="moderated", action="kick", room="double")
    double.push(type="left", room="double", reason="kicked")
    told: list[Any] = [["moderated", "double", ""], ["left", "double", ""], ["refused", "double", "kicked"]]
    await page.page.wait_for_function("told.length === 3")
    assert await page.page.evaluate("told") == told
    double.close(1012)
    await until_async(lambda: len(double.connections) == 2 and len(double.requests("join")) >= 3, "it is back")
    assert [request["room"] for request in double.requests("join")] == ["double", "other", "other"]
    joined = await page.page.evaluate("parley.join('double')")
    assert joined["room"] == "double"
    await expect(page.page.get_by_label("Your name", exact=True)).to_be_visible()
