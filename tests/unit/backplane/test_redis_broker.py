"""How the broker batches: one call per room and turn, bounded, each change answered once. Redis is played."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
import pytest

from app.backplane import redis_broker
from app.backplane.outage import Refusals
from app.backplane.pace import REST_MAX_SECONDS, Pace
from app.backplane.redis_broker import CALL_BYTES, CALLS_AT_ONCE, CHANGES_AT_ONCE, RedisBroker
from app.errors import NotConfirmed, Unavailable
from tests.fakes.sent import Amends, Sent


class Script:
    """A script by name."""

    def __init__(self, name: str) -> None:
        self.sha, self.source = f"{name} sha", f"{name} source"


class HeldPipeline:
    """Keeps what is posted; a test answers it."""

    def __init__(self) -> None:
        self.up = True
        self.posted: list[tuple[tuple[Any, ...], Any]] = []
        self.publish, self.amend, self.read = Script("publish"), Script("amend"), Script("read")
        self.loads = 0
        self.refusals = Refusals()

    def post(self, command: tuple[Any, ...], answer: Any) -> None:
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        self.posted.append((command, answer))

    def load_scripts(self) -> None:
        self.loads += 1

    def bodies(self, number: int) -> list[bytes]:
        """The bodies in a posted call."""
        words = [word for word in self.posted[number][0] if isinstance(word, bytes) and word.startswith(b',"type"')]
        return [body for word in words for body in word.split(b"\n")]


@pytest.fixture
def pipeline() -> HeldPipeline:
    """A pipeline that a test answers for."""
    return HeldPipeline()


@pytest.fixture
def broker(pipeline: HeldPipeline) -> RedisBroker:
    """A broker on it."""
    return RedisBroker(pipeline, 100, 600)  # type: ignore[arg-type]


async def flushed() -> None:
    """The turn is over."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def reply(*results: int | list[int | bytes]) -> list[Any]:
    """What the publish script returns: per sender the first seq, or an answer for each change."""
    return [b"epoch", b"1763791200123", b"token", *results]


async def test_a_turns_changes_of_a_room_are_one_call(pipeline: HeldPipeline, broker: RedisBroker) -> None:
    """One per room, in the order handed in; those that come while it is under way are another, after its answer."""
    sent = [Sent(f"c{number}") for number in range(6)]
    for number, one in enumerate(sent[:4]):
        broker.publish("ab"[number % 2], one)
    assert pipeline.posted == []
    await flushed()
    for one in sent[4:]:
        broker.publish("a", one)
    await flushed()
    assert len(pipeline.posted) == 2
    pipeline.posted[0][1](reply(1))
    await flushed()
    assert [pipeline.bodies(number) for number in range(3)] == [
        [sent[0].body, sent[2].body],
        [sent[1].body, sent[3].body],
        [sent[4].body, sent[5].body],
    ]
    assert broker.unconfirmed == 4


async def test_a_call_is_bounded(pipeline: HeldPipeline, broker: RedisBroker) -> None:
    """Redis is never held for long: more changes are more calls, in order."""
    sent = [Sent() for _ in range(2 * CHANGES_AT_ONCE + 1)]
    for one in sent:
        broker.publish("a", one)
    await flushed()
    assert [len(pipeline.bodies(number)) for number in range(3)] == [CHANGES_AT_ONCE, CHANGES_AT_ONCE, 1]
    assert [body for number in range(3) for body in pipeline.bodies(number)] == [one.body for one in sent]


