"""Where the processor time of the servers' core goes while Parley carries a load, by perf's samples.

Usage: python -m bench.profile [one-room|many-rooms|acks] [--rate MESSAGES_PER_SECOND] [--write-docs]

Needs perf and the right to use it (root, or kernel.perf_event_paranoid at most 1). The samples are of the processor
clock, so that virtual machines without performance counters do as well.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from bench import document, loadclient, netns
from bench.loadclient import Group, LoadClient, LoadClientError, Step
from bench.peers import PEERS, REPOSITORY
from bench.servers import CannotStart, Server, running

SAMPLES_PER_SECOND = 999
TOP = 12
LOADS = {
    "one-room": Group(rooms=1, members=1000, senders=100, rate=5000),
    "many-rooms": Group(rooms=200, members=10, senders=1, rate=30_000),
    "acks": Group(rooms=200, members=1, senders=1, rate=40_000),
}


@dataclass(frozen=True)
class Share:
    """Some percent of all samples: in which program, which library (or the kernel), which function."""

    percent: float
    engine: bool
    library: str
    function: str

    @property
    def kernel(self) -> bool:
        return self.library.startswith("[kernel")

    @property
    def place(self) -> str:
        """The row of the summary it belongs to."""
        who = "Valkey" if self.engine else "workers"
        if self.kernel:
            return f"kernel, for {'Valkey' if self.engine else 'the workers'}"
        if self.engine:
            return "Valkey: commands, scripts, pub/sub"
        if self.library.startswith(("libpython", "python")):
            return "workers: Python"
        if self.library.startswith("loop."):
            return "workers: uvloop"
        return f"{who}: other native code"


def record(server: Server, load: Group, client: LoadClient, folder: Path) -> tuple[list[Share], Step]:
    """Run the load; the samples of its measured time."""
    samples = folder / "perf.data"
    servers, engines = server.pids()
    argv = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "-o", str(samples)]
    argv += ["-p", ",".join(map(str, [*servers, *engines])), "--", "sleep", str(client.seconds)]
    perf: list[subprocess.Popen[bytes]] = []
    step = client.run(server, [load], lambda: perf.append(subprocess.Popen(argv, stderr=subprocess.PIPE)))
    _, problem = perf[0].communicate(timeout=30)
    if perf[0].returncode:
        raise LoadClientError(f"perf: {problem.decode().strip()}")
    return _read(samples, set(engines)), step


def _read(samples: Path, engines: set[int]) -> list[Share]:
    argv = ["perf", "report", "-i", str(samples), "--stdio", "-F", "overhead,pid,dso,symbol", "-t", "|"]
    out = subprocess.run([*argv, "--percent-limit", "0"], capture_output=True, text=True, check=True).stdout
    shares = []
    for line in out.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 4 or not fields[0].endswith("%"):
            continue
        pid = int(fields[1].partition(":")[0])
        function = fields[3].partition("]")[2].strip() or fields[3]
        shares.append(Share(float(fields[0][:-1]), pid in engines, fields[2], function))
    return shares


def summary(load: Group, shares: list[Share], step: Step) -> str:
    """Two tables: places, and the functions that take most."""
    places: Counter[str] = Counter()
    functions: Counter[tuple[str, str]] = Counter()
    for share in shares:
        places[share.place] += share.percent  # type: ignore[assignment]
        functions[share.function, share.place] += share.percent  # type: ignore[assignment]
    group = step.groups[0]
    head = (
        f"**{load.rooms:,} x {load.members:,} at {load.rate:,.0f} messages/s**: "
        f"{group['deliveries_per_second']:,.0f} deliveries/s, workers {step.cores['server']:.2f} and "
        f"Valkey {step.cores['engine']:.2f} of the core they share"
    )
    lines = [head, "", "| where | share of its processor time |", "|---|---|"]
    lines += [f"| {place} | {percent:.0f} % |" for place, percent in places.most_common() if percent >= 0.5]
    lines += ["", "| function | where | share |", "|---|---|---|"]
    lines += [f"| `{name}` | {place} | {percent:.1f} % |" for (name, place), percent in functions.most_common(TOP)]
    return "\n".join(lines)


def _load(name: str) -> str:
    if name not in LOADS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(LOADS)}")
    return name


def main() -> int:
    """Profile and print; 2 when something is missing or did not start."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("load", nargs="*", type=_load, help="which loads (default: all, one after the other)")
    parser.add_argument("--rate", type=float, help="messages/s instead of the load's own")
    parser.add_argument("--seconds", type=float, default=5.0, help="sampled time of a load (default 5)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    args = parser.parse_args()
    if not shutil.which("perf"):
        print("bench: perf is not installed (Debian: apt install linux-perf)", file=sys.stderr)
        return 2
    parts = []
    try:
        loadclient.build()
        netns.enter()
        for name in args.load or LOADS:
            load = replace(LOADS[name], rate=args.rate or LOADS[name].rate)
            with tempfile.TemporaryDirectory() as folder, running(PEERS["parley"], "embedded", 0) as server:
                shares, step = record(server, load, LoadClient(1, args.seconds), Path(folder))
            parts.append(summary(load, shares, step))
    except (CannotStart, LoadClientError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    text = "\n\n".join(parts)
    print(text)
    if args.write_docs:
        document.replace_between(REPOSITORY / "docs" / "performance.md", "profile", lambda: text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
