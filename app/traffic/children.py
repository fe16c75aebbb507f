"""The processes that make the load, as the one that runs the test sees them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from app.traffic import machine
from app.traffic.channel import LINE_BYTES_MAX

ANSWER_SECONDS = 60.0
STOP_SECONDS = 8.0

Report = dict[str, Any]


class ChildError(Exception):
    """A process of the load test ended or did not answer; the message says which and why."""


class Child:
    """A process that reads commands and writes reports. Ticks go to `on_tick`, other reports to whoever waits."""

    def __init__(self, name: str, on_tick: Callable[[Report], None]) -> None:
        self.name = name
        self.last: Report = {}
        self.pid = 0
        self._on_tick = on_tick
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._reports: defaultdict[str, asyncio.Queue[Report]] = defaultdict(lambda: asyncio.Queue(16))

    async def start(self, module: str, config: msgspec.Struct) -> None:
        """Start it, in a session of its own so that Ctrl-C does not reach it, and send its configuration."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._write(msgspec.json.encode(config))
        self._reader = asyncio.create_task(self._read(self._process), name=f"{self.name} reports")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.returncode is None

    def tell(self, do: str, **arguments: Any) -> None:
        """Send a command."""
        self._write(msgspec.json.encode({"do": do, **arguments}))

    async def hear(self, kind: str, seconds: float = ANSWER_SECONDS) -> Report:
        """Wait for a report. Raises ChildError if it does not come, or says `failed`."""
        wanted = asyncio.create_task(self._reports[kind].get())
        failed = asyncio.create_task(self._reports["failed"].get())
        try:
            done, _ = await asyncio.wait((wanted, failed), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            failed.cancel()
        if wanted in done:
            return wanted.result()
        if failed in done:
            raise ChildError(f"{self.name}: {failed.result()['why']}")
        raise ChildError(f"{self.name}: no answer within {seconds:.0f} s")

    async def ask(self, do: str, kind: str, patience: float = ANSWER_SECONDS, /, **arguments: Any) -> Report:
        """Send a command and wait for its report."""
        self.tell(do, **arguments)
        return await self.hear(kind, patience)

    async def stop(self) -> None:
        """Let it end, then see to it that it and all it started are gone."""
        process = self._process
        if process is None:
            return
        tree = machine.descendants(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        for pid in tree[1:]:
            # Only what is still of its session: a number may have been given to somebody else since.
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
        if self._reader is not None:
            await self._reader

    def _write(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line + b"\n")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            report: Report = msgspec.json.decode(line)
            if report["kind"] == "tick":
                self.last = report
                self._on_tick(report)
            elif not self._reports[report["kind"]].full():
                self._reports[report["kind"]].put_nowait(report)
        code = await process.wait()
        self._reports["failed"].put_nowait({"kind": "failed", "why": f"ended with {code}"})
