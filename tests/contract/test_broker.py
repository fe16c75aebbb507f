"""The guarantees of every broker, in the order in which app/backplane/broker.py states them."""

from __future__ import annotations

import asyncio
import random

import pytest

from app.backplane.broker import Broker
from app.events import Batch, Position, head
from tests.contract.stage import Stage
from tests.fakes.sent import Sent
from tests.support import until_async


async def fill(broker: Broker, room: str, count: int, at_once: int = 1) -> list[Sent]:
    """Store some events, so many in each turn, by three senders in turns."""
    sent: list[Sent] = []
    while len(sent) < count:
        some = [Sent(sender=f"u{number % 3}/s") for number in range(min(at_once, count - len(sent)))]
        for one in some:
            broker.publish(room, one)
        for one in some:
            await one.answered()
        sent += some
    return sent


AT_ONCE = pytest.mark.parametrize("at_once", [1, 7, 50])


def cid_of(event: bytes) -> str:
    """The cid in a stored event."""
    return event.split(b'"cid":"')[1].split(b'"')[0].decode()


# 1. One sequence


async def test_seqs_begin_at_1_and_have_no_holes(stage: Stage, room: str) -> None:
    """Each change is the next event of its room, with a mid of its own and the time of its storing."""
    broker = await stage.broker()
    sent = await fill(broker, room, 20)
    assert [one.seq for one in sent] == list(range(1, 21))
    assert not any(one.dup for one in sent)
    assert len({one.confirmed[1] for one in sent}) == 20
    times = [one.confirmed[2] for one in sent]
    assert times == sorted(times)
    assert min(times) > 1_700_000_000_000


async def test_many_workers_make_one_sequence(stage: Stage, room: str) -> None:
    """Concurrent callers on several brokers, several rooms, bursts and single changes: no hole, nothing twice."""
    brokers = [await stage.broker() for _ in range(4)]
    rooms = [room, room + "-b"]
    heard = {name: await stage.hear(name) for name in rooms}
    sent: dict[str, list[list[Sent]]] = {name: [] for name in rooms}

    async def caller(broker: Broker, name: str, number: int) -> None:
        mine: list[Sent] = []
        sent[name].append(mine)
        for burst in (1, 7, 120, 1, 30, 3):
            for _ in range(burst):
                mine.append(Sent(f"{number}-{len(mine)}", sender=f"u{number}/s"))
                broker.publish(name, mine[-1])
            if number % 2:
                await mine[-1].answered()
            else:
                await asyncio.sleep(0)

    await asyncio.gather(*(caller(broker, name, n) for n, broker in enumerate(brokers * 2) for name in rooms))
    for name in rooms:
        everything = [one for mine in sent[name] for one in mine]
        for one in everything:
            await one.answered()
        total = len(everything)
        assert sorted(one.seq for one in everything) == list(range(1, total + 1))
        log = await stage.log(name)
        assert [head(event).seq for event in log] == list(range(1, total + 1))
        for one in everything:
            assert head(log[one.seq - 1]) == one.confirmed[:3]
            assert cid_of(log[one.seq - 1]) == one.cid
        await until_async(lambda name=name, n=total: sum(_size(p) for p in heard[name]) == n, "all are published")
        _is_the_log(heard[name], log)


def _size(publication: bytes) -> int:
    return len(Batch.parse(publication).payloads)


def _is_the_log(publications: list[bytes], log: list[bytes]) -> None:
    """Publications, in the order in which they came, follow each other and say what the log says."""
    previous = Position("", 0, "")
    events: list[bytes] = []
    for publication in publications:
        batch = Batch.parse(publication)
        assert (batch.first, batch.previous) == (previous.seq + 1, previous.mid)
        assert previous.epoch in ("", batch.epoch)
        previous = batch.position
        assert head(batch.payloads[-1])[:2] == (batch.last, batch.last_mid)
        events += batch.payloads
    assert events == log


async def test_rooms_have_sequences_of_their_own(stage: Stage, room: str) -> None:
    """What happens in one room does not count in another."""
    broker = await stage.broker()
    await fill(broker, room, 5)
    assert [one.seq for one in await fill(broker, room + "-b", 2)] == [1, 2]


# 2. Stored means in the log, and published


