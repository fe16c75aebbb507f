"""What becomes of a message that a member sends."""

from __future__ import annotations

import pytest

from app.errors import NotConfirmed, Unavailable
from tests.fakes.worker import PROMISES, Worker
from tests.support import until_async


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
