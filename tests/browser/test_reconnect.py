"""The connection breaks in every way it can; nobody loses or repeats a word."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.conftest import Visit
from tests.browser.double import ServerDouble
from tests.browser.proxy import Proxy
from tests.support import Peer, Server, Valkey, until_async

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def websocket(url: str) -> str:
    """The websocket of a server's address."""
    return f"{url.replace('http', 'ws', 1)}/ws"


async def burst(url: str, room: str, texts: list[str]) -> None:
    """Somebody else says all of this, as fast as the server takes it."""
    peer = await Peer.open(websocket(url), "Bob")
    assert (await peer.ask("join", room=room))["type"] == "joined"
    for start in range(0, len(texts), 16):
        asked = [
            await peer.send("send", room=room, cid=f"b{start + number}", text=text)
            for number, text in enumerate(texts[start : start + 16])
        ]
        for number in asked:
            assert (await peer.reply(number))["type"] == "ack"
    assert await peer.texts(len(texts)) == texts
    await peer.close()


async def test_a_cut_socket_resumes_without_loss_or_repeats(
    replicas: tuple[str, str], proxy: Proxy, visit: Visit, room: str
) -> None:
    """Cut in the middle of 500 messages: 500 rows, in order, none twice, and the banner came and went."""
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    texts = [f"number {number}" for number in range(500)]
    await burst(replicas[1], room, texts[:100])
    flood = asyncio.create_task(burst(replicas[1], room, texts[100:400]), name="burst")
    await expect(ada.row("number 100")).to_be_attached()
    proxy.refusing = True
    proxy.cut()
    await flood
    await expect(ada.banner).to_be_visible()
    proxy.refusing = False
    await ada.connected()
    await burst(replicas[1], room, texts[400:])
    await expect(ada.row("number 499")).to_be_visible()
    assert await ada.texts() == texts
    seqs = await ada.rows.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    assert seqs == list(range(1, 501))
    await expect(ada.banner).to_have_count(0)
    await expect(ada.log.locator("[data-gap]")).to_have_count(0)


async def test_the_banner_stays_away_when_the_connection_is_back_soon(proxy: Proxy, visit: Visit, room: str) -> None:
    """A hiccup is nobody's concern: the state changes, the banner never shows."""
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.status.evaluate(
        "status => { window.seen = []; window.banners = 0; new MutationObserver(() => {"
        " seen.push(status.dataset.connection); banners += status.querySelectorAll('.banner').length"
        " }).observe(status, { attributes: true, childList: true, subtree: true }) }"
    )
    await ada.reconnects(proxy.cut)
    assert "waiting" in await ada.page.evaluate("seen")
    assert await ada.page.evaluate("banners") == 0
    await ada.say("still here")


async def test_what_is_typed_offline_arrives_exactly_once(
    replicas: tuple[str, str], proxy: Proxy, visit: Visit, room: str
) -> None:
    """The composer works on; the rows wait visibly, and arrive once and in order when the network is back."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    proxy.refusing = True
    proxy.cut()
    await expect(ada.status).to_have_attribute("data-connection", re.compile("waiting|connecting"))
    for number in range(3):
        await ada.write(f"thought {number}")
        await expect(ada.row(f"thought {number}")).to_have_attribute("data-state", "pending")
    await expect(ada.banner).to_be_visible()
    proxy.refusing = False
    await ada.hurries()
    for number in range(3):
        await expect(ada.row(f"thought {number}")).to_have_attribute("data-state", "sent")
    await bob.say("after")
    await expect(ada.row("after")).to_be_visible()
    assert await bob.texts() == ["thought 0", "thought 1", "thought 2", "after"]
    assert await ada.texts() == await bob.texts()


async def test_a_waiting_message_can_be_taken_back(
    replicas: tuple[str, str], proxy: Proxy, visit: Visit, room: str
) -> None:
    """Whoever closes the tab before it went out is warned; what was discarded never arrives."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("before")
    proxy.refusing = True
    proxy.cut()
    await expect(ada.status).not_to_have_attribute("data-connection", "online")
    await ada.write("too hasty")
    await ada.write("this one counts")
    await expect(ada.row("too hasty")).to_contain_text("Waiting for the connection.")
    ada.leave_anyway = False
    await ada.page.close(run_before_unload=True)
    await until_async(lambda: ada.warnings == 1, "a warning")
    await ada.row("too hasty").get_by_role("button", name="Discard").click()
    await expect(ada.row("too hasty")).to_have_count(0)
    proxy.refusing = False
    await ada.hurries()
    await expect(ada.row("this one counts")).to_have_attribute("data-state", "sent")
    await expect(ada.page.get_by_role("button", name="Discard")).to_have_count(0)
    await bob.say("after")
    await expect(ada.row("after")).to_be_visible()
    assert await bob.texts() == ["before", "this one counts", "after"]
    await ada.page.reload()
    await expect(ada.row("after")).to_be_visible()
    assert ada.warnings == 1


