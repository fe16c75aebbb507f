"""When Redis counts as full: near its maxmemory, not without one, and no more when there is clearly room again."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from app.backplane.fullness import Fullness, used
from app.backplane.redis_broker import RedisBroker
from app.errors import Unavailable
from app.metrics import Counters
from tests.fakes.sent import Amends, Sent


class Pipeline:
    """Up, and never asked."""

    up = True


def info(used_memory: int, maxmemory: int, not_counted: int = 0) -> bytes:
    """Redis' account."""
    lines = (f"used_memory:{used_memory}", f"maxmemory:{maxmemory}", f"mem_not_counted_for_evict:{not_counted}")
    return "\r\n".join(["# Memory", *lines]).encode()


@pytest.fixture
def broker() -> RedisBroker:
    """A broker that could send."""
    pipeline: Any = Pipeline()
    return RedisBroker(pipeline, 100, 600)


@pytest.mark.parametrize(
    ("account", "part"),
    [
        (info(90, 100), 0.9),
        (info(90, 100, not_counted=40), 0.5),
        (info(90, 0), 0.0),
        (b"used_memory:90", 0.0),
        (b"", 0.0),
    ],
)
def test_what_is_used_is_a_part_of_maxmemory(account: bytes, part: float) -> None:
    """As Redis counts before it refuses; nothing where there is no bound, or nothing is told."""
    assert used(account) == part


def test_it_is_full_from_nine_tenths_on_until_there_is_clearly_room(broker: RedisBroker) -> None:
    """One line of the log when it begins, one when it ends, and the gauge between."""
    counters = Counters()
    fullness = Fullness(Pipeline(), broker, counters)  # type: ignore[arg-type]
    states = []
    with capture_logs() as lines:
        for percent in (50, 90, 91, 95, 89, 91, 87, 89, 50):
            fullness.note(info(percent, 100))
            assert broker.full is bool(counters.redis_full)
            states.append(broker.full)
    assert states == [False, False, True, True, True, True, False, False, False]
    assert [line["event"] for line in lines] == ["redis is nearly full", "redis has room again"]


async def test_a_full_store_takes_deletions_alone(broker: RedisBroker) -> None:
    """Whatever else grows it is refused for now, and named for the metrics; nothing is counted as under way."""
    broker.full = True
    for amends in (Amends("edit", 1, "x"), Amends("react", 1, "x", b"1"), Amends("topic", 0, "x")):
        with pytest.raises(Unavailable, match="nearly full") as refused:
            broker.amend("a", amends, amends.amendment)
        assert (refused.value.temporary, refused.value.limit) == (True, "store_full")
    with pytest.raises(Unavailable, match="nearly full"):
        broker.publish("a", Sent())
    assert broker.unconfirmed == 0
    delete = Amends("delete", 1)
    broker.amend("a", delete, delete.amendment)
    assert broker.unconfirmed == 1
    broker.full = False
    broker.publish("a", Sent())
    assert broker.unconfirmed == 2
