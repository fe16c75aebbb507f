"""`parley chat` on a terminal, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from tests.fakes.double import Double
from tests.fakes.terminal import Terminal, environment
from tests.support import Server, until, until_async

HEBREW = "\u05e9\u05dc\u05d5\u05dd"
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Opens terminals of one person."""
    opened: list[Terminal] = []

    def open_(*arguments: str, **variables: str) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, **variables))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def ready(one: Terminal) -> Terminal:
    """Wait until it is in the room and can be typed into."""
    until(lambda: "online" in one.status, "the status line says online")
    return one


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
        ("/edit better", "Ada edited: better"),
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
        ada.enter(order)
        ada.sees(seen)
    until(lambda: "Tea and cake" in ada.status, "the topic in the status line")
    ada.enter("/quit")
    assert ada.ended() == 0
    assert ada.restored()


async def test_what_was_said_elsewhere_is_labelled(shared_server: Server, room: str, terminal: Open):
    """Somebody in two rooms sees both, and which is which."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.enter(f"/join {room}-2")
        await asyncio.to_thread(ada.sees, "nobody has said anything")
        await bob.send(room, "over here")
        await asyncio.to_thread(ada.sees, f"[#{room}] Bob: over here")


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


def test_two_terminals_of_two_people(shared_server: Server, room: str, terminal: Open, tmp_path: Path):
    """They write to each other alone, from whatever worker; the list of rooms has it for them, by name."""
    (tmp_path / "bob").mkdir()
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    bob = ready(terminal(room, "--url", shared_server.url, "--name", "Bob", XDG_DATA_HOME=str(tmp_path / "bob")))
    until(lambda: "2 people" in ada.status and "2 people" in bob.status, "both see both")
    ada.type("some words")
    until(lambda: "Ada is typing" in bob.status, "typing is seen")
    assert "typing" not in ada.status
    ada.type("\x15")
    ada.enter("/msg bob between us")
    ada.sees("[@Bob] Ada: between us")
    bob.sees("Ada writes to you alone; /join @Ada to answer")
    bob.sees("[@Ada] Ada: between us")
    bob.enter("/join @ada")
    bob.sees("you are in @Ada now")
    bob.enter("indeed")
    ada.sees("[@Bob] Bob: indeed")
    ada.enter("in the open")
    bob.sees(f"[#{room}] Ada: in the open")
    until(lambda: ada.enter("/rooms") or any(f"#{room}  2 here" in row for row in ada.rows), "the room is listed")
    ada.enter("/quit")
    assert ada.ended() == 0
    bob.enter("while you were away")
    bob.sees("Bob: while you were away")
    again = ready(terminal(room, "--url", shared_server.url))
    until(lambda: again.enter("/rooms") or any("@Bob, 1 unread" in row for row in again.rows), "one is unread")
    bob.enter("welcome back")
    again.sees("Bob writes to you alone")
    again.sees("[@Bob] Bob: while you were away")
    again.sees("[@Bob] Bob: welcome back")


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


async def test_a_mention_elsewhere_is_told(shared_server: Server, room: str, terminal: Open):
    """Once the room was left; in it, the message itself stands out."""
    ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
    async with Client(shared_server.ws, name="Bob") as bob:
        await asyncio.to_thread(ready, ada)
        await bob.join(room)
        await until_async(lambda: "Ada" in bob.rooms[room].people.values(), "Bob sees Ada")
        await bob.send(room, "look, @Ada")
        await asyncio.to_thread(ada.sees, "Bob: look, @Ada")
        assert re.search(rb"\x1b\[[\d;]*1m(?:\x1b\[[\d;]*m)*look, @Ada", ada.raw)
        ada.enter(f"/join {room}-2")
        await asyncio.to_thread(ada.sees, "nobody has said anything")
        await asyncio.to_thread(ada.enter, "/join " + room)
        ada.enter("/leave")
        await asyncio.to_thread(ada.sees, f"you are in #{room}-2 now")


async def test_others_who_are_here_and_type(double: Double, terminal: Open):
    """In the status line and by /who."""
    joined = {"type": "joined", "room": "r", **double.position, "recovered": False, "messages": []}
    people = [{"user": "u1", "name": "Ada"}, {"user": "u2", "name": "Bob"}]
    double.answer["join"] = lambda _: {**joined, "members": 2, "presence": people}
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    assert "2 people" in ada.status
    await double.push(type="typing", room="r", users=people)
    await until_async(lambda: "Bob is typing" in ada.status, "who types")
    await double.push(type="presence", room="r", joined=[{"user": "u3", "name": "Eve"}], left=["u2"], members=2)
    await until_async(lambda: "typing" not in ada.status, "who has left types no more")
    ada.enter("/who")
    await asyncio.to_thread(ada.sees, "2 people are here: Ada, Eve")
    ada.type("some keys")
    await until_async(lambda: double.requests("typing"), "typing is said")
    assert double.requests("typing") == [{"type": "typing", "room": "r"}]


async def test_writing_to_one_person(double: Double, terminal: Open):
    """In a room of their own, in both directions; a mention elsewhere is told."""
    people = [{"user": "u1", "name": "Ada"}, {"user": "u2", "name": "Bob"}]

    def join(message: dict[str, Any]) -> dict[str, Any]:
        place = {"type": "joined", "room": message["room"], **double.position, "recovered": False, "messages": []}
        return {**place, "members": 2, "presence": people}

    double.answer["join"] = join
    double.answer["direct"] = lambda _: {"type": "direct", "room": "d1", "with": people[1]}
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    ada.enter("/msg nobody hi")
    await asyncio.to_thread(ada.sees, "nobody here is called so")
    ada.enter("/msg Bob")
    await asyncio.to_thread(ada.sees, "/msg NAME TEXT")
    ada.enter("/join @Bob")
    await asyncio.to_thread(ada.sees, "write to Bob first")
    ada.enter("/msg Bob hi there")
    await until_async(lambda: double.requests("send"), "the message")
    sent = double.requests("send")[0]
    assert (double.requests("direct")[0]["user"], sent["room"], sent["text"]) == ("u2", "d1", "hi there")
    answer = {"type": "message", "room": "d1", "seq": 1, "mid": "m1", "cid": "x", "ts": 1}
    await double.push(**answer, user="u2", name="Bob", text="hello")
    await asyncio.to_thread(ada.sees, "[@Bob] Bob: hello")
    ada.enter("/join @bob\ragain")
    await until_async(lambda: len(double.requests("send")) == 2, "another message")
    assert double.requests("send")[1]["room"] == "d1"
    await double.push(type="direct", room="d2", **{"with": {"user": "u3", "name": "Eve"}})
    await asyncio.to_thread(ada.sees, "Eve writes to you alone")
    await until_async(lambda: double.requests("join")[-1]["room"] == "d2", "the other room is joined")
    direct = "dm:jUvR1nX8yl02PmqT.q0kQHbBWyqa3VeNf"
    await double.push(type="mentioned", room=direct, seq=7, user="u4", name="Ned")
    await asyncio.to_thread(ada.sees, "Ned writes to you alone")
    await until_async(lambda: double.requests("join")[-1]["room"] == direct, "his room is joined")
    await double.push(type="mentioned", room="tea", seq=4, user="u2", name="Bob")
    await asyncio.to_thread(ada.sees, "Bob mentioned you in #tea: /join tea")


async def test_what_is_unread_from_before(double: Double, terminal: Open):
    """In rooms of two; they can be turned to by name."""
    own = {"room": "d1", "with": {"user": "u2", "name": "Bob"}, "unread": 3}
    double.answer["rooms"] = lambda _: {"type": "rooms", "rooms": [], "direct": [own]}
    ada = terminal("r", "--url", double.url, "--name", "Ada")
    await asyncio.to_thread(ready, ada)
    await asyncio.to_thread(ada.sees, "3 unread from Bob: /join @Bob")
    ada.enter("/join @Bob")
    await until_async(lambda: double.requests("join")[-1]["room"] == "d1", "the room is joined")
    await until_async(lambda: "@Bob" in ada.status, "the status line names Bob")


def test_no_server(terminal: Open):
    """Exit code 3, in one line."""
    ada = terminal("r", "--url", "http://127.0.0.1:9", "--timeout", "0.5")
    assert ada.ended() == 3
    assert ada.rows == ["parley: no server answers at ws://127.0.0.1:9/ws"]


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


def test_no_colours_where_they_are_not_wanted(shared_server: Server, room: str, terminal: Open):
    """NO_COLOR is heeded."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada", NO_COLOR="1"))
    ada.enter("grey")
    ada.sees("Ada: grey")
    assert not re.search(rb"\x1b\[[\d;]*3[1-7][\d;]*m", ada.raw)


def test_the_same_person_next_time(shared_server: Server, room: str, terminal: Open, tmp_path: Path):
    """Without a name it is who it was last; what is kept is for its owner alone."""
    ada = ready(terminal(room, "--url", shared_server.url, "--name", "Ada"))
    ada.enter("/quit")
    ada.ended()
    again = ready(terminal(room, "--url", shared_server.url))
    again.enter("me again")
    again.sees("Ada: me again")
    kept = tmp_path / "parley" / "guests.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert environment(tmp_path)["XDG_DATA_HOME"] == str(tmp_path)
