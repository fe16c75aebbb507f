"""What a user may send over all workers, which tell each other once a second."""

from __future__ import annotations

import pytest

from app.deadlines import Deadlines
from app.errors import RateLimited
from app.limits import Rate
from app.protocol.replies import encode
from app.quota import (
    GUEST_SENDS,
    NEWCOMERS,
    SHARE_SECONDS,
    SHORT_CHARS,
    SWEEP_SECONDS,
    UNIT_BYTES,
    Counted,
    Quota,
    units,
)
from tests.fakes.loop import Clock
from tests.fakes.sends import MemorySends

RATE = Rate(per_second=20, burst=100)


class Workers:
    """Some workers on one clock."""

    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        until: dict[str, float] = {}
        self.stores = [MemorySends(until, self.clock) for _ in range(count)]
        self.quotas = [Quota(RATE, store, self.deadlines) for store in self.stores]

    def granted(self, worker: int, count: int, user: str = "ada") -> int:
        """How many of so many changes a worker lets through."""
        return sum(not self.refusal(worker, user) for _ in range(count))

    def refusal(self, worker: int, user: str = "ada") -> RateLimited | None:
        """Why a change is refused, if it is."""
        try:
            self.quotas[worker].take(user)
        except RateLimited as error:
            return error
        return None

    def later(self, seconds: float) -> None:
        """Time passes, in steps of the sweep."""
        for _ in range(round(seconds * 4)):
            self.clock.pass_(0.25)
            self.deadlines.sweep()


def test_a_refusal_says_when_to_come_back() -> None:
    """And is kept to."""
    workers = Workers(1)
    assert workers.granted(0, 120) == 100
    refused = workers.refusal(0)
    assert refused is not None
    assert (refused.limit, refused.temporary) == ("sends", True)
    assert refused.retry_seconds is not None
    workers.clock.pass_(refused.retry_seconds)
    assert workers.refusal(0) is None


def test_what_one_worker_granted_is_missing_at_the_others() -> None:
    """After they have heard of each other."""
    workers = Workers(2)
    assert workers.granted(0, 90) == 90
    assert workers.granted(1, 10) == 10
    workers.later(SHARE_SECONDS)
    assert workers.granted(0, 100) + workers.granted(1, 100) <= 2 * RATE.per_second * 1.5 * SHARE_SECONDS


@pytest.mark.parametrize("count", [1, 2, 4])
def test_in_the_long_run_the_rate_holds_over_all_workers(count: int) -> None:
    """Whoever sends as much as it can through all workers gets ahead by their bursts, and pays for it."""
    workers, seconds = Workers(count), 120
    total = 0
    for _ in range(seconds * 4):
        total += sum(workers.granted(worker, 30) for worker in range(count))
        workers.later(0.25)
    ahead = total - RATE.per_second * seconds
    assert 0 < ahead <= count * (RATE.burst + 2 * RATE.per_second * SHARE_SECONDS)


def test_who_sends_little_is_not_told_of() -> None:
    """Nothing is asked of Redis for a chat at leisure, and nothing is kept of it when it pauses."""
    workers = Workers(1)
    for _ in range(20):
        assert workers.refusal(0) is None
        workers.later(2.5)
        assert workers.stores[0].calls == []
        workers.later(3 * SWEEP_SECONDS)
    assert len(workers.deadlines) == 0


def test_each_change_is_told_once() -> None:
    """Also those of a time in which Redis was away."""
    workers = Workers(1)
    workers.stores[0].up = False
    workers.granted(0, 60)
    workers.later(2)
    workers.stores[0].up = True
    workers.later(2)
    workers.granted(0, 30)
    workers.later(2)
    assert workers.stores[0].calls == [{"ada": 60}, {"ada": 30}]


def test_users_are_counted_apart() -> None:
    """One's flood is nobody else's."""
    workers = Workers(2)
    workers.granted(0, 200)
    workers.later(1)
    assert workers.granted(1, 100, "bob") == 100


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 40, 1),
        ("x" * 1024, 1),
        ("x" * 1025, 2),
        ("x" * 4000, 4),
        ("\U0001f600" * 4000, 16),
        ("\x01" * SHORT_CHARS, 1),
        ("\x01" * 4000, 24),
    ],
)
def test_a_text_counts_once_for_each_kib_that_is_begun(text: str, count: int) -> None:
    """As it is stored, whatever its characters are; a short one need not be measured."""
    stored = len(encode(text)) - len('""')
    assert units(text) == count
    assert stored <= count * UNIT_BYTES
    assert stored > (count - 1) * UNIT_BYTES or not text


def test_large_changes_use_up_the_rate_sooner() -> None:
    """A fourth as many of four KiB as of a few characters, and other workers are told of all that."""
    workers = Workers(1)
    quota = workers.quotas[0]
    for _ in range(RATE.burst // 4):
        quota.take("ada", 4)
    assert workers.refusal(0) is not None
    workers.later(SHARE_SECONDS)
    assert workers.stores[0].calls == [{"ada": 100}]


def test_what_is_given_back_was_never_taken() -> None:
    """Neither here nor at the other workers."""
    workers = Workers(1)
    workers.granted(0, 50)
    workers.quotas[0].take("ada", 40)
    workers.quotas[0].give_back("ada", 40)
    workers.later(SHARE_SECONDS)
    assert workers.stores[0].calls == [{"ada": 50}]
    assert workers.granted(0, 100) >= 50


@pytest.mark.parametrize(
    ("counted", "rate", "limit", "says"),
    [
        (GUEST_SENDS, Rate(100, 500), "guest_sends", "more than 100 changes, or KiB of text, a second"),
        (NEWCOMERS, Rate(0.5, 1), "guests", "more than 30 new guests a minute"),
    ],
)
def test_a_refusal_says_what_there_is_too_much_of(counted: Counted, rate: Rate, limit: str, says: str) -> None:
    """And names the limit, for the metrics."""
    clock = Clock()
    quota = Quota(rate, MemorySends({}, clock), Deadlines(clock), counted)
    quota.take("203.0.113.9", 1000)
    with pytest.raises(RateLimited, match=says) as refused:
        quota.take("203.0.113.9")
    assert refused.value.limit == limit
