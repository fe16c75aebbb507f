"""Fixtures of moderation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from app.signin import Signin
from app.tokens import Expected, shared_keys
from tests.fakes.broker import MemoryStore
from tests.fakes.sent import running
from tests.fakes.worker import Worker
from tests.unit.moderation.people import RULES, SECRET


@pytest.fixture
async def workers() -> AsyncIterator[list[Worker]]:
    """Two that share a store."""
    store = MemoryStore()
    both = [Worker(store, signin=Signin(shared_keys([SECRET]), Expected()), rules=RULES) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for worker in both:
            await stack.enter_async_context(running(worker.relay.run()))
        yield both
        for worker in both:
            await worker.tasks.cancel()
