"""Presence over several workers in one process: what is written, read and pushed, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.ledger import RETRY_SECONDS, WRITE_SECONDS
from app.presence import PUSH_SECONDS, Patience
from app.protocol.codes import CloseCode
from tests.fakes.broker import MemoryStore
from tests.fakes.wire import close
from tests.fakes.worker import PATIENCE, Visitor, Worker


async def settle(*workers: Worker, seconds: float = 2.0) -> None:
    """Time passes until all is written, heard and pushed; leases are renewed on the way."""
    for _ in range(int(seconds / 0.1)):
        for worker in workers:
            if worker.rosters.up:
                worker.presence.renewed(await worker.rosters.renew(15.0))
            worker.clock.pass_(0.1)
            await worker.presence.sweep()
        await asyncio.sleep(0)


async def join(worker: Worker, name: str, room: str = "lobby", **hello: Any) -> Visitor:
    """One who has joined; `joined` is kept as the visitor's attribute."""
    visitor = await worker.visitor(name, **hello)
    assert (await visitor.ask("join", room=room))["type"] == "joined"
    return visitor


def seen(visitor: Visitor) -> list[str]:
    """The names of those whom a client knows to be there now."""
    people: dict[str, str] = {}
    members = 0
    for message in visitor.heard:
        if message["type"] in ("joined", "presence"):
            if "presence" in message:
                people = {person["user"]: person["name"] for person in message["presence"]}
            if message["type"] == "presence":
                people.update({person["user"]: person["name"] for person in message.get("joined", [])})
                for user in message.get("left", []):
                    people.pop(user, None)
                if not {"joined", "left", "presence"} & message.keys():
                    people = {}
            members = message["members"]
    assert not people or len(people) == members
    return sorted(people.values())


def pushes(visitor: Visitor) -> int:
    """How many pushes about people it got."""
    return sum(push["type"] == "presence" for push in visitor.pushes)


@pytest.fixture
async def pair() -> tuple[Worker, Worker]:
    """Two workers that know of each other."""
    store = MemoryStore()
    here, there = Worker(store), Worker(store)
    await settle(here, there)
    return here, there


Pair = tuple[Worker, Worker]


async def test_who_joins_is_told_who_is_there(pair: Pair) -> None:
    """On all workers, at once."""
    here, there = pair
    await join(here, "Ada")
    await join(there, "Bob")
    await settle(here, there)
    cyd = await join(there, "Cyd")
    assert seen(cyd) == ["Ada", "Bob", "Cyd"]
    assert pushes(cyd) == 0


async def test_joins_and_leaves_reach_members_of_all_workers(pair: Pair) -> None:
    """In time for what is promised: a write and a push may each wait for their turn."""
    here, there = pair
    ada = await join(here, "Ada")
    bob = await join(there, "Bob")
    await settle(here, there)
    assert seen(ada) == seen(bob) == ["Ada", "Bob"]
    await bob.ask("leave", room="lobby")
    await settle(here, there, seconds=WRITE_SECONDS + PUSH_SECONDS + 0.2)
    assert seen(ada) == ["Ada"]


async def test_many_changes_are_few_writes_and_pushes(pair: Pair) -> None:
    """A hundred who join within a second cost two or three of each."""
    here, there = pair
    ada = await join(here, "Ada", "hall")
    bob = await join(there, "Bob", "hall")
    await settle(here, there)
    before = here.counters.roster_writes, pushes(ada), pushes(bob)
    for _ in range(10):
        for _ in range(10):
            await join(here, "X", "hall")
        await settle(here, there, seconds=0.1)
    await settle(here, there)
    assert here.counters.roster_writes - before[0] <= 4
    assert pushes(ada) - before[1] <= 3
    assert pushes(bob) - before[2] <= 3
    assert (ada.heard[-1]["members"], bob.heard[-1]["members"]) == (102, 102)


async def test_a_close_with_1000_is_a_leave_and_any_other_has_its_grace(pair: Pair) -> None:
    """A browser that is closed says 1001, and so does one that is reloaded."""
    here, there = pair
    ada = await join(here, "Ada")
    leaver, reloader, lost = await join(here, "Cyd"), await join(here, "Dan"), await join(here, "Eve")
    await settle(here, there)
    leaver.transport.receive(close(CloseCode.BYE))
    reloader.transport.receive(close(CloseCode.GOING_AWAY))
    lost.vanish()
    await asyncio.sleep(0)
    await settle(here, there)
    assert seen(ada) == ["Ada", "Dan", "Eve"]
    await settle(here, there, seconds=PATIENCE.grace_seconds)
    assert seen(ada) == ["Ada"]


