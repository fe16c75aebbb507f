"""The rows of the Python client against the real server: everybody ends with the same truth."""

from __future__ import annotations

import asyncio
import random

import pytest

from app.client import Ack, Client, Refused
from app.client.timeline import Row
from tests.fakes.double import FAST, Notes
from tests.support import DEADLINE_SECONDS, Server, until_async

EMOJI = ("\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}")
Seen = dict[int, tuple[str, str, bool, int, dict[str, set[str]]]]


def seen(client: Client, room: str) -> Seen:
    """What a reader sees of each row."""

    def of(row: Row) -> tuple[str, str, bool, int, dict[str, set[str]]]:
        return row.name, row.text, row.deleted, row.edited, {emoji: set(by) for emoji, by in row.reactions.items()}

    return {row.seq: of(row) for row in client.rooms[room].timeline}


async def do_something(client: Client, room: str, mine: list[Ack], dice: random.Random) -> int:
    """A message, or a change of one that may be gone already. Its seq; 0 if it was refused."""
    rows = list(client.rooms[room].timeline)
    kind = dice.choice(["send", "send", "edit", "delete", "react", "react", "react"])
    try:
        if kind == "send" or not rows or not mine:
            mine.append(await client.send(room, f"text {dice.random()}"))
            return mine[-1].seq
        if kind == "edit":
            return (await client.edit(room, dice.choice(mine).seq, f"edit {dice.random()}")).seq
        if kind == "delete":
            return (await client.delete(room, dice.choice(mine).seq)).seq
        on = dice.random() < 0.7
        return (await client.react(room, dice.choice(rows).seq, dice.choice(EMOJI), on=on)).seq
    except Refused as error:
        if error.temporary:
            raise
        return 0  # it was deleted by its author meanwhile


async def caught_up(client: Client, room: str, seq: int) -> None:
    """Wait until a client has everything up to there."""
    known = client.rooms[room]
    await until_async(lambda: known.position is not None and known.position.seq >= seq, f"{client.name} has {seq}")


async def test_live_resumed_and_fresh_readers_see_the_same(shared_server: Server, room: str):
    """Two people change things at once; one reader is cut again and again, one comes late, one reads page by page."""
    url = shared_server.ws
    dice = random.Random(7)
    async with (
        Client(url, name="Ada", tuning=FAST) as ada,
        Client(url, name="Bob", tuning=FAST) as bob,
        Client(url, name="Eve", tuning=FAST) as stumbling,
    ):
        for client in (ada, bob, stumbling):
            await client.join(room)
        own: dict[Client, list[Ack]] = {ada: [], bob: []}
        last = 0
        for turn in range(60):
            seqs = await asyncio.gather(*(do_something(client, room, own[client], dice) for client in (ada, bob)))
            last = max(last, *seqs)
            if turn % 10 == 5:
                stumbling.cut()
        for client in (ada, bob, stumbling):
            await caught_up(client, room, last)
        truth = seen(ada, room)
        assert len(truth) > 20
        assert any(row[2] for row in truth.values())
        assert any(row[3] for row in truth.values())
        assert any(row[4] for row in truth.values())
        assert seen(bob, room) == seen(stumbling, room) == truth
        async with Client(url, name="Fresh") as fresh, Client(url, name="Pages") as pages:
            await fresh.join(room, limit=200)
            await caught_up(fresh, room, last)
            assert seen(fresh, room) == truth
            before, more = (await pages.join(room, limit=5))["messages"][0]["seq"], True
            await caught_up(pages, room, last)
            while more:
                page = await pages.history(room, before=before, limit=9)
                before, more = page["messages"][0]["seq"], page["more"]
            assert seen(pages, room) == truth


async def test_what_is_not_ones_own(shared_server: Server, room: str):
    """Others' messages can be reacted to, not edited or deleted; the topic is known to who comes later."""
    async with Client(shared_server.ws, name="Ada") as ada, Client(shared_server.ws, name="Bob") as bob:
        await ada.join(room)
        await bob.join(room)
        ack = await ada.send(room, "mine")
        for attempt in (bob.edit(room, ack.seq, "his", mid=ack.mid), bob.delete(room, ack.seq, mid=ack.mid)):
            with pytest.raises(Refused) as refused:
                await attempt
            assert refused.value.code == "forbidden"
        await bob.react(room, ack.seq, EMOJI[0], mid=ack.mid)
        await bob.topic(room, "Tea")
        await until_async(lambda: ada.rooms[room].topic == "Tea", "the topic")
        assert seen(ada, room)[ack.seq] == ("Ada", "mine", False, 0, {EMOJI[0]: {bob.user}})
        async with Client(shared_server.ws, name="Eve") as eve:
            await eve.join(room)
            assert eve.rooms[room].topic == "Tea"


async def test_people_come_and_go(shared_server: Server, room: str):
    """The room knows who is there, on whatever worker."""
    async with Client(shared_server.ws, name="Ada") as ada:
        await ada.join(room)
        async with Client(shared_server.ws, name="Bob") as bob:
            await bob.join(room)
            both = {ada.user: "Ada", bob.user: "Bob"}
            await until_async(lambda: ada.rooms[room].people == bob.rooms[room].people == both, "both see both")
            assert ada.rooms[room].members == 2
            await bob.leave(room)
            await until_async(lambda: ada.rooms[room].people == {ada.user: "Ada"}, "one is left")
            assert ada.rooms[room].members == 1


async def test_a_mark_is_known_to_all_of_a_user(shared_server: Server, room: str):
    """On another connection at once, and to one that joins later; it moves forward only."""
    async with Client(shared_server.ws, name="Ada") as ada:
        async with Client(shared_server.ws, name="Ada", guest=ada.guest) as tab:
            assert tab.user == ada.user
            await ada.join(room)
            await tab.join(room)
            for number in range(3):
                await ada.send(room, f"text {number}")
            assert await ada.read(room, 2) == 2
            await until_async(lambda: tab.rooms[room].read == 2, "the other tab knows")
            assert await ada.read(room, 1) == 2
        async with Client(shared_server.ws, name="Ada", guest=ada.guest) as later:
            await later.join(room)
            assert later.rooms[room].read == 2
            found: list[tuple[str, int, int, int]] = []
            async with asyncio.timeout(DEADLINE_SECONDS):  # the list follows within a moment
                while (room, 3, 1, 1) not in found:
                    rooms = (await later.list(limit=200))["rooms"]
                    found = [(one["room"], one["seq"], one["members"], one.get("unread", 0)) for one in rooms]


async def test_two_people_have_a_room_of_their_own(shared_server: Server, room: str):
    """The other learns of it with the first message; nobody else may join it."""
    notes = Notes()
    url = shared_server.ws
    async with Client(url, name="Ada") as ada, Client(url, name="Bob", on=notes) as bob, Client(url, name="Eve") as eve:
        own = (await ada.direct(bob.user))["room"]
        await ada.join(own)
        await ada.send(own, "between us")
        await until_async(lambda: notes.of("direct"), "the push")
        assert notes.of("direct")[0]["with"] == {"user": ada.user, "name": "Ada"}
        joined = await bob.join(notes.of("direct")[0]["room"])
        assert [message["text"] for message in joined["messages"]] == ["between us"]
        with pytest.raises(Refused) as refused:
            await eve.join(own)
        assert refused.value.code == "forbidden"
        assert own not in eve.rooms