async def test_a_stored_event_is_in_the_log_and_was_published(stage: Stage, room: str) -> None:
    """Head as confirmed, body as given, byte for byte the same in both places."""
    broker = await stage.broker()
    heard = await stage.hear(room)
    text = 'q\\"uote \\n é \U0001f600 %s %d {}'
    one = await Sent("c-1", text=text).through(broker, room)
    seq, mid, ts, _ = one.confirmed
    expected = b'{"seq":%d,"mid":"%s","ts":%d' % (seq, mid.encode(), ts) + one.body
    assert await stage.log(room) == [expected]
    await until_async(lambda: heard, "it is published")
    assert Batch.parse(heard[0]).payloads == [expected]


async def test_a_duplicate_is_not_published(stage: Stage, room: str) -> None:
    """Retries alone publish nothing; among new changes only the new ones go out."""
    broker = await stage.broker()
    await Sent("a").through(broker, room)
    heard = await stage.hear(room)
    await Sent("a").through(broker, room)
    mixed = [Sent(cid) for cid in ("a", "b", "a", "c", "b")]
    for one in mixed:
        broker.publish(room, one)
    for one in mixed:
        await one.answered()
    assert [(one.seq, one.dup) for one in mixed] == [(1, True), (2, False), (1, True), (3, False), (2, True)]
    await until_async(lambda: heard, "the new ones are published")
    assert [_size(publication) for publication in heard] == [2]


# 3. One cid is one event


async def test_a_cid_again_is_confirmed_with_its_first_seq(stage: Stage, room: str) -> None:
    """With seq, mid and ts of the first time, on any broker, and nothing is stored."""
    one, other = await stage.broker(), await stage.broker()
    first = await Sent("a").through(one, room)
    await fill(one, room, 10)
    for broker in (one, other):
        again = await Sent("a").through(broker, room)
        assert again.confirmed == (*first.confirmed[:3], True)
    assert len(await stage.log(room)) == 11


async def test_many_workers_with_one_cid_make_one_event(stage: Stage, room: str) -> None:
    """Whoever is first stores it; the others learn its seq."""
    brokers = [await stage.broker() for _ in range(4)]
    tries = [Sent("same") for _ in range(40)]
    for number, one in enumerate(tries):
        brokers[number % 4].publish(room, one)
    for one in tries:
        await one.answered()
    assert {one.confirmed[:3] for one in tries} == {tries[0].confirmed[:3]}
    assert sorted(one.dup for one in tries) == [False] + [True] * 39
    assert len(await stage.log(room)) == 1


async def test_a_cid_belongs_to_its_sender_and_room(stage: Stage, room: str) -> None:
    """Others may use the same one, also senders whose names contain each other."""
    broker = await stage.broker()
    for number, sender in enumerate(["u1/s1", "u1/s2", "u2/s1", "u1/s", "u1", "1/s1", "u1/s1:"]):
        one = await Sent("a", sender=sender).through(broker, room)
        assert (one.seq, one.dup) == (number + 1, False)
    other = await Sent("a").through(broker, room + "-b")
    assert (other.seq, other.dup) == (1, False)


async def test_cids_that_contain_each_other_are_different(stage: Stage, room: str) -> None:
    """Prefixes, suffixes, digits that look like seqs, long ones that differ in the last place."""
    broker = await stage.broker()
    cids = ["a", "aa", "aaa", "a.a", "1", "11", "=1", ":1", "1:1", "0", "a=", ".", "x" * 64, "x" * 63 + "y", "y" * 5000]
    for number, cid in enumerate(cids):
        one = await Sent(cid).through(broker, room)
        assert (one.seq, one.dup) == (number + 1, False), cid
    for number, cid in enumerate(cids):
        one = await Sent(cid).through(broker, room)
        assert (one.seq, one.dup) == (number + 1, True), cid


@pytest.mark.parametrize("at_once", [1, 50])
async def test_the_last_64_cids_of_a_sender_are_known(stage: Stage, room: str, at_once: int) -> None:
    """However many there were before them, and with their true seqs."""
    broker = await stage.broker()
    sent: list[Sent] = []
    for total in (64, 65, 127, 128, 129, 130, 192, 193, 300):
        while len(sent) < total:
            some = [Sent(f"k{len(sent) + number}") for number in range(min(at_once, total - len(sent)))]
            for one in some:
                broker.publish(room, one)
            sent += some
            await sent[-1].answered()
        retries = [Sent(one.cid) for one in sent[-64:]]
        for one in retries:
            broker.publish(room, one)
        for one, first in zip(retries, sent[-64:], strict=True):
            await one.answered()
            assert one.confirmed == (*first.confirmed[:3], True)
    assert [one.seq for one in sent] == list(range(1, 301))


