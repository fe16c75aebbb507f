"""Read marks, direct rooms and notices, on every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from app.backplane import keys, personal
from app.backplane.personal import Mark, Notice, Person, Personal
from app.errors import Unavailable
from app.protocol.names import handle
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.fakes.sent import Amends, Sent
from tests.support import DEADLINE_SECONDS, until_async


@pytest.fixture
def who(room: str) -> str:
    """Somebody no other test knows."""
    return handle(room)


async def ask(call: Callable[..., None], *arguments: Any) -> Any:
    """What a call is answered."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    call(*arguments, answer.set_result)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await answer


async def mark(store: Personal, who: str, room: str, *place: Any) -> Mark | None:
    """Move a mark; the one that holds."""
    notice = Notice(who, Raw(b'{"type":"read"}'), "c1", mark=Mark(*place))
    return await ask(store.mark, room, Mark(*place), notice)


def saying(who: str, what: str) -> Notice:
    """A notice to tell apart."""
    return Notice(who, Raw(b'{"type":"%b"}' % what.encode()))


def said(notices: list[Notice]) -> list[bytes]:
    """What notices tell."""
    return [bytes(notice.push) for notice in notices]


def bound(monkeypatch: pytest.MonkeyPatch, own: int, strangers: int) -> None:
    """Keep so many direct rooms of a person."""
    for module in ("app.backplane.personal", "tests.fakes.personal"):
        monkeypatch.setattr(f"{module}.DIRECTS_MAX", own)
        monkeypatch.setattr(f"{module}.STRANGERS_MAX", strangers)


async def test_marks_only_move_forward(stage: Stage, who: str) -> None:
    """In one epoch; another one is another life. Whoever moves it learns which holds, and it is told when it moved."""
    one, other = await stage.personal(), await stage.personal()
    heard = await stage.overhear(who)
    assert await ask(one.marks, who) == {}
    assert await mark(one, who, "r", "e1", 5, 1) == Mark("e1", 5, 1)
    assert await mark(other, who, "r", "e1", 3, 0) == Mark("e1", 5, 1)
    assert await mark(other, who, "r", "e1", 5, 2) == Mark("e1", 5, 1)
    assert await mark(other, who, "r", "e1", 12, 2) == Mark("e1", 12, 2)
    assert await mark(one, who, "r", "e2", 2, 0) == Mark("e2", 2, 0)
    assert await mark(one, who, "caf\u00e9", "e9", 2**40, 7) == Mark("e9", 2**40, 7)
    assert await ask(other.marks, who) == {"r": Mark("e2", 2, 0), "caf\u00e9": Mark("e9", 2**40, 7)}
    await until_async(lambda: len(heard) == 4, "all moves are told")
    assert [notice.mark for notice in heard] == [
        Mark("e1", 5, 1),
        Mark("e1", 12, 2),
        Mark("e2", 2, 0),
        Mark("e9", 2**40, 7),
    ]
    assert {notice.skip for notice in heard} == {"c1"}


