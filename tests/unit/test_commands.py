"""What members ask, and what they are answered, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from app.commands import HELLO_SECONDS, PAGE_MAX
from app.errors import NotConfirmed, Unavailable
from app.member import ERRORS_IN_A_ROW, WAITING_REQUESTS
from tests.fakes.sent import Sent, running
from tests.fakes.wire import BINARY, frame
from tests.fakes.worker import PROMISES, Worker
from tests.support import until_async


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker whose relay heals gaps."""
    worker = Worker()
    async with running(worker.relay.run()):
        yield worker
    await worker.tasks.cancel()


# Hello


async def test_a_guest_is_welcomed(worker: Worker) -> None:
    """With who it is, what it may do, and how to come back."""
    ada = worker.connect()
    welcome = await ada.ask("hello", name=" Ada ", session="tab-1")
    assert (welcome["name"], welcome["session"], welcome["node"], welcome["ping"]) == ("Ada", "tab-1", "n1", 25)
    assert welcome["limits"] == {"text": 100, "frame": 65536, "rooms": 5, "unacked": 32}
    again = await worker.connect().ask("hello", guest=welcome["guest"])
    assert (again["user"], again["name"]) == (welcome["user"], "Ada")
    renamed = await worker.connect().ask("hello", guest=welcome["guest"], name="Grace")
    assert (renamed["user"], renamed["name"]) == (welcome["user"], "Grace")


async def test_without_a_session_the_connection_is_one(worker: Worker) -> None:
    """Its own id, so that no two connections share their cids."""
    one, two = worker.connect(), worker.connect()
    sessions = [(await visitor.ask("hello", name="Ada"))["session"] for visitor in (one, two)]
    assert sessions == [one.member.conn, two.member.conn]
    assert len(set(sessions)) == 2


async def test_whoever_says_nothing_is_sent_away(worker: Worker) -> None:
    """HELLO_SECONDS after connecting: 4502. Who has said hello stays."""
    silent, ada = worker.connect(), await worker.visitor()
    silent.raw(b"not a hello")
    worker.later(HELLO_SECONDS - 0.1)
    assert silent.connection.is_open
    worker.later(0.1)
    assert (silent.code, ada.code) == (4502, None)


async def test_whoever_does_not_begin_with_hello_is_sent_away(worker: Worker) -> None:
    """With an error that says so, and 4502."""
    visitor = worker.connect()
    number = visitor.say("join", room="lobby")
    assert (await visitor.reply(number))["code"] == "unauthorized"
    assert visitor.code == 4502
    assert worker.hub.get("lobby") is None


async def test_a_second_hello_is_a_bad_request(worker: Worker) -> None:
    """Nobody becomes somebody else on one connection."""
    ada = await worker.visitor()
    assert (await ada.ask("hello", name="Bob"))["code"] == "bad_request"
    assert (ada.member.name, ada.code) == ("Ada", None)


@pytest.mark.parametrize("hello", [{"token": "jwt"}, {"guest": "forged"}])
async def test_a_wrong_token_is_refused_for_good(worker: Worker, hello: dict[str, str]) -> None:
    """4500: coming back with the same one would not help."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", **hello))["code"] == "unauthorized"
    assert visitor.code == 4500


async def test_a_guest_whose_token_is_too_old_comes_in_as_new(worker: Worker) -> None:
    """Under the name given with it."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", guest="too old", name="Ada"))["name"] == "Ada"


