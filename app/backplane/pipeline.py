"""The worker's connection for commands: kept up, loaded with the scripts, dropped when Redis falls silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import hiredis
import structlog

from app.backplane.link import Address, Argument, Link, Reply, pack
from app.backplane.outage import Outage, Refusals
from app.errors import NotConfirmed, ParleyError, Unavailable

BACKOFF_BASE_SECONDS = 0.05
BACKOFF_CAP_SECONDS = 1.0
WATCH_SECONDS = 0.25
STEADY_SECONDS = 5.0

_log = structlog.get_logger(component="redis")
_SCRIPTS = Path(__file__).parent / "scripts"


def backoff(tries: int) -> float:
    """Seconds to wait before the next try: full jitter, at most BACKOFF_CAP_SECONDS."""
    return random.uniform(0, min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(tries, 10)))


class Script:
    """A Lua script, called by its hash. Each of `inner` stands in it at the mark of its name."""

    def __init__(self, name: str, *inner: str) -> None:
        self.source = _source(name)
        for one in inner:
            self.source = self.source.replace(f"--@{one}\n", _source(one))
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


def _source(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text()


class Pipeline:
    """Commands to Redis with a deadline. `run` keeps the connection; without one, commands raise Unavailable.

    `on_moved` is told of a Redis that has become a replica: its address may lead to another one now.
    """

    def __init__(self, address: Address, name: str, seconds: float) -> None:
        self._address = address
        self._name = name
        self._seconds = seconds
        self._link: Link | None = None
        self._lost = asyncio.Event()
        self.connected = asyncio.Event()
        self._loading = False
        self._outage = Outage("redis")
        self.refusals = Refusals()
        self.reconnects = 0
        self.on_moved: Callable[[], None] = lambda: None
        self.publish = Script("publish", "locate")
        self.amend = Script("publish", "locate", "amend")
        self.read = Script("read", "locate")

    @property
    def up(self) -> bool:
        """Whether commands can be sent."""
        return self._link is not None and self._link.up

    async def run(self) -> None:
        """Connect, watch, connect again, for ever. What fails is logged, not raised; see Outage."""
        tries = 0
        while True:
            self._lost.clear()
            link = None
            try:
                link = await Link.connect(self._address, self._name, self._seconds, self._lost.set)
                async with asyncio.timeout(self._seconds):
                    for script in (self.publish, self.amend, self.read):
                        script.sha = (await link.call("SCRIPT", "LOAD", script.source)).decode()
            except asyncio.CancelledError:
                if link is not None:
                    link.drop()
                raise
            except (ParleyError, TimeoutError, hiredis.ReplyError, OSError) as error:
                if link is not None:
                    link.drop()
                self._outage.failed(str(error) or "no answer", asyncio.get_running_loop().time())
                tries += 1
                await asyncio.sleep(backoff(tries))
                continue
            self._link, self._loading = link, False
            self.connected.set()
            began = link.now()
            self._outage.over(began)
            try:
                await self._watch(link)
            finally:
                self.connected.clear()
                self._link = None
                link.drop()
            self.reconnects += 1
            self._outage.lost(link.now())
            _log.warning("redis is a replica now" if link.moved else "redis connection lost")
            if link.moved:
                self.on_moved()
            tries = 0 if link.now() - began > STEADY_SECONDS else tries + 1
            await asyncio.sleep(backoff(tries) if tries else 0)

    async def _watch(self, link: Link) -> None:
        while not self._lost.is_set():
            if link.overdue(self._seconds):
                _log.warning("redis silent", seconds=self._seconds)
                return
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                pass

    def leave(self) -> None:
        """Leave a Redis that is a replica for whatever its address leads to."""
        if self._link is not None:
            self._link.moved = True
            self._link.drop()

    def post(self, command: tuple[Argument, ...], answer: Callable[[Reply], None]) -> None:
        """Send a command at the end of this turn. Raises Unavailable if there is no connection."""
        link = self._link
        if link is None or not link.up:
            raise Unavailable("Redis cannot be reached")
        link.post(pack(command), answer)

    async def call(self, *command: Argument) -> Reply:
        """One command. Raises Unavailable, NotConfirmed or hiredis.ReplyError."""
        link = self._link
        if link is None or not link.up:
            raise Unavailable("Redis cannot be reached")
        # The watch drops a silent connection after `seconds`; this bounds a call behind others that are answered.
        try:
            async with asyncio.timeout(2 * self._seconds):
                return await link.call(*command)
        except TimeoutError:
            raise NotConfirmed("Redis did not answer in time; what was asked of it may be done or not") from None

    def post_script(self, script: Script, arguments: tuple[Argument, ...], answer: Callable[[Reply], None]) -> None:
        """Call a script that may come behind later calls: its source is sent where Redis has forgotten it."""

        def answered(reply: Reply) -> None:
            if not (isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT")):
                answer(reply)
                return
            try:
                self.post(("EVAL", script.source, *arguments), answer)
            except ParleyError as error:
                answer(error)

        self.post(("EVALSHA", script.sha, *arguments), answered)

    def load_scripts(self) -> None:
        """Have Redis know the scripts again, which has forgotten them. At most one such request is under way."""
        if not self._loading and self.up:
            self._loading = True
            for script in (self.publish, self.amend, self.read):
                self.post(("SCRIPT", "LOAD", script.source), self._loaded)

    def _loaded(self, _reply: Reply) -> None:
        self._loading = False

    async def run_script(self, script: Script, *arguments: str | bytes | int) -> Reply:
        """Call a read-only or idempotent script; sends its source when Redis has forgotten it."""
        try:
            return await self.call("EVALSHA", script.sha, *arguments)
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            return await self.call("EVAL", script.source, *arguments)
