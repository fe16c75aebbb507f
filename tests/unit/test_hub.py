"""Rooms are opened with their first member and closed a while after the last."""

from __future__ import annotations

import asyncio

import pytest

from app import hub as module
from app.backplane import keys
from app.errors import NotConfirmed, Unavailable
from app.hub import LINGER_SECONDS, SHRINK_SECONDS
from app.room import RECENT_BYTES, RECENT_EVENTS
from tests.fakes.sent import Sent
from tests.fakes.worker import Worker
from tests.support import until_async

CHANNEL = keys.events("lobby")


class Client:
    """Somebody in a room."""

    def write(self, data: bytes) -> None:
        """Nobody looks."""


async def test_a_rooms_first_member_subscribes_and_the_next_do_not() -> None:
    """One subscription and one log read a room, however many enter, at once or one after the other."""
    worker = Worker()
    rooms = await asyncio.gather(*(worker.hub.enter("lobby") for _ in range(20)))
    rooms.append(await worker.hub.enter("lobby"))
    assert len({id(room) for room in rooms}) == 1
    assert (worker.subscriber.asked, worker.broker.reads) == ([CHANNEL], ["lobby"])
    assert worker.hub.entered("lobby") is worker.hub.get("lobby") is rooms[0]
    assert worker.hub.chats == {CHANNEL: rooms[0]}


async def test_the_log_is_read_after_the_subscription_is_confirmed() -> None:
    """An event in between is then seen twice, never zero times."""
    worker = Worker()
    worker.subscriber.prompt = False
    entering = asyncio.ensure_future(worker.hub.enter("lobby"))
    await until_async(lambda: worker.subscriber.asked, "it subscribes")
    assert worker.broker.reads == []
    assert worker.hub.entered("lobby") is None
    worker.subscriber.confirm(CHANNEL)
    assert (await entering).settled


async def test_a_room_lingers_after_its_last_member() -> None:
    """Whoever comes back in time finds it open; after LINGER_SECONDS it is closed."""
    worker = Worker()
    room = await worker.hub.enter("lobby")
    client = Client()
    room.join(client)
    worker.later(10 * LINGER_SECONDS)
    worker.hub.leave(client, room)
    worker.later(LINGER_SECONDS - 0.1)
    assert worker.hub.get("lobby") is room
    room.join(client)
    worker.later(10 * LINGER_SECONDS)
    assert worker.hub.get("lobby") is room
    worker.hub.leave(client, room)
    worker.later(LINGER_SECONDS)
    assert (worker.hub.get("lobby"), worker.hub.chats, worker.subscriber.active) == (None, {}, set())


async def test_a_room_that_nobody_joined_after_all_is_closed() -> None:
    """Opening alone keeps it no longer than leaving does."""
    worker = Worker()
    await worker.hub.enter("lobby")
    worker.later(LINGER_SECONDS)
    assert worker.hub.get("lobby") is None


async def test_a_room_being_read_is_not_closed() -> None:
    """The reader would go on with a room that no longer hears anything."""
    worker = Worker()
    room = await worker.hub.enter("lobby")
    worker.broker.gate.clear()
    refreshing = asyncio.ensure_future(worker.hub.refresh(room))
    await until_async(lambda: len(worker.broker.reads) == 2, "it reads")
    worker.later(LINGER_SECONDS)
    assert worker.hub.get("lobby") is room
    worker.broker.gate.set()
    await refreshing
    worker.later(LINGER_SECONDS)
    assert worker.hub.get("lobby") is None


async def test_a_room_with_a_gap_is_settled_before_it_is_entered() -> None:
    """Whoever enters gets a position that is up to date."""
    worker = Worker()
    room = await worker.hub.enter("lobby")
    worker.subscriber.active.clear()
    await Sent().through(worker.broker, "lobby")
    worker.relay.gap(room)
    assert worker.hub.entered("lobby") is None
    assert (await worker.hub.enter("lobby")).at.seq == 1


@pytest.mark.parametrize("failure", [Unavailable("no"), NotConfirmed("perhaps")])
async def test_a_failed_opening_leaves_no_trace(failure: Exception) -> None:
    """Neither room nor subscription, whether Redis does not subscribe or does not read; the next try is a new one."""
    worker = Worker()
    worker.broker.failure = failure  # type: ignore[assignment]
    with pytest.raises(type(failure)):
        await worker.hub.enter("lobby")
    assert (worker.hub.get("lobby"), worker.hub.chats, worker.subscriber.active) == (None, {}, set())
    worker.broker.failure = None
    worker.subscriber.up = False
    with pytest.raises(Unavailable):
        await worker.hub.enter("lobby")
    assert worker.hub.chats == {}
    worker.subscriber.up = True
    assert (await worker.hub.enter("lobby")).settled


