"""The command: which peers, which scenarios, how long; results as JSON, table and document."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import document, loadclient, machine, netns, selfcheck
from bench.install import CannotInstall
from bench.peers import PEERS, REPOSITORY
from bench.scenarios import QUICK, SCENARIOS, Bench, measure
from bench.servers import CannotStart, engine_version

EPILOG = """\
The measure: two worker processes and Redis together on one core, the load client on the other; the
highest rate whose 99th percentile from intended send time to delivery stays under 250 ms with every delivery
counted, in order, once. A rate at which the load client itself was the limit is marked invalid. An event of
Parley that is lost, doubled or out of order makes the exit code 1; of another server it is reported.

examples:
  python -m bench --quick                         a first look at all peers, about ten minutes
  python -m bench                                 the whole matrix, into docs/performance.md
  python -m bench --peer parley --scenario idle   one cell
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=(__import__("bench").__doc__ or "").partition("\n")[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_load(parser.add_argument_group("what is measured").add_argument)
    _add_place(parser.add_argument_group("where, and what becomes of it").add_argument)
    return parser


def _add_load(add: Callable[..., object]) -> None:
    add(
        "--peer",
        action="append",
        choices=sorted(PEERS),
        metavar="NAME",
        help=f"what to measure, may be repeated: {', '.join(PEERS)} (default: all)",
    )
    add(
        "--scenario",
        action="append",
        choices=list(SCENARIOS),
        metavar="NAME",
        help=f"what to do with it, may be repeated: {', '.join(SCENARIOS)} (default: all)",
    )
    add("--quick", action="store_true", help="shorter steps, coarser search, fewer scenarios")
    add(
        "--engine",
        default="embedded",
        metavar="KIND",
        help="embedded: the Valkey binary that Parley embeds, for all peers (default); redis: the system's "
        "redis-server for all peers, Parley included; or the path of a server program",
    )
    add(
        "--rounds",
        type=int,
        default=1,
        metavar="N",
        help="measure each cell this often and show the best, for all alike (default 1)",
    )
    add("--workers", type=int, default=2, metavar="N", help="worker processes of a server (default 2)")
    add("--seconds", type=float, metavar="S", help="measured time of one step (default 5, quick 1.5)")
    add("--text-bytes", type=int, default=128, metavar="N", help="size of a text (default 128, at least 28)")
    add(
        "--read-gap-us",
        type=int,
        default=0,
        metavar="US",
        help="let the load client join reads this long (default 0)",
    )


def _add_place(add: Callable[..., object]) -> None:
    add(
        "--no-pin",
        action="store_true",
        help="do not pin processes to cores (figures are then not comparable)",
    )
    add(
        "--host-network",
        action="store_true",
        help="use the machine's loopback even where a private one (own network namespace; root) is possible",
    )
    add("--no-ceiling", action="store_true", help="do not measure the load client's own ceiling first")
    add(
        "--self-check",
        action="store_true",
        help="only show that the load client counts lost, doubled and disordered deliveries as such",
    )
    add(
        "--write-docs",
        action="store_true",
        help="put tables and plots into docs/performance.md; as a run of the whole matrix does anyway",
    )
    add("--out", type=Path, metavar="FILE", help="results as JSON (default bench/results/<time>.json)")


def _ceilings(bench: Bench) -> list[dict[str, Any]]:
    found = []
    for proto in ("json", "raw"):
        for frames in (256, 8):
            found.append(bench.client.ceiling(proto, 1000, frames, bench.server_core))
            bench.say(
                "  {proto:4} {frames_per_write:3} frames a write: {frames_per_second:12,.0f} frames/s "
                "at cpu {client_cpu:.2f}, ceiling about {ceiling:,}".format(**found[-1])
            )
    return found


def _prepare(names: list[str], bench: Bench, run: dict[str, Any]) -> list[str]:
    """Install what the peers need; the names of those that can run here. Why others cannot is in the report."""
    for name in names:
        try:
            run["versions"][name] = PEERS[name].prepare()
        except CannotInstall as problem:
            bench.say(f"{PEERS[name].label} is left out: {problem}")
            run["left_out"][name] = str(problem)
    return [name for name in names if name in run["versions"]]


def _meta(args: argparse.Namespace, pinned: bool, private: bool, busy: float) -> dict[str, Any]:
    place = ("Servers and engine on core 0, load client on core 1, " if pinned else "Nothing pinned to a core, ") + (
        "private loopback." if private else "the machine's loopback."
    )
    command = " ".join(["python -m bench", *sys.argv[1:]])
    return {
        **machine.describe(),
        "date": time.strftime("%Y-%m-%d"),
        "command": command,
        "engine": engine_version(args.engine),
        "place": place,
        "text_bytes": args.text_bytes,
        "rounds": args.rounds,
        "busy_before": round(busy, 3),
    }


def _bench(args: argparse.Namespace, pinned: bool) -> Bench:
    seconds = args.seconds or (1.5 if args.quick else 5.0)
    client = loadclient.LoadClient(
        core=1 if pinned else None,
        seconds=seconds,
        warmup=0.5 if args.quick else 1.0,
        drain=3.0 if args.quick else 5.0,
        text_bytes=args.text_bytes,
        read_gap_us=args.read_gap_us,
    )

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    return Bench(client, args.engine, 0 if pinned else None, args.quick, say, args.workers)


def _results_file(args: argparse.Namespace) -> Path:
    if args.out:
        return Path(args.out)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    return folder / time.strftime("%Y%m%d-%H%M%S.json")


def _save(path: Path, run: dict[str, Any]) -> None:
    """After each cell: a run that is broken off keeps what it found."""
    path.write_text(json.dumps(run, indent=1) + "\n")


def _order(args: argparse.Namespace, peers: list[str]) -> Iterator[tuple[str, str]]:
    """Scenario by scenario, all peers in a row, so that what disturbs the machine for a while hits them alike;
    every second round the other way round."""
    for name in args.scenario or (QUICK if args.quick else SCENARIOS):
        for number in range(args.rounds):
            for peer in peers[:: -1 if number % 2 else 1]:
                yield name, peer


def main(argv: list[str] | None = None) -> int:
    """Measure and report; 1 when Parley broke a guarantee, 2 when something could not be started."""
    args = _parser().parse_args(argv)
    if sys.platform != "linux":
        print("bench: needs Linux (epoll, /proc, CPU pinning)", file=sys.stderr)
        return 2
    pinned = not args.no_pin and (os.cpu_count() or 1) >= 2
    bench = _bench(args, pinned)
    path = _results_file(args)
    run: dict[str, Any] = {"results": [], "ceilings": [], "versions": {}, "left_out": {}}
    try:
        loadclient.build()
        if args.self_check:
            client = loadclient.LoadClient(core=None, seconds=1.0, warmup=0.5, drain=1.0)
            return 0 if selfcheck.check(client, bench.say) else 1
        peers = _prepare(args.peer or list(PEERS), bench, run)
        private = not args.host_network and netns.enter()
        busy = machine.busy_cores()
        run["meta"] = _meta(args, pinned, private, busy)
        if busy >= 0.1:
            bench.say(f"note: {busy:.2f} cores are in use by other programs; figures will be preliminary")
        if not args.no_ceiling:
            bench.say("load client's own ceiling")
            run["ceilings"] = _ceilings(bench)
        for name, peer in _order(args, peers):
            bench.say(f"{SCENARIOS[name].title}: {PEERS[peer].label}")
            run["results"].append(measure(bench, SCENARIOS[name], PEERS[peer]))
            bench.say("  " + json.dumps({k: v for k, v in run["results"][-1].items() if k != "cores"}))
            _save(path, run)
    except (CannotStart, loadclient.LoadClientError) as problem:
        bench.say(f"bench: {problem}")
        return 2
    run["violations"] = bench.violations
    _save(path, run)
    bench.say(f"results in {path}")
    print(document.block(run))
    if args.write_docs or not (args.quick or args.peer or args.scenario):
        document.write(REPOSITORY / "docs" / "performance.md", run)
    broken = [text for text in bench.violations if text.startswith("parley ")]
    for text in broken:
        bench.say(f"FAILED: {text}")
    return 1 if broken else 0
