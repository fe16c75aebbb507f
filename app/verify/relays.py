"""The stack of `--naive`: some relay processes of app.verify.naive and a Valkey, kept running."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path

from app.embedded import Embedded
from app.traffic.stacks import POLL_SECONDS, START_SECONDS, OwnRedis, StackError, fetch, kill, page_of


class Relays(OwnRedis):
    """So many relays, each with a port of its own; whatever of them dies is started again."""

    def __init__(self, count: int) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="parley-stack-")))
        self.description = f"{count} plain pub/sub relays, embedded Valkey"
        self._ports = [_free_port() for _ in range(count)]
        self.urls = [f"ws://127.0.0.1:{port}/ws" for port in self._ports]
        self._valkey = Embedded(self._data)
        self._relays: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start Valkey and the relays."""
        await self._valkey.start()
        self._keepers = [asyncio.create_task(self._valkey.keep(), name="valkey")]
        self._keepers += [asyncio.create_task(self._keep(port), name=f"relay {port}") for port in self._ports]
        give_up = asyncio.get_running_loop().time() + START_SECONDS
        while not await self.ready():
            if asyncio.get_running_loop().time() > give_up:
                raise StackError("the relays do not start")
            await asyncio.sleep(POLL_SECONDS)

    async def _keep(self, port: int) -> None:
        while True:
            arguments = ["-P", "-m", "app.verify.naive", "--port", str(port), "--redis-url", self._valkey.url]
            self._relays[port] = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL
            )
            await self._relays[port].wait()

    async def stop(self) -> None:
        """Stop all and remove the data."""
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        for relay in self._relays.values():
            if relay.returncode is None:
                relay.kill()
                await relay.wait()
        await self._valkey.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    async def workers(self) -> list[str]:
        """The process ids of the relays that run."""
        return [str(relay.pid) for relay in self._relays.values() if relay.returncode is None]

    async def ready(self) -> bool:
        """Whether all relays answer."""
        try:
            for url in self.urls:
                await asyncio.to_thread(fetch, page_of(url, "/livez"))
        except OSError:
            return False
        return True

    async def signal_worker(self, worker: str, number: signal.Signals) -> None:
        """Send a signal to a relay."""
        kill(worker, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
