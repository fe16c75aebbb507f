"""Fixtures of the connection."""

from __future__ import annotations

import pytest

from tests.unit.connection.bench import Bench


@pytest.fixture
def bench() -> Bench:
    """A connection just opened."""
    return Bench()
