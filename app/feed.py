"""The original design's plain websocket: what one client sends, all clients of the room receive, byte for byte.

No envelope, no history, no hello. Order is that of Redis pub/sub. A message that Redis does not take ends the
sender's connection, since there is no other way to tell it.
"""

from __future__ import annotations

from app import frames
from app.backplane.redis_broker import RedisBroker
from app.errors import ParleyError
from app.hub import Hub
from app.member import Link
from app.metrics import Counters
from app.protocol.codes import REASONS, CloseCode
from app.room import Room

UNCONFIRMED_MAX = 32


class FeedClient:
    """One websocket on a feed. It is read only while few of its messages wait for Redis."""

    heartbeat = frames.PING

    __slots__ = ("_broker", "_counters", "_hub", "_link", "_name", "_room", "_unconfirmed", "gone")

    def __init__(self, link: Link, name: str, hub: Hub, broker: RedisBroker, counters: Counters) -> None:
        self._link = link
        self._name = name
        self._hub = hub
        self._broker = broker
        self._counters = counters
        self._room: Room | None = None
        self._unconfirmed = 0
        self.gone = False
        link.hold()

    async def enter(self) -> None:
        """Join the feed; nothing is read from the client before that."""
        try:
            room = await self._hub.enter_feed(self._name)
        except ParleyError:
            self._overloaded()
            return
        if not self.gone:
            self._room = room
            room.join(self)
            self._link.release()

    @property
    def about(self) -> dict[str, str]:
        """What a line of the log says of this client."""
        return {"room": self._name}

    @property
    def behind(self) -> bool:
        """Whether the client reads too slowly."""
        return self._link.outbox.behind

    def write(self, data: bytes) -> None:
        """Take frames of a broadcast."""
        self._link.outbox.write(data)

    def text(self, payload: bytes) -> None:
        """A text message of the client, for everybody."""
        self._publish(b"t" + payload)

    def binary(self, payload: bytes) -> None:
        """A binary message of the client, for everybody."""
        self._publish(b"b" + payload)

    def throttled(self, limit: str, seconds: float) -> None:
        """The client sends too much and is not read for a while: nothing else could tell it."""
        self._counters.hit(limit)

    def goodbye(self) -> None:
        """The client has closed; `lost` follows."""

    def lost(self) -> None:
        """The connection is gone."""
        self.gone = True
        if self._room is not None:
            self._hub.leave_feed(self, self._room)

    def _publish(self, data: bytes) -> None:
        try:
            self._broker.broadcast(self._name, data, self._confirmed)
        except ParleyError:
            self._overloaded()
            return
        self._unconfirmed += 1
        if self._unconfirmed >= UNCONFIRMED_MAX:
            self._link.hold()

    def _confirmed(self, error: ParleyError | None) -> None:
        self._unconfirmed -= 1
        if error is not None:
            self._overloaded()
        elif self._unconfirmed == UNCONFIRMED_MAX // 2 and not self.gone:
            self._link.release()

    def _overloaded(self) -> None:
        if not self.gone:
            self._link.close(CloseCode.OVERLOADED, REASONS[CloseCode.OVERLOADED])