@pytest.mark.parametrize("hello", [{}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 10_000}])
async def test_a_hello_without_a_proper_name_may_be_said_again(worker: Worker, hello: dict[str, str]) -> None:
    """A bad request is no reason to send anybody away."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", **hello))["code"] == "bad_request"
    assert (await visitor.ask("hello", name="Ada"))["type"] == "welcome"


# Bad messages


async def test_ten_bad_messages_in_a_row_are_the_end(worker: Worker) -> None:
    """4501; a good one in between begins the count anew."""
    ada = await worker.visitor()
    for _ in range(3):
        for _ in range(ERRORS_IN_A_ROW - 1):
            ada.raw(b"{}")
        await ada.ask("ping")
    ada.transport.receive(frame(BINARY, b"x") * (ERRORS_IN_A_ROW - 1))
    await asyncio.sleep(0)
    assert ada.code is None
    ada.raw(b"{}")
    assert ada.code == 4501
    assert worker.counters.refusals == 4 * ERRORS_IN_A_ROW - 3


async def test_a_bad_message_is_answered_with_its_id_if_it_has_one(worker: Worker) -> None:
    """As a reply, else as a push."""
    ada = await worker.visitor()
    ada.raw(b'{"type":"explode","id":77}')
    ada.raw(b"{")
    ada.transport.receive(frame(BINARY, b"x"))
    await asyncio.sleep(0)
    errors = [message for message in ada.heard if message["type"] == "error"]
    assert [error.get("id") for error in errors] == [77, None, None]
    assert {error["code"] for error in errors} == {"bad_request"}


# Order


async def test_requests_take_effect_in_the_order_sent(worker: Worker) -> None:
    """What follows a request that waits for Redis waits behind it."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    numbers = [ada.say("join", room="lobby")]
    numbers += [ada.say("send", room="lobby", cid=f"c{number}", text="x") for number in range(3)]
    numbers += [ada.say("history", room="lobby"), ada.say("leave", room="lobby"), ada.say("ping")]
    numbers += [ada.say("send", room="lobby", cid="late", text="x")]
    await until_async(lambda: worker.broker.reads, "the join waits for its read")
    assert [message["type"] for message in ada.heard] == ["welcome"]
    worker.broker.gate.set()
    await ada.reply(numbers[-1])
    replies = [message for message in ada.heard if "id" in message][1:]
    assert [reply["id"] for reply in replies if reply["type"] != "ack"] == [n for n in numbers if n not in numbers[1:4]]
    kinds = ["joined", "ack", "ack", "ack", "history", "left", "pong", "error"]
    assert [(await ada.reply(number))["type"] for number in numbers] == kinds
    assert (await ada.reply(numbers[-1]))["code"] == "not_joined"


async def test_one_members_waiting_holds_up_nobody_else(worker: Worker) -> None:
    """Others are answered meanwhile."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    worker.broker.gate.clear()
    ada.say("join", room="lobby")
    assert (await bob.ask("ping"))["type"] == "pong"
    worker.broker.gate.set()


async def test_too_many_waiting_requests_stop_the_reading(worker: Worker) -> None:
    """Memory for a member that asks without waiting is bounded; every request is answered in the end, in order."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    numbers = [ada.say("join", room="lobby"), *(ada.say("ping") for _ in range(5 * WAITING_REQUESTS))]
    await asyncio.sleep(0)
    assert ada.connection.held
    assert ada.member.waiting is not None
    assert len(ada.member.waiting) == WAITING_REQUESTS
    worker.broker.gate.set()
    await ada.reply(numbers[-1])
    assert [message["id"] for message in ada.heard][1:] == numbers
    assert not ada.connection.held


