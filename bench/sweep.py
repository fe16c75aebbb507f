"""How Parley's cost grows: with members of a room, with rooms, with the size of a text, with the rate.

Usage: python -m bench.sweep [members|rooms|text|rate ...] [--write-docs]

Each point is a load that the server carries well; of it the processor time per delivery (server and engine, both on one
core) and the latency are kept. With --write-docs tables and plots go into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bench import document, loadclient, netns, plot
from bench.loadclient import Group, LoadClient, LoadClientError, Step
from bench.peers import PEERS, REPOSITORY
from bench.servers import CannotStart, Server, running

ENGINE, SERVER_CORE, CLIENT_CORE = "embedded", 0, 1


@dataclass(frozen=True)
class Sweep:
    """One thing that varies, what is held fast meanwhile, and the load for each of its values."""

    title: str
    held: str
    unit: str
    values: tuple[int, ...]
    load: Callable[[int], Group]
    text_bytes: Callable[[int], int] = lambda _: 128


SWEEPS = {
    "members": Sweep(
        "members of a room",
        "one room, 100 messages/s",
        "members",
        (10, 30, 100, 300, 1000, 3000, 10_000),
        lambda n: Group(rooms=1, members=n, senders=min(n, 10), rate=100),
    ),
    "rooms": Sweep(
        "rooms",
        "one member each, 2,000 messages/s over all",
        "rooms",
        (1, 10, 100, 1000, 10_000),
        lambda n: Group(rooms=n, members=1, senders=1, rate=2000 if n > 1 else 500),
    ),
    "text": Sweep(
        "bytes of a text",
        "one room of 1,000, 200 messages/s",
        "bytes",
        (32, 128, 512, 1024, 2048, 4000),
        lambda _: Group(rooms=1, members=1000, senders=20, rate=200),
        lambda n: n,
    ),
    "rate": Sweep(
        "messages per second",
        "one room of 1,000",
        "messages/s",
        (10, 30, 100, 300, 1000, 3000),
        lambda n: Group(rooms=1, members=1000, senders=min(n, 100), rate=n),
    ),
}


@dataclass(frozen=True)
class Point:
    """What one value cost. Microseconds of processor time per delivery; latencies in milliseconds."""

    value: int
    deliveries_per_second: float
    server_us: float
    engine_us: float
    p50_ms: float
    p99_ms: float
    problem: str

    @classmethod
    def of(cls, value: int, step: Step) -> Point:
        group = step.groups[0]
        rate = max(group["deliveries_per_second"], 1)
        server, engine = (step.cores[who] / rate * 1e6 for who in ("server", "engine"))
        times = group["delivery_ms"]
        return cls(value, rate, server, engine, times["p50"], times["p99"], step.incomplete)


def measure(sweep: Sweep, server: Server, client: LoadClient, say: Callable[[str], None]) -> list[Point]:
    """Each value once, on one server, smallest first."""
    points = []
    for value in sweep.values:
        sized = replace(client, text_bytes=sweep.text_bytes(value))
        point = Point.of(value, sized.run(server, [sweep.load(value)]))
        say(
            f"  {value:6} {sweep.unit}: {point.deliveries_per_second:10,.0f} deliveries/s, "
            f"server {point.server_us:.2f} and engine {point.engine_us:.2f} us each, "
            f"p99 {point.p99_ms:.1f} ms {point.problem}"
        )
        points.append(point)
    return points


def table(sweep: Sweep, points: Iterable[Point]) -> str:
    """A row a value."""
    head = f"| {sweep.unit} | deliveries/s | server us/delivery | engine us/delivery | p50 / p99 ms |"
    rows = [
        f"| {p.value:,} | {p.deliveries_per_second:,.0f} | {p.server_us:.2f} | {p.engine_us:.3f} "
        f"| {p.p50_ms:.2f} / {p.p99_ms:.2f}{' !' if p.problem else ''} |"
        for p in points
    ]
    return "\n".join([f"**By {sweep.title}** ({sweep.held})\n", head, "|---|---|---|---|---|", *rows])


def picture(sweep: Sweep, points: list[Point]) -> str:
    """The same as lines."""
    cost = plot.Line("us/delivery", [(p.value, p.server_us + p.engine_us) for p in points])
    late = plot.Line("p99 ms", [(p.value, p.p99_ms) for p in points])
    return plot.lines(f"Processor time per delivery and latency, {sweep.held}", sweep.title, [cost, late])


def write_docs(found: dict[str, list[Point]]) -> None:
    """One table and one plot a sweep, between the page's markers."""
    page = REPOSITORY / "docs" / "performance.md"
    folder = page.parent / document.PLOTS
    folder.mkdir(exist_ok=True)
    parts = []
    for name, points in found.items():
        (folder / f"by-{name}.svg").write_text(picture(SWEEPS[name], points))
        parts.append(table(SWEEPS[name], points))
        parts.append(f"![by {SWEEPS[name].title}]({document.PLOTS}/by-{name}.svg)")
    document.replace_between(page, "sweep", lambda: "\n\n".join(parts))


def _sweep(name: str) -> str:
    if name not in SWEEPS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(SWEEPS)}")
    return name


def main() -> int:
    """Measure and print; 1 when a load lost, doubled or disordered an event, 2 when something did not start."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="*", type=_sweep, help="what varies (default: all, one after the other)")
    parser.add_argument("--seconds", type=float, default=3.0, help="measured time of one point (default 3)")
    parser.add_argument("--write-docs", action="store_true", help="put tables and plots into docs/performance.md")
    args = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found: dict[str, list[Point]] = {}
    try:
        loadclient.build()
        netns.enter()
        for name in args.name or SWEEPS:
            say(f"{SWEEPS[name].title}; {SWEEPS[name].held}")
            with running(PEERS["parley"], ENGINE, SERVER_CORE) as server:
                found[name] = measure(SWEEPS[name], server, LoadClient(CLIENT_CORE, args.seconds), say)
    except (CannotStart, LoadClientError) as problem:
        say(f"bench: {problem}")
        return 2
    print("\n\n".join(table(SWEEPS[name], points) for name, points in found.items()))
    if args.write_docs:
        write_docs(found)
    return 1 if any("violations" in point.problem for points in found.values() for point in points) else 0


if __name__ == "__main__":
    sys.exit(main())
