"""The machine's figures, shared with the other tools, and the most memory that processes ever held."""

from pathlib import Path

from app.traffic.machine import Clock, busy_cores, cpu_seconds, descendants, describe, is_engine, resident_bytes

__all__ = [
    "Clock",
    "busy_cores",
    "cpu_seconds",
    "descendants",
    "describe",
    "is_engine",
    "resident_bytes",
    "status_bytes",
]


def status_bytes(pids: list[int], key: str) -> int:
    """Sum of one line of /proc/PID/status: VmRSS is what is resident, VmHWM the most that ever was."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
    return total
