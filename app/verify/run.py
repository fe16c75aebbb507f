"""One run from beginning to end: stack up, clients in, faults one after another, quiet, logs read, judged."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from app.traffic.faults import FaultMark
from app.traffic.history import History
from app.traffic.stacks import POLL_SECONDS, Stack, StackError, Unsupported
from app.verify import faults as injected
from app.verify.audience import Audience
from app.verify.checker import Violation, judge
from app.verify.crew import Crew, read_logs
from app.verify.report import Run

READY_SECONDS = 60.0
CALM_SECONDS = 2.0
SETTLE_SECONDS = 60.0
CATCH_UP_SECONDS = 30.0
PRESENT_SECONDS = 30.0
LOGS_SECONDS = 120.0
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do. It ends when the goals are reached and every fault was injected at least once.

    Attributes:
        clients, sockets: who talk, and who only listen.
        events: acknowledged events wanted, 0 for none in particular.
        seconds: least duration.
        faults: in the order of the round; rounds are repeated until the goals are reached.
    """

    clients: int
    sockets: int
    rooms: int
    rate: float
    events: int
    seconds: float
    faults: list[str]
    seed: int


async def carry_out(plan: Plan, stack: Stack, command: str, say: Callable[[str], None]) -> Run:
    """Run a plan on a stack that is not started yet, and judge. Raises StackError if the stack does not come up."""
    random.seed(plan.seed)
    dice = random.Random(plan.seed)
    run_id = f"{int(time.time()):x}-{plan.seed}"
    rooms = [f"verify-{run_id}-{number}" for number in range(plan.rooms)]
    history = History()
    async with _up(stack):
        say(f"testing {stack.description}, seed {plan.seed}")
        crew = Crew(stack.urls, rooms, plan.rate, dice)
        audience = Audience(stack.urls, rooms, plan.sockets)
        version = await _redis_version(stack)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await crew.enter(plan.clients)
                await audience.enter()
        except TimeoutError:
            await crew.leave()
            await audience.leave()
            raise StackError("the clients do not get in") from None
        try:
            await _disturb(plan, stack, crew, history, say)
            unanswered = await _quiet(crew, say)
            with contextlib.suppress(TimeoutError):  # whatever was acknowledged counts as lost then
                async with asyncio.timeout(LOGS_SECONDS):
                    history.logs = await read_logs(stack.urls, rooms)
            await _caught_up(crew, history)
            await audience.caught_up(history.logs, CATCH_UP_SECONDS)
            await audience.leave()
            strangers = await _present(crew)
        finally:
            await audience.leave()
            await crew.leave()
        history.ended = crew.clock()
    history.clients = [member.history for member in crew.members]
    verdict = judge(history)
    verdict.violations += [*unanswered, *strangers, *audience.judge(history.logs)]
    verdict.heard = audience.deliveries
    problems = [*crew.errors[:3], *_untested(plan, history, verdict.acked)]
    sizes = (plan.clients, plan.sockets, plan.rooms, plan.rate)
    return Run(command, stack.description, plan.seed, *sizes, history, verdict, problems, version)


@contextlib.asynccontextmanager
async def _up(stack: Stack) -> AsyncIterator[None]:
    try:
        await stack.start()
        yield
    finally:
        await stack.stop()


async def _redis_version(stack: Stack) -> str:
    try:
        info = await stack.redis("INFO", "server")
    except (Unsupported, OSError, RedisError):
        return "Redis version unknown"
    if not isinstance(info, dict):
        info = dict(line.split(":", 1) for line in str(info).splitlines() if ":" in line)
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(name + '_version') or info.get('redis_version')}"


async def _disturb(plan: Plan, stack: Stack, crew: Crew, history: History, say: Callable[[str], None]) -> None:
    """Traffic, and one fault after another, until the goals are reached."""
    work = {"talk": crew.talk(), "stumble": crew.stumble(), "progress": _progress(crew, history, say)}
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]

    def reached() -> bool:
        return crew.acked >= plan.events and crew.clock() >= plan.seconds

    try:
        await injected.everybody_back(crew, 0.0)
        while True:
            for name in crew.dice.sample(plan.faults, len(plan.faults)):
                await asyncio.sleep(CALM_SECONDS)
                mark = FaultMark(name, crew.clock())
                history.faults.append(mark)
                say(f"{mark.begun:6.1f} s  {name}: {injected.describe(name)}")
                await injected.inject(name, stack, crew, mark)
                if reached() and len(history.faults) >= len(plan.faults):
                    break
            if not plan.faults:
                await asyncio.sleep(POLL_SECONDS)
            if reached():
                return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _progress(crew: Crew, history: History, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        there = sum(member.there for member in crew.members)
        got = sum(member.deliveries for member in crew.members)
        say(
            f"{crew.clock():6.1f} s  {crew.acked} acknowledged, {got} delivered, "
            f"{there}/{len(crew.members)} clients there, {len(history.faults)} faults"
        )


async def _quiet(crew: Crew, say: Callable[[str], None]) -> list[Violation]:
    """No more faults, no more sends: wait until every send has its outcome. One that gets none is a violation."""
    say(f"{crew.clock():6.1f} s  quiet: waiting for the last acknowledgements")
    if await crew.settled(SETTLE_SECONDS):
        return []
    what = f"{crew.unanswered} sends have no outcome {SETTLE_SECONDS:.0f} s after the last fault"
    return [Violation("back", "all rooms", "", what)]


async def _caught_up(crew: Crew, history: History) -> None:
    """Give everybody time to have what the logs have. Who has not is the judge's business."""
    give_up = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < give_up:
        behind = [
            member
            for member in crew.members
            for room in member.rooms
            if room in history.logs
            if not member.there or member.client.rooms[room].position != history.logs[room].position
        ]
        if not behind:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _present(crew: Crew) -> list[Violation]:
    """Whether everybody, in the end, knows exactly who is there. A server that says nothing of people is not judged."""
    everybody = [*crew.members, *crew.loud]
    there: dict[str, set[str]] = {}
    for one in everybody:
        for room in one.rooms:
            there.setdefault(room, set()).add(one.client.user)
    give_up = time.monotonic() + PRESENT_SECONDS
    while True:
        wrong = [
            (one, room, known)
            for one in everybody
            for room, known in one.client.rooms.items()
            if known.members is not None and (known.members, set(known.people)) != (len(there[room]), there[room])
        ]
        if not wrong or time.monotonic() > give_up:
            break
        await asyncio.sleep(POLL_SECONDS)
    return [
        Violation("people", room, one.history.name, f"{known.members} people told, {len(there[room])} are there")
        for one, room, known in wrong
    ]


def _untested(plan: Plan, history: History, acked: int) -> list[str]:
    problems = []
    if not acked:
        problems.append("no event was acknowledged")
    took = {fault.name for fault in history.faults if fault.took}
    missing = [name for name in plan.faults if name not in took]
    if missing:
        problems.append(f"faults without effect: {', '.join(missing)}")
    return problems
