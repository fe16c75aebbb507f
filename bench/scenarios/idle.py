"""What it costs to be connected, and how fast connections come."""

from __future__ import annotations

from bench import machine
from bench.loadclient import Group, settle
from bench.peers import Peer
from bench.scenarios.base import Bench, Figures, Scenario


def idle(bench: Bench, peer: Peer) -> Figures:
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


SCENARIOS = (Scenario("idle", "memory and speed of 5,000 joins", idle, "connects_per_second", more_is_better=True),)