async def test_a_call_is_bounded_by_bytes(pipeline: HeldPipeline, broker: RedisBroker) -> None:
    """Large changes are more calls, one that is larger still a call by itself; 50 of usual size share one."""
    sizes = [CALL_BYTES // 2] * 3 + [2 * CALL_BYTES] + [128] * 50
    sent = [Sent(text="x" * (size - 80)) for size in sizes]
    for one in sent:
        broker.publish("a", one)
    await flushed()
    calls = [pipeline.bodies(number) for number in range(len(pipeline.posted))]
    assert [len(bodies) for bodies in calls] == [2, 1, 1, 50]
    assert [body for bodies in calls for body in bodies] == [one.body for one in sent]


@pytest.mark.parametrize("amending", [True, False])
async def test_few_calls_of_a_room_are_under_way(pipeline: HeldPipeline, broker: RedisBroker, amending: bool) -> None:
    """The others follow in order when all of them are answered, those that came meanwhile behind them."""
    sent: list[Sent] = []
    for number in range(2 * CALLS_AT_ONCE):
        if amending and number != 3:
            one = Amends("react", 1, "x", b"1")
            broker.amend("a", one, one.amendment)
        else:
            one = Sent(text="x" * CALL_BYTES)
            broker.publish("a", one)
        sent.append(one)
    await flushed()
    assert len(pipeline.posted) == CALLS_AT_ONCE
    sent.append(Sent())
    broker.publish("a", sent[-1])
    for done in range(CALLS_AT_ONCE):
        await flushed()
        assert len(pipeline.posted) == CALLS_AT_ONCE
        pipeline.posted[done][1](reply(done + 1))
    await flushed()
    assert len(pipeline.posted) == 2 * CALLS_AT_ONCE
    for done in range(CALLS_AT_ONCE, 2 * CALLS_AT_ONCE):
        pipeline.posted[done][1](reply(done + 1))
    await flushed()
    pipeline.posted[-1][1](reply(len(sent)))
    assert [one.seq for one in sent] == list(range(1, len(sent) + 1))
    assert [body for number in range(len(sent)) for body in pipeline.bodies(number)] == [one.body for one in sent]
    assert broker.unconfirmed == 0


async def test_changes_that_wait_for_others_fail_with_the_connection(
    pipeline: HeldPipeline, broker: RedisBroker
) -> None:
    """Each once, though they were never sent."""
    sent = [Amends("react", 1, "x", b"1") for _ in range(4 * CALLS_AT_ONCE)]
    for one in sent:
        broker.amend("a", one, one.amendment)
    await flushed()
    pipeline.up = False
    for _, answer in list(pipeline.posted):
        answer(NotConfirmed("lost"))
    for _ in range(8):
        await flushed()
    errors = [type(answer) for one in sent for answer in one.answers]
    assert errors == [NotConfirmed] * CALLS_AT_ONCE + [Unavailable] * 3 * CALLS_AT_ONCE
    assert broker.unconfirmed == 0


async def test_each_change_gets_its_own_answer(pipeline: HeldPipeline, broker: RedisBroker) -> None:
    """New ones and duplicates, kept ones and those no longer kept."""
    sent = [Sent() for _ in range(3)]
    for one in sent:
        broker.publish("a", one)
    await flushed()
    pipeline.posted[0][1](reply([8, b"5 old.5 1763791200001", b"2  0"]))
    assert [one.confirmed for one in sent] == [
        (8, "token.8", 1763791200123, False),
        (5, "old.5", 1763791200001, True),
        (2, "", 0, True),
    ]
    assert broker.unconfirmed == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NotConfirmed("lost"), NotConfirmed),
        (hiredis.ReplyError("OOM command not allowed"), Unavailable),
        (hiredis.ReplyError("READONLY You can't write against a read only replica."), Unavailable),
    ],
)
async def test_a_failed_call_fails_each_of_its_changes(
    pipeline: HeldPipeline, broker: RedisBroker, answer: Exception, error: type[Exception]
) -> None:
    """Once; other calls are not concerned."""
    sent = [Sent(), Sent(), Sent()]
    for room, one in zip("aab", sent, strict=True):
        broker.publish(room, one)
    await flushed()
    pipeline.posted[0][1](answer)
    pipeline.posted[1][1](reply(1))
    assert [[type(answer) for answer in one.answers] for one in sent] == [[error], [error], [tuple]]
    assert broker.unconfirmed == 0


async def test_a_connection_lost_before_the_turn_is_over_fails_its_changes(
    pipeline: HeldPipeline, broker: RedisBroker
) -> None:
    """Handed in while there was one, nothing was sent: said so, and counted off."""
    one = Sent()
    broker.publish("a", one)
    pipeline.up = False
    await flushed()
    assert [type(answer) for answer in one.answers] == [Unavailable]
    assert broker.unconfirmed == 0
    with pytest.raises(Unavailable):
        broker.publish("a", Sent())


