"""The machine's figures, shared with the other tools."""

from app.traffic.machine import Clock, busy_cores, cpu_seconds, descendants, describe, is_engine, resident_bytes

__all__ = ["Clock", "busy_cores", "cpu_seconds", "descendants", "describe", "is_engine", "resident_bytes"]
