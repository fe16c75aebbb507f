"""`parley loadtest`: its options, its exit code."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from importlib import metadata
from pathlib import Path

from app.arguments import count, of, positive, seconds, within
from app.loadtest.plan import Plan, limits
from app.traffic import arguments

NEEDED = {"hdrh": "hdrhistogram", "playwright": "playwright"}
USAGE = 2
SLO = "p99=200ms"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put the command's options on the command line."""
    parser = commands.add_parser(
        "loadtest",
        help="load servers with browsers and sockets, count every delivery",
        description="Real pages in Chromium and thousands of sockets join rooms; messages are sent at a fixed rate, "
        "whatever the server does; every delivery is counted, its latency taken from the moment its message was meant "
        "to be sent. Without URL it starts a server of its own and removes it again. Exit code 0: passed; 1: the goal "
        "was missed, or something was lost, doubled or out of order; 2: nothing was tested; 3: the figures are not "
        "valid, since the load test itself was the limit or was interrupted.",
    )
    arguments.add_common(parser, "load", "write report.html, result.json and a picture of a page there", 50, 200.0)
    add, time = parser.add_argument, of(seconds)
    add("--browsers", type=count, default=3, metavar="N", help="browser processes (default: 3)")
    add("--pages", type=count, default=6, metavar="N", help="pages in them, 0 for none (default: 6)")
    add("--sockets", type=positive, default=2000, metavar="N", help="simulated members (default: 2000)")
    add("--ramp", type=time, default=10.0, metavar="TIME", help="time to connect over (default: 10s)")
    add("--duration", type=time, default=60.0, metavar="TIME", help="of the load (default: 60s)")
    add("--kill-worker", type=time, metavar="TIME", help="kill a worker so long after the load began")
    add("--slo", type=of(limits), metavar="LIMIT", help="what the delivery latency must keep, like p99=200ms")
    add("--find-max", action="store_true", help=f"search the highest rate that keeps --slo (then default: {SLO})")
    add("--repeat", type=positive, default=1, metavar="N", help="loads one after another (default: 1)")
    add("--compare", type=Path, metavar="FILE", help="say whether this is better, worse or the same as a result.json")
    add("--generators", type=positive, default=1, metavar="N", help="processes for the sockets (default: 1)")
    text_bytes = within(28, 4000, ", the length of the mark,")
    add("--text-bytes", type=text_bytes, default=128, metavar="N", help="length of a message (default: 128)")
    add("--browser", default="", metavar="PATH", help="the Chromium to use (default: the one installed)")


def run(parsed: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    plan = _plan(parsed)
    missing = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if not plan.pages and missing == ["playwright"]:
        missing = []
    if missing:
        print(_how_to_install(missing), file=sys.stderr)
        return USAGE
    from app.loadtest.outcome import carry_out

    return carry_out(plan, arguments.stack(parsed), parsed.report, parsed.compare, _command(parsed))


def _plan(parsed: argparse.Namespace) -> Plan:
    fail = parsed.parser.error
    if parsed.kill_worker is not None and parsed.urls:
        fail("--kill-worker: kills a worker of the server that is started here, give no URL")
    if parsed.kill_worker is not None and parsed.kill_worker >= parsed.duration:
        fail("--kill-worker: must come before the end of --duration")
    if parsed.find_max and (parsed.kill_worker is not None or parsed.repeat > 1):
        fail("--find-max: goes with neither --kill-worker nor --repeat")
    if bool(parsed.pages) != bool(parsed.browsers):
        fail("--browsers and --pages: both or neither")
    if parsed.rooms > parsed.sockets:
        fail("--rooms: not more than --sockets, for every room needs somebody who sends")
    if parsed.generators > parsed.sockets:
        fail("--generators: not more than --sockets")
    if parsed.duration < 1:
        fail("--duration: at least 1s")
    if parsed.compare is not None and not parsed.compare.is_file():
        fail(f"--compare: there is no file {parsed.compare}")
    slo = parsed.slo or (limits(SLO) if parsed.find_max else ())
    return Plan(
        **{name: getattr(parsed, name) for name in ("browsers", "pages", "sockets", "rooms", "rate", "ramp")},
        **{name: getattr(parsed, name) for name in ("duration", "repeat", "text_bytes", "generators", "browser")},
        **{"slo": slo, "kill_at": parsed.kill_worker, "find_max": parsed.find_max},
    )


def _command(parsed: argparse.Namespace) -> str:
    """The command that does the same again."""
    words = ["parley", "loadtest"]
    for name in ("browsers", "pages", "sockets", "rooms", "rate", "ramp", "duration"):
        unit = "s" if name in ("ramp", "duration") else ""
        words += [f"--{name}", f"{getattr(parsed, name):g}{unit}"]
    words += ["--kill-worker", f"{parsed.kill_worker:g}s"] if parsed.kill_worker is not None else []
    words += ["--find-max"] if parsed.find_max else []
    words += ["--slo", ",".join(map(str, parsed.slo))] if parsed.slo else []
    for name, usual in (("repeat", 1), ("workers", 2), ("generators", 1), ("text_bytes", 128), ("browser", "")):
        value = getattr(parsed, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value != usual else []
    return shlex.join([*words, *parsed.urls])


def _how_to_install(missing: list[str]) -> str:
    """One message with the command that helps."""
    wanted = [_requirement(NEEDED[module]) for module in missing]
    command = shlex.join([sys.executable, "-m", "pip", "install", *wanted])
    pages = " Or leave the pages out: --browsers 0 --pages 0." if missing == ["playwright"] else ""
    names = ", ".join(NEEDED[module] for module in missing)
    return f"parley: loadtest needs {names}. Install with\n  {command}\n{pages}".rstrip()


def _requirement(package: str) -> str:
    """As this version of Parley wants it."""
    for requirement in metadata.requires("parley") or ():
        wanted = requirement.partition(";")[0].strip()
        if wanted.startswith(package):
            return wanted
    return package