async def test_a_forgotten_script_is_loaded_and_its_changes_refused(
    pipeline: HeldPipeline, broker: RedisBroker
) -> None:
    """Sent again they would come behind later ones of their sender; nothing was stored, so it is said."""
    one, other = Sent(), Sent()
    broker.publish("a", one)
    broker.publish("b", other)
    await flushed()
    noscript = hiredis.ReplyError("NOSCRIPT No matching script. Please use EVAL.")
    pipeline.posted[0][1](noscript)
    pipeline.posted[1][1](noscript)
    assert pipeline.loads == 2
    assert [[type(answer) for answer in sent.answers] for sent in (one, other)] == [[Unavailable], [Unavailable]]
    assert len(pipeline.posted) == 2
    assert broker.unconfirmed == 0


async def test_unconfirmed_changes_are_bounded(
    pipeline: HeldPipeline, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it, senders are told to wait instead of memory filling up."""
    monkeypatch.setattr(redis_broker, "UNCONFIRMED_MAX", 3)
    for _ in range(3):
        broker.publish("a", Sent())
    with pytest.raises(Unavailable, match="too many"):
        broker.publish("a", Sent())
    await flushed()
    pipeline.posted[0][1](reply(1))
    broker.publish("a", Sent())
    await flushed()


async def test_a_feed_message_is_published_at_once_and_answered_once(
    pipeline: HeldPipeline, broker: RedisBroker
) -> None:
    """Confirmed, refused or lost."""
    done: list[object] = []
    for _ in range(3):
        broker.broadcast("a", b"x", done.append)
    for (_, answer), said in zip(pipeline.posted, (1, hiredis.ReplyError("NOPERM"), NotConfirmed("lost")), strict=True):
        answer(said)
    assert [type(one) for one in done] == [type(None), Unavailable, NotConfirmed]


class Tired(Pace):
    """Lets every room rest for as long as is allowed."""

    __slots__ = ()

    def rest(self, took_seconds: float, now_seconds: float, gathers: bool) -> float:
        """Whatever it took, if anything gathers."""
        return REST_MAX_SECONDS if gathers else 0.0


@pytest.fixture
async def resting(pipeline: HeldPipeline, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch) -> RedisBroker:
    """A broker whose room `a` rests after its first call."""
    monkeypatch.setattr(broker, "_pace", Tired())
    broker.publish("a", Sent("c"))
    broker.publish("a", Sent("d"))
    await flushed()
    pipeline.posted[0][1](reply(1))
    return broker


async def test_a_room_that_rests_gathers_changes(pipeline: HeldPipeline, resting: RedisBroker) -> None:
    """What comes while it rests leaves as one call when the rest is over, by itself."""
    for number in range(1, 4):
        resting.publish("a", Sent(f"c{number}"))
        await flushed()
    assert len(pipeline.posted) == 1
    async with asyncio.timeout(20):
        for _ in range(4000):
            if len(pipeline.posted) == 2:
                break
            await asyncio.sleep(REST_MAX_SECONDS / 8)
    assert len(pipeline.bodies(1)) == 3


async def test_a_full_call_ends_the_rest(pipeline: HeldPipeline, resting: RedisBroker) -> None:
    """A call that cannot carry more is not held back."""
    for number in range(CHANGES_AT_ONCE):
        resting.publish("a", Sent(f"c{number}"))
    await flushed()
    assert len(pipeline.bodies(1)) == CHANGES_AT_ONCE


async def test_enough_bytes_end_the_rest(pipeline: HeldPipeline, resting: RedisBroker) -> None:
    """Neither is one that cannot carry more bytes."""
    sent = [Sent(text="x" * (CALL_BYTES // 2)) for _ in range(2)]
    resting.publish("a", sent[0])
    await flushed()
    assert len(pipeline.posted) == 1
    resting.publish("a", sent[1])
    await flushed()
    assert [len(pipeline.bodies(number)) for number in (1, 2)] == [1, 1]


async def test_a_room_with_nothing_to_gather_does_not_rest(
    pipeline: HeldPipeline, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change a call and none since: the next one leaves at once; where one has come meanwhile, it rests."""
    monkeypatch.setattr(broker, "_pace", Tired())
    for number in range(3):
        broker.publish("a", Sent(f"c{number}"))
        await flushed()
        assert len(pipeline.posted) == number + 1
        if number == 2:
            broker.publish("a", Sent("meanwhile"))
        pipeline.posted[number][1](reply(number + 1))
    await flushed()
    assert len(pipeline.posted) == 3
