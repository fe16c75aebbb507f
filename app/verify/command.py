"""`parley verify`: its options, its exit code."""

from __future__ import annotations

import argparse
import asyncio
import random
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.traffic.stacks import Stack
    from app.verify.run import Plan

CLIENTS, ROOMS, RATE, EVENTS = 24, 4, 120.0, 10_000
NAIVE_EVENTS = 2_000


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put the command's options on the command line."""
    parser = commands.add_parser(
        "verify",
        help="prove the guarantees under faults",
        description="Drive clients against servers while faults are injected, record what each client was told, and "
        "judge the histories: nothing lost, nothing twice, one order. Without URL it starts a server of its own with "
        "an embedded Valkey in a temporary directory. Exit code 0: every promise kept; 1: a violation, with its "
        "evidence; 2: nothing was tested.",
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="servers to test, for example http://127.0.0.1:8000")
    parser.add_argument("--clients", type=_positive, default=CLIENTS, metavar="N", help=f"(default: {CLIENTS})")
    parser.add_argument("--rooms", type=_positive, default=ROOMS, metavar="N", help=f"(default: {ROOMS})")
    parser.add_argument(
        "--rate", type=float, default=RATE, metavar="N", help=f"sends per second of all together (default: {RATE:g})"
    )
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--duration", type=float, metavar="S", help="least seconds of traffic")
    goal.add_argument("--events", type=_positive, metavar="N", help=f"acknowledged events (default: {EVENTS})")
    parser.add_argument(
        "--faults", default="all", metavar="LIST", help="names separated by commas, all, or none (default: all)"
    )
    parser.add_argument("--list-faults", action="store_true", help="show the faults and what they do")
    parser.add_argument("--seed", type=int, metavar="N", help="of the faults' order and the traffic (default: random)")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write the history and a report there")
    parser.add_argument("--workers", type=_positive, default=2, metavar="N", help="of the server started (default: 2)")
    parser.add_argument("--compose", metavar="PROJECT", help="the URLs are served by this docker compose project")
    parser.add_argument(
        "--naive", action="store_true", help="test a plain pub/sub relay instead, to see that the tool finds violations"
    )
    parser.set_defaults(parser=parser)


def run(parsed: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    from app.traffic.history import write
    from app.traffic.stacks import StackError
    from app.verify import report
    from app.verify.faults import FAULTS, describe
    from app.verify.run import carry_out

    if parsed.list_faults:
        print("\n".join(f"{name:14} {describe(name)}" for name in FAULTS))
        return 0
    plan = _plan(parsed)
    # SIGTERM ends a run like Ctrl-C, so that what it started is removed.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        result = asyncio.run(carry_out(plan, _stack(parsed), _command(parsed, plan), _say))
    except StackError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("parley: stopped; nothing was judged", file=sys.stderr)
        return 2
    if parsed.report is not None:
        report.save(result, parsed.report)
        write(result.history, parsed.report / "history.jsonl")
        _say(f"report and history are in {parsed.report}")
    print(report.terminal(result))
    return result.code


def _plan(parsed: argparse.Namespace) -> Plan:
    from app.verify.faults import FAULTS
    from app.verify.run import Plan

    names = list(FAULTS) if parsed.faults == "all" else [] if parsed.faults == "none" else parsed.faults.split(",")
    if parsed.faults == "all" and parsed.urls and not parsed.compose:
        names = ["cut-clients"]
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        parsed.parser.error(f"--faults: unknown: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    if parsed.rate <= 0:
        parsed.parser.error("--rate: must be above 0")
    if parsed.compose and not parsed.urls:
        parsed.parser.error("--compose: give the URL of the stack")
    if parsed.naive and parsed.urls:
        parsed.parser.error("--naive: starts its own servers, give no URL")
    events = parsed.events or 0
    if parsed.events is None and parsed.duration is None:
        events = NAIVE_EVENTS if parsed.naive else EVENTS
    return Plan(
        clients=parsed.clients,
        rooms=parsed.rooms,
        rate=parsed.rate,
        events=events,
        seconds=parsed.duration or 0.0,
        faults=names,
        seed=random.randrange(10**6) if parsed.seed is None else parsed.seed,
    )


def _stack(parsed: argparse.Namespace) -> Stack:
    from app.traffic.compose import Compose
    from app.traffic.stacks import Remote, Served
    from app.verify.relays import Relays

    if parsed.naive:
        return Relays(parsed.workers)
    if parsed.compose:
        return Compose(parsed.urls, parsed.compose)
    if parsed.urls:
        return Remote(parsed.urls)
    log = None
    if parsed.report is not None:
        parsed.report.mkdir(parents=True, exist_ok=True)
        log = parsed.report / "server.log"
    return Served(parsed.workers, log)


def _command(parsed: argparse.Namespace, plan: Plan) -> str:
    """The command that does the same again."""
    goal = ["--duration", f"{plan.seconds:g}"] if plan.seconds else ["--events", str(plan.events)]
    words = ["parley", "verify", "--clients", str(plan.clients), "--rooms", str(plan.rooms)]
    words += ["--rate", f"{plan.rate:g}", *goal, "--faults", ",".join(plan.faults) or "none"]
    words += ["--seed", str(plan.seed), "--workers", str(parsed.workers)]
    words += ["--compose", parsed.compose] if parsed.compose else []
    words += ["--naive"] if parsed.naive else []
    return shlex.join([*words, *parsed.urls])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
