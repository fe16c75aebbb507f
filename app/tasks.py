"""Tasks that come and go, each with a name and one owner: a failure is logged, and the end cancels them all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger(component="tasks")


class Tasks:
    """Owns short-lived tasks. Long-lived ones belong to the lifecycle's task group."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` until it ends or `cancel` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            name = task.get_name()
            _log.error("task failed", seldom=name.split()[0], task=name, exc_info=task.exception())

    async def finish(self, seconds: float) -> None:
        """Wait until all have ended by themselves; after so many seconds, cancel the rest."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)
        await self.cancel()

    async def cancel(self) -> None:
        """Cancel what still runs, and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
