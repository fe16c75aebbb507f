"""Starts with a store that is slow or silent: they end with a clear line, or go on until it is there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app import embedded
from app.embedded import Embedded
from tests.fakes.redis import OK, Command, PlayedRedis, played
from tests.support import DEADLINE_SECONDS, ROOT, runs, until_async


def _silent_after_login(command: Command) -> bytes:
    return OK if command[0] in (b"AUTH", b"CLIENT") else b""


@asynccontextmanager
async def _starting(redis: PlayedRedis) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that has asked this Redis for what it is, and waits."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "serve", "--port", "0", "--redis-url", f"redis://127.0.0.1:{redis.port}"),
        env={**os.environ, "PARLEY_SECRET": "s" * 32, "PARLEY_REDIS_TIMEOUT_SECONDS": "0.5"},
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        await until_async(lambda: any(command[0] == b"INFO" for command in redis.commands), "Redis is asked")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_redis_that_falls_silent_at_the_start_is_one_clear_line() -> None:
    """It lets the server in and answers nothing then: the start fails, and says so."""
    async with played(_silent_after_login) as redis, _starting(redis) as process:
        async with asyncio.timeout(DEADLINE_SECONDS):
            _, said = await process.communicate()
        assert process.returncode == 2
        assert said.decode().splitlines() == [
            "parley: --redis-url: Redis lets this server in, and then does not answer",
        ]


async def test_a_start_that_waits_for_redis_can_be_stopped() -> None:
    """A signal ends it at once, as if it had been serving."""
    async with played(_silent_after_login) as redis, _starting(redis) as process:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_SECONDS):
            _, said = await process.communicate()
        assert process.returncode == 0
        assert said == b""


async def test_a_valkey_that_takes_too_long_is_not_left_beside_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is given up is stopped before another is started: two would fight for the port and the files."""
    store = Embedded(tmp_path)
    await store.start()
    keeping = asyncio.create_task(store.keep())
    answers, silent = embedded._answers, True
    launched = [store.pid]

    async def deaf(address: embedded.Address) -> int | None:
        if launched[-1] != store.pid:
            launched.append(store.pid)
        return None if silent else await answers(address)

    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    monkeypatch.setattr(embedded, "_answers", deaf)
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)
    await until_async(lambda: len(launched) > 2, "it was given up and started again")
    monkeypatch.setattr(embedded, "START_SECONDS", DEADLINE_SECONDS)
    silent = False
    await until_async(lambda: store.pid is not None and runs(store.pid), "one runs")
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await store.stop()
    assert [pid for pid in launched if pid is not None and runs(pid)] == []
