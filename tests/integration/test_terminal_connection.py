"""`parley chat` on a terminal when its server, its connection or its user goes."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from tests.fakes.double import Double
from tests.integration.conftest import Open, ready
from tests.support import Server, until, until_async


async def test_nothing_is_missed_when_the_workers_die(server: Callable[..., Server], room: str, terminal: Open):
    """The reconnect is shown; what others and the user said meanwhile is there once."""
    running = server(workers=2)
    async with Client(running.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", running.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        for turn in range(2):
            await until_async(lambda: running.health()["workers"]["alive"] == 2, "both workers serve")
            for worker in running.health()["workers"]["each"]:
                assert worker["pid"] > 1
                os.kill(worker["pid"], signal.SIGKILL)
            ada.enter(f"mine {turn}")
            await bob.send(room, f"his {turn}")
            await asyncio.to_thread(ada.sees, f"Ada: mine {turn}")
            await asyncio.to_thread(ada.sees, f"Bob: his {turn}")
    assert sorted(ada.said) == ["Ada: mine 0", "Ada: mine 1", "Bob: his 0", "Bob: his 1"]
    shown = [row for row in ada.rows if "connection is lost" in row or "connected again" in row]
    assert [row.split()[0] for row in shown] == ["the", "connected"] * 2


async def test_a_server_that_goes_as_announced_is_no_news(double: Double, terminal: Open):
    """A rolling deploy: another connection, no words about it. A loss is told, once it is one."""
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    await double.push(type="going-away", after=0.05, reason="drain")
    await until_async(lambda: len(double.requests("join")) == 2, "it has moved")
    await until_async(lambda: "online" in ada.status, "it is online")
    double.sockets[-1].transport.abort()
    await until_async(lambda: len(double.requests("join")) == 3, "it is back")
    await asyncio.to_thread(ada.sees, "connected again")
    assert sum("connection" in row for row in ada.rows) == 1


async def test_a_server_that_sends_the_user_away(double: Double, terminal: Open):
    """The command ends and says why."""
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    await double.sockets[-1].close(4503)
    assert await asyncio.to_thread(ada.ended) == 1
    await asyncio.to_thread(ada.sees, "the server ended the connection")
    assert ada.restored()


async def test_waiting_is_counted_down(double: Double, terminal: Open):
    """And what is not sent yet is counted."""
    double.answer["send"] = lambda _: None
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    ada.enter("never")
    await until_async(lambda: "1 not sent yet" in ada.status, "the count")
    double.answer["hello"] = lambda _: {"type": "error", "code": "unavailable", "temporary": True, "message": "later"}
    double.sockets[-1].transport.abort()
    await until_async(lambda: re.search(r"reconnecting in \d s", ada.status), "the countdown")


def test_no_server(terminal: Open):
    """Exit code 3, and why in one line."""
    ada = terminal("r", "--url", "http://127.0.0.1:9", "--timeout", "0.5")
    assert ada.ended() == 3
    assert ada.rows == [f"parley: no server answers at ws://127.0.0.1:9/ws: {os.strerror(errno.ECONNREFUSED)}"]


async def test_a_server_that_lets_nobody_in_for_now(double: Double, terminal: Open):
    """Exit code 3 as well, with the server's own words."""
    later = {"code": "rate_limited", "temporary": True, "retry": 60, "message": "too many new guests"}
    double.answer["hello"] = lambda _: {"type": "error", **later}
    ada = terminal("r", "--url", double.url, "--timeout", "1")
    assert await asyncio.to_thread(ada.ended) == 3
    assert ada.rows == [f"parley: {double.url} lets nobody in for now: too many new guests"]


def test_ctrl_c_while_there_is_no_server_yet(terminal: Open):
    """Nobody has to wait for the timeout."""
    ada = terminal("r", "--url", "http://127.0.0.1:9", "--timeout", "60")
    until(lambda: "app.cli" in Path(f"/proc/{ada.process.pid}/cmdline").read_text(), "it runs")
    until(
        lambda: Path(f"/proc/{ada.process.pid}/task").exists() and _handles(ada.process.pid, signal.SIGINT), "handler"
    )
    ada.process.send_signal(signal.SIGINT)
    assert ada.ended() == 0


def _handles(pid: int, number: signal.Signals) -> bool:
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(caught and int(caught[1], 16) >> (number - 1) & 1 and int(caught[1], 16) >> (signal.SIGHUP - 1) & 1)


async def test_words_go_to_the_room_that_was_turned_to(double: Double, terminal: Open):
    """However fast they are typed; where the room is refused they are not sent at all."""

    def join(message: dict[str, Any]) -> dict[str, Any]:
        if message["room"] == "closed":
            return {"type": "error", "code": "forbidden", "message": "not for you"}
        return {"type": "joined", "room": message["room"], **double.position, "recovered": False, "messages": []}

    double.answer["join"] = join
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    ada.type("/join tea\rfor tea\r/join closed\rsecret\r")
    await asyncio.to_thread(ada.sees, "not sent: secret (not for you)")
    ada.enter("back")
    await until_async(lambda: len(double.requests("send")) == 2, "two messages")
    assert [(sent["room"], sent["text"]) for sent in double.requests("send")] == [("tea", "for tea"), ("tea", "back")]


async def test_an_edit_waits_for_the_message_it_means(double: Double, terminal: Open):
    """Typed too fast it does not change the message before."""
    first = {"type": "message", "room": "r", "seq": 1, "mid": "m1", "cid": "x", "ts": 1}
    double.position = {"epoch": "e1", "seq": 1, "mid": "m1"}
    joined = {"type": "joined", "room": "r", **double.position, "recovered": False}
    double.answer["join"] = lambda _: {**joined, "messages": [{**first, "user": "u1", "name": "Ada", "text": "first"}]}
    double.answer["send"] = lambda message: {**double.ack(message), "seq": 2}
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    ada.type("second\r/edit wrong\r")
    await asyncio.to_thread(ada.sees, "your last message is not here yet")
    await until_async(lambda: double.requests("send"), "the message")
    ada.enter("/edit wrong")
    await until_async(lambda: sum("is not here yet" in row for row in ada.rows) == 2, "refused again")
    second = {**first, "seq": 2, "mid": "m2"}
    await double.push(**second, user="u1", name="Ada", text="second")
    await asyncio.to_thread(ada.sees, "Ada: second")
    ada.enter("/edit right")
    await until_async(lambda: double.requests("edit"), "the edit")
    assert [(edit["seq"], edit["text"]) for edit in double.requests("edit")] == [(2, "right")]


@pytest.mark.parametrize(("keys", "left"), [("\x03", True), ("\x04", True), ("text\x04", False), ("text\x03", True)])
def test_leaving_by_keys(shared_server: Server, room: str, terminal: Open, keys: str, left: bool):
    """Ctrl-C at any time, Ctrl-D in an empty line: exit code 0, and the terminal as it was."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    ada.type(keys)
    if not left:
        until(lambda: ada.line == "text", "the typed line")
        assert ada.process.poll() is None
        ada.type("\x15\x04")
    assert ada.ended() == 0
    assert ada.restored()
    assert "Traceback" not in "\n".join(ada.rows)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_leaving_by_signals(shared_server: Server, room: str, terminal: Open, number: signal.Signals):
    """As clean as by keys."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    ada.process.send_signal(number)
    assert ada.ended() == 0
    assert ada.restored()
