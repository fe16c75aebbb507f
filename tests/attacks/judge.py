"""What an attack did to the server and to others: measured beside it, judged afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from statistics import quantiles

from tests.attacks.attacker import Attack, Attacker
from tests.attacks.canary import Cage, Report
from tests.attacks.target import Target
from tests.attacks.wire import Wrong

MIB = 2**20
SAMPLE_SECONDS = 0.05
GROWTH_BYTES = 32 * MIB
KEPT_BYTES = 8 * MIB
GIVEN_BACK_SECONDS = 12.0
LONGEST_MS = 1000.0
MOSTLY_MS = 100.0
ALIVE_MS = 10_000.0


@dataclass(slots=True)
class Memory:
    """Resident bytes of the server's processes: before, at most, and some time after; `engine` is what Valkey grew."""

    before: int = 0
    peak: int = 0
    after: int = 0
    engine: int = 0

    @property
    def grown(self) -> int:
        """How much more there was at the worst moment."""
        return max(0, self.peak - self.before)

    @property
    def kept(self) -> int:
        """How much of it was not given back."""
        return max(0, self.after - self.before)


@dataclass(slots=True)
class Verdict:
    """What came of one attack. `wrong` is what may never be; `slow` are figures over what is aimed at."""

    attack: Attack
    seconds: float = 0.0
    seen: dict[str, int] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    memory: Memory = field(default_factory=Memory)
    wrong: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


def mostly(trips: list[float]) -> float:
    """The time within which nine of ten trips were over."""
    return quantiles(trips, n=10)[-1] if len(trips) > 1 else max(trips, default=0.0)


def judge(verdict: Verdict) -> None:
    """Say what is wrong with it, from what was measured."""
    report, memory = verdict.report, verdict.memory
    longest = max([*report.trips, report.pending_ms])
    verdict.wrong += report.wrong
    if not report.trips:
        verdict.wrong.append("the canary was silent")
    if longest > ALIVE_MS:
        verdict.wrong.append(f"a message of the canary took {longest:.0f} ms")
    if memory.grown > GROWTH_BYTES:
        verdict.wrong.append(f"memory grew by {memory.grown / MIB:.0f} MiB")
    if longest > LONGEST_MS:
        verdict.slow.append(f"longest round trip {longest:.0f} ms")
    if mostly(report.trips) > MOSTLY_MS:
        verdict.slow.append(f"a tenth of the round trips over {mostly(report.trips):.0f} ms")
    if max(report.newcomers, default=0.0) > LONGEST_MS:
        verdict.slow.append(f"a newcomer took {max(report.newcomers):.0f} ms")
    if memory.kept > KEPT_BYTES:
        verdict.slow.append(f"{memory.kept / MIB:.0f} MiB not given back")


async def carry_out(attack: Attack, target: Target, cage: Cage, long: bool) -> Verdict:
    """Attack the server once and measure what that does."""
    verdict, memory = Verdict(attack), Memory()
    verdict.memory = memory
    attacker = Attacker(target, long)
    await cage.report()
    memory.before, engine = target.resident_bytes()
    watching = asyncio.create_task(_watch(target, memory))
    began = time.monotonic()
    try:
        await attack.run(attacker)
    except Wrong as wrong:
        verdict.wrong.append(str(wrong))
    finally:
        attacker.leave()
    verdict.seconds = time.monotonic() - began
    verdict.report = await cage.calm()
    await _given_back(target, memory, GIVEN_BACK_SECONDS if long else 0.0)
    watching.cancel()
    memory.engine = target.resident_bytes()[1] - engine
    verdict.seen = dict(attacker.seen)
    verdict.wrong += target.complaints()
    if await asyncio.to_thread(target.alive) != target.workers:
        verdict.wrong.append("a worker died")
    judge(verdict)
    return verdict


async def _watch(target: Target, memory: Memory) -> None:
    while True:
        memory.peak = max(memory.peak, target.resident_bytes()[0])
        await asyncio.sleep(SAMPLE_SECONDS)


async def _given_back(target: Target, memory: Memory, seconds: float) -> None:
    """Wait, for a while, until memory is nearly what it was."""
    until = time.monotonic() + seconds
    while True:
        memory.after = target.resident_bytes()[0]
        if memory.kept <= KEPT_BYTES / 4 or time.monotonic() >= until:
            return
        await asyncio.sleep(SAMPLE_SECONDS * 4)


async def warm_up(target: Target) -> None:
    """Have the server import and cache whatever it does with the first of its clients, so that nobody is blamed."""
    attacker = Attacker(target, long=False)
    links = await attacker.crowd(50, lambda: attacker.member(elsewhere=True))
    for number, link in enumerate(links):
        await link.ask(type="send", id=3, room=attacker.room, cid=f"w{number}", text="x" * 1000)
        await link.ask(type="history", id=4, room=attacker.room)
    for path in ("/", "/health", "/metrics", "/asyncapi.json", "/api/v1/rooms", "/nothing"):
        await attacker.http(f"GET {path} HTTP/1.1\r\nHost: parley\r\n\r\n".encode())
    attacker.leave()
