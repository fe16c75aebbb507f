"""What surrounds the words: origins, policy, small screens, labels, motion."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PHONE = {"viewport": {"width": 320, "height": 568}, "has_touch": True, "is_mobile": True}
WEB = Path(__file__).parents[2] / "app" / "web"


async def test_every_request_goes_to_the_page_s_own_server(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """All that is asked for comes from one origin, answers, and is one of the page's own files."""
    ada = await visit(replicas[0], room)
    failed: list[str] = []
    ada.page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    ada.page.on("requestfailed", lambda request: failed.append(request.url))
    await ada.page.reload()
    await ada.connected()
    await ada.say("hello")
    assert failed == []
    paths = {address.removeprefix(replicas[0]) for address in ada.requests}
    assert {"/web/page/main.js", "/web/vendor/vendor.js", "/client/parley.js", "/web/style/base.css"} <= paths
    assert f"{replicas[0].replace('http', 'ws')}/ws" in paths


async def test_the_policy_forbids_what_the_page_does_not_do(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The policy is in force: injected markup, styles and foreign addresses are refused by the browser itself."""
    ada = await visit(replicas[0], room)
    refused = await ada.page.evaluate(
        """async () => {
            const violated = [];
            document.addEventListener("securitypolicyviolation", event => violated.push(event.effectiveDirective));
            const attempt = act => { try { act() } catch (error) { violated.push(error.name) } };
            attempt(() => document.body.insertAdjacentHTML("beforeend", "<b>no</b>"));
            attempt(() => { document.createElement("script").text = "window.ran = true" });
            document.body.setAttribute("style", "display: none");
            await fetch("https://example.org/").catch(() => {});
            const patience = performance.now() + 5000;
            while (!violated.includes("connect-src") && performance.now() < patience)
                await new Promise(requestAnimationFrame);
            return { violated, ran: window.ran === true, shown: getComputedStyle(document.body).display };
        }"""
    )
    assert refused["shown"] == "block"
    assert not refused["ran"]
    assert {"TypeError", "connect-src", "style-src-attr"} <= set(refused["violated"])
    assert ada.faults, "the browser reports what it refuses"
    ada.faults.clear()


async def test_at_320_px_nothing_scrolls_sideways(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """At the door, in the room, with the rooms open, with a failed connection: never wider than the window."""
    name = "a-room-with-a-rather-long-name-that-does-not-fit-in-" + room[-11:]
    ada = await visit(replicas[0], name, None, **PHONE)

    async def fits() -> None:
        overflow = await ada.page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5"
            " && !e.closest('.vh, .side:not(.open)') && getComputedStyle(e).visibility !== 'hidden'"
            " && !e.closest('h1, .room-name')).map(e => e.outerHTML.slice(0, 80))"
        )
        assert overflow == []
        assert await ada.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

    await fits()
    await ada.named("Somebody with quite a long name!")
    await fits()
    code = "```\n" + "code()" * 80 + "\n```\n> " + "quoted" * 40 + "\n- one\n- " + "item" * 40
    for text in ("https://example.org/" + "long/" * 40, "ordinary words " * 20, code):
        await ada.composer.fill(text)
        await ada.page.get_by_role("button", name="Send").tap()
    await expect(ada.log.locator("pre")).to_be_visible()
    await fits()
    await ada.rows.last.tap()
    await expect(ada.page.get_by_role("toolbar")).to_be_visible()
    await fits()
    for opener, asks in (("Add a reaction", "Add a reaction"), ("Delete", "Delete this message?")):
        await ada.page.get_by_role("toolbar").get_by_role("button", name=opener).tap()
        await expect(ada.page.get_by_role("dialog", name=asks)).to_be_visible()
        await fits()
        await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("toolbar").get_by_role("button", name="Edit").tap()
    await expect(ada.page.get_by_role("textbox", name="Edit message")).to_be_visible()
    await fits()
    await ada.page.get_by_role("button", name="Cancel").tap()
    await ada.page.get_by_role("button", name=re.compile("people|person|People")).tap()
    await expect(ada.page.get_by_role("complementary", name="People")).to_be_in_viewport()
    await fits()
    await ada.page.get_by_role("button", name="Close the list of people").tap()
    await ada.page.get_by_role("button", name="Rooms", exact=True).tap()
    await expect(ada.page.get_by_role("link", name=name)).to_be_in_viewport()
    await fits()
    await ada.page.get_by_role("button", name="Add a room").tap()
    await expect(ada.page.get_by_label("Name of the room")).to_be_focused()
    await fits()
    await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("button", name="Go to").tap()
    await expect(ada.page.get_by_role("dialog")).to_be_visible()
    await fits()
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.get_by_role("link", name=name)).not_to_be_in_viewport()
    await ada.page.get_by_role("button", name="Rooms", exact=True).tap()
    await ada.page.get_by_role("button", name="Keys and markup").tap()
    await expect(ada.page.get_by_role("dialog")).to_be_visible()
    await fits()


async def test_a_page_that_lacks_a_script_says_so(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """A line of plain HTML offers to load it again; a page that runs has no such line."""
    ada = await visit(replicas[0], room)
    ada.network_fails = True
    line = ada.page.get_by_text("Parley is not loaded yet.")
    await expect(line).to_be_hidden()
    await ada.page.route("**/web/page/emoji.js", lambda route: route.abort())
    await ada.page.reload()
    await expect(line).to_be_visible()
    await ada.page.unroute("**/web/page/emoji.js")
    await line.get_by_role("link", name="load it again").click()
    await ada.connected()
    await expect(line).to_be_hidden()


async def test_by_finger_enter_makes_a_new_line(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """An on-screen keyboard has no Shift Enter: the button sends, or Ctrl Enter of a real one; so in an edit."""
    ada = await visit(replicas[0], room, **PHONE)
    await ada.composer.press_sequentially("one")
    await ada.composer.press("Enter")
    await ada.composer.press_sequentially("two")
    await expect(ada.composer).to_have_value("one\ntwo")
    await expect(ada.composer).to_have_attribute("enterkeyhint", "enter")
    await ada.page.get_by_role("button", name="Send").tap()
    await expect(ada.rows.last).to_have_attribute("data-state", "sent")
    await ada.rows.last.tap()
    await ada.page.get_by_role("toolbar").get_by_role("button", name="Edit").tap()
    editor = ada.page.get_by_role("textbox", name="Edit message")
    await editor.press("Enter")
    await editor.press_sequentially("three")
    await editor.press("Control+Enter")
    await expect(ada.rows.last).to_contain_text("edited")
    assert await ada.texts() == ["one\ntwo\nthree"]


async def test_a_long_name_of_a_room_leaves_the_field_one_line(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """What is to be written where does not wrap."""
    ada = await visit(replicas[0], "a-room-with-a-rather-long-name-that-does-not-fit-in-" + room[-11:], **PHONE)
    empty = await ada.composer.evaluate("field => field.clientHeight")
    await ada.composer.fill("x")
    assert await ada.composer.evaluate("field => field.clientHeight") == empty


async def test_every_control_has_a_name(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Buttons, links and fields say what they are to who cannot see them; the log and the state are announced."""
    ada = await visit(replicas[0], room)
    await ada.say("hello")
    nameless = await ada.page.evaluate(
        "[...document.querySelectorAll('button, a, input, textarea')].filter(e => !(e.getAttribute('aria-label')"
        " || e.innerText || e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    await expect(ada.log).to_have_attribute("aria-label", f"Messages in {room}")
    await expect(ada.status).to_have_text("Connected")
    assert await ada.page.evaluate("document.documentElement.lang") == "en"


async def test_reduced_motion_stands_still(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Who asks for less motion gets none: nothing slides, pulses or repeats."""
    ada = await visit(replicas[0], room, reduced_motion="reduce")
    await ada.say("hello")
    moving = await ada.page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => { const s = getComputedStyle(e);"
        " return s.transitionDuration !== '0s' || s.animationIterationCount === 'infinite' }).length"
    )
    assert moving == 0


async def test_the_page_s_own_files_are_whole(replicas: tuple[str, str]) -> None:
    """Every file the page's first response or manifest names is served, with its right type."""

    def get(path: str) -> tuple[str, bytes]:
        with urlopen(replicas[0] + path) as answer:
            return answer.headers["content-type"].split(";")[0], answer.read()

    kind, manifest = await asyncio.to_thread(get, "/web/manifest.webmanifest")
    assert kind == "application/manifest+json"
    named = {icon["src"]: icon["type"] for icon in json.loads(manifest)["icons"]}
    named |= {f"/web/{path.relative_to(WEB)}": "text/javascript" for path in WEB.rglob("*.js")}
    named |= {f"/client/{path.name}": "text/javascript" for path in (WEB / "client").glob("*.js")}
    for path, wanted in named.items():
        kind, body = await asyncio.to_thread(get, path)
        assert kind == wanted, path
        assert body


async def test_every_module_is_asked_for_at_once() -> None:
    """The page names all its modules and style sheets, so that none waits until another one that needs it is there."""
    named = set(re.findall(r'(?:href|src)="([^"]+\.(?:js|css))"', (WEB / "index.html").read_text()))
    parts = [*(WEB / "page").glob("*.js"), *(WEB / "style").glob("*.css"), WEB / "vendor" / "vendor.js"]
    client = {f"/client/{path.name}" for path in (WEB / "client").glob("*.js")} - {"/client/example.js"}
    elsewhere = {"/web/style/reference.css"}  # of pages without modules
    assert named == {f"/web/{path.relative_to(WEB)}" for path in parts} - elsewhere | client


async def test_the_bundle_is_the_one_its_readme_describes() -> None:
    """The hash in the README is that of the file, so nothing in it was changed by hand."""
    vendor = WEB / "vendor"
    digest = hashlib.sha256((vendor / "vendor.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (vendor / "README.md").read_text()
