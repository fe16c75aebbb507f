"""A room's history, page by page."""

from __future__ import annotations

from tests.fakes.sent import Sent
from tests.fakes.worker import Worker
from tests.support import until_async


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


async def test_history_before_a_seq_that_only_the_sender_knows_yet(worker: Worker) -> None:
    """An ack may come before the worker hears the event: the page has it nevertheless."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    worker.subscriber.lose()
    acks = [await ada.ask("send", room="lobby", cid=f"c{number}", text="hi") for number in range(3)]
    assert ada.seqs == []
    reply = await ada.ask("history", room="lobby", before=acks[-1]["seq"] + 1)
    assert [event["seq"] for event in reply["messages"]] == [1, 2, 3]
    reply = await ada.ask("history", room="lobby", before=2**53, limit=2)
    assert ([event["seq"] for event in reply["messages"]], reply["more"]) == ([2, 3], True)


async def test_who_is_taken_out_of_the_room_meanwhile_gets_no_page(worker: Worker) -> None:
    """The log may hold by then what is not for it any more."""
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    room = worker.hub.get("lobby")
    assert room is not None
    worker.broker.gate.clear()
    number = ada.say("history", room="lobby")
    await until_async(lambda: len(worker.broker.reads) == 2, "the page is read")
    worker.commands._joining.take_out(ada.member, room)
    await Sent().through(worker.broker, "lobby")
    worker.broker.gate.set()
    assert (await ada.reply(number))["code"] == "not_joined"
