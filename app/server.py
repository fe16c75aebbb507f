"""The composition root of a worker: makes the parts, wires them, runs them, takes them down.

Started by the supervisor with the listening socket, the scoreboard and a pipe that ends when the supervisor does.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import secrets
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import hiredis
import msgspec
import structlog
import uvloop
from sanic import Sanic

from app import api, log, responses
from app.admission import Admission, places_for
from app.allowances import KINDS, Allowances
from app.arrivals import Arrivals, Waits
from app.auth import Guests
from app.backplane import keys
from app.backplane.activity import RedisActivity
from app.backplane.census import RedisCensus
from app.backplane.fullness import Fullness
from app.backplane.keyring import Keyring
from app.backplane.link import Address
from app.backplane.moderation import RedisModeration
from app.backplane.personal import RedisPersonal
from app.backplane.pipeline import Pipeline
from app.backplane.redis_broker import RedisBroker
from app.backplane.rosters import RedisRosters
from app.backplane.seats import RedisSeats
from app.backplane.sends import RedisSends
from app.backplane.subscriber import Subscriber
from app.canary import Canary
from app.closings import Closings
from app.commands import Commands
from app.config import Settings, several
from app.connection import Connection, Connections
from app.counting import Counting
from app.deadlines import Deadlines
from app.directory import Directory
from app.endpoint import Door, prepare
from app.errors import ParleyError
from app.fanout import Fanout
from app.feed import FeedClient
from app.gate import Gate
from app.greeting import Promises
from app.hub import Hub
from app.lifecycle import Lifecycle
from app.limits import Rate
from app.metrics import Counters, Scoreboard
from app.moderation import Moderation
from app.order import BACKLOG, Order, Place, api_keys, rate, rate_of_newcomers, rights, signin
from app.origins import written
from app.outbox import OutboxLimits, OutboxPool
from app.people import People
from app.presence import Patience, Presence
from app.quota import AHEAD_SECONDS, GATHERED_SECONDS, GUEST_SENDS, NEWCOMERS, SENDS, Counted, Quota, Quotas
from app.reader import Reader
from app.relay import Relay
from app.sanctions import Sanctions
from app.seats import Seats
from app.service.dispatch import Dispatch
from app.service.handlers import handlers
from app.service.holders import Holders
from app.service.rates import Rates
from app.service.reading import Reading
from app.service.routes import routes as service_routes
from app.service.ruling import Ruling
from app.service.speaking import Speaking
from app.tasks import Tasks

START_SECONDS = 15.0

_log = structlog.get_logger(component="server")


class Worker:
    """One worker process' parts."""

    def __init__(self, settings: Settings, place: Place, address: Address) -> None:
        self.settings = settings
        self.place = place
        self.name = f"{settings.node_name}.{place.number}" if place.workers > 1 else settings.node_name
        self.tasks = Tasks()
        self.counters = Counters()
        self.board = Scoreboard(place.board_fd, place.workers)
        loop = asyncio.get_running_loop()
        self.deadlines = Deadlines(loop.time)
        self._accept(loop)
        self._reach_redis(address)
        self._keep_rooms(loop)
        self._know_people(loop)
        self._carry_out()
        self.lifecycle = Lifecycle(
            place.number,
            self.board,
            self.counters,
            self.deadlines,
            self.connections,
            self.pipeline,
            self.subscriber,
            self.hub,
            self.relay,
            self.presence,
            self.directory,
            self.canary,
            self.moderation,
            settings.ping_seconds,
        )

    def _accept(self, loop: asyncio.AbstractEventLoop) -> None:
        """The connections, and what bounds them."""
        settings = self.settings
        self._places = places_for(
            resource.getrlimit(resource.RLIMIT_NOFILE)[0], settings.arrivals_per_worker, settings.connections_per_worker
        )
        admission = Admission(self._places.connections, settings.connections_per_address)
        self._allowances = Allowances({kind: rate(settings, kind) for kind in KINDS}, self.deadlines)
        limits = OutboxLimits(settings.slow_soft_bytes, settings.slow_grace_seconds, settings.slow_hard_bytes)
        pool = OutboxPool(loop, self.deadlines, limits)
        self.connections = Connections(loop, pool, settings.message_bytes, admission, self._allowances)
        self.connections.on_closed = Closings(self.counters).closed

    def _reach_redis(self, address: Address) -> None:
        """Both connections to Redis, and what is kept there."""
        settings = self.settings
        seconds = settings.redis_timeout_seconds
        self.pipeline = Pipeline(address, f"parley-{self.name}", seconds)
        self.subscriber = Subscriber(address, f"parley-{self.name}-sub", seconds)
        self.pipeline.on_moved = self.subscriber.connect_anew
        self.subscriber.on_again = self._subscribed_again
        self.broker = RedisBroker(self.pipeline, settings.history_events, settings.history_seconds)
        self._fullness = Fullness(self.pipeline, self.broker, self.counters)
        self._rosters = RedisRosters(self.pipeline)
        self._activity = RedisActivity(self.pipeline, settings.history_seconds)
        self._personal = RedisPersonal(self.pipeline, settings.history_seconds)
        self.canary = Canary(secrets.token_urlsafe(9), self.pipeline, self.subscriber, self.counters)

    def _keep_rooms(self, loop: asyncio.AbstractEventLoop) -> None:
        """The rooms open here: their members, logs and rosters, and how events get to them."""
        settings = self.settings
        fanout = Fanout(loop)
        reader = Reader(self.broker, fanout, self.counters)
        self.hub = Hub(self.subscriber, self.deadlines, reader)
        self.relay = Relay(self.hub, reader, fanout, self.broker, self.counters)
        self.subscriber.on_messages = self.relay.deliver
        patience = Patience(settings.presence_limit, settings.presence_grace_seconds, settings.presence_lease_seconds)
        self.presence = Presence(self.hub, self._rosters, self.counters, loop.time, patience)
        self.relay.on_people = self.presence.hear
        self.relay.on_other = self._other
        self.directory = Directory(self._activity, self.presence, self.broker.touched, self.broker.writers, loop.time)
        self.reading = Reading(self.broker, self._activity, self._rosters, self.presence, self.directory)

    def _know_people(self, loop: asyncio.AbstractEventLoop) -> None:
        """Persons wherever they are, and what moderators did about them."""
        self.people = People(self.subscriber, self.counters)
        self._sanctions = Sanctions(lambda: time.time() + self.counters.redis_clock_offset_seconds)
        self.moderation = Moderation(
            RedisModeration(self.pipeline),
            self.subscriber,
            self.people,
            self._sanctions,
            self.tasks,
            self.counters,
            self.connections,
        )
        self.counting = Counting(
            RedisCensus(self.pipeline),
            self._activity,
            self.presence,
            self.people,
            lambda: len(self.connections.open),
            loop.time,
        )

    def _carry_out(self) -> None:
        """What clients and back ends ask."""
        settings = self.settings
        self.speaking = Speaking(self.broker, self._personal, self.reading, self.counters, settings.text_chars)
        users = signin(settings)
        self.keys = users.remote if users is not None else None
        self.commands = Commands(
            self.hub,
            self.broker,
            self.presence,
            self.directory,
            Guests(*several(settings.secret)),
            self.tasks,
            self.deadlines,
            self.counters,
            self._promises(),
            self.people,
            self._personal,
            self.moderation,
            self._quotas(),
            self._allowances,
            rights(settings, self._sanctions),
            self._seats(self._rosters.worker),
            users,
        )

    def _promises(self) -> Promises:
        settings = self.settings
        return Promises(
            node=self.name,
            text_chars=settings.text_chars,
            frame_bytes=settings.message_bytes,
            rooms=settings.rooms_per_connection,
            rate=settings.sends_per_second,
            unacked=settings.unacked,
            ping_seconds=settings.ping_seconds,
            resume_events=settings.resume_events,
            guests=settings.guests == "on",
        )

    def _quotas(self) -> Quotas:
        settings = self.settings
        guest_sends, newcomers = settings.guest_sends_per_second, settings.guests_per_minute
        return Quotas(
            self._quota(rate(settings, "sends"), keys.sends, SENDS),
            self._quota(rate(settings, "guest_sends"), keys.guest_sends, GUEST_SENDS) if guest_sends else None,
            self._quota(rate_of_newcomers(settings), keys.newcomers, NEWCOMERS) if newcomers else None,
        )

    def _quota(self, rate: Rate, key: Callable[[str], str], counted: Counted) -> Quota:
        ahead_seconds = rate.burst / rate.per_second + AHEAD_SECONDS
        told = RedisSends(self.pipeline, rate.per_second, ahead_seconds, GATHERED_SECONDS, key)
        return Quota(rate, told, self.deadlines, counted)

    def _subscribed_again(self) -> None:
        self.relay.subscribed_again()
        self.presence.subscribed_again()
        self.moderation.subscribed_again()

    def _other(self, channel: bytes, data: bytes) -> None:
        if channel == self.canary.channel:
            self.canary.hear(data)
        elif channel == keys.MODERATION:
            self.moderation.hear(data)
        else:
            self.people.hear(channel, data)

    def _new_feed(self, connection: Connection, room: str) -> FeedClient:
        client = FeedClient(connection, room, self.hub, self.broker, self.counters)
        self.tasks.start(client.enter(), name=f"feed {room}")
        return client

    def application(self) -> Sanic[Any, Any]:
        """The Sanic application with all routes."""
        app: Sanic[Any, Any] = Sanic("parley", configure_logging=False)
        app.config.update(
            ACCESS_LOG=False,
            MOTD=False,
            REQUEST_MAX_SIZE=1024 * 1024,
            FALLBACK_ERROR_FORMAT="text",
        )
        parts = api.Parts(
            node=self.name,
            commands=self.commands,
            connections=self.connections,
            gate=self._gate(),
            counters=self.counters,
            board=self.board,
            new_feed=self._new_feed,
            state=self.lifecycle.state,
            reasons=self.lifecycle.reasons,
        )
        service_routes(app, self._dispatch())
        admit = api.routes(app, parts)
        parts.gate.guard_changes(app)
        prepare(app, self._arrivals(), admit)
        return app

    def _seats(self, worker: str) -> Seats:
        store, presence, most = RedisSeats(self.pipeline, worker), self.presence, self.settings.connections_per_user
        return Seats(self.people, store, lambda: presence.workers, self.counters, most)

    def _gate(self) -> Gate:
        settings = self.settings
        listed = [written(origin) for origin in several(settings.origins)]
        return Gate(self.connections.admission, self.counters, listed, settings.proxies)

    def _arrivals(self) -> Arrivals:
        late, full = responses.last_words(408), responses.last_words(503)
        waits = Waits(head=self.settings.handshake_seconds)
        clock = asyncio.get_running_loop().time
        return Arrivals(clock, self.deadlines, self.counters, self._places.arrivals, waits, late, full)

    def _dispatch(self) -> Dispatch:
        """What answers the HTTP API."""
        holders = Holders(Keyring(self.pipeline), api_keys(self.settings), time.monotonic, time.time)
        carried_out = handlers(self.speaking, self.reading, self.counting, Ruling(self.moderation))
        return Dispatch(holders, Rates(time.monotonic), carried_out, self.counters, self.settings.message_bytes)

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        async with asyncio.TaskGroup() as group:
            more = {"counting": self.counting.run(), "fullness": self._fullness.run()}
            if self.keys is not None:
                more["keys of tokens"] = self.keys.run()
            long_lived = self.lifecycle.start(group, more)
            if not await self.lifecycle.connected(START_SECONDS):
                _log.warning("serves, though Redis has not told it all", waited_seconds=START_SECONDS)
            listener = socket.socket(fileno=self.place.listener_fd)
            server: Any = await self.application().create_server(
                sock=listener,
                protocol=Door,
                backlog=BACKLOG,
                return_asyncio_server=True,
                asyncio_server_kwargs={"start_serving": False},
            )
            await server.startup()
            await server.before_start()
            await server.start_serving()
            self.lifecycle.serving()
            _log.info("serving", pid=os.getpid())
            _watch_lifeline(self.place.lifeline_fd, self.lifecycle)
            await self.lifecycle.told_to_stop()
            server.close()
            await self.lifecycle.drain(self.settings.drain_seconds)
            await self.commands.finish()
            await self.tasks.cancel()
            for task in long_lived:
                task.cancel()


def _watch_lifeline(fd: int, lifecycle: Lifecycle) -> None:
    """Stop when the supervisor is gone: its end of the pipe is closed then, however it died."""
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(fd)
        lifecycle.stop(gently=False)

    loop.add_reader(fd, gone)


async def serve(settings: Settings, place: Place) -> None:
    """Run one worker."""
    address = Address.of(settings)
    await Worker(settings, place, address).run()


def _collect_seldom() -> None:
    """Few of a worker's objects form circles, and looking for them costs more the more connections there are."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def main() -> None:
    """The worker process: reads its order from standard input."""
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    settings, place = order.settings, order.place
    log.configure(settings.log_level, settings.log_format, node=settings.node_name, worker=place.number)
    # Sanic would advise to use its debug mode, on every start at a terminal.
    os.environ["SANIC_IGNORE_PRODUCTION_WARNING"] = "true"
    try:
        _collect_seldom()
        uvloop.run(serve(settings, place))
    except (ParleyError, hiredis.ReplyError) as error:
        _log.error("worker cannot run", error=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
