"""The faults: each injects, waits until the cause is gone again, and says by what it is known to have taken effect."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from app.traffic.faults import FaultMark
from app.traffic.stacks import POLL_SECONDS, NotTaken, Stack, Unsupported, replaced, until
from app.verify.crew import Crew

BACK_SECONDS = 30.0
BACK_EVENTS = 20
PAUSE_MS = 3000
FREEZE_SECONDS = 4.0
LOUD_CLIENTS = 4
BURST_SENDS = 24
STAND_STILL_SECONDS = 0.3
LIMIT = "client-output-buffer-limit"
COPIES = "min-string-size-avoid-copy-reply"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault acts on. `lifted` is called when the cause is gone, if that is before the fault returns."""

    stack: Stack
    crew: Crew
    lifted: Callable[[], None]


Fault = Callable[[Scene], Awaitable[str]]


async def inject(name: str, stack: Stack, crew: Crew, mark: FaultMark) -> None:
    """Inject a fault and wait until everybody is served again; note it all in the mark."""

    def lifted() -> None:
        mark.lifted = crew.clock()

    mark.begun = crew.clock()
    try:
        mark.effect = await FAULTS[name](Scene(stack, crew, lifted))
        mark.took = True
    except (Unsupported, NotTaken) as error:
        mark.effect = str(error)
    except (OSError, RedisError) as error:
        mark.effect = f"could not be injected: {error}"
    mark.lifted = mark.lifted or crew.clock()
    mark.back = await everybody_back(crew, mark.lifted)


async def everybody_back(crew: Crew, moment: float) -> float | None:
    """When every client is in all its rooms and was given an event in each since `moment`; None if that takes too long.

    The moment returned is that of the last client's first event, so it includes waiting for somebody to say something.
    """
    give_up = time.monotonic() + max(BACK_SECONDS, BACK_EVENTS * len(crew.rooms) / crew.rate)
    while not all(member.heard_since(moment) for member in crew.members):
        if time.monotonic() > give_up:
            return None
        await asyncio.sleep(POLL_SECONDS)
    return crew.clock()


async def kill_worker(scene: Scene) -> str:
    """SIGKILL to one worker."""
    victim = scene.crew.dice.choice(await scene.stack.workers())
    await scene.stack.signal_worker(victim, signal.SIGKILL)
    scene.lifted()
    await replaced(scene.stack, victim)
    return f"worker {victim} killed and replaced"


async def roll_workers(scene: Scene) -> str:
    """SIGTERM to one worker after the other, each when the one before is replaced."""
    workers = await scene.stack.workers()
    for worker in workers:
        await scene.stack.signal_worker(worker, signal.SIGTERM)
        await replaced(scene.stack, worker)
    return f"workers {', '.join(workers)} drained and replaced"


async def kill_redis(scene: Scene) -> str:
    """SIGKILL to Redis, which is started again on the data it had written."""
    before = await scene.stack.redis_process()
    await scene.stack.signal_redis(signal.SIGKILL)

    async def holds() -> bool:
        try:
            again = await scene.stack.redis_process() != before
            return again and await scene.stack.redis("PING") in (True, b"PONG", "PONG")
        except (OSError, RedisError):
            return False

    await until(holds, "Redis started again")
    scene.lifted()
    return f"process {before} killed, {await scene.stack.redis_process()} answers"


async def kill_pubsub(scene: Scene) -> str:
    """Redis closes all its subscribers' connections."""
    count = int(await scene.stack.redis("CLIENT", "KILL", "TYPE", "pubsub"))
    if not count:
        raise NotTaken("there was no subscriber")
    return f"{count} subscribers cut"


async def pause_redis(scene: Scene) -> str:
    """Redis takes commands but answers none for a while."""
    await scene.stack.redis("CLIENT", "PAUSE", str(PAUSE_MS), "ALL")
    begin = time.monotonic()
    await scene.stack.redis("PING")
    seconds = time.monotonic() - begin
    if seconds < PAUSE_MS / 2000:
        raise NotTaken(f"Redis answered after {seconds:.2f} s")
    return f"no answer for {seconds:.1f} s"


