"""What unit tests share.

Property tests find the same cases in every run and on every machine, and no clock fails them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from app import connection
from tests.fakes.sent import running
from tests.fakes.worker import Worker

settings.register_profile(
    "parley", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("parley")


@pytest.fixture(autouse=True)
def endless_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of the loop takes no time, however busy the machine is: else it may end after a few frames anywhere."""
    monkeypatch.setattr(connection, "perf_counter", lambda: 1.0)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker whose relay heals gaps."""
    worker = Worker()
    async with running(worker.relay.run()):
        yield worker
    await worker.tasks.cancel()
