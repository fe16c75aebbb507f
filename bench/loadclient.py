"""Compiles and runs the load client (bench/loadgen) and turns what it prints into a Step.

It is a wire of its own, in C, because what is measured here is several times faster than the members of app.traffic can
read, on as many cores; and because it has to speak to servers that know nothing of Parley's protocol. It does no more
than send, read and count: marks, accounts, searches and figures of the machine are those that every other tool uses.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from app.traffic.account import Account
from app.traffic.search import Outcome
from bench import machine
from bench.servers import free_port

SOURCES = Path(__file__).parent / "loadgen"
BUILD = Path(__file__).parent / "build"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]
# Deliveries stopped this long before the end although some are missing: they are lost, not late.
LOST_AFTER_SECONDS = 2.0
# From here on the load client itself may be the limit (as in its own report).
SATURATED_CPU = 0.9
# A step this many times over the limit failed for good; a nearer one is tried once more.
HOPELESS = 3.0
# The words of an account, and what the load client calls them.
COUNTS = {
    "expected": ("expected",),
    "given": ("delivered",),
    "lost": ("lost",),
    "twice": ("twice",),
    "late": ("disorder",),
    "stored_twice": ("ack_twice",),
    "strange": ("stray", "bad"),
}


class LoadClientError(Exception):
    """The load client could not be built or did not finish; the message is its own."""


def build() -> None:
    """Compile where a source is newer than its program. Needs a C compiler as ``cc`` (or $CC) and Linux."""
    BUILD.mkdir(exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        raise LoadClientError(f"no C compiler {compiler!r}: on Debian and Ubuntu, apt install gcc libc6-dev")
    sources = sorted(SOURCES.glob("*.c"))
    newest = max(path.stat().st_mtime for path in SOURCES.glob("*.[ch]"))
    programs = {
        "loadgen": [path for path in sources if path.stem != "blaster"],
        "blaster": [SOURCES / "blaster.c", SOURCES / "ws.c"],
    }
    for name, files in programs.items():
        program = BUILD / name
        if program.exists() and program.stat().st_mtime > newest:
            continue
        run = subprocess.run([compiler, *FLAGS, "-o", program, *files], capture_output=True, text=True, check=False)
        if run.returncode:
            raise LoadClientError(f"cannot compile {name}:\n{run.stderr}")


@dataclass(frozen=True)
class Group:
    """Equal rooms under one load: members and senders per room, rate in messages/s over all rooms."""

    rooms: int
    members: int
    senders: int = 0
    rate: float = 0.0
    stall: int = 0
    name: str = "g0"

    def option(self) -> str:
        return ",".join(f"{key}={value}" for key, value in asdict(self).items())


@dataclass
class Step:
    """One run of the load client: its own report, and what the server's side used meanwhile."""

    groups: list[dict[str, Any]]
    connect: dict[str, Any]
    client: dict[str, Any]
    error: str
    quiet_seconds: float
    cores: dict[str, float] = field(default_factory=dict)
    grown_mib: float = 0.0  # server processes, from the start of the measured time to their highest

    @property
    def account(self) -> Account:
        """What had to arrive and did, and what no load excuses, over all groups."""
        account = Account()
        for group in self.groups:
            account.add({name: sum(group[count] for count in counts) for name, counts in COUNTS.items()})
            gone = group["missing"] > 0 and self.quiet_seconds > LOST_AFTER_SECONDS
            if gone and not self.connect["closed"] and not group["lost"] and not group["stalled"]:
                account.lost += group["missing"]
        return account

    @property
    def incomplete(self) -> str:
        """Why this rate was not carried; empty when everything was sent, stored and delivered."""
        for group in self.groups:
            if violations := self.account.violations:
                return "violations: " + ", ".join(f"{n} {what}" for what, n in violations.items())
            if self.connect["closed"]:
                return f"{self.connect['closed']} connections closed ({self.error})"
            for key in ("refused", "resyncs"):
                if group[key]:
                    return f"{group[key]} {key} ({self.error})"
            if group["sent"] < group["intended"]:
                return f"{group['intended'] - group['sent']} of {group['intended']} could not be sent in time"
            if group["acked"] and group["acked"] < group["sent"]:
                return f"{group['sent'] - group['acked']} sends unanswered"
            if group["missing"] > 0:
                return f"{group['missing']} deliveries still under way at the end"
        return ""

    @property
    def interrupted(self) -> bool:
        """Whether the client was late although its core was free: the machine stood still, not the server."""
        return bool(self.client["saturated"]) and self.client["cpu"] < SATURATED_CPU

    def outcome(self, p99_ms: float, key: str) -> Outcome:
        """Whether everything was carried with this percentile within the limit, and else what that says."""
        if not self.incomplete and self.p99(key) <= p99_ms:
            return Outcome.PASSED
        if self.interrupted:
            return Outcome.DISTURBED
        return Outcome.HOPELESS if self.incomplete or self.p99(key) > HOPELESS * p99_ms else Outcome.MISSED

    def p99(self, key: str) -> float:
        """The worst group's, in milliseconds."""
        return float(max(group[key]["p99"] for group in self.groups))

    def line(self, p99_ms: float, key: str) -> str:
        """What came out, to be read while others are under way."""
        delivered = sum(group["deliveries_per_second"] for group in self.groups)
        verdict = "passed" if self.outcome(p99_ms, key) is Outcome.PASSED else self.incomplete or "too slow"
        if self.client["saturated"]:
            verdict += ", machine stood still" if self.interrupted else ", load client saturated"
        cpu = " ".join(f"{who} {used:.2f}" for who, used in self.cores.items())
        return f"{delivered:12,.0f} deliveries/s  p99 {self.p99(key):8.1f} ms  [{cpu}]  {verdict}"


