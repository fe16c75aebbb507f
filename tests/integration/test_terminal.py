"""`parley chat` on a terminal, against a real server."""

from __future__ import annotations

import asyncio
import re

from app.client import Client
from tests.integration.conftest import Open, ready
from tests.support import Server, until, until_async

HEBREW = "\u05e9\u05dc\u05d5\u05dd"


async def test_a_conversation(shared_server: Server, room: str, terminal: Open):
    """What both say is shown to both, what was said before as well."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        await bob.send(room, "before")
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.enter("hello")
        await asyncio.to_thread(ada.sees, "Ada: hello")
        await bob.send(room, "hi Ada")
        await asyncio.to_thread(ada.sees, "Bob: hi Ada")
    assert ada.said == ["Bob: before", "Ada: hello", "Bob: hi Ada"]


async def test_others_do_not_break_the_line_being_typed(shared_server: Server, room: str, terminal: Open):
    """Three hundred messages arrive: all above, in order, none twice, and the line is as it was."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.type("half a lin")
        await until_async(lambda: ada.line == "half a lin", "the typed line")
        await asyncio.gather(*(bob.send(room, f"text {number}") for number in range(300)))
        await until_async(lambda: len(ada.said) >= 300, "all messages")
        assert ada.said == [f"Bob: text {number}" for number in range(300)]
        await until_async(lambda: ada.cursor == ("> half a lin", 12), "the cursor where it was")
        ada.enter("e")
        await asyncio.to_thread(ada.sees, "Ada: half a line")


def test_the_status_line(shared_server: Server, room: str, terminal: Open):
    """Room, people, connection, the worker that serves, and the round trip."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    node = shared_server.health()["node"].partition(".")[0]
    until(
        lambda: re.search(rf"#{room}  1 person  online  {node}\.\d  (\d+|under 1) ms", ada.status),
        "all of the status line",
    )


def test_orders(shared_server: Server, room: str, terminal: Open):
    """What a person does besides talking."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    for order, seen in (
        ("/who", "1 person is here: Ada"),
        ("first", "Ada: first"),
        ("/edit better", "Ada edited: better"),  # refused as long as the message has no ack
        ("/react \N{THUMBS UP SIGN}", 'to "better"'),
        ("/topic Tea and cake", "Ada set the topic: Tea and cake"),
        ("/topic", "the topic is: Tea and cake"),
        ("/delete", "Ada deleted a message of"),
        ("/delete", "there is no message to do that with"),
        ("//help is an order", "Ada: /help is an order"),
        ("/help", "/quit"),
        ("/nonsense", "there is no /nonsense"),
        ("/older", "that was all"),
        (f"/join {room}-2", "nobody has said anything here yet"),
        ("elsewhere", "Ada: elsewhere"),
        ("/join not a room", "a room name consists of"),
        ("/leave", f"you are in #{room} now"),
        ("/leave", "this is the only room"),
    ):
        if order == "/edit better":
            ada.insist(order, seen)
            continue
        ada.enter(order)
        ada.sees(seen)
    until(lambda: "Tea and cake" in ada.status, "the topic in the status line")
    ada.enter("/quit")
    assert ada.ended() == 0
    assert ada.restored()


async def test_older_messages_come_when_asked_for(shared_server: Server, room: str, terminal: Open):
    """Page after page, until there are none."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        await asyncio.gather(*(bob.send(room, f"text {number}") for number in range(60)))
    ada = terminal(room, "--url", shared_server.url, "--name", "Ada", "--history", "5")
    await asyncio.to_thread(ready, ada)
    texts = [f"Bob: text {number}" for number in range(60)]
    await until_async(lambda: ada.said == texts[55:], "the latest five")
    ada.enter("/older")
    await until_async(lambda: ada.said == texts[55:] + texts[5:55], "fifty more")
    ada.enter("/older")
    await until_async(lambda: ada.said == texts[55:] + texts[5:55] + texts[:5], "the first five")
    ada.enter("/older")
    await asyncio.to_thread(ada.sees, "that was all")


async def test_hostile_text_does_nothing_to_the_terminal(shared_server: Server, room: str, terminal: Open):
    """Escape sequences, titles, carriage returns, bidi overrides and long words are shown, not obeyed."""
    hostile = [
        "\x1b[2J\x1b[H\x1b[31mcleared",
        "\x1b]0;taken over\x07title",
        "\x9b2Jeight bits",
        "overwritten\rEve: I agree",
        "photo\u202egnp.exe",
        "two\n12:00 Eve: lines",
        "w" * 4000,
    ]
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.type("unharmed")
        for text in hostile:
            await bob.send(room, text)
        await bob.send(room, "the end")
        await asyncio.to_thread(ada.sees, "Bob: the end")
    assert not re.search(rb"\x1b\[2J|\x1b\]0;taken|\x07|\xc2\x9b|\xe2\x80\xae", ada.raw)
    assert ada.title == ""
    assert ada.line == "unharmed"
    assert not any(row.startswith(("Eve", "12:00 Eve")) for row in ada.rows)
    assert "Bob: photo<U+202E>gnp.exe" in ada.said
    assert sum(row.count("w") for row in ada.rows if set(row[11:]) <= {"w"}) == 4000


async def test_all_scripts_are_shown_and_typed(shared_server: Server, room: str, terminal: Open):
    """Wide characters take two columns and go with one key; right-to-left words keep to themselves."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.type("\u65e5\u672c\u8a9e")
        await until_async(lambda: ada.cursor[1] == 8, "three wide characters")
        ada.type("\x7f")
        await until_async(lambda: ada.cursor[1] == 6, "two of them")
        ada.enter("!")
        await asyncio.to_thread(ada.sees, "Ada: \u65e5\u672c!")
        await bob.send(room, f"{HEBREW} 12")
        await until_async(lambda: f"\u2068{HEBREW} 12\u2069".encode() in ada.raw, "the words, isolated")


def test_no_colours_where_they_are_not_wanted(shared_server: Server, room: str, terminal: Open):
    """NO_COLOR is heeded."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada", NO_COLOR="1"))
    ada.enter("grey")
    ada.sees("Ada: grey")
    assert not re.search(rb"\x1b\[[\d;]*3[1-7][\d;]*m", ada.raw)
