"""The long-lived tasks of a worker, in the order they start, and the way out.

A worker serves until it is told to stop (SIGTERM: drain; SIGINT, or its supervisor gone: at once). Draining comes
before the HTTP server closes, so that every member is told when to come back and nothing written is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import signal
import time
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from app import frames
from app.backplane.pipeline import Pipeline
from app.backplane.subscriber import Subscriber
from app.canary import Canary
from app.connection import Connections
from app.deadlines import SWEEP_SECONDS, Deadlines
from app.directory import Directory
from app.hub import Hub
from app.member import Member
from app.memory import GIVE_BACK_SECONDS, give_back
from app.metrics import Counters, Scoreboard, WorkerState, resident_bytes
from app.moderation import Moderation
from app.presence import Presence
from app.protocol.codes import REASONS, CloseCode
from app.protocol.replies import GoingAway, encode
from app.relay import Relay

CANARY_MAX_AGE_SECONDS = 4.0
FLUSH_SECONDS = 3.0

_log = structlog.get_logger(component="lifecycle")


class Lifecycle:
    """Runs a worker's long-lived tasks, answers for its state, and drains it."""

    def __init__(
        self,
        number: int,
        board: Scoreboard,
        counters: Counters,
        deadlines: Deadlines,
        connections: Connections,
        pipeline: Pipeline,
        subscriber: Subscriber,
        hub: Hub,
        relay: Relay,
        presence: Presence,
        directory: Directory,
        canary: Canary,
        moderation: Moderation,
        ping_seconds: int,
    ) -> None:
        self._number = number
        self._board = board
        self._counters = counters
        self._deadlines = deadlines
        self._connections = connections
        self._pipeline = pipeline
        self._subscriber = subscriber
        self._hub = hub
        self._relay = relay
        self._presence = presence
        self._directory = directory
        self._canary = canary
        self._moderation = moderation
        self._ping_seconds = ping_seconds
        self._starting = True
        self._draining = False
        self._told = asyncio.Event()
        self._hurry = asyncio.Event()

    # State

    def reasons(self) -> list[str]:
        """Why this worker is not ready; empty if it is."""
        reasons = []
        if self._starting:
            reasons.append("starting")
        if self._draining:
            reasons.append("draining")
        if not self._pipeline.up:
            reasons.append("redis commands: not connected")
        if not self._subscriber.up:
            reasons.append("redis pub/sub: not connected")
        if self._canary.replica:
            reasons.append("redis: a replica, to which nothing can be written")
        if self._canary.age_seconds > CANARY_MAX_AGE_SECONDS:
            reasons.append("canary: nothing heard from itself through Redis")
        return reasons

    def state(self) -> WorkerState:
        """The worker's state for the scoreboard."""
        if self._draining:
            return WorkerState.DRAINING
        if self._starting:
            return WorkerState.STARTING
        return WorkerState.DEAF if self.reasons() else WorkerState.READY

    # Tasks

    def start(
        self, tasks: asyncio.TaskGroup, more: Mapping[str, Coroutine[Any, Any, None]]
    ) -> list[asyncio.Task[None]]:
        """Start everything that runs as long as the worker; `more` by name, last."""
        work: dict[str, Coroutine[Any, Any, None]] = {
            "pipeline": self._pipeline.run(),
            "subscriber": self._subscriber.run(),
            "canary": self._canary.run(),
            "moderation": self._moderation.run(),
            "relay": self._relay.run(),
            "audit": self._relay.audit(),
            "presence": self._presence.run(),
            "lease": self._presence.keep_lease(),
            "rosters": self._presence.audit(),
            "directory": self._directory.run(),
            "sweep": self._sweep(),
            "heartbeat": self._heartbeat(),
            "scoreboard": self._report(),
            "memory": self._give_back(),
            **more,
        }
        return [tasks.create_task(coroutine, name=name) for name, coroutine in work.items()]

    async def connected(self, seconds: float) -> bool:
        """Wait until the worker can deliver; False if that takes too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._canary.heard.wait()
                await self._presence.held.wait()
                await self._moderation.known.wait()
        except TimeoutError:
            return False
        return True

    def serving(self) -> None:
        """Connections are accepted from now on."""
        self._starting = False
        self._board.write(self._number, self.state(), self._counters)

    async def _sweep(self) -> None:
        while True:
            begin = time.monotonic()
            await asyncio.sleep(SWEEP_SECONDS)
            self._counters.loop_lag_seconds.observe(max(0.0, time.monotonic() - begin - SWEEP_SECONDS))
            self._deadlines.sweep()

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            await self._connections.heartbeat()

    async def _report(self) -> None:
        """Copy the counters to the scoreboard once a second."""
        counters, pool = self._counters, self._connections.pool
        counters.open_files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        while True:
            await asyncio.sleep(1.0)
            counters.connections = len(self._connections.open)
            counters.rooms = len(self._hub.chats) + len(self._hub.feeds)
            counters.slow_cut = pool.cut
            counters.members_behind = len(pool.behind)
            counters.outbox_bytes = sum(outbox.bytes_behind for outbox in pool.behind)
            counters.redis_reconnects = self._pipeline.reconnects + self._subscriber.reconnects
            counters.changes_refused = self._pipeline.refusals.changes
            counters.redis_up = self._pipeline.up and self._subscriber.up
            counters.canary_age_seconds = min(self._canary.age_seconds, 86400.0)
            counters.cpu_seconds = time.process_time()
            counters.resident_bytes = resident_bytes()
            self._board.write(self._number, self.state(), counters)

    async def _give_back(self) -> None:
        while True:
            await asyncio.sleep(GIVE_BACK_SECONDS)
            give_back()

    # The way out

    def stop(self, gently: bool) -> None:
        """Leave `told_to_stop`. A second call, or one that is not gentle, ends a drain in progress."""
        if self._told.is_set() or not gently:
            self._hurry.set()
        self._told.set()

    async def told_to_stop(self) -> None:
        """Wait for a signal to stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop, True)
        loop.add_signal_handler(signal.SIGINT, self.stop, False)
        await self._told.wait()

    async def drain(self, seconds: float) -> None:
        """Send all members away, each at its own moment within `seconds`, and wait until they are gone."""
        self._draining = True
        self._board.write(self._number, self.state(), self._counters)
        seconds = 0.0 if self._hurry.is_set() else seconds
        loop = asyncio.get_running_loop()
        begin = loop.time()
        leaving = sorted((begin + random.uniform(0, seconds), id(one), one) for one in list(self._connections.open))
        _log.info("draining", connections=len(leaving), seconds=seconds)
        for at, _, connection in leaving:
            if isinstance(connection.receiver, Member):
                notice = GoingAway(after=round(at - begin, 2), reason="drain")
                connection.outbox.write(frames.text(encode(notice)))
        for at, _, connection in leaving:
            if connection.is_open and at > loop.time():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(at):
                        await self._hurry.wait()
            connection.close(CloseCode.RESTART, REASONS[CloseCode.RESTART])
        for connection in list(self._connections.open):
            connection.close(CloseCode.RESTART, REASONS[CloseCode.RESTART])
        await self._connections.gone(FLUSH_SECONDS)
        await self._presence.release()
