"""A subscriber that hears a store in memory, and confirms, loses and comes back when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.backplane import keys
from app.backplane.subscriber import Message
from app.errors import Unavailable
from tests.fakes.broker import MemoryStore


class MemorySubscriber:
    """What app/backplane/subscriber.py is to a Redis. `prompt` confirms at once; else `confirm` does.

    While `late`, publications are on their way; `arrive` lets them in.
    """

    on_messages: Callable[[list[Message]], None]
    on_again: Callable[[], None]

    def __init__(self, store: MemoryStore) -> None:
        store.listeners.append(self._publication)
        store.person_listeners.append(self._notice)
        self.up = True
        self.prompt = True
        self.late = False
        self._coming: list[Message] = []
        self.active: set[bytes] = set()
        self.asked: list[bytes] = []
        self._wanted: dict[bytes, asyncio.Future[None]] = {}

    async def subscribe(self, channel: bytes) -> None:
        """See Subscriber."""
        if channel not in self._wanted:
            self.asked.append(channel)
            self._wanted[channel] = asyncio.get_running_loop().create_future()
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        if self.prompt:
            self.confirm(channel)
        await asyncio.shield(self._wanted[channel])

    def want(self, channel: bytes) -> None:
        """See Subscriber."""
        if channel not in self._wanted:
            self.asked.append(channel)
            self._wanted[channel] = asyncio.get_running_loop().create_future()
            if self.prompt and self.up:
                self.confirm(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """See Subscriber."""
        self.active.discard(channel)
        confirmed = self._wanted.pop(channel, None)
        if confirmed is not None:
            confirmed.cancel()

    def confirm(self, channel: bytes) -> None:
        """Redis subscribes it from now on."""
        self.active.add(channel)
        if not self._wanted[channel].done():
            self._wanted[channel].set_result(None)

    def lose(self) -> None:
        """The connection is gone: nothing is heard, and nothing is confirmed any more."""
        self.up = False
        self.active.clear()
        for channel in self._wanted:
            self._wanted[channel] = asyncio.get_running_loop().create_future()

    def come_back(self) -> None:
        """Connected again; confirmations come at once if `prompt`."""
        self.up = True
        if self.prompt:
            for channel in self._wanted:
                self.confirm(channel)
        self.on_again()

    def _publication(self, room: str, data: bytes) -> None:
        channel = keys.events(room)
        if self.up and channel in self.active:
            self.tell(channel, data)

    def _notice(self, channel: bytes, data: bytes) -> None:
        if channel in self.active:
            self.tell(channel, data)

    def tell(self, channel: bytes, data: bytes) -> None:
        """A publication, now or as late as the others."""
        self._coming.append((channel, data))
        if not self.late:
            self.arrive()

    def arrive(self) -> None:
        """All that is on its way is heard, and what comes from now on at once."""
        self.late = False
        coming, self._coming = self._coming, []
        self.on_messages(coming)
