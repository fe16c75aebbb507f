"""Every attack, in short: the server lives, others do not notice, memory stays in bounds, the log stays quiet.

`python -m tests.attacks` does the same at full length and prints what it measured; here only those bounds fail.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.attacks.attacker import Attack, Attacker
from tests.attacks.canary import Cage, Report
from tests.attacks.catalogue import ATTACKS
from tests.attacks.judge import GROWTH_BYTES, Memory, Verdict, carry_out, judge, warm_up
from tests.attacks.table import BEGIN, END
from tests.attacks.target import Target
from tests.support import ROOT, until_async

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux' /proc"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The server that all of them attack."""
    target = Target(tmp_path_factory.mktemp("attacked"), log_level="info")
    asyncio.run(warm_up(target))
    target.complaints()
    yield target
    assert target.stop() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cage(target: Target) -> AsyncIterator[Cage]:
    """Somebody who chats meanwhile."""
    cage = await Cage.open(target.server.ws)
    yield cage
    await cage.close()


@pytest.mark.parametrize("attack", [one for one in ATTACKS if not one.waits], ids=lambda one: f"{one.area}-{one.name}")
async def test_an_attack_harms_nobody(attack: Attack, target: Target, cage: Cage) -> None:
    """It is answered as the attack says; nobody is cut, nothing is lost, nothing grows, nothing fails."""
    verdict = await carry_out(attack, target, cage, long=False)
    assert not verdict.wrong, "\n".join([attack.about, *verdict.wrong])


async def test_what_has_a_deadline_is_ended(target: Target, cage: Cage) -> None:
    """All attacks that wait for the server's patience to end, at once."""

    async def all_at_once(attacker: Attacker) -> None:
        """Silent, slow, and never finished."""
        await asyncio.gather(*(one.run(attacker) for one in ATTACKS if one.waits))

    verdict = await carry_out(Attack("all", all_at_once), target, cage, long=False)
    assert not verdict.wrong, "\n".join(verdict.wrong)


async def test_the_page_has_every_attack() -> None:
    """In the order and the words of the catalogue."""
    page = (ROOT / "docs" / "security.md").read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ")]
    assert rows[2:] == [[f"| {one.area}: {one.name}", one.about] for one in ATTACKS]


# That the suite would notice


async def test_the_canary_notices_a_server_that_hangs(target: Target, cage: Cage) -> None:
    """A worker that stands still for half a second shows in the round trips."""
    await until_async(lambda: target.alive() == target.workers, "both serve")
    await cage.report()
    os.kill(target.workers[0], signal.SIGSTOP)
    try:
        await asyncio.sleep(0.5)
    finally:
        os.kill(target.workers[0], signal.SIGCONT)
    report = await cage.calm()
    assert max(report.trips) > 400


async def test_an_attack_that_kills_a_worker_is_wrong(tmp_path: Path) -> None:
    """Its connections, the canary's too, are cut; the log tells of it; another process is there."""
    target = await asyncio.to_thread(Target, tmp_path)
    try:
        cage = await Cage.open(target.server.ws)

        async def murder(attacker: Attacker) -> None:
            """Kill a worker."""
            os.kill(attacker.target.workers[0], signal.SIGKILL)

        verdict = await carry_out(Attack("none", murder), target, cage, long=False)
        await cage.close()
    finally:
        await asyncio.to_thread(target.stop)
    assert any("was cut" in wrong for wrong in verdict.wrong), verdict.wrong
    assert any("worker died" in wrong for wrong in verdict.wrong), verdict.wrong


@pytest.mark.parametrize(
    ("report", "memory", "wrong"),
    [
        (Report(trips=[5.0, 9.0]), Memory(before=100, peak=100 + GROWTH_BYTES), ""),
        (Report(trips=[5.0, 9.0]), Memory(before=100, peak=101 + GROWTH_BYTES), "memory"),
        (Report(trips=[]), Memory(), "silent"),
        (Report(trips=[5.0, 10_001.0]), Memory(), "took"),
        (Report(trips=[5.0], pending_ms=10_001.0), Memory(), "took"),
        (Report(trips=[5.0], wrong=["Piep was cut with 1006"]), Memory(), "cut"),
    ],
)
async def test_a_verdict_says_what_is_wrong(report: Report, memory: Memory, wrong: str) -> None:
    """Silence, loss, memory, and a message that takes for ever."""
    verdict = Verdict(ATTACKS[0], report=report, memory=memory)
    judge(verdict)
    assert (wrong in " ".join(verdict.wrong)) if wrong else not verdict.wrong