class Spoken(Protocol):
    """How a server is spoken to; see Peer."""

    proto: str
    path: str


class Target(Protocol):
    """A server as the load client sees it: how it is spoken to, where, and which processes it consists of."""

    targets: list[str]

    @property
    def peer(self) -> Spoken:
        """How it is spoken to."""

    def pids(self) -> tuple[list[int], list[int]]:
        """(server processes, engine processes) at this moment."""


class _Meter:
    """CPU use of server, engine, client and everybody else between two moments."""

    def __init__(self, server: Target, client_pid: int):
        self._server, self._client = server, client_pid
        self._resident = machine.status_bytes(server.pids()[0], "VmRSS")
        self._begin = self._read()

    def _read(self) -> tuple[machine.Clock, dict[str, float]]:
        servers, engines = self._server.pids()
        ours = {"server": servers, "engine": engines, "client": [self._client]}
        return machine.Clock.read(), {who: machine.cpu_seconds(pids) for who, pids in ours.items()}

    def grown_mib(self) -> float:
        highest = machine.status_bytes(self._server.pids()[0], "VmHWM")
        return round((highest - self._resident) / 2**20, 1)

    def cores(self) -> dict[str, float]:
        (clock, used), (clock_now, used_now) = self._begin, self._read()
        seconds = clock_now.at - clock.at
        cores = {who: (used_now[who] - used[who]) / seconds for who in used}
        cores["others"] = max(0.0, (clock_now.busy - clock.busy) / seconds - sum(cores.values()))
        cores["stolen"] = (clock_now.stolen - clock.stolen) / seconds
        return {who: round(value, 3) for who, value in cores.items()}


