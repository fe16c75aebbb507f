"""`parley serve`: one process that owns the listening socket, the embedded Valkey and the workers.

A worker that dies is started again; the others go on serving on the same socket. The workers hold the reading end of
a pipe whose writing end is only here, so they stop when this process is gone, however it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import hiredis
import msgspec
import structlog

from app import __version__
from app.backplane.assess import assess
from app.backplane.link import Address, Link
from app.config import Settings, data_path, flag
from app.embedded import Embedded
from app.errors import NotConfirmed, StartError, Unavailable, reason
from app.memory import usable_bytes
from app.metrics import Scoreboard, WorkerState
from app.order import BACKLOG, Order, Place, api_keys, rights, signin
from app.secret import check_shared, secrets_of
from app.stillness import LOOK_SECONDS, Stillness

SILENCES = 4
"""Redis may take so many times as long for all it is asked at the start as for one answer later."""
READY_SECONDS = 30.0
STEADY_SECONDS = 10.0
RESTART_CAP_SECONDS = 4.0
KILL_SECONDS = 8.0
FEW_FILES = 4096

_log = structlog.get_logger(component="supervisor")


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises StartError if the address cannot be had."""
    where = f"{settings.host}:{settings.port}"
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise StartError(f"cannot listen on {where}: {reason(error)}") from None
    listener.setblocking(False)
    return listener


def page_address(listener: socket.socket) -> str:
    """What to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _raise_file_limit() -> None:
    """Allow as many sockets as this process may allow itself; the workers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell_file_limit() -> None:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < FEW_FILES:
        _log.warning("open files", each_worker=files, advice="each connection takes one: raise nofile (ulimit -n)")
    else:
        _log.info("open files", each_worker=files)


def _say(text: str) -> None:
    """Put it on standard output, whether or not anybody takes it there."""
    with contextlib.suppress(OSError):
        os.write(1, os.fsencode(text))


