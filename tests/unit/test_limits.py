"""So much at once, so much a second, and nothing is kept of those who rest."""

from __future__ import annotations

import random

import pytest

from app.limits import PAUSE_SECONDS, Buckets, Rate

RATE = Rate(per_second=20, burst=100)


def granted(buckets: Buckets, count: int, now: float, owner: str = "ada") -> int:
    """How many of so many are granted at a moment."""
    return sum(buckets.take(owner, now) == 0.0 for _ in range(count))


def test_a_burst_is_granted_and_no_more() -> None:
    """Each owner has its own."""
    buckets = Buckets(RATE)
    assert granted(buckets, 150, 10.0) == 100
    assert granted(buckets, 150, 10.0, "bob") == 100


def test_time_brings_so_many_a_second() -> None:
    """After a burst, `per_second` are granted each second, however often is asked."""
    buckets = Buckets(RATE)
    granted(buckets, 100, 0.0)
    total = sum(granted(buckets, 7, tick / 10) for tick in range(1, 1001))
    assert total == pytest.approx(20 * 100, abs=21)


def test_who_comes_after_the_time_named_is_granted() -> None:
    """The answer to a refusal is honest: not before, and then at once."""
    buckets = Buckets(RATE)
    granted(buckets, 100, 0.0)
    wait = buckets.take("ada", 0.0)
    assert wait >= PAUSE_SECONDS
    assert buckets.take("ada", wait - 0.01) == pytest.approx(0.01)
    assert buckets.take("ada", wait) == 0.0


def test_what_is_asked_behind_a_refusal_is_refused_as_well() -> None:
    """Also when time has brought some meanwhile: it would overtake what was refused."""
    buckets = Buckets(RATE)
    granted(buckets, 100, 0.0)
    assert buckets.take("ada", 0.0) > 0
    assert granted(buckets, 50, 0.9 * PAUSE_SECONDS) == 0


def test_nothing_opens_a_bucket_before_the_time_named() -> None:
    """Neither a sweep nor news of other workers; what time brought meanwhile is there afterwards."""
    buckets = Buckets(RATE)
    granted(buckets, 100, 0.0)
    wait = buckets.take("ada", 0.0)
    buckets.sweep(0.5)
    buckets.lower("ada", 60.0, 0.7)
    assert granted(buckets, 50, 0.9) == 0
    assert granted(buckets, 50, wait) == RATE.per_second * wait
    buckets.take("ada", wait)
    buckets.lower("ada", 4.0, wait + 0.5)
    assert granted(buckets, 50, wait + 1.0) == 4 + 0.5 * RATE.per_second


def test_a_slow_rate_names_the_time_until_the_next_one() -> None:
    """Longer than the pause where it takes longer."""
    buckets = Buckets(Rate(per_second=0.1, burst=1))
    assert buckets.take("ada", 0.0) == 0.0
    assert buckets.take("ada", 0.0) == pytest.approx(10.0)


def test_what_was_used_already_is_owed() -> None:
    """Drawing goes into debt and tells when it is paid."""
    buckets = Buckets(RATE)
    assert buckets.draw("ada", 100, 0.0) == 0.0
    assert buckets.draw("ada", 40, 0.0) == pytest.approx(2.0)
    assert buckets.draw("ada", 0, 1.0) == pytest.approx(1.0)
    assert buckets.draw("ada", 0, 2.0) == 0.0


def test_what_was_taken_elsewhere_is_missing_here() -> None:
    """An owner that sends on two workers has one allowance, not two."""
    buckets = Buckets(RATE)
    buckets.lower("ada", 30.0, 0.0)
    assert granted(buckets, 100, 0.0) == 30
    buckets.lower("ada", 80.0, 0.0)
    assert granted(buckets, 100, 0.0) == 0


def test_what_is_larger_than_what_is_left_is_granted_and_owed() -> None:
    """Also what is larger than the whole bucket; what comes behind it waits until it is paid, however small."""
    buckets = Buckets(RATE)
    assert buckets.take("ada", 0.0, 160) == 0.0
    assert buckets.take("ada", 0.0) == pytest.approx(61 / RATE.per_second)
    assert buckets.take("ada", 61 / RATE.per_second) == 0.0


def test_who_rests_is_forgotten() -> None:
    """A bucket that stays full is dropped, one in use or in debt is not."""
    buckets = Buckets(RATE)
    granted(buckets, 3, 0.0)
    buckets.draw("bob", 300, 0.0)
    for now in (5.0, 10.0):
        buckets.sweep(now)
    assert set(buckets.by_owner) == {"bob"}
    assert buckets.draw("bob", 0, 10.0) == 0.0
    for now in (15.0, 20.0, 25.0):
        buckets.sweep(now)
    assert len(buckets) == 0


@pytest.mark.parametrize("seed", range(5))
def test_nobody_gets_more_than_rate_and_two_bursts(seed: int) -> None:
    """Whatever the order of questions and sweeps, in every stretch of time."""
    chance = random.Random(seed)
    buckets, now, times = Buckets(RATE), 0.0, []
    for _ in range(3000):
        now += chance.choice((0.0, 0.0, 0.01, 0.3, 4.0))
        if chance.random() < 0.05:
            buckets.sweep(now)
        times += [now] * granted(buckets, chance.randrange(60), now)
    for first in range(0, len(times), 50):
        for last in range(first, len(times), 500):
            assert last - first <= RATE.per_second * (times[last] - times[first]) + 2 * RATE.burst