async def test_one_sender_does_not_push_out_anothers_cids(stage: Stage, room: str) -> None:
    """The window is each sender's own."""
    broker = await stage.broker()
    quiet = await Sent("mine", sender="quiet").through(broker, room)
    for number in range(300):
        broker.publish(room, Sent(f"n{number}", sender="loud"))
    again = await Sent("mine", sender="quiet").through(broker, room)
    assert again.confirmed == (*quiet.confirmed[:3], True)


@pytest.mark.parametrize("seed", range(5))
async def test_retries_and_new_changes_of_many_senders_in_one_turn_are_told_apart(
    stage: Stage, room: str, seed: int
) -> None:
    """Each answer is its own change's: the event at its seq has its cid, a retry has the seq of the first time."""
    dice = random.Random(seed)
    broker = await stage.broker()
    first: dict[str, Sent] = {}
    counts = dict.fromkeys(("ada", "bob", "eve"), 0)
    for _ in range(12):
        turn: list[Sent] = []
        for _ in range(dice.randrange(1, 80)):
            sender = dice.choice(list(counts))
            if dice.random() < 0.6 or not counts[sender]:
                counts[sender] += 1
                number = counts[sender]
            else:
                number = dice.randrange(max(1, counts[sender] - 30), counts[sender] + 1)
            turn.append(Sent(f"{sender}-{number}", sender))
            broker.publish(room, turn[-1])
        for one in turn:
            await one.answered()
            before = first.setdefault(one.cid, one)
            assert one.confirmed[:3] == before.confirmed[:3]
            assert one.dup is (before is not one)
    log = await stage.log(room)
    assert len(log) == len(first) == sum(counts.values())
    for cid, one in first.items():
        assert cid_of(log[one.seq - 1]) == cid
    for sender in counts:
        seqs = [first[f"{sender}-{number}"].seq for number in range(1, counts[sender] + 1)]
        assert seqs == sorted(seqs)


async def test_a_duplicate_that_is_no_longer_kept_is_still_one(stage: Stage, room: str) -> None:
    """Its event is trimmed, its seq is remembered; there is no mid to tell."""
    broker = await stage.broker(kept_events=10)
    await Sent("early", sender="slow").through(broker, room)
    await fill(broker, room, 150)
    again = await Sent("early", sender="slow").through(broker, room)
    assert again.confirmed == (1, "", 0, True)


# 4. One caller's order


async def test_changes_of_one_caller_keep_their_order(stage: Stage, room: str) -> None:
    """In one turn or in many, over the size of one call, and between others' changes."""
    mine, others = await stage.broker(), await stage.broker()
    sent = []
    for number in range(400):
        sent.append(Sent(sender="me"))
        mine.publish(room, sent[-1])
        others.publish(room, Sent(sender="them"))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await sent[-1].answered()
    seqs = [one.seq for one in sent]
    assert seqs == sorted(seqs)


# Reading


async def test_a_room_that_nobody_has_written_to_has_an_epoch(stage: Stage, room: str) -> None:
    """Made with the first read, the same for all readers, and kept by the first event."""
    one, other = await stage.broker(), await stage.broker()
    page = await one.latest(room, 10)
    assert (page.top.seq, page.top.mid, page.oldest, page.events) == (0, "", 1, [])
    assert page.top.epoch
    assert (await other.latest(room, 10)).top == page.top
    assert (await other.since(room, page.top, 10)).proved
    sent = await Sent().through(other, room)
    assert (await one.latest(room, 10)).top == Position(page.top.epoch, 1, sent.confirmed[1])
    assert (await one.since(room, page.top, 10)).proved


@AT_ONCE
async def test_latest_gives_the_last_events(stage: Stage, room: str, at_once: int) -> None:
    """As many as asked for, oldest first, with the room's position."""
    broker = await stage.broker()
    await fill(broker, room, 12, at_once)
    log = await stage.log(room)
    for limit in (0, 1, 5, 12, 99):
        page = await broker.latest(room, limit)
        assert page.events == (log[-limit:] if limit else [])
        assert (page.top.seq, page.top.mid, page.oldest) == (12, head(log[-1]).mid, 1)


