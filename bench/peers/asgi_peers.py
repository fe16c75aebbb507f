"""Servers in Python under uvicorn, from an environment of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench import install
from bench.peers.base import ASGI, Launch, Peer, environment

VERSIONS = (
    "import sys; from importlib.metadata import version as v; print(*(f'{n} {v(n)}' for n in sys.argv[1:]), sep=', ')"
)


class AsgiPeer(Peer):
    """A program of the folder ``asgi``, served as uvicorn's documentation says for speed."""

    program: str
    packages: tuple[str, ...]

    def prepare(self) -> str:
        packages = (*self.packages, "uvicorn", "uvloop", "websockets", "redis", "hiredis")
        argv = [str(install.asgi()), "-c", VERSIONS, *packages]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        argv = [str(install.asgi()), "-m", "uvicorn", f"{self.program}:app", "--app-dir", str(ASGI)]
        argv += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        argv += [
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--ws",
            "websockets-sansio",
            "--ws-per-message-deflate",
            "false",
        ]
        argv += ["--no-access-log", "--log-level", "warning", "--backlog", "4096"]
        return Launch(argv, environment(port, engine_url, workers), cwd=home)


class FastApi(AsgiPeer):
    name = "fastapi"
    label = "FastAPI + Redis"
    setup = "uvicorn, 2 workers, uvloop, httptools, no compression; redis-py with hiredis by hand"
    program = "fastapi_room"
    packages = ("fastapi",)
    first_rates = {"fanout-1x1000": 25, "fanout-200x10": 1500}  # noqa: RUF012


class PythonSocketIo(AsgiPeer):
    name = "python-socketio"
    label = "python-socketio + Redis"
    setup = "`AsyncRedisManager`, websocket only, handlers in order; uvicorn as for FastAPI"
    proto = "socketio"
    path = "/socket.io/?EIO=4&transport=websocket"
    program = "socketio_room"
    packages = ("python-socketio",)
    first_rates = {"fanout-1x1000": 8, "fanout-200x10": 500}  # noqa: RUF012
