"""The Python client, against a server played by the test and against the real one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.client import Client, Closed, OutboxFull, Refused, Tuning, Unconfirmed
from tests.browser.proxy import Proxy
from tests.contract.engines import witness
from tests.fakes.double import FAST, Double, Notes, event
from tests.support import Peer, Server, Valkey, until_async

Message = dict[str, Any]


async def test_each_event_is_handed_on_once_and_in_order(double: Double):
    """What was seen already is dropped, also when it comes again on the same connection."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        for seq in (1, 2, 2, 1, 3):
            await double.event(seq)
        await until_async(lambda: notes.seqs() == [1, 2, 3], "three events")
        assert [detail["seq"] for detail in notes.of("repeat")] == [2, 1]


async def test_it_resumes_at_its_position(double: Double):
    """After a lost connection the join says what the client has; what it missed comes as events."""
    notes = Notes()
    async with Client(double.url, name="Ada", session="s1", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.event(1)
        await until_async(lambda: notes.seqs() == [1], "the first event")
        double.answer["join"] = lambda _: {
            **{"type": "joined", "room": "r", "epoch": "e1", "seq": 3, "mid": "m3", "recovered": True},
            "messages": [event(2), event(3)],
        }
        double.sockets[-1].transport.abort()
        await until_async(lambda: notes.seqs() == [1, 2, 3], "the missed events")
        assert double.requests("join")[-1]["since"] == {"epoch": "e1", "seq": 1, "mid": "m1"}
        hello = double.requests("hello")[-1]
        assert (hello["session"], hello["guest"]) == ("s1", "g1")
        assert notes.of("gap") == []


async def test_a_gap_is_told_before_what_follows_it(double: Double):
    """recovered:false after lost events: gap, then the page's events that are new."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.event(1)
        await until_async(lambda: notes.seqs() == [1], "the first event")
        double.answer["join"] = lambda _: {
            **{"type": "joined", "room": "r", "epoch": "e1", "seq": 9, "mid": "m9", "recovered": False},
            "messages": [event(8), event(9)],
        }
        client.cut()
        await until_async(lambda: notes.seqs() == [1, 8, 9], "the page")
        assert notes.of("gap") == [{"room": "r", "after": 1, "upto": 7, "epoch_changed": False}]


async def test_a_resync_replaces_what_followed(double: Double):
    """A log that began anew: its low numbers are not taken for old ones."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        for seq in (1, 2, 3):
            await double.event(seq)
        place = {"room": "r", "epoch": "e2", "seq": 1, "mid": "n1", "lost": True}
        await double.push(type="resync", **place, messages=[event(1, "n1")])
        await double.event(2)
        await until_async(lambda: notes.seqs() == [1, 2, 3, 1, 2], "the events of the new epoch")
        assert notes.of("gap")[0]["epoch_changed"] is True


async def test_a_change_to_a_message_says_which_one_whatever_becomes_of_the_seqs(double: Double):
    """The log begins anew while an edit waits: it goes out with the mid that its message had, and is refused."""
    double.answer["edit"] = lambda _: None
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.event(1)
        await until_async(lambda: notes.seqs() == [1], "the message")
        tried = asyncio.create_task(client.edit("r", 1, "new words"))
        await until_async(lambda: bool(double.requests("edit")), "the first change, without an answer")
        said = asyncio.create_task(client.send("r", "hi"))
        double.answer["edit"] = lambda _: {"type": "error", "code": "unknown_message", "message": "no such message"}
        anew = {**event(1, "n1"), "text": "another"}
        double.answer["join"] = lambda message: {**(double.usual(message) or {}), "messages": [anew]}
        double.position = {"epoch": "e2", "seq": 1, "mid": "n1"}
        client.cut()
        with pytest.raises(Refused, match="no such message"):
            await asyncio.wait_for(tried, 5)
        await said
        del double.answer["edit"]
        await client.edit("r", 1, "of the new one")
    assert [message["mid"] for message in double.requests("edit")] == ["m1", "m1", "n1"]


@pytest.mark.parametrize("known", [False, True], ids=["first", "resumed"])
@pytest.mark.parametrize("answer", [None, {"type": "error", "code": "already_joined", "message": "joined already"}])
async def test_a_join_whose_answer_did_not_come_is_asked_for_on_another_connection(
    double: Double, known: bool, answer: Message | None
):
    """On the old one the member may be in the room already, or be let in yet: the room is never given up for that."""
    notes, doubtful = Notes(), []

    def join(message: Message) -> Message | None:
        if len(double.sockets) == 1 + known:
            doubtful.append(message)
            return answer
        return double.usual(message)

    tuning = replace(FAST, reply_seconds=0.2)
    async with Client(double.url, name="Ada", on=notes, tuning=tuning) as client:
        if known:
            await client.join("r")
            await double.event(1)
            await until_async(lambda: notes.seqs() == [1], "the event")
        double.answer["join"] = join
        double.position = {"epoch": "e1", "seq": 1, "mid": "m1"} if known else double.position
        if known:
            client.cut()
        else:
            await asyncio.wait_for(client.join("r"), 10)
        await until_async(lambda: len(double.sockets) == 2 + known and client.rooms["r"].joined, "in, anew")
        assert len(doubtful) == 1, "asked once on each connection"
        assert doubtful[0].get("since") == double.requests("join")[-1].get("since")
        assert not notes.of("refused")
        assert (await client.send("r", "here")).cid


async def test_a_hole_is_closed_by_resuming(double: Double):
    """An event that skips others is not handed on; the client comes back at its position."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.event(1)
        await double.event(3)
        await until_async(lambda: len(double.requests("join")) == 2, "a second join")
        assert notes.seqs() == [1]
        assert double.requests("join")[1]["since"]["seq"] == 1
        assert [detail["seq"] for detail in notes.of("hole")] == [3]


async def test_a_send_is_tried_until_it_is_acknowledged(double: Double):
    """Temporary errors and lost connections are tried again with the same cid."""
    outcomes = iter(["error", "lose", "ack"])

    def answer(message: Message) -> Message | None:
        match next(outcomes):
            case "error":
                return {"type": "error", "code": "unavailable", "temporary": True, "retry": 0.05, "message": "no"}
            case "lose":
                double.sockets[-1].transport.abort()
                return None
        return double.ack(message)

    double.answer["send"] = answer
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        ack = await client.send("r", "hi", cid="mine")
    assert ack.cid == "mine"
    assert [message["cid"] for message in double.requests("send")] == ["mine"] * 3


async def test_a_send_that_a_resume_shows_is_not_sent_again(double: Double):
    """The connection was lost before its ack, for so long that the server may have forgotten its cid."""

    def lose(message: Message) -> None:
        mine = {**event(1), "cid": message["cid"], "user": "u1", "text": message["text"]}
        double.answer["join"] = lambda join: {**(double.usual(join) or {}), "seq": 1, "mid": "m1", "messages": [mine]}
        double.sockets[-1].transport.abort()

    double.answer["send"] = lose
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=replace(FAST, resend_seconds=0.0)) as client:
        await client.join("r")
        ack = await asyncio.wait_for(client.send("r", "only once"), 10)
        assert (ack.seq, ack.mid) == (1, "m1")
        assert notes.seqs() == [1]
        del double.answer["send"]
        await client.send("r", "next")
    assert [message["text"] for message in double.requests("send")] == ["only once", "next"]


async def test_a_message_is_stored_once_although_its_cid_was_forgotten(
    shared_server: Server, valkey: Valkey, room: str
):
    """Its ack was lost, and the client came back only when the server knew nothing of the cid any more."""
    proxy = Proxy(shared_server.ws)
    await proxy.start()
    url = proxy.url.replace("http", "ws") + "/ws"
    async with Client(url, name="Ada", tuning=FAST) as ada, Client(shared_server.ws, name="Bob") as bob:
        await ada.join(room)
        await bob.join(room)
        proxy.deafen()
        sending = asyncio.create_task(ada.send(room, "once"))
        await until_async(lambda: bob.rooms[room].timeline.last, "it is stored")
        with witness(valkey.url) as redis:
            records = [name for name in redis.keys("*:cids:*") if room.encode() in name]
            assert redis.delete(*records) == 1
        proxy.cut()
        assert (await asyncio.wait_for(sending, 20)).seq == 1
        assert (await ada.send(room, "next")).seq == 2
    await proxy.stop()


async def test_sends_of_a_room_keep_their_order(double: Double):
    """The second is not sent before the first is acknowledged, however often that takes trying."""
    tries = 0

    def answer(message: Message) -> Message | None:
        nonlocal tries
        tries += 1
        if tries < 4:
            return {"type": "error", "code": "rate_limited", "temporary": True, "retry": 0.01, "message": "slowly"}
        return double.ack(message)

    double.answer["send"] = answer
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        await asyncio.gather(*(client.send("r", "hi", cid=f"c{number}") for number in range(5)))
    order = list(dict.fromkeys(message["cid"] for message in double.requests("send")))
    assert order == ["c0", "c1", "c2", "c3", "c4"]
    assert [message["cid"] for message in double.requests("send")] == ["c0"] * 4 + ["c1", "c2", "c3", "c4"]


async def test_a_refusal_for_good_reaches_the_caller(double: Double):
    """A permanent error is raised and not tried again; the next send goes on."""
    double.answer["send"] = lambda message: (
        {"type": "error", "code": "too_large", "message": "no"} if message["text"] == "big" else double.ack(message)
    )
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        with pytest.raises(Refused) as refused:
            await client.send("r", "big")
        assert (refused.value.code, refused.value.temporary) == ("too_large", False)
        await client.send("r", "small")
    assert len(double.requests("send")) == 2


async def test_the_outbox_is_bounded(double: Double):
    """Beyond its limit a send is refused at once instead of being kept in memory."""
    double.answer["send"] = lambda _: None
    tuning = Tuning(pending_max=3)
    client = Client(double.url, name="Ada", tuning=tuning)
    await client.start()
    await client.join("r")
    sends = [asyncio.create_task(client.send("r", "hi")) for _ in range(3)]
    await until_async(lambda: double.requests("send"), "the first send")
    with pytest.raises(OutboxFull):
        await client.send("r", "one too many")
    await client.close()
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unconfirmed, Closed, Closed]


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4001, 4003])
async def test_it_comes_back_after_these_close_codes(double: Double, code: int):
    """Gone, restarted, overloaded, slow: another connection."""
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await double.sockets[-1].close(code)
        await until_async(lambda: len(double.sockets) == 2 and client.state == "online", "the client is back")


@pytest.mark.parametrize("code", [1000, 4500, 4503, 4999])
async def test_it_stays_away_after_these_close_codes(double: Double, code: int):
    """Said goodbye, or sent away: no other connection, and who waits learns it."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        double.answer["send"] = lambda _: None
        send = asyncio.create_task(client.send("r", "hi"))
        await until_async(lambda: double.requests("send"), "the send")
        await double.sockets[-1].close(code)
        with pytest.raises(Unconfirmed):
            await send
        with pytest.raises(Refused):
            await client.stay()
        assert (client.state, client.code) == ("offline", code)
        assert len(double.sockets) == 1


async def test_start_says_that_the_server_does_not_let_it_in(double: Double):
    """A final close code before the welcome is an error of start, not a loop of tries."""

    def answer(_: Message) -> None:
        asyncio.ensure_future(double.sockets[-1].close(4500))  # noqa: RUF006

    double.answer["hello"] = answer
    with pytest.raises(Refused):
        async with Client(double.url, name="Ada", tuning=FAST):
            pass


async def test_it_leaves_when_the_server_asks_it_to(double: Double):
    """going-away: the client closes at the moment named, without a goodbye, and comes back at once."""
    notes = Notes()
    tuning = Tuning(base_seconds=60.0, cap_seconds=60.0)  # a backoff would be noticed
    async with Client(double.url, name="Ada", on=notes, tuning=tuning) as client:
        await double.push(type="going-away", after=0.1, reason="drain")
        await until_async(lambda: len(double.sockets) == 2 and client.state == "online", "the client is back")
        assert double.sockets[0].close_code == 1001


async def test_a_silent_server_is_left(double: Double):
    """Nothing heard for longer than the server promised, and no answer to a ping: another connection."""
    double.ping = 1
    double.answer["ping"] = lambda _: None
    async with Client(double.url, name="Ada", tuning=FAST):
        await until_async(lambda: len(double.sockets) == 2, "a second connection")
        assert double.requests("ping")


async def test_a_quiet_server_that_answers_is_kept(double: Double):
    """An answered ping is a sign of life."""
    double.ping = 1
    async with Client(double.url, name="Ada", tuning=FAST):
        await until_async(lambda: len(double.requests("ping")) == 2, "two pings")
        assert len(double.sockets) == 1


async def test_a_failing_callback_harms_nothing(double: Double):
    """What the callback raises is logged; the next event is handed on."""
    seen: list[int] = []

    def on(kind: str, detail: Message) -> None:
        if kind == "event":
            seen.append(detail["seq"])
            raise ValueError("a bug of the user's")

    async with Client(double.url, name="Ada", on=on, tuning=FAST) as client:
        await client.join("r")
        await double.event(1)
        await double.event(2)
        await until_async(lambda: seen == [1, 2], "both events")


async def test_a_closed_client_says_so(double: Double):
    """No call hangs after close, and closing twice is closing once."""
    client = Client(double.url, name="Ada", tuning=FAST)
    await client.start()
    await client.join("r")
    stay = asyncio.create_task(client.stay())
    await client.close()
    await client.close()
    await stay
    with pytest.raises(Closed):
        await client.send("r", "hi")
    with pytest.raises(Closed):
        await client.join("other")


# The real server


async def test_conversation(shared_server: Server, room: str):
    """Two clients: what one sends the other is given; history has it; leaving ends it."""
    notes = Notes()
    url = shared_server.ws
    async with Client(url, name="Ada") as ada, Client(url, name="Bob", on=notes) as bob:
        await ada.join(room)
        await bob.join(room)
        acks = [await ada.send(room, f"text {number}") for number in range(3)]
        await until_async(lambda: len(notes.of("event")) == 3, "three events")
        assert [(event["seq"], event["mid"]) for event in notes.of("event")] == [(ack.seq, ack.mid) for ack in acks]
        page = await bob.history(room, before=3, limit=1)
        assert [message["text"] for message in page["messages"]] == ["text 1"]
        assert page["more"] is True
        await bob.leave(room)
        await ada.send(room, "unheard")
        await bob.join(room)
        assert len(notes.of("event")) == 3


async def test_a_cid_is_one_event_over_reconnects(shared_server: Server, room: str):
    """The same cid on another connection is acknowledged as the same event."""
    notes = Notes()
    async with Client(shared_server.ws, name="Ada", on=notes) as ada:
        await ada.join(room)
        first = await ada.send(room, "once", cid="c1")
        await until_async(lambda: notes.of("event"), "its event, which would answer the second as well")
        ada.cut()
        again = await ada.send(room, "once", cid="c1")
        assert (again.seq, again.mid, again.dup) == (first.seq, first.mid, True)


async def test_nothing_is_missed_when_a_worker_dies(server: Callable[..., Server], room: str):
    """Every worker killed in turn: the reader has every event once, in order, and every send was acknowledged."""
    running = server(workers=2)
    notes = Notes()
    async with Client(running.ws, name="Ada", tuning=FAST) as ada, Client(running.ws, name="Bob", on=notes) as bob:
        await ada.join(room)
        await bob.join(room)
        acks = []
        for number in range(40):
            if number in (10, 25):
                await until_async(lambda: running.health()["workers"]["alive"] == 2, "both workers serve")
                for worker in running.health()["workers"]["each"]:
                    assert worker["pid"] > 1
                    os.kill(worker["pid"], signal.SIGKILL)
            acks.append(await ada.send(room, f"text {number}"))
        await until_async(lambda: len(notes.of("event")) == 40, "all events")
        assert notes.seqs() == [ack.seq for ack in acks] == list(range(1, 41))
        assert notes.of("gap") == notes.of("hole") == []


async def test_a_peer_that_speaks_word_for_word_hears_the_client(shared_server: Server, room: str):
    """The client's messages are those of the protocol."""
    peer = await Peer.open(shared_server.ws, "Bob")
    await peer.ask("join", room=room)
    async with Client(shared_server.ws, name="Ada") as ada:
        await ada.join(room)
        await ada.send(room, "hi")
        assert await peer.texts(1) == ["hi"]
    await peer.close()