@AT_ONCE
async def test_between_gives_events_from_a_seq_on(stage: Stage, room: str, at_once: int) -> None:
    """Up to the limit; beyond the end there is nothing, before the beginning what is kept first."""
    broker = await stage.broker()
    await fill(broker, room, 12, at_once)
    log = await stage.log(room)
    for first in range(1, 15):
        for limit in (0, 1, 4, 50):
            page = await broker.between(room, first, limit)
            assert page.events == log[first - 1 : first - 1 + limit]
            assert page.top.seq == 12
    assert (await broker.between(room, 2**53, 10)).events == []
    assert (await broker.between(room, 3, -1)).events == []


@AT_ONCE
async def test_a_position_is_proved_at_every_kept_seq(stage: Stage, room: str, at_once: int) -> None:
    """From the oldest to the last event, in a log that was trimmed and in one that was not, and nowhere else."""
    broker = await stage.broker(kept_events=20)
    for total in (15, 140):
        await fill(broker, room, total, at_once)
        page = await broker.latest(room, 1000)
        epoch, top, oldest = page.top.epoch, page.top.seq, page.oldest
        kept = page.events
        assert (oldest == 1) is (total == 15)
        assert top - oldest + 1 >= min(total, 20)
        assert [head(event).seq for event in kept] == list(range(oldest, top + 1))
        for event in kept:
            here = Position(epoch, head(event).seq, head(event).mid)
            found = await broker.since(room, here, 1000)
            assert (found.proved, found.events) == (True, kept[here.seq - oldest + 1 :])
            assert (await broker.since(room, here, 3)).events == found.events[:3]
            for wrong in (
                here._replace(epoch="other"),
                here._replace(epoch=""),
                here._replace(mid="other"),
                here._replace(mid=""),
                here._replace(seq=here.seq + 1),
                here._replace(seq=here.seq - 1),
            ):
                assert not (await broker.since(room, wrong, 3)).proved, wrong
        assert (await broker.since(room, Position(epoch, 0, ""), 3)).proved is (oldest == 1)
        assert not (await broker.since(room, Position(epoch, top + 5, "x"), 3)).proved
        assert not (await broker.since(room, Position(epoch, 0, "x"), 3)).proved


@AT_ONCE
async def test_a_log_is_trimmed_by_count(stage: Stage, room: str, at_once: int) -> None:
    """At least as many as promised are kept, not many more, and they are the last ones."""
    broker = await stage.broker(kept_events=100)
    for number in range(50, 701, 50):
        await fill(broker, room, 50, at_once)
        log = await stage.log(room)
        assert min(number, 100) <= len(log) <= 100 + 50 + 16 + at_once
        assert [head(event).seq for event in log] == list(range(number - len(log) + 1, number + 1))
    page = await broker.between(room, 1, 5)
    assert head(page.events[0]).seq == page.oldest == 700 - len(await stage.log(room)) + 1


# A room's new life


@pytest.mark.parametrize("found_by", ["a send", "a read"])
async def test_a_room_that_lost_its_position_begins_a_new_life(stage: Stage, room: str, found_by: str) -> None:
    """Another epoch, from 1, without stale events; no old position is proved in it."""
    broker = await stage.broker()
    sent = await fill(broker, room, 5)
    old = (await broker.latest(room, 0)).top
    await stage.lose_meta(room)
    if found_by == "a read":
        page = await broker.latest(room, 10)
        assert (page.top.seq, page.events) == (0, [])
    one = await Sent().through(broker, room)
    assert (one.seq, one.dup) == (1, False)
    page = await broker.latest(room, 10)
    assert page.top.epoch != old.epoch
    assert [head(event).seq for event in page.events] == [1]
    assert page.top == Position(page.top.epoch, 1, one.confirmed[1])
    for place in (old, Position(old.epoch, 1, sent[0].confirmed[1]), Position(old.epoch, 0, "")):
        assert not (await broker.since(room, place, 10)).proved


@pytest.mark.parametrize("found_by", ["a send", "a read"])
async def test_cids_of_an_earlier_life_are_new_again(stage: Stage, room: str, found_by: str) -> None:
    """A retry is not confirmed with a seq of events that are gone: it is stored, once, in the new life."""
    broker = await stage.broker()
    for number in range(5):
        await Sent(f"c{number}").through(broker, room)
    await stage.lose_meta(room)
    if found_by == "a read":
        await broker.latest(room, 10)
    for expected in (False, True):
        again = await Sent("c3").through(broker, room)
        assert (again.seq, again.dup) == (1, expected)
    assert [cid_of(event) for event in await stage.log(room)] == ["c3"]
