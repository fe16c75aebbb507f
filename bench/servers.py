"""Starts and stops what is measured: one peer, and the Redis or Valkey it relays through."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from app.embedded import binary_path
from bench import machine
from bench.peers import Peer

START_SECONDS = 40.0
STOP_SECONDS = 15.0


class CannotStart(Exception):
    """A process did not come up; the message ends with the last lines it wrote."""


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def engine_binary(kind: str) -> str:
    """Path of the engine: ``valkey`` is the one Parley embeds, ``redis`` the system's, else a path."""
    if kind == "redis":
        return "redis-server"
    if kind in ("embedded", "valkey"):
        return binary_path()
    return kind


def engine_version(kind: str) -> str:
    """The engine's own word, like ``Valkey server v=9.1.2``."""
    out = subprocess.run([engine_binary(kind), "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(out.split()[:3])


class Process:
    """One child in its own process group, pinned to a core, its output in a file."""

    def __init__(self, argv: list[str], env: dict[str, str], core: int | None, log: Path, cwd: Path | None = None):
        self.log = log
        pin = [] if core is None else ["taskset", "-c", str(core)]
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                [*pin, *argv],
                env={**os.environ, **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self.pid = self._popen.pid

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])

    def wait_for(self, ready: Callable[[], bool], what: str) -> None:
        """Poll until ready() is true; raise CannotStart when the process ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._popen.poll() is not None:
                raise CannotStart(f"{what} ended with {self._popen.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{what} was not ready within {START_SECONDS:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask to end, then insist; also on children that outlived their parent."""
        tree = machine.descendants(self.pid)
        if self._popen.poll() is None:
            self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid in tree[1:]:
            # Only what is still in our process group: a pid could have been given to somebody else.
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as s:
            s.sendall(b"PING\r\n")
            return s.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _http_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """A running peer with its engine: where to connect, and which processes it consists of."""

    def __init__(self, peer: Peer, port: int, process: Process, engine: Process | None):
        self.peer = peer
        self.targets = [f"127.0.0.1:{port}"]
        self._process = process
        self._engine = engine

    def pids(self) -> tuple[list[int], list[int]]:
        """(server processes, engine processes) at this moment."""
        tree = machine.descendants(self._process.pid)
        engines = [pid for pid in tree if machine.is_engine(pid)]
        if self._engine:
            engines.append(self._engine.pid)
        return [pid for pid in tree if pid not in engines], engines

    def tail(self) -> str:
        return self._process.tail()


def _start_engine(kind: str, core: int | None, home: Path) -> tuple[Process, str]:
    port = free_port()
    # AOF as Parley's embedded engine has it. A peer that only publishes writes nothing to it.
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
    options += ["--appendfsync", "everysec", "--dir", str(home)]
    process = Process([engine_binary(kind), *options], {}, core, home / "engine.log")
    try:
        process.wait_for(lambda: _answers(port), "the engine")
    except CannotStart:
        process.stop()
        raise
    return process, f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def running(peer: Peer, engine: str, core: int | None, workers: int = 2) -> Iterator[Server]:
    """The peer, ready to serve, with an empty engine; everything is stopped and deleted at the end.

    ``engine`` is ``embedded`` (a peer that brings its own engine uses that; others get the same binary),
    ``valkey``, ``redis`` or a path.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        contextlib.ExitStack() as stack,
    ):
        home = Path(folder)
        engine_process, url = None, None
        if not (engine == "embedded" and peer.brings_engine):
            engine_process, url = _start_engine(engine, core, home)
            stack.callback(engine_process.stop)
        port = free_port()
        launch = peer.launch(port, url, home, workers)
        process = Process(launch.argv, launch.env, core, home / "server.log", launch.cwd)
        stack.callback(process.stop)
        process.wait_for(lambda: _http_ok(f"http://127.0.0.1:{port}{peer.ready_path}"), peer.label)
        yield Server(peer, port, process, engine_process)