class Supervisor:
    """Starts, watches and stops everything that belongs to one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Files that cannot be used are told of here, in one line, and not by every worker.
        signin(settings), rights(settings), api_keys(settings)
        if not settings.embedded or settings.redis_password_file or any(settings.redis_certificates):
            Address.of(settings)
        _raise_file_limit()
        self._listener = listen(settings)
        self._board = Scoreboard.create(settings.worker_count)
        memory_bytes = usable_bytes() * settings.embedded_memory_percent // 100
        self._embedded = Embedded(data_path(settings), memory_bytes) if settings.embedded else None
        self._lifeline = os.pipe()
        self._workers: dict[int, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._signal = signal.SIGTERM
        self._asked: set[int] = set()

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP. Raises StartError if that cannot begin."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told, number)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            if not await self._unless_told(self._start_redis()):
                return
            _tell_file_limit()
            async with asyncio.TaskGroup() as tasks:
                keepers = [
                    tasks.create_task(self._keep_worker(number), name=f"worker {number}")
                    for number in range(self._settings.worker_count)
                ]
                if self._embedded is not None:
                    keepers.append(tasks.create_task(self._embedded.keep(), name="valkey"))
                keepers.append(tasks.create_task(self._end_hung(), name="hung workers"))
                announcer = tasks.create_task(self._announce(), name="announce")
                await self._stop.wait()
                for keeper in (*keepers, announcer):
                    keeper.cancel()
        except* StartError as group:
            raise group.exceptions[0] from None
        finally:
            await self._end()

    def _told(self, number: signal.Signals) -> None:
        self._signal = signal.SIGINT if self._stop.is_set() else number
        self._stop.set()
        # Nobody accepts from here on; with this copy open, new connections would hang instead of being refused.
        self._listener.close()
        self._asked.clear()
        self._tell_workers()

    def _hung_up(self) -> None:
        """The terminal is gone, which may be told twice: stop as for SIGTERM."""
        if not self._stop.is_set():
            self._told(signal.SIGTERM)

    def _tell_workers(self) -> None:
        """Tell each worker to stop, once: told twice it does not drain."""
        for slot in self._board.slots():
            worker = self._workers.get(slot.number)
            if worker is not None and worker.returncode is None and worker.pid not in self._asked:
                self._asked.add(worker.pid)
                # One that does not serve yet has no handler for Ctrl-C.
                worker.send_signal(self._signal if slot.pid == worker.pid else signal.SIGTERM)

    async def _unless_told(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether work was done before this process was told to stop, which ends it."""
        tasks = working, _ = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_redis(self) -> None:
        if self._embedded is not None:
            await self._embedded.start()
            self._settings = dataclasses.replace(self._settings, redis_url=self._embedded.url)
        try:
            link = await Link.connect(
                Address.of(self._settings),
                "parley-start",
                self._settings.redis_timeout_seconds,
                lambda: None,
            )
        except Unavailable as error:
            raise StartError(f"{flag('redis_url')}: {error}") from None
        try:
            known = secrets_of(self._settings)
            self._settings = dataclasses.replace(self._settings, secret=",".join(known))
            async with asyncio.timeout(SILENCES * self._settings.redis_timeout_seconds):
                found = await assess(link)
                if self._embedded is None:
                    await check_shared(link, known)
        except TimeoutError:
            raise StartError(f"{flag('redis_url')}: Redis lets this server in, and then does not answer") from None
        except (hiredis.ReplyError, NotConfirmed) as error:
            raise StartError(f"{flag('redis_url')}: Redis refuses what every server needs: {error}") from None
        finally:
            link.drop()
        _log.info("redis", engine=found.engine, guarantee=found.guarantee)
        for warning in found.warnings:
            _log.warning("redis", engine=found.engine, advice=warning)

    # Workers

    async def _keep_worker(self, number: int) -> None:
        """Run a worker, and another one when it has died; at once the first time, slower if it dies young again."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            begin = loop.time()
            worker = await self._spawn(number)
            code = await worker.wait()
            self._board.clear(number)
            deaths = deaths + 1 if loop.time() - begin < STEADY_SECONDS else 0
            _log.error("worker died, starting it again", worker=number, pid=worker.pid, code=code)
            if deaths > 1:
                await asyncio.sleep(min(RESTART_CAP_SECONDS, 0.25 * 2**deaths))

    async def _end_hung(self) -> None:
        """Kill a worker that hangs: its clients wait in vain. `_keep_worker` starts another one."""
        stillness = Stillness()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for slot in stillness.look(self._board.slots()):
                worker = self._workers.get(slot.number)
                if worker is not None and worker.pid == slot.pid and worker.returncode is None:
                    _log.error("worker hangs, killing it", worker=slot.number, pid=slot.pid)
                    worker.kill()

    async def _spawn(self, number: int) -> asyncio.subprocess.Process:
        place = Place(
            number=number,
            workers=self._settings.worker_count,
            listener_fd=self._listener.fileno(),
            board_fd=self._board.fd,
            lifeline_fd=self._lifeline[0],
        )
        # Its own session: Ctrl-C at the terminal is for this process, which tells the workers.
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app.server"),  # -P: not the `app` of the current directory
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(place.listener_fd, place.board_fd, place.lifeline_fd),
            start_new_session=True,
        )
        self._workers[number] = worker
        assert worker.stdin is not None
        worker.stdin.write(msgspec.json.encode(Order(self._settings, place)) + b"\n")
        worker.stdin.close()
        return worker

    async def _announce(self) -> None:
        """Print where the page is as soon as all workers serve."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + READY_SECONDS
        while any(slot.state is not WorkerState.READY for slot in self._board.slots()):
            if loop.time() > give_up:
                _log.error("not all workers are ready", alive=self._board.alive(), expected=self._board.expected)
                give_up = math.inf
            await asyncio.sleep(0.05)
        workers = "1 worker" if self._board.expected == 1 else f"{self._board.expected} workers"
        store = "an external Redis" if self._embedded is None else f"its own Valkey, data in {self._settings.data_dir}"
        _say(f"Parley {__version__} is ready: {page_address(self._listener)}\n{workers}, {store}. Ctrl-C stops it.\n")

    # The end

    async def _end(self) -> None:
        """Wait for the workers to drain, kill what hangs, stop Valkey, close everything."""
        self._tell_workers()
        running = [worker for worker in self._workers.values() if worker.returncode is None]
        try:
            async with asyncio.timeout(self._settings.drain_seconds + KILL_SECONDS):
                await asyncio.gather(*(worker.wait() for worker in running))
        except TimeoutError:
            for worker in running:
                if worker.returncode is None:
                    _log.error("worker does not stop, killing it", pid=worker.pid)
                    worker.kill()
                    await worker.wait()
        if self._embedded is not None:
            await self._embedded.stop()
        self._listener.close()
        for fd in self._lifeline:
            os.close(fd)
