"""Fixtures of the client's tests, and of those of the compose stack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes.double import Double, playing
from tests.fakes.terminal import Terminal
from tests.integration.compose import Client, Stack
from tests.integration.compose import Open as OpenClient
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


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One running stack for all tests; tests/parallel.py keeps them in one process."""
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture
async def open_client(stack: Stack) -> AsyncIterator[OpenClient]:
    """Opens clients; all are closed at the end."""
    async with AsyncExitStack() as clients:

        async def open_one(**hello: str) -> Client:
            client = await Client.open(stack, **hello)
            clients.push_async_callback(client.close)
            return client

        yield open_one
