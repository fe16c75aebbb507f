"""The servers that are measured. A peer says how it is started and how the load client talks to it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


@dataclass(frozen=True)
class Launch:
    """A command, what it needs in its environment, and where it runs."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None


class Peer:
    """One server program in its documented best set-up.

    ``proto`` is the load client's: ``json`` speaks Parley's protocol, ``raw`` sends plain text frames that
    the whole room receives. ``first_rates`` are messages/s at which a search starts, by scenario; any
    number works, a good one saves time.
    """

    name: str
    label: str
    guarantees: str
    proto = "raw"
    path = "/feed/{room}"
    ready_path = "/livez"
    brings_engine = False
    first_rates: dict[str, float] = {}  # noqa: RUF012 - read only

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        """How to start it on a loopback port; ``home`` is an empty directory it may write to."""
        raise NotImplementedError


class Parley(Peer):
    name = "parley"
    label = "Parley"
    guarantees = "order, history, dedupe"
    proto = "json"
    path = "/ws"
    ready_path = "/readyz"
    brings_engine = True
    first_rates = {"fanout-1x1000": 2000, "fanout-200x10": 20000}  # noqa: RUF012

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        argv = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        argv += ["--workers", str(workers), "--data-dir", str(home / "data"), "--drain-seconds", "0"]
        if engine_url:
            argv += ["--redis-url", engine_url]
        return Launch(argv, cwd=REPOSITORY)


class NaiveSanic(Peer):
    name = "naive-sanic"
    label = "naive Sanic + Redis"
    guarantees = "none"
    first_rates = {"fanout-1x1000": 20, "fanout-200x10": 1000}  # noqa: RUF012

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        env = {"NAIVE_PORT": str(port), "NAIVE_WORKERS": str(workers), "NAIVE_REDIS_URL": engine_url or ""}
        return Launch([sys.executable, str(HERE / "naive_sanic.py")], env, cwd=HERE)


PEERS: dict[str, Peer] = {peer.name: peer for peer in (Parley(), NaiveSanic())}