async def freeze_redis(scene: Scene) -> str:
    """SIGSTOP to Redis, SIGCONT some seconds later: connections stay open and nothing moves."""
    await scene.stack.signal_redis(signal.SIGSTOP)
    try:
        await asyncio.sleep(FREEZE_SECONDS)
    finally:
        await scene.stack.signal_redis(signal.SIGCONT)
    return f"stopped for {FREEZE_SECONDS:.0f} s"


async def cut_clients(scene: Scene) -> str:
    """Half of the clients lose their connection at the same moment."""
    members = scene.crew.dice.sample(scene.crew.members, max(1, len(scene.crew.members) // 2))
    for member in members:
        member.client.cut()
    return f"{len(members)} clients cut"


async def tiny_buffer(scene: Scene) -> str:
    """Redis allows its subscribers almost no output buffer, then comes a burst of large texts."""
    stack, crew = scene.stack, scene.crew
    before = _words(await stack.redis("CONFIG", "GET", LIMIT))[-1]
    cut = await _cut_for_output(stack)
    if not crew.loud:
        await crew.enter_loud(LOUD_CLIENTS)
    counted = _words(await stack.redis("CONFIG", "GET", COPIES))[-1:]
    await stack.redis("CONFIG", "SET", LIMIT, "pubsub 32kb 16kb 1")
    if counted:
        # What is sent by reference does not count against the limit in every version.
        await stack.redis("CONFIG", "SET", COPIES, str(2**30))
    try:
        await _burst(scene)
    finally:
        await stack.redis("CONFIG", "SET", LIMIT, before)
        if counted:
            await stack.redis("CONFIG", "SET", COPIES, counted[0])
        scene.lifted()
    now = await _cut_for_output(stack)
    if now == cut:
        raise NotTaken("no subscriber had so much to read that Redis cut it")
    return f"{now - cut} subscribers cut for their output buffer"


async def _burst(scene: Scene) -> None:
    """The workers stand still while the texts arrive, so that they publish many of them at once."""
    workers = await scene.stack.workers()
    for worker in workers:
        await scene.stack.signal_worker(worker, signal.SIGSTOP)
    try:
        burst = asyncio.create_task(scene.crew.burst(BURST_SENDS), name="burst")
        await asyncio.sleep(STAND_STILL_SECONDS)
    finally:
        for worker in workers:
            with contextlib.suppress(OSError):  # killed meanwhile by somebody else; the others must go on
                await scene.stack.signal_worker(worker, signal.SIGCONT)
    await burst


async def script_flush(scene: Scene) -> str:
    """Redis forgets all scripts."""
    await scene.stack.redis("SCRIPT", "FLUSH")
    return "scripts forgotten"


async def _cut_for_output(stack: Stack) -> int:
    """How many clients Redis has cut for their output buffers since it started."""
    info = await stack.redis("INFO", "stats")
    if isinstance(info, dict):
        return int(info["client_output_buffer_limit_disconnections"])
    fields = dict(line.split(":", 1) for line in _text(info).splitlines() if ":" in line)
    return int(fields["client_output_buffer_limit_disconnections"])


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _words(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [_text(word) for pair in found.items() for word in pair]
    return found.splitlines() if isinstance(found, str) else [_text(word) for word in found]


FAULTS: dict[str, Fault] = {
    "kill-worker": kill_worker,
    "roll-workers": roll_workers,
    "kill-redis": kill_redis,
    "kill-pubsub": kill_pubsub,
    "pause-redis": pause_redis,
    "freeze-redis": freeze_redis,
    "cut-clients": cut_clients,
    "tiny-buffer": tiny_buffer,
    "script-flush": script_flush,
}
"""By the name given on the command line, in the order they come in a round."""


def describe(name: str) -> str:
    """The one line that says what a fault does."""
    return (FAULTS[name].__doc__ or "").strip()
