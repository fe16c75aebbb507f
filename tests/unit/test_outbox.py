"""Bounded writes, joined replies, and the verdict on a slow peer."""

from __future__ import annotations

import asyncio

import pytest

from app.deadlines import Deadlines
from app.outbox import LARGE_BYTES, Outbox, OutboxLimits, OutboxPool
from tests.fakes.loop import Clock, Loop
from tests.fakes.transport import Transport

LIMITS = OutboxLimits(soft_bytes=100, grace_seconds=2.0, hard_bytes=500)
OWED = OutboxLimits(soft_bytes=LARGE_BYTES, grace_seconds=2.0, hard_bytes=100 * LARGE_BYTES, owed_bytes=3 * LARGE_BYTES)


class Owner:
    """Who is told that the peer is too slow; passes the transport's signals on as a connection does."""

    def __init__(self, bench: Bench) -> None:
        self.transport = Transport(bench.loop)
        self.transport.set_protocol(self)
        self.outbox = Outbox(self.transport, bench.pool, self)
        self.verdicts = 0

    def too_slow(self) -> None:
        self.verdicts += 1
        self.outbox.close()

    def pause_writing(self) -> None:
        self.outbox.pause()

    def resume_writing(self) -> None:
        self.outbox.resume()


class Bench:
    """Two peers of one worker."""

    def __init__(self, limits: OutboxLimits = LIMITS) -> None:
        self.clock, self.loop = Clock(), Loop()
        self.deadlines = Deadlines(self.clock)
        self.pool = OutboxPool(self.loop, self.deadlines, limits)  # type: ignore[arg-type]
        self.one, self.two = Owner(self), Owner(self)

    def later(self, seconds: float) -> None:
        """Let time pass and sweep."""
        self.clock.pass_(seconds)
        self.deadlines.sweep()


@pytest.fixture
def bench() -> Bench:
    """Two peers that read everything."""
    return Bench()


def test_a_broadcast_is_written_at_once(bench: Bench) -> None:
    """Without waiting for the end of the turn."""
    bench.one.outbox.write(b"now")
    assert bench.one.transport.writes == [b"now"]


def test_the_replies_of_a_turn_leave_in_one_write(bench: Bench) -> None:
    """Each peer's own, in order, when the turn is over."""
    for part in (b"a", b"b", b"c"):
        bench.one.outbox.reply(part)
        bench.two.outbox.reply(part * 2)
    assert bench.one.transport.writes == []
    bench.loop.turn()
    assert bench.one.transport.writes == [b"abc"]
    assert bench.two.transport.writes == [b"aabbcc"]


def test_a_broadcast_takes_waiting_replies_along(bench: Bench) -> None:
    """In the order in which they were given, and nothing twice."""
    bench.one.outbox.reply(b"reply ")
    bench.one.outbox.write(b"broadcast")
    bench.one.outbox.reply(b" later")
    bench.loop.run()
    assert bench.one.transport.writes == [b"reply broadcast", b" later"]


def test_flush_writes_what_waits_and_nothing_else(bench: Bench) -> None:
    """With nothing waiting nothing is written."""
    bench.one.outbox.flush()
    bench.one.outbox.reply(b"a")
    bench.one.outbox.flush()
    bench.loop.run()
    assert bench.one.transport.writes == [b"a"]


def test_nothing_leaves_after_close(bench: Bench) -> None:
    """Neither what waits nor what comes; and nobody is blamed for it."""
    bench.one.outbox.reply(b"waits")
    bench.one.outbox.close()
    bench.one.outbox.write(b"comes")
    bench.one.outbox.reply(b"comes too")
    bench.loop.run()
    bench.later(60)
    assert (bench.one.transport.writes, bench.one.verdicts, bench.one.outbox.bytes_behind) == ([], 0, 0)
    assert len(bench.deadlines) == 0


def test_a_peer_that_takes_nothing_in_the_grace_time_is_cut(bench: Bench) -> None:
    """Once, and the other peer notices nothing."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    bench.two.outbox.write(bytes(101))
    bench.later(1.9)
    assert bench.one.verdicts == 0
    bench.later(0.1)
    bench.later(10)
    assert (bench.one.verdicts, bench.two.verdicts, bench.pool.cut) == (1, 0, 1)


def test_a_peer_below_the_soft_limit_is_never_judged(bench: Bench) -> None:
    """A few bytes that are not taken yet are no offence."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(100))
    bench.later(60)
    assert (bench.one.verdicts, bench.one.outbox.bytes_behind) == (0, 100)