async def test_a_person_has_a_bounded_number_of_marks(stage: Stage, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that moved longest ago goes, or one as old."""
    monkeypatch.setattr(personal, "MARKS_MAX", 5)
    monkeypatch.setattr("tests.fakes.personal.MARKS_MAX", 5)
    store = await stage.personal()
    for number in range(8):
        await mark(store, who, f"r{number}", "e", 1, 0)
    marks = await ask(store.marks, who)
    assert len(marks) == 5
    assert "r7" in marks
    await mark(store, who, "r7", "e", 2, 0)
    assert len(await ask(store.marks, who)) == 5


async def test_a_direct_room_is_told_with_its_first_message(stage: Stage, who: str) -> None:
    """Opening it tells nobody; the newest name is kept; the number of rooms is bounded."""
    store, other = await stage.personal(), await stage.personal()
    heard = await stage.overhear(who)
    bob = Person("u2", "Bob")
    first, each = saying(who, "first"), saying(who, "each")
    assert await ask(store.directs, who) == {}
    assert await ask(store.direct, who, "dm:a", Person("u2", "u2"), None, None)
    assert await ask(other.direct, who, "dm:a", bob, first, each)
    assert await ask(store.direct, who, "dm:a", bob, None, None)
    assert await ask(other.direct, who, "dm:a", bob, first, each)
    assert await ask(other.direct, who, "dm:b", Person("u3", 'E"v e'), first, each)
    await until_async(lambda: len(heard) == 5, "all is told")
    assert said(heard) == [b'{"type":"%b"}' % what for what in (b"first", b"each", b"each", b"first", b"each")]
    assert await ask(store.directs, who) == {"dm:a": bob, "dm:b": Person("u3", 'E"v e')}


async def test_a_person_has_a_bounded_number_of_direct_rooms(
    stage: Stage, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its own, and of those in which only others have done something; the new one stays."""
    bound(monkeypatch, 3, 2)
    store = await stage.personal()
    for number in range(5):
        await ask(store.direct, who, f"dm:own{number}", Person("u2", "x"), None, None)
        await ask(store.direct, who, f"dm:{number}", Person("u3", "x"), saying(who, "a"), saying(who, "b"))
        kept = set(await ask(store.directs, who))
        assert {f"dm:own{number}", f"dm:{number}"} <= kept
    assert (len(kept), len([room for room in kept if "own" in room])) == (5, 3)


async def test_strangers_do_not_displace_direct_rooms_that_are_ones_own(
    stage: Stage, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, written in, or read: however many write for the first time. What is noted of somebody stays."""
    bound(monkeypatch, 4, 2)
    store = await stage.personal()
    friend = Person("u2", "Friend")
    await ask(store.direct, who, "dm:none", None, None, None)
    await ask(store.direct, who, "dm:opened", friend, None, None)
    for room in ("dm:written", "dm:read"):
        await ask(store.direct, who, room, friend, saying(who, "a"), saying(who, "b"))
    await ask(store.direct, who, "dm:written", None, None, None)
    await mark(store, who, "dm:read", "e", 1, 0)
    for number in range(6):
        await ask(store.direct, who, f"dm:{number}", Person("u3", "x"), saying(who, "a"), saying(who, "b"))
    kept = await ask(store.directs, who)
    own = {"dm:opened", "dm:written", "dm:read"}
    assert ({room: kept[room] for room in own}, len(kept)) == (dict.fromkeys(own, friend), 5)
    assert "dm:5" in kept


async def test_direct_rooms_that_an_older_release_noted_are_known(real: RedisStage, who: str) -> None:
    """With whom they are, and that there was a message."""
    store, heard = await real.personal(), await real.overhear(who)
    with witness(real.url) as client:
        client.hset(keys.directs(who), "dm:a", '1763791200 {"user":"u2","name":"Bob"}')
    assert await ask(store.direct, who, "dm:a", None, None, None)
    assert await ask(store.directs, who) == {"dm:a": Person("u2", "Bob")}
    await ask(store.direct, who, "dm:a", Person("u2", "Rob"), saying(who, "first"), saying(who, "each"))
    await until_async(lambda: heard, "it is told")
    assert said(heard) == [b'{"type":"each"}']
    assert await ask(store.directs, who) == {"dm:a": Person("u2", "Rob")}


async def test_places_are_those_of_the_rooms(stage: Stage, room: str) -> None:
    """Epoch, last event and its time, number of others; in the order asked for."""
    broker, store = await stage.broker(), await stage.personal()
    await broker.latest(f"{room}-empty", 0)
    for _ in range(3):
        sent = await Sent().through(broker, f"{room}-a")
    await Amends("topic", 0, "t").through(broker, f"{room}-b")
    rooms = [f"{room}-none", f"{room}-a", f"{room}-empty", f"{room}-b"]
    none, three, empty, topic = await ask(store.places, rooms)
    assert none is None
    epoch = (await broker.latest(f"{room}-a", 0)).top.epoch
    assert three == (epoch, 3, sent.confirmed[2], 0)
    assert (empty.seq, empty.ts, empty.others) == (0, 0, 0)
    assert (topic.seq, topic.others) == (1, 1)


async def test_many_places_are_read_in_few_calls(real: RedisStage, room: str) -> None:
    """In the order asked for, however many; whoever asks for a list costs Redis a few calls, not one for each room."""
    broker, store = await real.broker(), await real.personal()
    for name in (f"{room}-7", f"{room}-119"):
        await Sent().through(broker, name)
    rooms = [f"{room}-{number}" for number in range(120)]
    await ask(store.places, rooms[:1])
    with witness(real.url) as client:
        before = client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
        found = await ask(store.places, rooms)
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] - before <= 10
    assert [number for number, place in enumerate(found) if place is not None] == [7, 119]
    assert [found[number].seq for number in (7, 119)] == [1, 1]


async def test_a_notice_is_told_as_it_is(stage: Stage, who: str) -> None:
    """To whoever listens for the person."""
    store = await stage.personal()
    heard = await stage.overhear(who)
    notice = Notice(who, Raw(b'{"a":"\xc3\xa9"}'), "skip", "room", Mark("e", 1, 0))
    store.tell(notice)
    await until_async(lambda: heard, "it is told")
    assert heard == [notice]


async def test_what_is_kept_of_a_person_expires(real: RedisStage, who: str) -> None:
    """Later than the events of rooms; and Redis may forget the scripts meanwhile."""
    store = await real.personal()
    with witness(real.url) as client:
        client.script_flush()
        assert await mark(store, who, "r", "e", 1, 0) is not None
        assert await ask(store.direct, who, "dm:a", Person("u", "n"), None, None)
        assert await ask(store.places, ["x", "y"]) == [None, None]
        for key in (keys.marks(who), keys.directs(who)):
            assert 30 * 86400 < client.ttl(key) <= 40 * 86400


async def test_a_wrong_value_in_redis_is_no_answer(real: RedisStage, who: str) -> None:
    """What others have written there harms nobody."""
    store = await real.personal()
    with witness(real.url) as client:
        client.set(keys.marks(who), "x")
        client.hset(keys.directs(who), "dm:a", "no json")
    assert await ask(store.marks, who) is None
    assert await mark(store, who, "r", "e", 1, 0) is None
    assert await ask(store.directs, who) is None


async def test_a_redis_that_is_away_is_said_at_once(impatient: RedisStage, who: str, engine: Any) -> None:
    """Nothing was sent; or nothing is known of what was."""
    store = await impatient.personal()
    engine.freeze()
    try:
        assert await ask(store.marks, who) is None
        await until_async(lambda: not store._pipeline.up, "the silence is noticed")  # type: ignore[attr-defined]
        with pytest.raises(Unavailable):
            store.tell(saying(who, "x"))
    finally:
        engine.thaw()
