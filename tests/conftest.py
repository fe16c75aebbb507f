"""Fixtures of all tests: a Valkey for the whole run, servers and stores of a test's own, room names nobody else has."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.engines import refused
from tests.reporting import chromium
from tests.support import ROOT, Server, Valkey

_numbers = itertools.count(1)
# What tests start is this checkout's, also where the environment was made for another one.
os.environ["PYTHONPATH"] = str(ROOT)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One Valkey for all tests that do it no harm. In the end, nothing that servers asked of it was refused."""
    store = Valkey(tmp_path_factory.mktemp("valkey"))
    yield store
    try:
        assert refused(store.url) == []
    finally:
        store.stop()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey for a test that kills or freezes it. It persists like the embedded one."""
    directory = tmp_path / "valkey"
    directory.mkdir()
    store = Valkey(directory, "--appendonly", "yes", "--appendfsync", "everysec")
    yield store
    store.stop()


@pytest.fixture
def forgetful_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that keeps what SAVE was told to: killed and started again, its logs have lost their tails."""
    directory = tmp_path / "forgetful"
    directory.mkdir()
    store = Valkey(directory)
    yield store
    store.stop()


@contextlib.contextmanager
def _servers(directory: Path) -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(*arguments: str, redis_url: str = "", workers: int = 1, **env: str) -> Server:
        number = next(_numbers)
        options = ["--port", "0", "--workers", str(workers), "--node", f"n{number}"]
        if redis_url:
            options += ["--redis-url", redis_url]
        else:
            options += ["--data-dir", str(directory / f"data{number}")]
        settings = {f"PARLEY_{name.upper()}": value for name, value in env.items()}
        server = Server(directory / f"server{number}.log", *options, *arguments, env=settings)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own: `server(redis_url=..., workers=2, ping_seconds="1")`.

    Without `redis_url` a server runs its embedded Valkey on a data directory of its own.
    """
    with _servers(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[Server]:
    """One server with two workers for all tests that do it no harm."""
    with _servers(tmp_path_factory.mktemp("shared")) as start:
        yield start(redis_url=valkey.url, workers=2)


@pytest.fixture(scope="session")
def undisturbed_chromium(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a Chromium to which the interfaces of containers, which come and go, are nothing."""
    found = chromium()
    assert found is not None
    command = shlex.join([sys.executable, str(ROOT / "tests" / "browser" / "undisturbed.py"), found])
    script = tmp_path_factory.mktemp("chromium") / "chromium"
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o700)
    return str(script)


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"room-{os.getpid()}-{next(_numbers)}"