async def test_a_member_that_vanishes_while_it_waits_is_not_admitted(worker: Worker) -> None:
    """No room keeps a member whose connection is gone, and what waited behind is dropped."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    ada.say("join", room="lobby")
    ada.say("send", room="lobby", cid="c", text="x")
    await until_async(lambda: worker.broker.reads, "the join waits for its read")
    ada.vanish()
    await asyncio.sleep(0)
    worker.broker.gate.set()
    await worker.idle()
    room = worker.hub.get("lobby")
    assert room is not None
    assert (len(room), worker.store.rooms["lobby"].seq) == (0, 0)


# Rooms


async def test_a_fresh_join_gives_the_latest_events(worker: Worker) -> None:
    """As many as asked for, at most PAGE_MAX, with the position they lead to."""
    for _ in range(PAGE_MAX + 100):
        worker.broker.publish("lobby", Sent())
    for limit, expected in ((0, 0), (5, 5), (None, 50), (PAGE_MAX, PAGE_MAX), (10_000, PAGE_MAX)):
        ada = await worker.visitor()
        joined = await ada.ask("join", room="lobby", **({} if limit is None else {"limit": limit}))
        assert (joined["seq"], joined["recovered"]) == (PAGE_MAX + 100, False)
        first = PAGE_MAX + 101 - expected
        assert [event["seq"] for event in joined["messages"]] == list(range(first, PAGE_MAX + 101))


@pytest.mark.parametrize("behind", [0, 1, 40, 110, 250, 300])
async def test_a_resume_gives_exactly_what_follows(worker: Worker, behind: int) -> None:
    """From the room's recent events or from the log, back to the beginning, and then what comes live."""
    ada = await worker.visitor("Ada")
    joined = await ada.ask("join", room="lobby")
    positions = [{"epoch": joined["epoch"], "seq": 0, "mid": ""}]
    for number in range(300):
        ack = await ada.ask("send", room="lobby", cid=f"c{number}", text="x")
        positions.append({"epoch": joined["epoch"], "seq": ack["seq"], "mid": ack["mid"]})
    bob = await worker.visitor("Bob")
    resumed = await bob.ask("join", room="lobby", since=positions[300 - behind])
    assert (resumed["recovered"], resumed["seq"]) == (True, 300)
    assert [event["seq"] for event in resumed["messages"]] == list(range(301 - behind, 301))
    await ada.ask("send", room="lobby", cid="next", text="x")
    assert bob.seqs == [301]
    assert worker.counters.resumes_recovered == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"epoch": "other"},
        {"epoch": ""},
        {"mid": "other"},
        {"mid": ""},
        {"seq": 0},
        {"seq": 4},
        {"seq": 6},
        {"seq": 999},
    ],
)
async def test_a_resume_that_cannot_be_proved_gives_the_latest(worker: Worker, forged: dict[str, object]) -> None:
    """And says so: never a hole that nobody notices."""
    for _ in range(10):
        await Sent().through(worker.broker, "lobby")
    page = await worker.broker.between("lobby", 5, 1)
    true = {"epoch": page.top.epoch, "seq": 5, "mid": json.loads(page.events[0])["mid"]}
    ada, bob = await worker.visitor(), await worker.visitor()
    assert (await ada.ask("join", room="lobby", since=true))["recovered"] is True
    joined = await bob.ask("join", room="lobby", since={**true, **forged}, limit=3)
    assert joined["recovered"] is False
    assert [event["seq"] for event in joined["messages"]] == [8, 9, 10]


async def test_a_resume_beyond_the_limit_gives_the_latest(worker: Worker) -> None:
    """Who was away for too long begins anew."""
    for _ in range(PROMISES.resume_events + 1):
        worker.broker.publish("lobby", Sent())
    ada = await worker.visitor()
    page = await worker.broker.latest("lobby", 0)
    joined = await ada.ask("join", room="lobby", since={"epoch": page.top.epoch, "seq": 0, "mid": ""})
    assert (joined["recovered"], len(joined["messages"])) == (False, 50)


