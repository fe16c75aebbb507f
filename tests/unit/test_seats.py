"""How many connections a person may have, over workers that share a store."""

from __future__ import annotations

from app.errors import Unavailable
from tests.fakes.worker import Visitor, Worker
from tests.support import until_async

TOO_MANY = 4505


async def two_workers(most: int) -> tuple[Worker, Worker]:
    """With the same limit; each knows that the other lives."""
    here = Worker(most_of_user=most)
    there = Worker(here.store, most_of_user=most)
    for worker in (here, there, here):
        worker.presence.renewed(await worker.rosters.renew(15))
    return here, there


async def again(worker: Worker, first: Visitor) -> Visitor:
    """One more connection of the same guest, that has said hello."""
    visitor = worker.connect()
    await visitor.ask("hello", guest=first.heard[0]["guest"])
    return visitor


async def test_one_too_many_on_a_worker_is_refused() -> None:
    """With 4505, and those that were there stay; another person comes in."""
    worker = Worker(most_of_user=2)
    first = await worker.visitor("Ada")
    second, third = await again(worker, first), await again(worker, first)
    assert (third.heard[0]["type"], third.heard[0]["code"], third.code) == ("error", "forbidden", TOO_MANY)
    assert (first.code, second.code) == (None, None)
    assert worker.counters.limit_connections_per_user == 1
    assert (await worker.visitor("Bob")).code is None


async def test_there_is_room_again_when_one_has_gone() -> None:
    """However it went."""
    worker = Worker(most_of_user=2)
    first = await worker.visitor("Ada")
    second = await again(worker, first)
    second.transport.abort()
    await until_async(lambda: len(worker.connections.open) == 1, "it is gone")
    assert (await again(worker, first)).heard[0]["type"] == "welcome"


async def test_connections_on_all_workers_count() -> None:
    """The one that is too many is closed, on whichever worker it is."""
    here, there = await two_workers(most=4)
    first = await here.visitor("Ada")
    kept = [await again(worker, first) for worker in (here, there, there)]
    last = await again(there, first)
    await until_async(lambda: last.code == TOO_MANY, "the last one is closed")
    assert [visitor.code for visitor in (first, *kept)] == [None] * 4
    assert there.counters.limit_connections_per_user == 1
    kept[0].transport.abort()
    await until_async(lambda: len(here.connections.open) == 1, "it is gone")
    more = await again(there, first)
    await here.idle()
    assert (await more.ask("ping"))["type"] == "pong"


async def test_whoever_has_one_on_each_worker_costs_nothing() -> None:
    """Which is nearly everybody."""
    here, there = await two_workers(most=4)
    first = await here.visitor("Ada")
    await again(there, first)
    assert here.kept_seats.calls == there.kept_seats.calls == 0


async def test_workers_that_are_dead_do_not_count() -> None:
    """What they have written stays for a while."""
    here, there = await two_workers(most=3)
    first = await here.visitor("Ada")
    await again(here, first)
    here.store.leases.discard(here.rosters.worker)
    for _ in range(20):
        there.clock.pass_(1)
        there.presence.renewed(await there.rosters.renew(15))
    kept = [await again(there, first) for _ in range(3)]
    for visitor in kept:
        assert (await visitor.ask("ping"))["type"] == "pong"


async def test_while_redis_is_away_people_come_in() -> None:
    """Each worker keeps the limit for itself."""
    here, there = await two_workers(most=3)
    first = await here.visitor("Ada")
    await again(here, first)
    here.kept_seats.failure = there.kept_seats.failure = Unavailable("away")
    kept = [await again(there, first) for _ in range(3)]
    assert [(await visitor.ask("ping"))["type"] for visitor in kept] == ["pong"] * 3
    assert (await again(there, first)).code == TOO_MANY


async def test_without_a_limit_nothing_is_counted() -> None:
    """0 is none."""
    worker = Worker()
    first = await worker.visitor("Ada")
    for _ in range(20):
        assert (await again(worker, first)).code is None
    assert worker.kept_seats.calls == 0
