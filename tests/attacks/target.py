"""The server under attack: two workers and the Valkey of its own, as anybody starts it; its memory, log and life."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from app.apikeys import make, toml
from app.config import Settings
from app.traffic.machine import descendants, is_engine
from tests.support import RATES, Server, runs

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TOKEN_SECRET = "a secret that signs the tokens of users"


class Target:
    """A running server, watched from outside.

    `api_key` sends and reads in rooms `attacked-*`; `slow_key` does so ten times a second.
    """

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        key = generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (directory / "token.pem").write_bytes(self.public_key)
        quick, self.api_key = make("Back end", ["send", "read"], ["attacked-*"], 1000, time.time(), None)
        slow, self.slow_key = make("Slow one", ["send", "read"], ["attacked-*"], 10, time.time(), None)
        (directory / "keys.toml").write_text(f"{toml(quick)}\n{toml(slow)}\n")
        settings["api_keys"] = str(directory / "keys.toml")
        # Servers of tests take more than is good for them; this one is as anybody starts it.
        raised = [name.removeprefix("PARLEY_").lower() for name in RATES]
        shipped = {name: str(getattr(Settings(), name)) for name in raised}
        given = {**shipped, "token_secret": TOKEN_SECRET, "token_keys": str(directory / "token.pem"), **settings}
        arguments = ("--port", "0", "--workers", "2", "--data-dir", str(directory / "data"), "--node", "target")
        self.server = Server(
            directory / "server.log", *arguments, env={f"PARLEY_{name.upper()}": value for name, value in given.items()}
        )
        self.port = self.server.port
        self.workers = self.alive()
        tree = descendants(self.server.process.pid)
        self.engine = next(pid for pid in tree if is_engine(pid))
        self.processes = [pid for pid in tree if not is_engine(pid)]
        self._read = 0

    def alive(self) -> list[int]:
        """The process ids of the workers that serve."""
        slots = self.server.health()["workers"]["each"]
        return [slot["pid"] for slot in slots if slot["state"] == "ready" and runs(slot["pid"])]

    def resident_bytes(self) -> tuple[int, int]:
        """What supervisor and workers have in memory, and what Valkey has."""
        return sum(map(_resident, self.processes)), _resident(self.engine)

    def complaints(self) -> list[str]:
        """What the log says, since this was asked last, that a log should not say: errors and tracebacks."""
        with self.server.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        return [found for line in whole.decode(errors="replace").splitlines() if (found := _complaint(line))]

    def stop(self) -> int:
        """End it; its exit code."""
        return self.server.stop()


def _complaint(line: str) -> str:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return f"not a line of the log: {line[:200]}"
    if event.get("level") in ("error", "critical") or "exception" in event or "Traceback" in line:
        return line[:1000]
    return ""


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0
