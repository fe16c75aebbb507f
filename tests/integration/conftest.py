"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.double import Double, playing


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    """A server that the test plays."""
    async with playing() as played:
        yield played
