"""`parley verify`: its options, its exit code."""

from __future__ import annotations

import argparse
import asyncio
import random
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from app.arguments import count, of, positive, seconds
from app.traffic import arguments

if TYPE_CHECKING:
    from app.traffic.stacks import Stack
    from app.verify.run import Plan

CLIENTS, SOCKETS, ROOMS, RATE, EVENTS = 24, 100, 4, 120.0, 10_000
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
    arguments.add_common(parser, "test", "write the history and a report there", ROOMS, RATE)
    add = parser.add_argument
    add("--clients", type=positive, default=CLIENTS, metavar="N", help=f"who talk (default: {CLIENTS})")
    add(
        "--sockets", type=count, default=SOCKETS, metavar="N", help=f"simulated members who listen (default: {SOCKETS})"
    )
    goal = parser.add_mutually_exclusive_group()
    time = of(seconds)
    goal.add_argument("--duration", type=time, metavar="TIME", help="least time of traffic")
    goal.add_argument("--events", type=positive, metavar="N", help=f"acknowledged events (default: {EVENTS})")
    add("--faults", default="all", metavar="LIST", help="names separated by commas, all, or none (default: all)")
    add("--list-faults", action="store_true", help="show the faults and what they do")
    add("--seed", type=int, metavar="N", help="of the faults' order and the traffic (default: random)")
    add("--compose", metavar="PROJECT", help="the URLs are served by this docker compose project")
    add("--naive", action="store_true", help="test a plain pub/sub relay instead, to see that violations are found")


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
    if parsed.compose and not parsed.urls:
        parsed.parser.error("--compose: give the URL of the stack")
    if parsed.naive and parsed.urls:
        parsed.parser.error("--naive: starts its own servers, give no URL")
    events = parsed.events or 0
    if parsed.events is None and parsed.duration is None:
        events = NAIVE_EVENTS if parsed.naive else EVENTS
    return Plan(
        clients=parsed.clients,
        sockets=parsed.sockets,
        rooms=parsed.rooms,
        rate=parsed.rate,
        events=events,
        seconds=parsed.duration or 0.0,
        faults=names,
        seed=random.randrange(10**6) if parsed.seed is None else parsed.seed,
    )


def _stack(parsed: argparse.Namespace) -> Stack:
    from app.traffic.compose import Compose
    from app.verify.relays import Relays

    if parsed.naive:
        return Relays(parsed.workers)
    return Compose(parsed.urls, parsed.compose) if parsed.compose else arguments.stack(parsed)


def _command(parsed: argparse.Namespace, plan: Plan) -> str:
    """The command that does the same again."""
    goal = ["--duration", f"{plan.seconds:g}"] if plan.seconds else ["--events", str(plan.events)]
    words = ["parley", "verify", "--clients", str(plan.clients)]
    words += ["--sockets", str(plan.sockets), "--rooms", str(plan.rooms)]
    words += ["--rate", f"{plan.rate:g}", *goal, "--faults", ",".join(plan.faults) or "none"]
    words += ["--seed", str(plan.seed), "--workers", str(parsed.workers)]
    words += ["--compose", parsed.compose] if parsed.compose else []
    words += ["--naive"] if parsed.naive else []
    return shlex.join([*words, *parsed.urls])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