def test_a_peer_that_catches_up_has_a_clean_record(bench: Bench) -> None:
    """Being slow again later starts a new grace time."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    assert bench.pool.behind == {bench.one.outbox}
    bench.later(1.9)
    bench.one.transport.take()
    assert bench.pool.behind == set()
    assert len(bench.deadlines) == 0
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    bench.later(1.9)
    assert bench.one.verdicts == 0
    bench.later(0.1)
    assert bench.one.verdicts == 1


def test_a_peer_that_takes_a_part_gets_more_time(bench: Bench) -> None:
    """As long as it owes less at each judgement than at the one before."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(300))
    for _ in range(3):
        bench.one.transport.take(20)
        bench.later(2.0)
        assert bench.one.verdicts == 0
    bench.later(2.0)
    assert bench.one.verdicts == 1


def test_a_peer_over_the_hard_limit_is_cut_at_once(bench: Bench) -> None:
    """The write that would go over it is not made."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    bench.one.outbox.write(bytes(399))
    assert (bench.one.verdicts, bench.one.outbox.bytes_behind) == (0, 500)
    bench.one.outbox.write(b"x")
    assert (bench.one.verdicts, bench.one.transport.get_write_buffer_size()) == (1, 500)


def test_replies_count_for_the_hard_limit_too(bench: Bench) -> None:
    """A peer cannot fill the buffer by asking without reading."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    for _ in range(50):
        bench.one.outbox.reply(bytes(10))
    bench.loop.run()
    assert bench.one.verdicts == 1


async def test_draining_waits_until_the_peer_has_caught_up(bench: Bench) -> None:
    """What waits is written first; a peer that is not behind is not waited for."""
    bench.one.outbox.reply(b"reply")
    await bench.one.outbox.drained()
    assert bench.one.transport.writes == [b"reply"]
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    waiting = [asyncio.ensure_future(bench.one.outbox.drained()) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    bench.one.transport.take()
    await asyncio.gather(*waiting)


async def test_draining_ends_with_the_outbox(bench: Bench) -> None:
    """Nobody waits for a peer that was cut."""
    bench.one.transport.deaf = True
    bench.one.outbox.write(bytes(101))
    waiting = asyncio.ensure_future(bench.one.outbox.drained())
    await asyncio.sleep(0)
    bench.later(2.0)
    await waiting
    assert bench.one.verdicts == 1
    await bench.one.outbox.drained()


def answered(bench: Bench, owner: Owner, size: int = 2 * LARGE_BYTES) -> None:
    """A peer that reads nothing gets a large answer."""
    owner.transport.deaf = True
    owner.outbox.reply(bytes(size))
    bench.loop.run()


def test_who_owes_longest_is_cut_where_all_owe_too_much() -> None:
    """Also one that takes a little now and then; what it has not taken is let go of at once."""
    bench = Bench(OWED)
    answered(bench, bench.one)
    for _ in range(5):
        bench.one.transport.take(10)
        bench.later(2.0)
    assert bench.one.verdicts == 0
    answered(bench, bench.two)
    bench.later(1.1)
    assert (bench.one.verdicts, bench.two.verdicts, bench.pool.cut) == (1, 0, 1)
    assert bench.one.transport.get_write_buffer_size() == 0


def test_who_takes_its_answer_in_a_moment_owes_nothing() -> None:
    """However much was asked for at once."""
    bench = Bench(OWED)
    for owner in (bench.one, bench.two):
        answered(bench, owner)
    for owner in (bench.one, bench.two):
        owner.transport.take()
    for owner in (bench.one, bench.two) * 10:
        owner.outbox.reply(bytes(2 * LARGE_BYTES))
    bench.loop.run()
    bench.later(1.1)
    assert bench.pool.cut == 0
    assert len(bench.deadlines) == 0


def test_broadcasts_are_not_owed() -> None:
    """Those who share one have the same bytes."""
    bench = Bench(OWED)
    for owner in (bench.one, bench.two):
        owner.transport.deaf = True
        owner.outbox.write(bytes(10 * LARGE_BYTES))
    bench.later(1.1)
    assert bench.pool.cut == 0


def test_nothing_is_owed_by_who_is_gone() -> None:
    """Or somebody else would be cut for it."""
    bench = Bench(OWED)
    answered(bench, bench.one)
    bench.one.outbox.close()
    answered(bench, bench.two)
    bench.later(1.1)
    assert bench.two.verdicts == 0


async def test_large_answers_wait_until_there_is_room() -> None:
    """Which there is as soon as the oldest debtor is cut, or has caught up."""
    bench = Bench(OWED)
    await bench.two.outbox.room()
    answered(bench, bench.one)
    answered(bench, bench.two)
    waiting = [asyncio.ensure_future(bench.two.outbox.room()) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    bench.later(1.1)
    await asyncio.gather(*waiting)
