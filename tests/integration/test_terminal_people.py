"""`parley chat` on a terminal: who is there, who writes to whom."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from app.client import Client
from tests.fakes.double import Double
from tests.fakes.terminal import environment
from tests.integration.conftest import Open, ready
from tests.support import Server, until, until_async


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
        await until_async(lambda: f"#{room}-2 " in ada.status, "the other room is open")
        ada.enter(f"/join {room}")
        await until_async(lambda: f"#{room} " in ada.status, "the first is shown again")
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
    ada.insist("/rooms", f"#{room}  2 here")
    ada.enter("/quit")
    assert ada.ended() == 0
    bob.enter("while you were away")
    bob.sees("Bob: while you were away")
    again = ready(terminal(room, "--url", shared_server.url))
    again.insist("/rooms", "@Bob, 1 unread")
    bob.enter("welcome back")
    again.sees("Bob writes to you alone")
    again.sees("[@Bob] Bob: while you were away")
    again.sees("[@Bob] Bob: welcome back")


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


async def test_what_was_said_elsewhere_is_labelled(shared_server: Server, room: str, terminal: Open):
    """Somebody in two rooms sees both, and which is which."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        ada = terminal(room, "--url", shared_server.url, "--name", "Ada")
        await asyncio.to_thread(ready, ada)
        ada.enter(f"/join {room}-2")
        await until_async(lambda: f"#{room}-2 " in ada.status, "the other room is open")
        await bob.send(room, "over here")
        await asyncio.to_thread(ada.sees, f"[#{room}] Bob: over here")
