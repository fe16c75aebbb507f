"""What a user of the Python client says besides `send`, against a server played by the test."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.client import Client, Refused
from tests.fakes.double import FAST, Double, Notes, event
from tests.support import until_async

Message = dict[str, Any]
THUMB = "\N{THUMBS UP SIGN}"


async def test_changes_are_said_in_the_words_of_the_protocol(double: Double):
    """Each with a cid of its own, and acknowledged like a send."""
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        await client.send("r", "hi", cid="c1")
        await client.edit("r", 1, "hi!", cid="c2")
        await client.react("r", 1, THUMB, cid="c3")
        await client.react("r", 1, THUMB, on=False, cid="c4")
        await client.topic("r", "Releases", cid="c5")
        ack = await client.delete("r", 1, cid="c6")
    said = [{key: value for key, value in message.items() if key != "id"} for message in double.received[2:]]
    assert said == [
        {"type": "send", "room": "r", "cid": "c1", "text": "hi"},
        {"type": "edit", "room": "r", "cid": "c2", "seq": 1, "mid": "m1", "text": "hi!"},
        {"type": "react", "room": "r", "cid": "c3", "seq": 1, "mid": "m1", "emoji": THUMB, "on": True},
        {"type": "react", "room": "r", "cid": "c4", "seq": 1, "mid": "m1", "emoji": THUMB, "on": False},
        {"type": "topic", "room": "r", "cid": "c5", "topic": "Releases"},
        {"type": "delete", "room": "r", "cid": "c6", "seq": 1, "mid": "m1"},
    ]
    assert (ack.cid, ack.seq) == ("c6", 6)


async def test_an_edit_is_tried_until_it_is_acknowledged(double: Double):
    """Like every change, with the same cid."""
    outcomes = iter(["lose", "ack"])

    def answer(message: Message) -> Message | None:
        if next(outcomes) == "ack":
            return double.ack(message)
        double.sockets[-1].transport.abort()
        return None

    double.answer["edit"] = answer
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        await client.edit("r", 1, "better", cid="mine", mid="m1")
    assert [(message["cid"], message["mid"]) for message in double.requests("edit")] == [("mine", "m1")] * 2


async def test_a_change_keeps_its_place_behind_a_send(double: Double):
    """An edit never overtakes the message that it edits."""
    outcomes = iter(["error", "ack"])

    def answer(message: Message) -> Message:
        if next(outcomes) == "ack":
            return double.ack(message)
        return {"type": "error", "code": "unavailable", "temporary": True, "retry": 0.05, "message": "no"}

    double.answer["send"] = answer
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        await asyncio.gather(client.send("r", "hi"), client.edit("r", 1, "hi!", mid="m1"))
    assert [message["type"] for message in double.received[2:]] == ["send", "send", "edit"]


async def test_somebody_who_may_not_is_told_so(double: Double):
    """What the server refuses for good is raised; the client goes on."""
    double.answer["delete"] = lambda _: {"type": "error", "code": "forbidden", "message": "not yours"}
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        with pytest.raises(Refused, match="not yours"):
            await client.delete("r", 1, mid="m1")
        await client.send("r", "still here")


async def test_a_message_is_named_by_its_mid_as_well(double: Double):
    """As it came, was acknowledged or is kept in a row; one never seen here is not amended by its seq alone."""
    double.position = {"epoch": "e1", "seq": 900, "mid": "m900"}
    page = [event(seq) for seq in range(301, 901)]
    double.answer["join"] = lambda message: {**(double.usual(message) or {}), "messages": page}
    double.answer["history"] = lambda _: {"type": "history", "messages": [event(7), event(8)], "more": True}
    async with Client(double.url, name="Ada", tuning=replace(FAST, rows_max=1000)) as client:
        await client.join("r")
        await client.history("r", before=9)
        ack = await client.send("r", "hi")
        for seq in (900, 301, 8, ack.seq):
            await client.react("r", seq, THUMB)
        for seq in (9, 901):
            with pytest.raises(Refused, match="not seen") as refused:
                await client.react("r", seq, THUMB)
            assert (refused.value.code, refused.value.temporary) == ("unknown_message", False)
    said = [(message["seq"], message["mid"]) for message in double.requests("react")]
    assert said == [(900, "m900"), (301, "m301"), (8, "m8"), (ack.seq, ack.mid)]


async def test_typing_is_said_once_in_a_while(double: Double):
    """However many keys are pressed, and anew after a message; without an id, for nobody answers."""
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        for _ in range(50):
            client.typing("r")
        client.typing("elsewhere")
        await client.send("r", "hi")
        client.typing("r")
        await client.ping()
    assert double.requests("typing") == [{"type": "typing", "room": "r"}] * 2
    client.typing("r")


async def test_marks_rooms_and_direct_rooms_are_asked_for(double: Double):
    """The replies are the server's; the mark is known to the room."""
    double.answer["read"] = lambda message: {"type": "read", "room": "r", "seq": message["seq"] + 1}
    double.answer["rooms"] = lambda message: {"type": "rooms", "rooms": [{"room": "r"}], "direct": []}
    double.answer["direct"] = lambda message: {"type": "direct", "room": "d1", "with": {"user": message["user"]}}
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        await client.join("r")
        assert await client.read("r", 4) == client.rooms["r"].read == 5
        assert (await client.list(limit=7))["rooms"] == [{"room": "r"}]
        assert double.requests("rooms")[0]["limit"] == 7
        assert (await client.direct("u2"))["room"] == "d1"


