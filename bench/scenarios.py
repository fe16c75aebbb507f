"""What is measured. A scenario takes a running bench and one peer and returns its figures as a dict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench import machine
from bench.loadclient import Group, LoadClient, LoadClientError, Step, settle
from bench.peers import Peer
from bench.search import Search
from bench.servers import Server, running

# Above this many cores in use by strangers a figure is marked as disturbed.
DISTURBED_CORES = 0.15
P99_LIMIT_MS = 250.0


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

    def running(self, peer: Peer):
        return running(peer, self.engine, self.server_core, self.workers)


class Restarting:
    """A server that is started when first needed and anew after it was overloaded."""

    def __init__(self, bench: Bench, peer: Peer):
        self._bench, self._peer = bench, peer
        self._context: Any = None
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


def _note_violations(bench: Bench, peer: Peer, scenario: str, step: Step) -> None:
    for what, count in step.violations.items():
        bench.violations.append(f"{peer.name} {scenario}: {count} {what}")


def _figures(step: Step, key: str) -> dict[str, Any]:
    group = step.groups[0]
    return {
        "deliveries_per_second": sum(g["deliveries_per_second"] for g in step.groups),
        "messages_per_second": group["rate"],
        "p50_ms": group[key]["p50"],
        "p90_ms": group[key]["p90"],
        "p99_ms": group[key]["p99"],
        "p999_ms": group[key]["p999"],
        "max_ms": group[key]["max"],
        "cores": step.cores,
        "client_cpu": step.client["cpu"],
        "valid": not step.client["saturated"],
        "disturbed": step.cores.get("others", 0) + step.cores.get("stolen", 0) > DISTURBED_CORES,
    }


def _fanout(bench: Bench, peer: Peer, scenario: str, shape: Group) -> dict[str, Any]:
    """The highest rate with p99 within the limit and nothing lost."""
    with Restarting(bench, peer) as server:

        def run(rate: float) -> Step:
            step = bench.client.run(server.server(), [replace(shape, rate=round(rate, 1))])
            _note_violations(bench, peer, scenario, step)
            return step

        search = Search(run, server.stop, lambda text: bench.say("  " + text), P99_LIMIT_MS)
        if bench.quick:
            search = replace(search, factor=2.0, narrowing_steps=1, narrow_to=1.2)
        top = search.find(peer.first_rates.get(scenario, 100.0))
    if top is None:
        return {"failed": "no rate was carried"}
    return {**_figures(top[1], "delivery_ms"), "tried": len(search.tried)}


def fanout_one_room(bench: Bench, peer: Peer) -> dict[str, Any]:
    return _fanout(bench, peer, "fanout-1x1000", Group(rooms=1, members=1000, senders=100))


def fanout_many_rooms(bench: Bench, peer: Peer) -> dict[str, Any]:
    return _fanout(bench, peer, "fanout-200x10", Group(rooms=200, members=10, senders=1))


def idle(bench: Bench, peer: Peer) -> dict[str, Any]:
    """Memory of the server's processes from 0 to 5,000 joined connections, and how fast those came."""
    rooms = 200 if bench.quick else 500
    with bench.running(peer) as server:
        # Lazy imports and first buffers are not the price of a connection.
        with bench.client.holding(server, [Group(10, 10)]):
            settle(server, 2)
        settle(server)
        servers, engines = server.pids()
        before, engine_before = machine.resident_bytes(servers), machine.resident_bytes(engines)
        begin = machine.cpu_seconds(servers)
        with bench.client.holding(server, [Group(rooms, 10)]) as connect:
            used = machine.cpu_seconds(servers) - begin
            settle(server)
            after, engine_after = machine.resident_bytes(servers), machine.resident_bytes(engines)
    count = connect["ready"]
    return {
        "connections": count,
        "kib_per_connection": round((after["rss"] - before["rss"]) / count / 1024, 2),
        "pss_kib_per_connection": round((after["pss"] - before["pss"]) / count / 1024, 2),
        "engine_kib_per_connection": round((engine_after["rss"] - engine_before["rss"]) / count / 1024, 2),
        "base_mib": round(before["rss"] / 2**20, 1),
        "connects_per_second": connect["per_second"],
        "server_us_per_connect": round(used / count * 1e6, 1),
        "valid": True,
    }


def _ack(bench: Bench, peer: Peer, rate: float) -> dict[str, Any]:
    if peer.proto != "json":
        return {"skipped": "no acknowledgements"}
    with bench.running(peer) as server:
        step = bench.client.run(server, [Group(rooms=200, members=1, senders=1, rate=rate)])
    _note_violations(bench, peer, f"ack-{rate:.0f}", step)
    figures = {**_figures(step, "ack_ms"), "acks_per_second": step.groups[0]["deliveries_per_second"]}
    if step.incomplete:
        figures["failed"] = step.incomplete
    return figures


def ack_25k(bench: Bench, peer: Peer) -> dict[str, Any]:
    return _ack(bench, peer, 25_000)


def ack_80k(bench: Bench, peer: Peer) -> dict[str, Any]:
    return _ack(bench, peer, 80_000)


def common_load(bench: Bench, peer: Peer) -> dict[str, Any]:
    """36,000 deliveries/s to one room of 1,000: what a busy but healthy server adds."""
    with bench.running(peer) as server:
        step = bench.client.run(server, [Group(rooms=1, members=1000, senders=36, rate=36)])
    _note_violations(bench, peer, "latency-36k", step)
    figures = _figures(step, "delivery_ms")
    if step.incomplete:
        figures["failed"] = step.incomplete
    return figures


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    measure: Callable[[Bench, Peer], dict[str, Any]]


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("fanout-1x1000", "fan-out, 1 room x 1000", fanout_one_room),
        Scenario("fanout-200x10", "fan-out, 200 rooms x 10", fanout_many_rooms),
        Scenario("idle", "memory and speed of 5,000 joins", idle),
        Scenario("ack-25k", "send to ack at 25,000/s, 200 senders in 200 rooms", ack_25k),
        Scenario("ack-80k", "send to ack at 80,000/s, 200 senders in 200 rooms", ack_80k),
        Scenario("latency-36k", "latency at 36,000 deliveries/s, 1 room x 1000", common_load),
    )
}
QUICK = ("fanout-1x1000", "fanout-200x10", "idle", "ack-25k")


def measure(bench: Bench, scenario: Scenario, peer: Peer) -> dict[str, Any]:
    """One cell of the table; a peer that cannot do it is a result too."""
    began = time.monotonic()
    try:
        figures = scenario.measure(bench, peer)
    except LoadClientError as problem:
        figures = {"failed": str(problem).splitlines()[-1]}
    return {
        "scenario": scenario.name,
        "peer": peer.name,
        "seconds": round(time.monotonic() - began, 1),
        **figures,
    }
