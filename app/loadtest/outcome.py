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
from app.loadtest import compare, highest, report
from app.loadtest.measure import Measure
from app.loadtest.panel import Plain, Screen, display
from app.loadtest.plan import Plan
from app.loadtest.run import Session
from app.loadtest.verdict import INVALID, USAGE, Verdict, judge
from app.traffic import history, machine
from app.traffic.children import ChildError
from app.traffic.stacks import Stack, StackError

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
        history.write(session.history, directory / "history.jsonl")
        print(f"report.html, result.json and history.jsonl are in {directory}", file=sys.stderr)
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
        return await (highest.find(session, shown) if session.plan.find_max else _loads(session))


async def _loads(session: Session) -> tuple[Verdict, list[Measure], list[dict[str, Any]]]:
    plan, measures = session.plan, list[Measure]()
    for _ in range(plan.repeat):
        measures.append(await session.load(plan.rate, plan.duration, kill_at=plan.kill_at))
        if session.interrupted.is_set():
            break
        await asyncio.sleep(REST_SECONDS if plan.repeat > 1 else 0)
    return judge(measures, plan.slo, interrupted=session.interrupted.is_set()), measures, []


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