async def test_a_client_may_know_more_than_its_worker(worker: Worker) -> None:
    """It comes from another worker, which heard the last event earlier: the log decides, and nothing is lost."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    joined = await ada.ask("join", room="lobby")
    worker.subscriber.active.clear()
    first = await Sent().through(worker.broker, "lobby")
    await Sent().through(worker.broker, "lobby")
    since = {"epoch": joined["epoch"], "seq": 1, "mid": first.confirmed[1]}
    resumed = await bob.ask("join", room="lobby", since=since)
    assert (resumed["recovered"], resumed["seq"]) == (True, 2)
    assert [event["seq"] for event in resumed["messages"]] == [2]
    assert ada.seqs == [1, 2]


async def test_joining_and_leaving_are_checked(worker: Worker) -> None:
    """Twice in, not in, too many, no name: each has its code."""
    ada = await worker.visitor()
    for number in range(PROMISES.rooms):
        await ada.ask("join", room=f"room{number}")
    codes = [
        (await ada.ask("join", room="room0"))["code"],
        (await ada.ask("join", room="one-more"))["code"],
        (await ada.ask("join", room="a b"))["code"],
        (await ada.ask("leave", room="one-more"))["code"],
        (await ada.ask("leave", room="{}"))["code"],
        (await ada.ask("send", room="one-more", cid="c", text="x"))["code"],
        (await ada.ask("history", room="one-more"))["code"],
    ]
    assert codes == [
        "already_joined",
        "forbidden",
        "bad_request",
        "not_joined",
        "bad_request",
        "not_joined",
        "not_joined",
    ]
    assert (await ada.ask("leave", room="room0"))["type"] == "left"
    assert (await ada.ask("join", room="one-more"))["type"] == "joined"


async def test_a_room_has_one_name(worker: Worker) -> None:
    """Composed or decomposed: joined is joined, and the reply says the name in its one form."""
    ada = await worker.visitor()
    assert (await ada.ask("join", room="cafe\u0301"))["room"] == "caf\u00e9"
    assert (await ada.ask("join", room="caf\u00e9"))["code"] == "already_joined"
    assert (await ada.ask("leave", room="cafe\u0301"))["type"] == "left"


async def test_whoever_vanishes_leaves_all_rooms(worker: Worker) -> None:
    """And the rooms close after lingering."""
    ada = await worker.visitor()
    for name in ("a", "b"):
        await ada.ask("join", room=name)
    ada.vanish()
    await asyncio.sleep(0)
    assert [len(room) for room in worker.hub.chats.values()] == [0, 0]
    worker.later(60)
    assert worker.hub.chats == {}
    assert len(worker.deadlines) == 0


async def test_a_join_so_slow_that_the_room_was_closed_opens_it_again(worker: Worker) -> None:
    """Nobody is put into a room that hears nothing any more."""
    ada = await worker.visitor()
    for _ in range(300):
        worker.broker.publish("lobby", Sent())
    await worker.hub.enter("lobby")
    worker.broker.gate.clear()
    number = ada.say("join", room="lobby", limit=PAGE_MAX)
    await until_async(lambda: len(worker.broker.reads) == 2, "it reaches back")
    room = worker.hub.get("lobby")
    assert room is not None
    worker.hub._forget(room)
    worker.broker.gate.set()
    joined = await ada.reply(number)
    assert (joined["seq"], len(joined["messages"])) == (300, PAGE_MAX)
    again = worker.hub.get("lobby")
    assert again is not room
    assert again is not None
    assert len(again) == 1


async def test_a_join_that_redis_does_not_answer_is_refused_for_now(worker: Worker) -> None:
    """The member is in no room then, and may try again."""
    ada = await worker.visitor()
    worker.broker.failure = Unavailable("away")
    error = await ada.ask("join", room="lobby")
    assert (error["code"], error["temporary"], error["retry"] > 0) == ("unavailable", True, True)
    assert ada.member.rooms == ()
    worker.broker.failure = None
    assert (await ada.ask("join", room="lobby"))["type"] == "joined"


# Messages


async def test_a_send_is_acknowledged_and_heard(worker: Worker) -> None:
    """By all members, on all workers; the ack names the event."""
    other = Worker(worker.store)
    ada, bob, eve = await worker.visitor("Ada"), await other.visitor("Bob"), await other.visitor("Eve")
    for visitor in (ada, bob):
        await visitor.ask("join", room="lobby")
    text = '<b>"x"\\\n\u2028\U0001f600'
    ack = await ada.ask("send", room="lobby", cid="c-1", text=text)
    assert ack == {**ack, "type": "ack", "room": "lobby", "cid": "c-1", "seq": 1, "dup": False}
    for visitor in (ada, bob):
        (event,) = visitor.pushes
        assert event == {
            "type": "message",
            "room": "lobby",
            "seq": 1,
            "mid": ack["mid"],
            "ts": ack["ts"],
            "cid": "c-1",
            "user": ada.member.user,
            "name": "Ada",
            "text": text,
        }
    assert eve.pushes == []
    assert (worker.counters.sends, worker.counters.acks, worker.counters.duplicates) == (1, 1, 0)


async def test_a_retry_is_acknowledged_as_such(worker: Worker) -> None:
    """On another connection of the same user's session too, and the event is not heard again."""
    ada = await worker.visitor("Ada", session="s")
    guest = (await ada.reply(1))["guest"]
    again = await worker.visitor("Ada", session="s", guest=guest)
    stranger = await worker.visitor("Eve", session="s")
    for visitor in (ada, again, stranger):
        await visitor.ask("join", room="lobby")
    first = await ada.ask("send", room="lobby", cid="c", text="x")
    retry = await again.ask("send", room="lobby", cid="c", text="x")
    assert (retry["seq"], retry["mid"], retry["ts"], retry["dup"]) == (1, first["mid"], first["ts"], True)
    assert (await stranger.ask("send", room="lobby", cid="c", text="y"))["seq"] == 2
    assert ada.seqs == [1, 2]
    assert worker.counters.duplicates == 1


