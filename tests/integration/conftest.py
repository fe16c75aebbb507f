"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.double import Double, playing
from tests.fakes.terminal import Terminal
from tests.support import until

Open = Callable[..., Terminal]


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    """A server that the test plays."""
    async with playing() as played:
        yield played


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Opens terminals of one person."""
    opened: list[Terminal] = []

    def open_(*arguments: str, **variables: str) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, **variables))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def ready(one: Terminal) -> Terminal:
    """Wait until it is in the room and can be typed into."""
    until(lambda: "online" in one.status, "the status line says online")
    return one