@dataclass(frozen=True)
class LoadClient:
    """How every run is made: the core of the client, timings, and text size."""

    core: int | None
    seconds: float = 4.0
    warmup: float = 1.0
    drain: float = 4.0
    text_bytes: int = 128
    read_gap_us: int = 0

    def _argv(self, server: Target, mode: str, groups: list[Group], **options: object) -> list[str]:
        peer = server.peer
        argv = [] if self.core is None else ["taskset", "-c", str(self.core)]
        argv += [str(BUILD / "loadgen"), "--mode", mode, "--proto", peer.proto, "--path", peer.path]
        argv += ["--room-prefix", f"b{uuid.uuid4().hex[:8]}", "--text-bytes", str(self.text_bytes)]
        for target in server.targets:
            argv += ["--target", target]
        for group in groups:
            argv += ["--group", group.option()]
        for key, value in options.items():
            argv += [f"--{key.replace('_', '-')}", str(value)]
        return argv

    def run(self, server: Target, groups: list[Group], measuring: Callable[[], None] | None = None) -> Step:
        """Join all, send at the groups' rates, count; `measuring` is called when the measured time begins.

        Raises LoadClientError when not all could join.
        """
        timing = {
            "duration": self.seconds,
            "warmup": self.warmup,
            "drain": self.drain,
            "read_gap_us": self.read_gap_us,
        }
        argv = self._argv(server, "run", groups, **timing)
        meter, result = None, None
        used: dict[str, Any] = {}
        with _started(argv) as child:
            for event in _events(child):
                if event["event"] == "measure":
                    meter = _Meter(server, child.pid)
                    if measuring:
                        measuring()
                elif event["event"] == "measured" and meter:
                    used = {"cores": meter.cores(), "grown_mib": meter.grown_mib()}
                elif event["event"] == "result":
                    result = event
            if result is None:
                raise LoadClientError(_problem(child))
        del result["event"]
        return Step(**result, **used)

    @contextlib.contextmanager
    def holding(self, server: Target, groups: list[Group]) -> Iterator[dict[str, Any]]:
        """Connections that have joined and do nothing; yields the client's report on connecting."""
        argv = self._argv(server, "idle", groups, hold_max=120)
        with _started(argv) as child:
            event = next(_events(child), dict[str, Any](event="failed"))
            if event["event"] != "ready":
                raise LoadClientError(_problem(child))
            yield event["connect"]
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.close()

    def ceiling(self, proto: str, connections: int, frames_per_write: int, server_core: int | None) -> dict[str, Any]:
        """What this client can count when frames come as fast as one core can push them."""
        port = free_port()
        pin = [] if server_core is None else ["taskset", "-c", str(server_core)]
        seconds = 2.0
        blaster = [str(BUILD / "blaster"), str(port), str(connections), str(frames_per_write), proto, "20"]
        argv = [] if self.core is None else ["taskset", "-c", str(self.core)]
        argv += [
            str(BUILD / "loadgen"),
            "--mode",
            "listen",
            "--proto",
            proto,
            "--target",
            f"127.0.0.1:{port}",
        ]
        argv += [
            "--group",
            Group(1, connections, 1, 1).option(),
            "--duration",
            str(seconds),
            "--warmup",
            "0.5",
        ]
        with _started([*pin, *blaster]) as source:
            assert source.stdout is not None
            source.stdout.readline()
            with _started(argv) as child:
                results = [event for event in _events(child) if event["event"] == "result"]
                if not results:
                    raise LoadClientError(_problem(child))
        rate, cpu = results[0]["groups"][0]["deliveries_per_second"], results[0]["client"]["cpu"]
        return {
            "proto": proto,
            "connections": connections,
            "frames_per_write": frames_per_write,
            "frames_per_second": rate,
            "client_cpu": cpu,
            "ceiling": round(rate / max(cpu, 0.01)),
        }


@contextlib.contextmanager
def _started(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A child that is gone at the end, whatever happens."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
            child.wait(30)
        finally:
            if child.poll() is None:
                child.kill()


def _events(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    out: IO[str] | None = child.stdout
    assert out is not None
    for line in out:
        yield json.loads(line)


def _problem(child: subprocess.Popen[str]) -> str:
    assert child.stderr is not None
    return child.stderr.read().strip() or f"the load client ended with {child.returncode}"


def settle(server: Target, bound_seconds: float = 6.0) -> None:
    """Wait until the server has next to nothing to do, at most this long."""
    deadline = time.monotonic() + bound_seconds
    while time.monotonic() < deadline:
        pids = [pid for group in server.pids() for pid in group]
        before = machine.cpu_seconds(pids)
        time.sleep(0.5)
        if machine.cpu_seconds(pids) - before <= 0.02:
            return