async def test_who_comes_back_in_time_was_never_away(pair: Pair) -> None:
    """Here or on another worker; nobody hears of it."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(here, "Bob")
    await settle(here, there)
    before = pushes(ada)
    token = next(message for message in bob.heard if message["type"] == "welcome")["guest"]
    bob.vanish()
    await asyncio.sleep(0)
    await settle(here, there, seconds=5)
    again = await join(there, "Bob", guest=token)
    await settle(here, there, seconds=PATIENCE.grace_seconds)
    assert (pushes(ada), seen(ada), seen(again)) == (before, ["Ada", "Bob"], ["Ada", "Bob"])


async def test_a_dead_workers_people_vanish_with_its_lease(pair: Pair) -> None:
    """And only those."""
    here, there = pair
    ada, _ = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    here.store.leases.discard(there.rosters.worker)
    await settle(here)
    assert seen(ada) == ["Ada"]
    assert here.counters.workers_lost == 1


async def test_an_outage_takes_nobody_away_and_what_happened_meanwhile_is_told_after_it(pair: Pair) -> None:
    """Also where Redis has lost everything."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    for worker in pair:
        worker.rosters.up = False
    here.store.leases.clear()
    here.store.rosters.clear()
    cyd = await join(there, "Cyd")
    await settle(here, there, seconds=20)
    assert (seen(ada), seen(cyd)) == (["Ada", "Bob"], ["Ada", "Bob", "Cyd"])
    before = len(ada.pushes)
    for worker in pair:
        worker.rosters.up = True
    await settle(here, there, seconds=4)
    assert seen(ada) == seen(bob) == seen(cyd) == ["Ada", "Bob", "Cyd"]
    assert not any(push.get("left") for push in ada.pushes[before:])


async def test_a_restart_is_seen_by_the_subscriber_first(pair: Pair) -> None:
    """What Redis has lost is not believed, neither compared nor read, before the other worker has written it again."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there, seconds=4)
    here.store.leases.clear()
    here.store.rosters.clear()
    here.presence.subscribed_again()
    watch = here.presence._watches["lobby"]
    await here.presence.compare_all()
    watch.unread = frozenset({there.rosters.worker})
    here.presence._touch(watch)
    before = len(here.rosters.calls)
    await settle(here, seconds=4)
    assert ("read", "lobby") in here.rosters.calls[before:]
    assert seen(ada) == ["Ada", "Bob"]
    await settle(here, there)
    assert here.store.rosters["lobby", there.rosters.worker].people == {bob.member.user: "Bob"}
    await bob.ask("leave", room="lobby")
    await settle(here, there)
    assert seen(ada) == ["Ada"]


async def test_a_redis_that_has_lost_its_last_second_is_not_believed(pair: Pair) -> None:
    """What it holds is older than what was heard."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there, seconds=4)
    older = here.store.rosters["lobby", there.rosters.worker]
    cyd = await join(there, "Cyd")
    await settle(here, there)
    here.store.rosters["lobby", there.rosters.worker] = older
    here.rosters.up = False
    watch = here.presence._watches["lobby"]
    watch.unread = frozenset({there.rosters.worker})
    here.presence._touch(watch)
    await here.presence.sweep()
    here.rosters.up = True
    await here.presence.sweep()
    here.presence.subscribed_again()
    await settle(here, seconds=2)
    assert seen(ada) == ["Ada", "Bob", "Cyd"]
    await there.presence.compare_all()
    await settle(here, there, seconds=4)
    assert seen(ada) == seen(bob) == seen(cyd) == ["Ada", "Bob", "Cyd"]
    assert not any(push.get("left") for push in ada.pushes)


