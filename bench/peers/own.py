"""Parley, and the baseline in Sanic; both run from the project's own environment."""

from __future__ import annotations

import sys
from pathlib import Path

from app.traffic.stacks import UNLIMITED
from bench.peers.base import HERE, REPOSITORY, Launch, Peer, environment


class Parley(Peer):
    name = "parley"
    label = "Parley"
    setup = (
        "`parley serve --workers 2`, limits for single users off, all else as it comes: order, history, dedupe, AOF on"
    )
    guarantees = "order, history, dedupe"
    proto = "json"
    path = "/ws"
    ready_path = "/readyz"
    brings_engine = True
    first_rates = {"fanout-1x1000": 8000, "fanout-200x10": 40000}  # noqa: RUF012

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        argv = [sys.executable, "-P", "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
        argv += ["--workers", str(workers), "--data-dir", str(home / "data"), "--drain-seconds", "0"]
        if engine_url:
            argv += ["--redis-url", engine_url]
        return Launch(argv, dict(UNLIMITED), REPOSITORY)


class NaiveSanic(Peer):
    name = "naive-sanic"
    label = "naive Sanic + Redis"
    setup = "2 workers, uvloop, access log off; redis-py with hiredis; `await ws.send` to one after the other"
    first_rates = {"fanout-1x1000": 32, "fanout-200x10": 1600}  # noqa: RUF012

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        return Launch([sys.executable, str(HERE / "naive_sanic.py")], environment(port, engine_url, workers), cwd=HERE)