@pytest.mark.parametrize(
    ("text", "code"), [("", "bad_request"), ("x" * 101, "too_large"), ("\U0001f600" * 101, "too_large")]
)
async def test_a_text_has_1_to_so_many_characters(worker: Worker, text: str, code: str) -> None:
    """Characters, not bytes."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    assert (await ada.ask("send", room="lobby", cid="c", text=text))["code"] == code
    assert worker.counters.limit_text_chars == (code == "too_large")
    assert (await ada.ask("send", room="lobby", cid="c", text="\U0001f600" * 100))["seq"] == 1


async def test_unacknowledged_sends_are_bounded(worker: Worker) -> None:
    """Beyond the limit: refused for now, nothing stored; acks make room again."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    numbers = [ada.say("send", room="lobby", cid=f"c{number}", text="x") for number in range(PROMISES.unacked + 5)]
    replies = [await ada.reply(number) for number in numbers]
    assert [reply["type"] for reply in replies] == ["ack"] * PROMISES.unacked + ["error"] * 5
    assert {(reply["code"], reply["temporary"]) for reply in replies[PROMISES.unacked :]} == {("rate_limited", True)}
    assert (await ada.ask("send", room="lobby", cid="next", text="x"))["seq"] == PROMISES.unacked + 1
    assert ada.member.unacked == 0
    assert worker.counters.limit_unacked == 5
    assert sum(worker.counters.send_to_ack_seconds.counts) == PROMISES.unacked + 1


async def test_a_send_that_redis_does_not_take_is_refused_for_now(worker: Worker) -> None:
    """And does not count as unacknowledged."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    worker.broker.failure = Unavailable("away")
    for number in range(PROMISES.unacked + 5):
        error = await ada.ask("send", room="lobby", cid=f"c{number}", text="x")
        assert (error["code"], error["temporary"]) == ("unavailable", True)
    worker.broker.failure = None
    assert (await ada.ask("send", room="lobby", cid="c0", text="x"))["seq"] == 1


async def test_a_send_that_redis_does_not_confirm_may_be_sent_again(worker: Worker) -> None:
    """The error is temporary, the send no longer counts as unacknowledged, and the same cid settles it."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    worker.broker.loss = NotConfirmed("the connection to Redis was lost")
    for number in range(PROMISES.unacked + 5):
        error = await ada.ask("send", room="lobby", cid=f"c{number}", text="x")
        assert (error["code"], error["temporary"]) == ("unavailable", True)
    worker.broker.loss = None
    assert (await ada.ask("send", room="lobby", cid="c0", text="x"))["seq"] == 1
    assert worker.counters.refusals == PROMISES.unacked + 5