async def test_a_change_of_what_redis_has_lost_is_written_as_a_whole(pair: Pair) -> None:
    """Who reads the roster finds all who are there, not only who came last."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    here.store.rosters.clear()
    cyd = await join(here, "Cyd")
    await settle(here, there)
    people = {ada.member.user: "Ada", cyd.member.user: "Cyd"}
    assert here.store.rosters["lobby", here.rosters.worker].people == people
    assert seen(bob) == ["Ada", "Bob", "Cyd"]


async def test_a_write_that_may_be_lost_is_made_good(pair: Pair) -> None:
    """The whole roster is written anew."""
    here, there = pair
    ada = await join(here, "Ada")
    await settle(here, there)
    there.rosters.losing = True
    await join(there, "Bob")
    await settle(here, there)
    assert seen(ada) == ["Ada"]
    there.rosters.losing = False
    await settle(here, there, seconds=RETRY_SECONDS + PUSH_SECONDS + 0.3)
    assert seen(ada) == ["Ada", "Bob"]


async def test_a_change_that_was_not_heard_is_found(pair: Pair) -> None:
    """By the next one; after the subscriber was away, by comparing."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    here.subscriber.lose()
    await join(there, "Cyd")
    await settle(here, there)
    here.subscriber.come_back()
    assert seen(ada) == ["Ada", "Bob"]
    await join(there, "Dan")
    await settle(here, there)
    assert seen(ada) == ["Ada", "Bob", "Cyd", "Dan"]
    here.subscriber.lose()
    await bob.ask("leave", room="lobby")
    await settle(here, there)
    here.subscriber.come_back()
    await here.presence.compare_all()
    await settle(here, there)
    assert seen(ada) == ["Ada", "Cyd", "Dan"]


async def test_a_roster_that_redis_has_lost_is_written_again(pair: Pair) -> None:
    """By its own worker, when it compares; the others do not take the loss for a leave."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there, seconds=4)
    here.store.rosters.clear()
    await there.presence.compare_all()
    await settle(here, there)
    assert here.store.rosters["lobby", there.rosters.worker].people == {bob.member.user: "Bob"}
    assert seen(ada) == ["Ada", "Bob"]


async def test_a_member_behind_is_told_everything_when_it_has_caught_up(pair: Pair) -> None:
    """It is spared the pushes meanwhile; what it missed does not stay wrong."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(here, "Bob")
    await settle(here, there)
    bob.transport.deaf = True
    bob.connection.outbox.write(b"\x82\x7f" + (300_000).to_bytes(8, "big") + b"x" * 300_000)
    assert bob.member.behind
    cyd = await join(there, "Cyd")
    await settle(here, there)
    await join(there, "Dan")
    await cyd.ask("leave", room="lobby")
    await settle(here, there)
    assert (seen(ada), len(bob.transport.writes[-1])) == (["Ada", "Bob", "Dan"], 300_010)
    bob.transport.take()
    await settle(here, there)
    assert seen(bob) == ["Ada", "Bob", "Dan"]
    assert "presence" in bob.pushes[-1]


async def test_a_large_room_is_counted_and_named_again_when_small(pair: Pair) -> None:
    """On all workers, whoever leaves."""
    here, there = pair
    ada = await join(here, "A0")
    others = [await join(there if number % 2 else here, f"A{number}") for number in range(1, 8)]
    await settle(here, there)
    assert seen(ada) == []
    assert ada.pushes[-1] == {"type": "presence", "room": "lobby", "members": 8}
    for visitor in others[:4]:
        await visitor.ask("leave", room="lobby")
    await settle(here, there, seconds=3)
    assert seen(ada) == seen(others[-1]) == ["A0", "A5", "A6", "A7"]


async def test_rooms_that_nobody_is_in_are_forgotten(pair: Pair) -> None:
    """Here, and in Redis; those whose grace runs are still there."""
    here, there = pair
    ada, bob = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    ada.vanish()
    await asyncio.sleep(0)
    here.later(11.0)
    here.later(11.0)
    assert here.hub.get("lobby") is None
    await settle(here, there)
    assert (here.presence.count("lobby"), len(here.store.rosters)) == (None, 1)
    assert seen(bob) == ["Bob"]
    assert len(here.presence) == 0


async def test_a_room_opened_again_within_the_grace_knows_everybody(pair: Pair) -> None:
    """Who is away for a moment, and who is elsewhere."""
    here, there = Worker(pair[0].store, patience=Patience(5, 60.0, 15.0)), pair[1]
    await settle(here, there)
    ada, _ = await join(here, "Ada"), await join(there, "Bob")
    await settle(here, there)
    ada.vanish()
    await asyncio.sleep(0)
    here.later(11.0)
    assert here.hub.get("lobby") is None
    await settle(here, there)
    cyd = await join(here, "Cyd")
    assert seen(cyd) == ["Ada", "Bob", "Cyd"]


async def test_a_worker_that_goes_gives_its_people_time_to_come_back(pair: Pair) -> None:
    """Its lease is let end, and not renewed any more."""
    here, _ = pair
    await here.presence.release()
    assert here.rosters.worker not in here.store.leases
    async with asyncio.timeout(1):
        await here.presence.keep_lease()
    assert here.rosters.worker not in here.store.leases
