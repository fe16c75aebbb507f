"""The protocol as a client sees it, against a real server with two workers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from tests.support import Peer, Server, until_async


@pytest.fixture
def url(shared_server: Server) -> str:
    """Where the websocket is."""
    return shared_server.ws


async def test_a_guest_is_welcomed_with_limits_and_identity(url: str) -> None:
    """Hello by name answers with who one is now and what one may do."""
    peer = await Peer.open(url, "Ada", session="s1")
    welcome = peer.welcome
    assert (welcome["name"], welcome["session"]) == ("Ada", "s1")
    assert welcome["limits"] == {"text": 4000, "frame": 65536, "rooms": 100, "rate": 1_000_000, "unacked": 32}
    assert all(welcome[field] for field in ("user", "conn", "node", "guest"))
    assert welcome["ping"] == 25
    await peer.close()


async def test_a_guest_token_brings_the_same_user_back(url: str) -> None:
    """The token of a welcome makes the next connection the same user, under a new name if one is given."""
    first = await Peer.open(url, "Ada")
    again = await Peer.bare(url)
    welcome = await again.ask("hello", guest=first.welcome["guest"])
    assert (welcome["user"], welcome["name"]) == (first.welcome["user"], "Ada")
    renamed = await Peer.open(url, "Grace", guest=first.welcome["guest"])
    assert (renamed.welcome["user"], renamed.welcome["name"]) == (first.welcome["user"], "Grace")
    for peer in (first, again, renamed):
        await peer.close()


async def test_a_message_reaches_every_member_the_sender_too(url: str, room: str) -> None:
    """All members get the same event, and the sender gets the ack that names it."""
    ada, bob = await Peer.open(url, "Ada"), await Peer.open(url, "Bob")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    ack = await ada.ask("send", room=room, cid="c1", text="hello\n<b>there</b> \U0001f44d")
    events = [await peer.push("message") for peer in (ada, bob)]
    assert events[0] == events[1]
    event = events[0]
    assert (event["seq"], event["mid"], event["ts"]) == (ack["seq"], ack["mid"], ack["ts"])
    assert (event["room"], event["cid"], event["name"]) == (room, "c1", "Ada")
    assert event["text"] == "hello\n<b>there</b> \U0001f44d"
    assert ack["dup"] is False
    assert ack["seq"] == 1
    await ada.close()
    await bob.close()


async def test_the_same_cid_again_is_the_same_event(url: str, room: str) -> None:
    """A retry, on another connection of the same session too, is acknowledged with the first seq and not published."""
    ada = await Peer.open(url, "Ada", session="tab")
    await ada.ask("join", room=room)
    first = await ada.ask("send", room=room, cid="c1", text="once")
    again = await Peer.open(url, "Ada", session="tab", guest=ada.welcome["guest"])
    await again.ask("join", room=room)
    retry = await again.ask("send", room=room, cid="c1", text="once")
    assert (retry["seq"], retry["mid"], retry["ts"], retry["dup"]) == (first["seq"], first["mid"], first["ts"], True)
    history = await ada.ask("history", room=room)
    assert [event["text"] for event in history["messages"]] == ["once"]
    await ada.close()
    await again.close()


async def test_another_session_may_use_the_same_cid(url: str, room: str) -> None:
    """A cid is unique within its session only."""
    one, two = await Peer.open(url, session="s1"), await Peer.open(url, session="s2")
    for peer in (one, two):
        await peer.ask("join", room=room)
    acks = [await peer.ask("send", room=room, cid="c1", text="x") for peer in (one, two)]
    assert [(ack["seq"], ack["dup"]) for ack in acks] == [(1, False), (2, False)]
    await one.close()
    await two.close()


async def test_join_gives_the_latest_events_and_the_position(url: str, room: str) -> None:
    """A fresh join answers with as many of the last events as asked for, oldest first."""
    ada, bob = await Peer.open(url), await Peer.open(url)
    await ada.ask("join", room=room)
    for number in range(5):
        await ada.ask("send", room=room, cid=f"c{number}", text=str(number))
    joined = await bob.join_at(5, room, limit=3)
    assert [event["seq"] for event in joined["messages"]] == [3, 4, 5]
    assert (joined["seq"], joined["mid"], joined["recovered"]) == (5, joined["messages"][-1]["mid"], False)
    await ada.close()
    await bob.close()


async def test_resuming_gives_exactly_what_was_missed(url: str, room: str) -> None:
    """Join with a position gives the events after it, and says so."""
    ada, bob = await Peer.open(url), await Peer.open(url)
    joined = await bob.ask("join", room=room)
    await bob.close()
    await ada.ask("join", room=room)
    for number in range(200):
        await ada.ask("send", room=room, cid=f"c{number}", text=str(number))
    since = {key: joined[key] for key in ("epoch", "seq", "mid")}
    again = await Peer.open(url)
    resumed = await again.join_at(200, room, since=since)
    assert resumed["recovered"] is True
    assert [event["seq"] for event in resumed["messages"]] == list(range(1, 201))
    await again.close()
    await ada.close()


@pytest.mark.parametrize("forged", [{"epoch": "other"}, {"mid": "other"}, {"seq": 3, "mid": "x"}, {"seq": 900}])
async def test_a_position_that_cannot_be_proved_gives_the_latest_page(url: str, room: str, forged: dict) -> None:
    """Epoch, seq and mid must all be those of an event in this log."""
    ada, bob = await Peer.open(url), await Peer.open(url)
    await ada.ask("join", room=room)
    for number in range(5):
        ack = await ada.ask("send", room=room, cid=f"c{number}", text=str(number))
    joined = await bob.ask("join", room=room)
    await bob.ask("leave", room=room)
    since = {"epoch": joined["epoch"], "seq": 5, "mid": ack["mid"], **forged}
    resumed = await bob.join_at(5, room, since=since, limit=2)
    assert resumed["recovered"] is False
    assert [event["seq"] for event in resumed["messages"]] == [4, 5]
    await ada.close()
    await bob.close()


async def test_events_that_arrive_while_history_is_read_come_once_and_in_order(url: str, room: str) -> None:
    """Whoever joins during a burst gets every seq after the joined one, none twice, none missing."""
    ada = await Peer.open(url)
    await ada.ask("join", room=room)

    async def burst() -> None:
        for number in range(300):
            await ada.ask("send", room=room, cid=f"c{number}", text=str(number))

    async def joiner(number: int) -> None:
        peer = await Peer.open(url)
        joined = await peer.ask("join", room=room, limit=number % 3 * 50)
        seqs = [event["seq"] for event in joined["messages"]]
        assert not seqs or seqs[-1] == joined["seq"]
        seq = joined["seq"]
        while seq < 300:
            seq += 1
            assert (await peer.push("message"))["seq"] == seq
        await peer.close()

    sending = asyncio.create_task(burst())
    await asyncio.gather(*(joiner(number) for number in range(20)))
    await sending
    await ada.close()


async def test_requests_sent_at_once_take_effect_in_order(url: str, room: str) -> None:
    """A client need not wait for replies: hello, join, sends and leave may follow each other at once."""
    peer = await Peer.bare(url)
    numbers = [await peer.send("hello", name="Ada"), await peer.send("join", room=room)]
    numbers += [await peer.send("send", room=room, cid=f"c{n}", text=str(n)) for n in range(5)]
    numbers.append(await peer.send("history", room=room))
    numbers.append(await peer.send("leave", room=room))
    replies = {}
    while len(replies) < len(numbers):
        message = await peer.receive()
        if "id" in message:
            replies[message["id"]] = message
    assert [replies[number]["type"] for number in numbers] == ["welcome", "joined"] + ["ack"] * 5 + ["history", "left"]
    assert [replies[number]["seq"] for number in numbers[2:7]] == [1, 2, 3, 4, 5]
    await peer.close()


async def test_several_rooms_share_a_connection(url: str, room: str) -> None:
    """Events of all joined rooms arrive, and those of a left one do not."""
    ada = await Peer.open(url)
    for name in ("a", "b"):
        await ada.ask("join", room=room + name)
    for name in ("a", "b"):
        await ada.ask("send", room=room + name, cid="c", text=name)
    assert sorted(await ada.texts(2)) == ["a", "b"]
    await ada.ask("leave", room=room + "a")
    bob = await Peer.open(url)
    for name in ("a", "b"):
        await bob.ask("join", room=room + name)
        await bob.ask("send", room=room + name, cid="d", text=name * 2)
    assert await ada.texts(1) == ["bb"]
    await ada.close()
    await bob.close()


async def test_history_is_read_by_page(url: str, room: str) -> None:
    """Pages go before or after a seq and say whether there is more."""
    ada = await Peer.open(url)
    await ada.ask("join", room=room)
    for number in range(1, 11):
        await ada.ask("send", room=room, cid=f"c{number}", text=str(number))

    async def page(**fields: int) -> tuple[list[int], bool]:
        reply = await ada.ask("history", room=room, **fields)
        return [event["seq"] for event in reply["messages"]], reply["more"]

    assert await page(limit=4) == ([7, 8, 9, 10], True)
    assert await page(before=7, limit=4) == ([3, 4, 5, 6], True)
    assert await page(before=3, limit=4) == ([1, 2], False)
    assert await page(before=1, limit=4) == ([], False)
    assert await page(after=7, limit=2) == ([8, 9], True)
    assert await page(after=8, limit=2) == ([9, 10], False)
    assert await page(after=10, limit=2) == ([], False)
    await ada.close()


async def test_too_many_unacknowledged_sends_are_refused_for_now(url: str, room: str) -> None:
    """Of a flood sent at once each send is either stored or refused as rate_limited; none is lost in silence."""
    ada = await Peer.open(url)
    await ada.ask("join", room=room)
    numbers = [await ada.send("send", room=room, cid=f"c{n}", text="x") for n in range(200)]
    replies = []
    while len(replies) < len(numbers):
        message = await ada.receive()
        if "id" in message:
            replies.append(message)
    stored = [reply for reply in replies if reply["type"] == "ack"]
    refused = [reply for reply in replies if reply["type"] == "error"]
    assert len(stored) >= 32
    assert {(reply["code"], reply["temporary"]) for reply in refused} <= {("rate_limited", True)}
    assert [ack["seq"] for ack in stored] == list(range(1, len(stored) + 1))
    await ada.close()


async def test_many_who_resume_at_once_share_the_reads(server: Callable[..., Server], room: str) -> None:
    """A crowd that missed a thousand events gets exactly these, for a handful of reads of the log."""
    here = server(workers=1)
    ada = await Peer.open(here.ws)
    joined = await ada.ask("join", room=room)
    for start in range(0, 1000, 25):
        numbers = [await ada.send("send", room=room, cid=f"c{n}", text=str(n)) for n in range(start, start + 25)]
        assert [(await ada.reply(number))["type"] for number in numbers] == ["ack"] * 25
    assert await ada.texts(1000) == [str(number) for number in range(1000)]
    since = {key: joined[key] for key in ("epoch", "seq", "mid")}

    async def resume() -> None:
        peer = await Peer.open(here.ws)
        resumed = await peer.ask("join", room=room, since=since)
        assert resumed["recovered"] is True
        assert [event["seq"] for event in resumed["messages"]] == list(range(1, 1001))
        await peer.close()

    await asyncio.gather(*(resume() for _ in range(100)))
    await until_async(lambda: here.metric("parley_resumes_total", result="recovered") == 100, "all are counted")
    assert here.metric("parley_log_reaches_back_total") <= 5
    await ada.close()


async def test_megabytes_missed_are_given_in_parts_without_a_hole(server: Callable[..., Server], room: str) -> None:
    """However much was missed, resuming gives exactly that, also while more is being said."""
    here = server(workers=1)
    ada = await Peer.open(here.ws)
    joined = await ada.ask("join", room=room)
    text = 3900 * "\U0001f600"
    for number in range(300):
        assert (await ada.ask("send", room=room, cid=f"c{number}", text=text))["type"] == "ack"
    since = {key: joined[key] for key in ("epoch", "seq", "mid")}
    bob = await Peer.open(here.ws)

    async def talk() -> None:
        for number in range(300, 400):
            await ada.ask("send", room=room, cid=f"c{number}", text="more")

    talking = asyncio.create_task(talk())
    resumed = await bob.ask("join", room=room, since=since)
    assert resumed["recovered"] is True
    seqs = [event["seq"] for event in resumed["messages"]]
    assert seqs[-1] == resumed["seq"]
    assert resumed["mid"] == resumed["messages"][-1]["mid"]
    seqs += [(await bob.push("message"))["seq"] for _ in range(400 - len(seqs))]
    assert seqs == list(range(1, 401))
    await talking
    assert (await bob.ask("ping"))["type"] == "pong"
    page = await bob.ask("history", room=room, after=0, limit=200)
    assert page["more"] is True
    assert [event["seq"] for event in page["messages"]] == list(range(1, len(page["messages"]) + 1))
    await ada.close()
    await bob.close()


async def test_the_same_cid_after_a_restart_is_a_new_event(server: Callable[..., Server], room: str) -> None:
    """Without a session each connection is one of its own, also when a worker begins to count anew."""
    here = server(workers=1)
    first = await Peer.open(here.ws)
    await first.ask("join", room=room)
    assert (await first.ask("send", room=room, cid="1", text="before"))["seq"] == 1
    os.kill(here.health()["workers"]["each"][0]["pid"], signal.SIGKILL)
    assert await first.closed() == 1006
    again = await Peer.open(here.ws, guest=first.welcome["guest"])
    await again.ask("join", room=room)
    ack = await again.ask("send", room=room, cid="1", text="after")
    assert (ack["seq"], ack["dup"]) == (2, False)
    await again.close()


async def test_a_flood_of_joins_and_leaves_disturbs_nobody(server: Callable[..., Server], room: str) -> None:
    """Large answers to small requests pile up only to the limit; others are answered meanwhile."""
    here = server(workers=1)
    ada = await Peer.open(here.ws)
    await ada.ask("join", room=room)
    for number in range(60):
        await ada.ask("send", room=room, cid=f"c{number}", text="\u20ac" * 4000)
    greedy = await Peer.open(here.ws)
    for _ in range(100):
        await greedy.send("join", room=room)
        await greedy.send("leave", room=room)
    assert (await ada.ask("ping"))["type"] == "pong"
    replies = 0
    while replies < 200:
        replies += "id" in await greedy.receive()
    assert (await greedy.ask("ping"))["type"] == "pong"
    await ada.close()
    await greedy.close()