async def test_an_ack_for_somebody_who_is_gone_harms_nobody(worker: Worker) -> None:
    """The event is stored all the same."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    for visitor in (ada, bob):
        await visitor.ask("join", room="lobby")
    ada.say("send", room="lobby", cid="c", text="last words")
    ada.vanish()
    await until_async(lambda: bob.seqs == [1], "the others hear it")


# History


async def test_history_goes_by_page(worker: Worker) -> None:
    """Before a seq, after one, or the latest; `more` says whether it goes on in that direction."""
    for _ in range(10):
        await Sent().through(worker.broker, "lobby")
    ada = await worker.visitor()
    await ada.ask("join", room="lobby", limit=0)

    async def page(**fields: int) -> tuple[list[int], bool]:
        reply = await ada.ask("history", room="lobby", **fields)
        return [event["seq"] for event in reply["messages"]], reply["more"]

    assert await page() == (list(range(1, 11)), False)
    assert await page(limit=3) == ([8, 9, 10], True)
    assert await page(before=8, limit=3) == ([5, 6, 7], True)
    assert await page(before=4, limit=3) == ([1, 2, 3], False)
    assert await page(before=3, limit=3) == ([1, 2], False)
    assert await page(before=1, limit=3) == await page(before=0, limit=3) == ([], False)
    assert await page(after=0, limit=3) == ([1, 2, 3], True)
    assert await page(after=7, limit=3) == ([8, 9, 10], False)
    assert await page(after=10, limit=3) == await page(after=2**53, limit=3) == ([], False)
    assert (await ada.ask("history", room="lobby", before=5, after=1))["code"] == "bad_request"


async def test_history_ends_where_the_log_begins(worker: Worker) -> None:
    """Before the oldest event kept there is nothing more, whatever its number."""
    worker.broker.kept_events = 5
    for _ in range(20):
        await Sent().through(worker.broker, "lobby")
    ada = await worker.visitor()
    await ada.ask("join", room="lobby", limit=0)
    for fields, seqs, more in (
        ({"before": 18, "limit": 2}, [16, 17], False),
        ({"before": 18, "limit": 50}, [16, 17], False),
        ({"before": 16, "limit": 5}, [], False),
        ({"before": 20, "limit": 2}, [18, 19], True),
        ({"after": 3, "limit": 2}, [16, 17], True),
    ):
        reply = await ada.ask("history", room="lobby", **fields)
        assert ([event["seq"] for event in reply["messages"]], reply["more"]) == (seqs, more)


# Ids and faults


async def test_no_two_connections_have_the_same_id(worker: Worker) -> None:
    """On no worker and at no time: it names the session of whoever gives none, and with it the cids that were used."""
    ids = {one.commands.next_conn() for one in (worker, Worker(), Worker()) for _ in range(100)}
    assert len(ids) == 300


async def test_a_fault_of_ours_is_answered_and_holds_up_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request gets an error that says no more than that, and what waits behind it is carried out."""

    async def fail(name: str) -> None:
        raise ValueError("a secret of the inside")

    monkeypatch.setattr(worker.hub, "enter", fail)
    ada = await worker.visitor()
    numbers = [ada.say("join", room="lobby"), *(ada.say("ping") for _ in range(3))]
    replies = [await ada.reply(number) for number in numbers]
    assert [reply["type"] for reply in replies] == ["error", "pong", "pong", "pong"]
    assert (replies[0]["code"], "secret" in replies[0]["message"]) == ("internal", False)
    assert not ada.connection.held