async def test_what_is_typed_offline_survives_a_reload(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The outbox is in the tab's storage: after a reload the row is there again, and is sent once."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room)
    ada.network_fails = True
    dark = True

    def route(socket: WebSocketRoute) -> None:
        if not dark:
            socket.connect_to_server()

    await ada.page.route_web_socket(re.compile("/ws$"), route)
    await ada.page.reload()
    await expect(ada.status).to_have_attribute("data-connection", "connecting")
    await ada.write("written in the dark")
    await expect(ada.row("written in the dark")).to_have_attribute("data-state", "pending")
    await ada.page.reload()
    await expect(ada.row("written in the dark")).to_have_attribute("data-state", "pending")
    await expect(bob.rows).to_have_count(0)
    dark = False
    await ada.page.reload()
    await expect(ada.row("written in the dark")).to_have_attribute("data-state", "sent")
    await ada.say("light")
    await expect(bob.row("light")).to_be_visible()
    assert await bob.texts() == ["written in the dark", "light"]


async def test_an_unacknowledged_message_is_sent_again_and_not_doubled(
    replicas: tuple[str, str], visit: Visit, proxy: Proxy, room: str
) -> None:
    """The server stores it, the network loses the ack: the same cid goes out again, and there is one event."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    sent: list[str] = []
    ada.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    await ada.reconnects(proxy.cut)
    await ada.say("in the room again")  # which is after the welcome
    proxy.deafen()
    await ada.write("did you get this")
    await expect(bob.row("did you get this")).to_be_visible()
    await expect(ada.row("did you get this")).to_have_attribute("data-state", "pending")
    proxy.cut()
    await expect(ada.row("did you get this")).to_have_attribute("data-state", "sent")
    await ada.say("next")
    await expect(bob.row("next")).to_be_visible()
    texts = ["in the room again", "did you get this", "next"]
    assert await bob.texts() == texts
    assert await ada.texts() == texts
    cids = [json.loads(frame)["cid"] for frame in sent if '"did you get this"' in frame]
    assert len(set(cids)) == 1


async def test_a_silent_network_is_noticed(proxy: Proxy, visit: Visit, room: str) -> None:
    """Frames are swallowed, nothing is closed: the page asks, hears nothing, cuts and comes back."""
    ada = await visit(proxy.url, room, clock=True)
    ada.network_fails = True
    proxy.swallow()
    await ada.page.clock.fast_forward(27_000)
    await expect(ada.status).to_have_attribute("data-connection", "online")
    await ada.page.clock.fast_forward(6_000)
    await expect(ada.status).to_have_attribute("data-connection", re.compile("waiting|connecting"))
    await ada.page.clock.fast_forward(2_000)
    await expect(ada.banner).to_be_visible()
    proxy.cut()
    proxy.pass_on()
    await ada.page.clock.fast_forward(16_000)
    await ada.connected()
    await ada.say("there you are")


async def test_a_killed_replica_is_left_for_another(
    server: Callable[..., Server], valkey: Valkey, visit: Visit, proxy: Proxy, replicas: tuple[str, str], room: str
) -> None:
    """The replica of one tab dies: what both sides say meanwhile arrives once, in one order, through the next one."""
    doomed = server(redis_url=valkey.url)
    proxy.target(doomed.url)
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("before")
    await expect(bob.row("before")).to_be_visible()
    doomed.process.send_signal(signal.SIGKILL)
    doomed.process.wait()
    proxy.cut()
    await ada.write("in between")
    await bob.say("meanwhile")
    proxy.target(replicas[0])
    await expect(ada.row("in between")).to_have_attribute("data-state", "sent")
    await ada.say("behind")
    await expect(bob.row("behind")).to_be_visible()
    assert sorted((await bob.texts())[:3]) == ["before", "in between", "meanwhile"]
    assert (await bob.texts())[3:] == ["behind"]
    assert await ada.texts() == await bob.texts()


async def test_a_draining_server_is_left_and_the_page_comes_back(
    server: Callable[..., Server], valkey: Valkey, visit: Visit, proxy: Proxy, replicas: tuple[str, str], room: str
) -> None:
    """At going-away the page returns after the delay it was given; nothing is lost and no banner shows long."""
    leaving = server(redis_url=valkey.url, drain_seconds="1")
    proxy.target(leaving.url)
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("before")
    proxy.target(replicas[0])
    assert await asyncio.to_thread(leaving.stop, signal.SIGTERM) == 0
    await ada.connected()
    await ada.say("after")
    assert await ada.texts() == ["before", "after"]


async def test_nobody_sees_a_page_leave_that_moves_at_a_drain(
    server: Callable[..., Server], valkey: Valkey, visit: Visit, proxy: Proxy, replicas: tuple[str, str], room: str
) -> None:
    """However long it takes to come back within the grace: it is listed all the time, and no line tells of it."""
    leaving = server(redis_url=valkey.url, drain_seconds="1")
    wide = {"viewport": {"width": 1200, "height": 700}}
    bob = await visit(replicas[1], room, "Bob", **wide)
    proxy.target(leaving.url)
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await expect(bob.people.get_by_role("listitem")).to_have_count(2)
    proxy.refusing = True
    assert await asyncio.to_thread(leaving.stop, signal.SIGTERM) == 0
    await expect(ada.status).not_to_have_attribute("data-connection", "online")
    await visit(replicas[0], room, "Carol")
    await expect(bob.people.get_by_text("Carol")).to_be_visible()  # told later than any leave
    await expect(bob.people.get_by_role("listitem")).to_have_count(3)
    proxy.target(replicas[0])
    proxy.refusing = False
    await ada.hurries()
    await ada.say("back again")
    await expect(bob.row("back again")).to_be_visible()
    await expect(bob.people.get_by_role("listitem")).to_have_count(3)
    await expect(bob.log.locator(".note")).to_have_text(re.compile(r"Ada(,| and) Carol joined|Carol joined"))
    await expect(bob.log.get_by_text(re.compile("left"))).to_have_count(0)


async def test_a_gap_is_shown_where_it_cannot_be_proved_away(
    visit: Visit, proxy: Proxy, server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """The store was emptied while the page was away: what it had stays, what comes stands apart, a marker between."""
    lone = server(redis_url=own_valkey.url)
    proxy.target(lone.url)
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("old words")
    proxy.refusing = True
    proxy.cut()
    await expect(ada.status).not_to_have_attribute("data-connection", "online")
    assert own_valkey.command("FLUSHALL") == "+OK"
    assert await asyncio.to_thread(lone.stop) == 0
    again = server(redis_url=own_valkey.url)
    proxy.target(again.url)
    proxy.refusing = False
    await ada.connected()
    await ada.say("new words")
    await expect(ada.log.locator("[data-gap]")).to_have_count(1)
    assert await ada.texts() == ["old words", "new words"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4503, "You were removed from this server."),
        (4506, "This page is too old for the server."),
        (1000, "The server said goodbye."),
    ],
)
async def test_a_final_close_code_stays_away_until_asked(
    replicas: tuple[str, str], visit: Visit, room: str, code: int, words: str
) -> None:
    """The page says why, makes no further try by itself, and one when the visitor wants it."""
    ada = await visit(replicas[0], room, None)
    tries: list[WebSocketRoute] = []

    def turn_away(route: WebSocketRoute) -> None:
        tries.append(route)
        if len(tries) == 1:
            route.on_message(lambda _: asyncio.ensure_future(route.close(code=code)))
        else:
            route.connect_to_server()

    await ada.page.route_web_socket(re.compile("/ws$"), turn_away)
    await ada.page.reload()
    await ada.page.get_by_label("Your name", exact=True).fill("Ada")
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await expect(ada.status).to_have_attribute("data-connection", "offline")
    await expect(ada.status).to_contain_text(words)
    assert len(tries) == 1
    await ada.status.get_by_role("button", name="Try now").click()
    await ada.connected()
    await ada.say("back again")
    assert len(tries) == 2


async def test_a_new_guest_that_is_put_off_sees_why_and_comes_in_by_itself(
    replicas: tuple[str, str], visit: Visit
) -> None:
    """At the time that the server has named, not at that of the backoff."""
    ada = await visit(replicas[0], "double", None, clock=True)
    double = ServerDouble()
    later = {"type": "error", "code": "rate_limited", "temporary": True, "retry": 30, "message": "too many new guests"}
    answers = iter([later])
    double.answer["hello"] = lambda request: next(answers, None) or double._hello(request)
    await double.install(ada.page)
    await ada.page.reload()
    await ada.page.get_by_label("Your name", exact=True).fill("Ada")
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await expect(ada.status).to_have_attribute("data-connection", "waiting")
    await ada.page.clock.fast_forward(20_000)
    await expect(ada.status).to_contain_text("Not let in yet: too many new guests.")
    await expect(ada.status).to_contain_text("Trying again in")
    assert len(double.requests("hello")) == 1
    await ada.page.clock.fast_forward(11_000)
    await ada.connected()
    assert len(double.requests("hello")) == 2
