"""Short-lived tasks and their owner."""

from __future__ import annotations

import asyncio

import structlog

from app.tasks import Tasks
from tests.support import until_async


async def test_a_task_runs_under_its_name_and_is_forgotten() -> None:
    """The owner holds it as long as it runs, and no longer."""
    tasks = Tasks()
    names = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())

    tasks.start(work(), "Join n1-1")
    assert len(tasks) == 1
    await until_async(lambda: not len(tasks), "the task has ended")
    assert names == ["Join n1-1"]


async def test_a_failure_is_logged_with_its_name_and_harms_no_other() -> None:
    """A task that fails leaves one line; the others go on."""
    tasks = Tasks()
    done = asyncio.Event()

    async def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        await asyncio.sleep(0)
        done.set()

    with structlog.testing.capture_logs() as lines:
        tasks.start(fail(), "bad one")
        tasks.start(work(), "good one")
        await done.wait()
        await until_async(lambda: not len(tasks), "both tasks have ended")
    assert [(line["task"], line["log_level"]) for line in lines] == [("bad one", "error")]


async def test_cancel_ends_all_and_waits_for_their_cleaning_up() -> None:
    """After it nothing runs any more, and cancellation is no failure."""
    tasks = Tasks()
    cleaned = []
    started = asyncio.Event()
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))

    async def work(number: int) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)

    with structlog.testing.capture_logs() as lines:
        for number in range(3):
            tasks.start(work(number), "waiting")
        await started.wait()
        await tasks.cancel()
    assert (sorted(cleaned), len(tasks), lines, noise) == ([0, 1, 2], 0, [], [])


async def test_cancel_with_nothing_to_do_is_no_error() -> None:
    """An owner without tasks has none to end."""
    await Tasks().cancel()
