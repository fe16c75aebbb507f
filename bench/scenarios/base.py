"""What all scenarios share: the bench they run on, servers that are restarted, and how a step becomes figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from app.traffic import machine
from app.traffic.search import Outcome, Search
from bench.loadclient import Group, LoadClient, Step
from bench.peers import Peer
from bench.servers import Server, running

Figures = dict[str, Any]

P99_LIMIT_MS = 250.0
HIGHEST_RATE = 200_000.0


@dataclass
class Bench:
    """The settings all scenarios share, and where they report."""

    client: LoadClient
    engine: str
    server_core: int | None
    quick: bool
    say: Callable[[str], None]
    workers: int = 2
    violations: list[str] = field(default_factory=list)

    def running(self, peer: Peer) -> AbstractContextManager[Server]:
        return running(peer, self.engine, self.server_core, self.workers)

    def note_violations(self, peer: Peer, scenario: str, step: Step) -> None:
        for what, count in step.account.violations.items():
            self.violations.append(f"{peer.name} {scenario}: {count} {what}")

    def step(self, peer: Peer, scenario: str, groups: list[Group], client: LoadClient | None = None) -> Step:
        """One run on a server of its own."""
        with self.running(peer) as server:
            step = (client or self.client).run(server, groups)
        self.note_violations(peer, scenario, step)
        return step


@dataclass(frozen=True)
class Scenario:
    """One thing that is measured; ``primary`` is the figure by which rounds are compared."""

    name: str
    title: str
    measure: Callable[[Bench, Peer], Figures]
    primary: str
    more_is_better: bool = False


class Restarting:
    """A server that is started when first needed and anew after it was overloaded."""

    def __init__(self, bench: Bench, peer: Peer):
        self._bench, self._peer = bench, peer
        self._context: AbstractContextManager[Server] | None = None
        self._server: Server | None = None

    def __enter__(self) -> Restarting:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def server(self) -> Server:
        if self._server is None:
            self._context = self._bench.running(self._peer)
            self._server = self._context.__enter__()
        return self._server

    def stop(self) -> None:
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = self._server = None


def find_top(
    bench: Bench, peer: Peer, scenario: str, shape: Group, first: float, limit_ms: float, key: str, coarse: bool = False
) -> tuple[list[Step], Step | None]:
    """All steps tried, and the one with the highest rate of this shape that carried everything within the limit."""
    steep, narrow = (2.0, 1.45) if bench.quick or coarse else (1.6, 1.08)
    search = Search(first, up=steep, narrow=narrow, rounds=1, highest=HIGHEST_RATE)
    steps: list[Step] = []
    top = None
    with Restarting(bench, peer) as server:
        while not search.done:
            rate = search.rate
            step = bench.client.run(server.server(), [replace(shape, rate=round(rate, 1))])
            bench.note_violations(peer, scenario, step)
            bench.say(f"  {rate:9.0f} msg/s  {step.line(limit_ms, key)}")
            steps.append(step)
            outcome = step.outcome(limit_ms, key)
            if outcome is Outcome.PASSED:
                top = step  # what passes later is higher
            else:
                server.stop()
            search.tell(outcome)
    return steps, top


def disturbed(steps: Iterable[Step]) -> bool:
    """Whether others used the machine during any of these."""
    return any(step.cores.get("others", 0) + step.cores.get("stolen", 0) > machine.DISTURBED_CORES for step in steps)


def latencies(group: dict[str, Any], key: str = "delivery_ms", prefix: str = "") -> Figures:
    """Percentiles of one group, in milliseconds."""
    return {f"{prefix}{name}_ms": group[key][name] for name in ("p50", "p90", "p99", "p999", "max")}


def figures(step: Step, key: str = "delivery_ms") -> Figures:
    """What a step with one load says; with ``failed`` when it was not carried."""
    group = step.groups[0]
    found = {
        "deliveries_per_second": sum(g["deliveries_per_second"] for g in step.groups),
        "messages_per_second": group["rate"],
        **latencies(group, key),
        "cores": step.cores,
        "client_cpu": step.client["cpu"],
        "valid": not step.client["saturated"],
        "disturbed": disturbed([step]),
    }
    if step.incomplete:
        found["failed"] = step.incomplete
    return found
