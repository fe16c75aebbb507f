"""The worker's one connection for publications: what it is to hear, and what it hears.

A lost connection is made again for as long as it takes, and everything wanted is subscribed anew; what was published
meanwhile is gone from pub/sub, so the owner is told and reads the logs. A frozen Redis is noticed by a ping that is
not answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from app.backplane.link import Address, Link, Reply, pack
from app.backplane.outage import Outage
from app.backplane.pipeline import STEADY_SECONDS, WATCH_SECONDS, backoff
from app.errors import SettingError, Unavailable

PING_SECONDS = 1.0
CHANNELS_AT_ONCE = 500

Message = tuple[bytes, bytes]
_log = structlog.get_logger(component="redis")


class _PushLink(Link):
    """A link in subscribed mode: replies are publications and confirmations."""

    subscriber: Subscriber

    def received(self, replies: list[Reply]) -> None:
        """Sort one read's replies; before the login is done they are ordinary ones."""
        if not self.up:
            super().received(replies)
            return
        self._waiting.clear()
        self.subscriber.handle(replies)

    def ping(self) -> None:
        """Ask for a sign of life; any input is one."""
        self.post(_PING, _ignore)


class Subscriber:
    """Owns the wanted channels.

    Attributes, set by the owner before `run`:
        on_messages: gets all publications of one read, in order, synchronously.
        on_again: called when it is connected again after having been away; everything wanted is being subscribed.
    """

    on_messages: Callable[[list[Message]], None]
    on_again: Callable[[], None]

    def __init__(self, address: Address, name: str, seconds: float) -> None:
        self._address = address
        self._name = name
        self._seconds = seconds
        self._link: _PushLink | None = None
        self._lost = asyncio.Event()
        # Channel -> who waits for its confirmation; None once it is confirmed.
        self._wanted: dict[bytes, asyncio.Future[None] | None] = {}
        self._unasked: set[bytes] = set()
        self._unanswered: Counter[bytes] = Counter()
        self._outage = Outage("redis pub/sub")
        self.reconnects = 0

    @property
    def up(self) -> bool:
        """Whether publications can arrive."""
        return self._link is not None and self._link.up

    def want(self, channel: bytes) -> None:
        """Want a channel that may be missed for a while; subscribed with others at the end of this turn."""
        if channel not in self._wanted:
            self._wanted[channel] = asyncio.get_running_loop().create_future()
            self._ask(channel)

    async def subscribe(self, channel: bytes) -> None:
        """Want a channel; returns when Redis has confirmed it.

        Raises:
            Unavailable: there is no connection, or Redis takes too long. The channel stays wanted all the same.
        """
        self.want(channel)
        confirmed = self._wanted[channel]
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        if confirmed is None:
            return
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(confirmed)
        except TimeoutError:
            raise Unavailable("Redis did not confirm the subscription in time") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if confirmed.cancelled() and task is not None and not task.cancelling():
                raise Unavailable("the channel is wanted no more") from None
            raise

    def unsubscribe(self, channel: bytes) -> None:
        """Want a channel no more; no error if it was not wanted."""
        if channel in self._wanted:
            confirmed = self._wanted.pop(channel)
            if confirmed is not None:
                confirmed.cancel()
            self._unasked.discard(channel)
            if self._link is not None and self._link.up:
                self._link.write(pack((b"UNSUBSCRIBE", channel)))

    def _ask(self, channel: bytes) -> None:
        """Subscribe at the end of this turn, together with the others."""
        if self._link is not None and self._link.up:
            if not self._unasked:
                asyncio.get_running_loop().call_soon(self._ask_all)
            self._unasked.add(channel)

    def _ask_all(self) -> None:
        channels, self._unasked = list(self._unasked), set()
        if self._link is not None and self._link.up:
            self._unanswered.update(channels)
            for start in range(0, len(channels), CHANNELS_AT_ONCE):
                self._link.write(pack((b"SUBSCRIBE", *channels[start : start + CHANNELS_AT_ONCE])))

    def handle(self, replies: list[Reply]) -> None:
        """All replies of one read: publications go on together, confirmations are noted."""
        messages: list[Message] = []
        for reply in replies:
            if type(reply) is list and reply[0] == b"message":
                messages.append((reply[1], reply[2]))
            elif type(reply) is list and reply[0] == b"subscribe":
                self._confirm(reply[1])
            elif isinstance(reply, Exception) and self._unanswered and self._link is not None:
                # Which one was refused is not said: all are asked for again on a new connection.
                _log.error("redis refused a subscription", seldom="redis", error=str(reply))
                self._link.drop()
        if messages:
            self.on_messages(messages)

    def _confirm(self, channel: bytes) -> None:
        """Note a confirmation; that of a subscription given up and wanted again meanwhile does not count."""
        self._unanswered[channel] -= 1
        if self._unanswered[channel] <= 0:
            del self._unanswered[channel]
            confirmed = self._wanted.get(channel)
            if confirmed is not None:
                confirmed.set_result(None)
                self._wanted[channel] = None

    async def run(self) -> None:
        """Connect, subscribe all, watch, connect again, for ever."""
        tries = 0
        first = True
        while True:
            self._lost.clear()
            try:
                link = await _PushLink.connect(self._address, self._name, self._seconds, self._lost.set)
            except (Unavailable, SettingError) as error:
                self._outage.failed(str(error), asyncio.get_running_loop().time())
                tries += 1
                await asyncio.sleep(backoff(tries))
                continue
            link.subscriber = self
            self._link = link
            began = link.now()
            self._outage.over(began)
            self._unasked = set(self._wanted)
            self._ask_all()
            if not first:
                self.reconnects += 1
                self.on_again()
            first = False
            try:
                await self._watch(link)
            finally:
                self._link = None
                link.drop()
                self._forget_confirmations()
            self._outage.lost(link.now())
            _log.warning("redis subscription lost", seldom="redis", channels=len(self._wanted))
            tries = 0 if link.now() - began > STEADY_SECONDS else tries + 1
            await asyncio.sleep(backoff(tries) if tries else 0)

    def connect_anew(self) -> None:
        """Leave this connection for a new one, perhaps to another Redis behind the same address."""
        if self._link is not None:
            self._link.drop()

    def _forget_confirmations(self) -> None:
        self._unanswered.clear()
        loop = asyncio.get_running_loop()
        for channel, confirmed in self._wanted.items():
            if confirmed is None:
                self._wanted[channel] = loop.create_future()

    async def _watch(self, link: _PushLink) -> None:
        loop = asyncio.get_running_loop()
        ping_at = 0.0
        while not self._lost.is_set():
            if link.overdue(self._seconds):
                return
            if loop.time() >= ping_at:
                link.ping()
                ping_at = loop.time() + PING_SECONDS
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                pass


_PING = pack((b"PING",))


def _ignore(_reply: Reply) -> None:
    """A ping's answer carries nothing."""