async def test_an_opening_given_up_leaves_no_trace() -> None:
    """A cancelled one too, and the next in the queue opens the room anew."""
    worker = Worker()
    worker.broker.gate.clear()
    first = asyncio.ensure_future(worker.hub.enter("lobby"))
    await until_async(lambda: worker.broker.reads, "it reads")
    second = asyncio.ensure_future(worker.hub.enter("lobby"))
    await asyncio.sleep(0)
    first.cancel()
    worker.broker.gate.set()
    room = await second
    assert worker.hub.get("lobby") is room
    assert worker.subscriber.active == {CHANNEL}


async def test_all_who_refresh_at_once_share_a_read() -> None:
    """One read for the first, whose read the others come too late for, and one for all of them."""
    worker = Worker()
    room = await worker.hub.enter("lobby")
    before = len(worker.broker.reads)
    await asyncio.gather(*(worker.hub.refresh(room) for _ in range(50)))
    assert len(worker.broker.reads) - before == 2
    await worker.hub.refresh(room)
    assert len(worker.broker.reads) - before == 3


async def test_a_refresh_finds_what_the_worker_has_not_heard() -> None:
    """The room's position is then at least what the log had when it was asked for."""
    worker = Worker()
    room = await worker.hub.enter("lobby")
    worker.subscriber.active.clear()
    await Sent().through(worker.broker, "lobby")
    assert room.at.seq == 0
    await worker.hub.refresh(room)
    assert room.at.seq == 1


async def test_all_who_reach_back_at_once_share_a_read_for_a_while() -> None:
    """The events read stay at hand for those who come next, and go when nobody has asked for SHRINK_SECONDS."""
    worker = Worker()
    for _ in range(400):
        worker.broker.publish("lobby", Sent())
    room = await worker.hub.enter("lobby")
    opened = len(worker.broker.reads)
    await asyncio.gather(*(worker.hub.reach_back(room, 50) for _ in range(50)))
    assert len(worker.broker.reads) == opened + 1
    worker.later(SHRINK_SECONDS - 0.1)
    assert room.recent_first == 50
    await worker.hub.reach_back(room, 60)
    worker.later(SHRINK_SECONDS - 0.1)
    assert room.recent_first == 50
    worker.later(0.1)
    assert room.recent_first > 200
    assert len(worker.broker.reads) == opened + 1


async def test_feeds_are_opened_and_closed_in_the_same_way() -> None:
    """Without a log; a chat of the same name is another room."""
    worker = Worker()
    channel = keys.feed("lobby")
    chat = await worker.hub.enter("lobby")
    feeds = await asyncio.gather(*(worker.hub.enter_feed("lobby") for _ in range(5)))
    (feed,) = set(feeds)
    assert feed is not chat
    assert worker.subscriber.asked == [CHANNEL, channel]
    client = Client()
    feed.join(client)
    worker.later(LINGER_SECONDS)
    assert worker.hub.feeds == {channel: feed}
    worker.hub.leave_feed(client, feed)
    worker.later(LINGER_SECONDS)
    assert (worker.hub.feeds, worker.subscriber.active) == ({}, set())


async def test_a_feed_being_entered_is_not_closed() -> None:
    """Whoever enters while it lingers is not left in a feed that hears nothing."""
    worker = Worker()
    feed = await worker.hub.enter_feed("lobby")
    async with worker.hub.lock("lobby"):
        worker.later(LINGER_SECONDS)
        assert worker.hub.feeds == {keys.feed("lobby"): feed}
    worker.later(LINGER_SECONDS)
    assert worker.hub.feeds == {}


async def test_a_feed_that_cannot_be_heard_is_refused_and_goes_away() -> None:
    """Nobody is told to be in a feed that hears nothing."""
    worker = Worker()
    worker.subscriber.up = False
    with pytest.raises(Unavailable):
        await worker.hub.enter_feed("lobby")
    worker.later(LINGER_SECONDS)
    assert worker.hub.feeds == {}


async def test_rooms_reached_back_in_keep_no_more_than_is_allowed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked for longest ago lets go first, before its time."""
    monkeypatch.setattr(module, "STRETCHED_BYTES", 8 * RECENT_BYTES)
    worker = Worker()
    rooms = []
    for name in ("a", "b", "c"):
        for _ in range(2 * RECENT_EVENTS):
            await Sent(text="x" * (4 * RECENT_BYTES // (2 * RECENT_EVENTS))).through(worker.broker, name)
        rooms.append(await worker.hub.enter(name))
        await worker.hub.reach_back(rooms[-1], 1)
    assert [room.recent_bytes > RECENT_BYTES for room in rooms] == [False, False, True]
    assert sum(room.recent_bytes for room in rooms) < 8 * RECENT_BYTES
    await worker.hub.reach_back(rooms[0], 1)
    assert rooms[0].recent_first == 1
    worker.later(SHRINK_SECONDS + 1)
    assert max(room.recent_bytes for room in rooms) <= RECENT_BYTES
