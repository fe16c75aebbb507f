"""From a plan to its outcome: the loads one after another, the verdict, the files, the exit code."""

from __future__ import annotations

import asyncio
import json
import platform
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import __version__
from app.loadtest import compare, report
from app.loadtest.measure import Measure
from app.loadtest.panel import Plain, Screen, display
from app.loadtest.plan import Plan
from app.loadtest.run import Session
from app.loadtest.verdict import INVALID, USAGE, Verdict, broken, doubts, judge, missed, own_limit
from app.traffic import machine
from app.traffic.children import ChildError
from app.traffic.search import Search
from app.traffic.stacks import Stack, StackError

STEP_PART, STEP_LEAST_SECONDS, STEP_MOST_SECONDS = 6, 3.0, 10.0
VALIDATION_STEPS = 2
REST_SECONDS = 1.0


def carry_out(plan: Plan, stack: Stack, directory: Path | None, old: Path | None, command: str) -> int:
    """Run a plan, say and write what came of it; the exit code."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    picture = directory / "page.png" if directory is not None else None
    with display() as shown:
        session = Session(plan, stack, shown, picture)
        try:
            verdict, measures, steps = asyncio.run(_guarded(session, shown))
        except (StackError, ChildError) as error:
            print(f"parley: {error}{_advice(str(error))}", file=sys.stderr)
            return USAGE
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("parley: stopped before anything was measured", file=sys.stderr)
            return INVALID
    result = _result(session, verdict, measures, steps, command)
    if old is not None:
        result["comparison"] = _compared(json.loads(old.read_text()), result)
    if directory is not None:
        (directory / "result.json").write_text(json.dumps(result, indent=1))
        (directory / "report.html").write_text(report.html(result, picture))
        print(f"report.html and result.json are in {directory}", file=sys.stderr)
    for what, count in session.errors.items():
        print(f"{count} times: {what}")
    for text in result.get("comparison", {}).get("lines", ()):
        print(text)
    print(verdict.line)
    return verdict.code


async def _guarded(session: Session, shown: Plain | Screen) -> tuple[Verdict, list[Measure], list[dict[str, Any]]]:
    """The first Ctrl-C ends the load early, with a verdict; before there is a load, or again, it ends everything."""
    main = asyncio.current_task()
    assert main is not None

    def stop() -> None:
        if session.interrupted.is_set() or session.gauges.phase == "start":
            main.cancel()
        session.interrupted.set()
        shown.say("stopping: no more is sent, what is under way is waited for a moment")

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with session:
        if not await session.enter():
            return judge([], session.plan.slo, interrupted=True), [], []
        return await (_search(session, shown) if session.plan.find_max else _loads(session))


async def _loads(session: Session) -> tuple[Verdict, list[Measure], list[dict[str, Any]]]:
    plan, measures = session.plan, list[Measure]()
    for _ in range(plan.repeat):
        measures.append(await session.load(plan.rate, plan.duration, kill_at=plan.kill_at))
        if session.interrupted.is_set():
            break
        await asyncio.sleep(REST_SECONDS if plan.repeat > 1 else 0)
    return judge(measures, plan.slo, interrupted=session.interrupted.is_set()), measures, []


async def _search(session: Session, shown: Plain | Screen) -> tuple[Verdict, list[Measure], list[dict[str, Any]]]:
    """The highest rate; the measures returned are those that validated it."""
    plan = session.plan
    search = Search(plan.rate)
    step_seconds = min(STEP_MOST_SECONDS, max(STEP_LEAST_SECONDS, plan.duration / STEP_PART))
    steps: list[dict[str, Any]] = []
    held: list[Measure] = []
    violations: list[str] = []
    limited: dict[float, list[str]] = {}
    while not search.done and not session.interrupted.is_set():
        rate, validating = search.rate, search.validating
        seconds = step_seconds * (VALIDATION_STEPS if validating else 1)
        measure = await session.load(rate, seconds, forget=True)
        wrong, late, doubtful = broken(measure), missed(measure, plan.slo), doubts(measure)
        passed = measure.whole and not wrong and not late and not doubtful
        violations += wrong
        if not passed:
            limited.setdefault(rate, []).append("; ".join(doubtful) if own_limit(measure, plan.slo) else "")
        held = [one for one in held if one.rate == rate] + [measure] if validating else []
        search.tell(passed)
        reason = "; ".join([*wrong, *late, *doubtful]) or ("passed" if passed else "interrupted")
        steps.append(_step(measure, validating, passed, reason))
        shown.say(
            f"{rate:9,.0f} messages/s  {measure.account.given / seconds:11,.0f} deliveries/s  "
            f"p99 {measure.delivery.ms(99):7.1f} ms  {'validation: ' if validating else ''}{reason}"
        )
        await asyncio.sleep(REST_SECONDS)
    too_much = limited.get(search.high, [])
    limiting = too_much[-1] if too_much and all(too_much) else ""
    return _searched(session, search, steps, held, violations, limiting), held, steps


def _step(measure: Measure, validating: bool, passed: bool, reason: str) -> dict[str, Any]:
    summary = measure.delivery.summary()
    return {"rate": measure.rate, "seconds": measure.seconds, "validating": validating, "passed": passed} | {
        "reason": reason,
        "deliveries": measure.account.given,
        "generator_cpu": round(measure.generator_cpu, 3),
        **{name: summary[name] for name in ("p50", "p95", "p99", "max")},
    }


def _searched(
    session: Session,
    search: Search,
    steps: list[dict[str, Any]],
    held: list[Measure],
    violations: list[str],
    limiting: str,
) -> Verdict:
    verdict = Verdict(broken=violations, interrupted=session.interrupted.is_set(), found=search.found)
    goal = ",".join(map(str, session.plan.slo))
    if search.found is None:
        verdict.missed.append(
            f"no rate keeps {goal}" if not search.low else f"not validated; {search.low:,.0f} passed once"
        )
        verdict.summary = f"{len(steps)} steps"
        return verdict
    if limiting:
        verdict.doubts.append(f"above it the load test was the limit, not the server: {limiting}")
    deliveries = search.found * session.plan.members / session.plan.rooms
    worst = max((measure.delivery.ms(99) for measure in held), default=0.0)
    verdict.summary = (
        f"{search.found:,.0f} messages/s, {deliveries:,.0f} deliveries/s keep {goal}; "
        f"p99 {worst:.1f} ms when held for {sum(measure.seconds for measure in held):.0f} s"
    )
    return verdict


def _result(
    session: Session, verdict: Verdict, measures: list[Measure], steps: list[dict[str, Any]], command: str
) -> dict[str, Any]:
    plan = asdict(session.plan) | {"slo": list(map(str, session.plan.slo))}
    best = min(measures, key=lambda measure: measure.delivery.ms(99), default=None)
    return {
        "parley": __version__,
        "command": command,
        "ended": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "stack": session.stack.description,
        "machine": machine.describe() | {"system": platform.system()},
        "browser": session.browser,
        "cores": session.pinned,
        "plan": plan,
        "verdict": verdict.asdict(),
        "loads": [measure.asdict() for measure in measures],
        "curves": {
            "delivery": best.delivery.curve() if best else [],
            "ack": best.ack.curve() if best else [],
            "page": best.page.curve() if best else [],
        },
        "steps": steps,
        "faults": [asdict(fault) for fault in session.faults],
        "errors": session.errors,
        "seconds": [asdict(second) for second in session.gauges.seconds],
    }


def _compared(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    changes = compare.compare(before, now)
    word = compare.verdict(changes)
    lines = [str(change) for change in changes]
    if unlike := compare.different(before, now):
        lines.append(f"asked for differently: {', '.join(unlike)}")
    return {"word": word, "lines": [f"compared with {before['ended']}: {word}", *lines], "before": before["ended"]}


def _advice(error: str) -> str:
    """What to do about a browser that is not there."""
    if "xecutable doesn't exist" not in error and "ailed to launch" not in error:
        return ""
    return (
        f"\nA Chromium is needed for the pages: on Debian and Ubuntu, apt install chromium; elsewhere\n"
        f"  {sys.executable} -m playwright install chromium\n"
        "or name one with --browser, or leave the pages out: --browsers 0 --pages 0"
    )
