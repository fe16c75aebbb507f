"""`--find-max`: loads one after another as the search asks for them, and what the rate that it finds is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Any

from app.loadtest.measure import Measure
from app.loadtest.plan import Limit, Plan
from app.loadtest.run import Display, Session
from app.loadtest.verdict import Verdict, broken, doubts, missed, own_limit
from app.traffic.machine import DISTURBED_CORES
from app.traffic.search import Outcome, Search

STEP_PART, STEP_LEAST_SECONDS, STEP_MOST_SECONDS = 6, 3.0, 10.0
ROUGH_SECONDS = 2.0
SETTLE_SECONDS, REST_SECONDS = 1.0, 1.0
WARM_SENDS, WARM_LEAST_SECONDS, WARM_MOST_SECONDS = 128, 3.0, 30.0
HOPELESS = 3.0


async def find(session: Session, shown: Display) -> tuple[Verdict, list[Measure], list[dict[str, Any]]]:
    """The highest rate; the measures returned are those that held what the rounds of the search found."""
    plan = session.plan
    search = Search(plan.rate)
    fine_seconds = min(STEP_MOST_SECONDS, max(STEP_LEAST_SECONDS, plan.duration / STEP_PART))
    warm = await session.load(plan.rate, warm_up(plan), forget=True)
    violations = broken(warm)
    steps: list[dict[str, Any]] = []
    held: list[Measure] = []
    limits: list[str] = []
    while not search.done and not session.interrupted.is_set():
        fine = search.fine
        seconds = SETTLE_SECONDS + (fine_seconds if fine else ROUGH_SECONDS)
        measure = await session.load(search.rate, seconds, settle=SETTLE_SECONDS, forget=True)
        violations += broken(measure)
        if not measure.whole:
            break
        outcome, reasons = judged(measure, plan.slo)
        decided = search.tell(outcome)
        if fine and outcome is Outcome.PASSED:
            held.append(measure)
        elif fine and decided:
            limits.append(not_the_server(measure, plan.slo))
        steps.append(_step(measure, fine, outcome, "; ".join(reasons) or outcome.value))
        shown.say(_line(measure, fine, steps[-1]["reason"]))
        await asyncio.sleep(REST_SECONDS)
    held = [measure for measure in held if measure.rate in search.results]
    return _verdict(session, search, held, violations, limits), held, steps


def warm_up(plan: Plan) -> float:
    """Seconds until the servers remember as much of each sender as they ever do, for each send costs more until then.

    Where that would take too long at the first rate, it is left to the search.
    """
    seconds = WARM_SENDS * plan.sockets / plan.rate
    return max(WARM_LEAST_SECONDS, seconds if seconds <= WARM_MOST_SECONDS else 0.0)


def judged(measure: Measure, slo: Sequence[Limit]) -> tuple[Outcome, list[str]]:
    """What a step says about its rate, and why it did not pass."""
    reasons = [*broken(measure), *missed(measure, slo), *doubts(measure)]
    if not reasons:
        return Outcome.PASSED, []
    if measure.others > DISTURBED_CORES:
        return Outcome.DISTURBED, [*reasons, f"other programs used {measure.others:.2f} cores"]
    far = any(measure.delivery.ms(limit.percentile) > HOPELESS * limit.most_ms for limit in slo)
    return Outcome.HOPELESS if far or broken(measure) else Outcome.MISSED, reasons


def not_the_server(measure: Measure, slo: Sequence[Limit]) -> str:
    """What else held up a step that decided; empty if it was the server."""
    if own_limit(measure, slo):
        return "the load test was the limit, not the server: " + "; ".join(doubts(measure))
    if measure.others > DISTURBED_CORES:
        return f"the machine was not quiet: other programs used {measure.others:.2f} cores"
    return ""


def _step(measure: Measure, fine: bool, outcome: Outcome, reason: str) -> dict[str, Any]:
    summary = measure.delivery.summary()
    return {"rate": measure.rate, "seconds": measure.seconds, "fine": fine, "passed": outcome is Outcome.PASSED} | {
        "reason": reason,
        "deliveries": measure.account.given,
        "generator_cpu": round(measure.generator_cpu, 3),
        **{name: summary[name] for name in ("p50", "p95", "p99", "max")},
    }


def _line(measure: Measure, fine: bool, reason: str) -> str:
    return (
        f"{measure.rate:9,.0f} messages/s  {measure.account.given / measure.seconds:11,.0f} deliveries/s  "
        f"p99 {measure.delivery.ms(99):7.1f} ms  {'' if fine else 'roughly: '}{reason}"
    )


def _verdict(
    session: Session, search: Search, held: list[Measure], violations: list[str], limits: list[str]
) -> Verdict:
    verdict = Verdict(broken=violations, interrupted=session.interrupted.is_set(), found=search.found)
    goal = ",".join(map(str, session.plan.slo))
    if search.found is None:
        verdict.missed.append(
            f"no rate keeps {goal}" if not search.low else f"the search did not end; {search.low:,.0f} may be carried"
        )
        verdict.summary = f"{search.tries} steps"
        return verdict
    if sum(map(bool, limits)) > len(limits) / 2:
        verdict.doubts.append(f"above it {next(filter(None, limits))}")
    deliveries = search.found * session.plan.members / session.plan.rooms
    p99 = median(measure.delivery.ms(99) for measure in held) if held else 0.0
    spread = f"{min(search.results):,.0f} to {max(search.results):,.0f} in {len(search.results)} rounds"
    verdict.summary = (
        f"{search.found:,.0f} messages/s ({spread}), {deliveries:,.0f} deliveries/s keep {goal}; p99 there {p99:.1f} ms"
    )
    return verdict