async def test_pushes_are_told_and_noted(double: Double):
    """The room knows them when the callback is called; those of other rooms are told as well."""
    known: list[tuple[int | None, list[str]]] = []
    notes = Notes()

    def on(kind: str, detail: Message) -> None:
        notes(kind, detail)
        if kind in ("presence", "typing"):
            known.append((client.rooms["r"].members, list(client.rooms["r"].typing.values())))

    client = Client(double.url, name="Ada", on=on, tuning=FAST)
    async with client:
        await client.join("r")
        bob = {"user": "u2", "name": "Bob"}
        await double.push(type="presence", room="r", joined=[bob], left=[], members=3)
        await double.push(type="typing", room="r", users=[bob])
        await double.push(type="read", room="r", seq=9)
        await double.push(type="mentioned", room="other", seq=4, user="u2", name="Bob")
        await double.push(type="direct", room="d1", **{"with": bob})
        await until_async(lambda: notes.of("direct"), "the last push")
        assert known == [(3, []), (3, ["Bob"])]
        assert client.rooms["r"].read == 9
        assert notes.of("mentioned")[0]["seq"] == 4


async def test_the_rows_show_what_was_edited(double: Double):
    """Folded before the callback hears of it; history comes in front."""
    double.answer["join"] = lambda _: {
        **{"type": "joined", "room": "r", "epoch": "e1", "seq": 2, "mid": "m2", "recovered": False},
        "messages": [event(2)],
    }
    double.answer["history"] = lambda _: {"type": "history", "room": "r", "messages": [event(1)], "more": False}
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.push(**{**event(3), "type": "edited", "of": 2, "text": "new"})
        await until_async(lambda: notes.of("event"), "the edit")
        await client.history("r", before=2)
        assert [row.text for row in client.rooms["r"].timeline] == ["text 1", "new"]


async def test_a_token_is_asked_for_with_each_connection(double: Double):
    """The function may give a newer one; a guest's name and token stay at home."""
    tokens = iter(["first", "second"])
    async with Client(double.url, name="Ada", guest="g0", token=lambda: next(tokens), tuning=FAST):
        await double.sockets[-1].close(4004)
        await until_async(lambda: len(double.requests("hello")) == 2, "a second hello")
    assert [hello["token"] for hello in double.requests("hello")] == ["first", "second"]
    assert all("guest" not in hello and "name" not in hello for hello in double.requests("hello"))


@pytest.mark.parametrize("code", ["unauthorized", "bad_request", "forbidden"])
async def test_a_refused_hello_is_an_error_of_start(double: Double, code: str):
    """Also where the server would leave the connection open."""
    double.answer["hello"] = lambda _: {"type": "error", "code": code, "message": "no such name"}
    with pytest.raises(Refused, match="no such name"):
        async with Client(double.url, name="Ada", tuning=FAST):
            pass
    assert len(double.requests("hello")) == 1


@pytest.mark.parametrize("error", [{"code": "unavailable", "temporary": True}, {"code": "expired"}])
async def test_a_hello_refused_for_now_is_said_again(double: Double, error: Message):
    """A server that is not ready yet, or a token that has just run out."""
    answers = iter([{"type": "error", "message": "later", **error}])
    double.answer["hello"] = lambda message: next(answers, None) or double.usual(message)
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        assert client.state == "online"
    assert len(double.requests("hello")) == 2


async def test_a_hello_put_off_is_said_again_after_the_time_named(double: Double):
    """Not before, however short the backoff is; meanwhile the client says why it waits."""
    error = {"type": "error", "code": "rate_limited", "temporary": True, "retry": 0.5, "message": "too many new guests"}
    answers = iter([error])
    double.answer["hello"] = lambda message: next(answers, None) or double.usual(message)
    client, began = Client(double.url, name="Ada", tuning=FAST), asyncio.get_running_loop().time()
    starting = asyncio.create_task(client.start())
    await until_async(lambda: client.state == "waiting", "it waits")
    assert str(client.put_off) == "too many new guests"
    assert client.retry_at - began >= 0.5
    await starting
    assert (client.state, client.put_off) == ("online", None)
    await client.close()


async def test_the_round_trip_is_measured(double: Double):
    """In milliseconds; unknown before the first ping."""
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        assert client.latency_ms is None
        assert await client.ping() == client.latency_ms
        assert 0 < client.latency_ms < 1000 * FAST.reply_seconds
        assert client.node == "n1"


async def test_a_waiting_client_says_when_it_tries_again(double: Double):
    """On the loop's clock, for whoever shows a countdown."""
    client = Client(double.url, name="Ada", tuning=FAST)
    async with client:
        before = asyncio.get_running_loop().time()
        client.cut(0.3)
        await until_async(lambda: client.state == "waiting", "it waits")
        assert before + 0.3 <= client.retry_at <= asyncio.get_running_loop().time() + 0.3 + FAST.cap_seconds
        await until_async(lambda: client.state == "online", "it is back")


async def test_who_leaves_a_room_waits_for_it_no_longer(double: Double):
    """A join that is still under way ends when the room is left."""
    double.answer["join"] = lambda _: None
    async with Client(double.url, name="Ada", tuning=FAST) as client:
        join = asyncio.create_task(client.join("r"))
        await until_async(lambda: double.requests("join"), "the join")
        await client.leave("r")
        with pytest.raises(Refused):
            await join
