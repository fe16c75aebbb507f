"""A change that remembers its answers, and a task that lives as long as a test needs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from app.backplane.broker import Amendment, Broker, Change
from app.errors import ParleyError
from tests.support import DEADLINE_SECONDS


class Sent(Change):
    """A change that is its own author and keeps its answers: seq, mid, ts, dup; or errors."""

    address = ""

    _numbers = count(1)

    def __init__(self, cid: str | None = None, sender: str = "u1/s1", text: str = "") -> None:
        self.author = self
        self.sender = sender
        self.cid = f"c{next(self._numbers)}" if cid is None else cid
        user = sender.partition("/")[0]
        self.body = f',"type":"message","cid":"{self.cid}","user":"{user}","name":"N","text":"{text}"}}'.encode()
        self.answers: list[tuple[int, str, int, bool] | ParleyError] = []
        self._answered = asyncio.Event()

    def stored(self, changes: list[Sent], epoch: str, first: int, token: str, ts: int) -> None:
        assert changes == [self]
        self._answer((first, f"{token}.{first}", ts, False))

    def found(self, change: Sent, epoch: str, seq: int, mid: str, ts: int) -> None:
        assert change is self
        self._answer((seq, mid, ts, True))

    def failed(self, changes: list[Sent], error: ParleyError) -> None:
        assert changes == [self]
        self._answer(error)

    def _answer(self, answer: tuple[int, str, int, bool] | ParleyError) -> None:
        self.answers.append(answer)
        self._answered.set()

    async def answered(self) -> Sent:
        """Wait for the first answer."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._answered.wait()
        return self

    async def through(self, broker: Broker, room: str) -> Sent:
        """Publish, and wait for the answer."""
        broker.publish(room, self)
        return await self.answered()

    @property
    def confirmed(self) -> tuple[int, str, int, bool]:
        """The one answer, which must be `stored`: seq, mid, ts, dup."""
        (answer,) = self.answers
        assert not isinstance(answer, ParleyError), repr(answer)
        return answer

    @property
    def seq(self) -> int:
        """The seq of the one answer."""
        return self.confirmed[0]

    @property
    def dup(self) -> bool:
        """Whether the one answer says duplicate."""
        return self.confirmed[3]


class Amends(Sent):
    """An amendment that keeps its answers."""

    def __init__(
        self,
        kind: str,
        of: int,
        value: str = "",
        more: bytes = b"",
        sender: str = "u1/s1",
        cid: str | None = None,
        mid: str = "",
    ) -> None:
        super().__init__(cid, sender)
        user = sender.partition("/")[0]
        self.amendment = Amendment(kind, of, user, json.dumps(value, ensure_ascii=False).encode(), more, mid=mid)
        event = {"type": {"edit": "edited", "delete": "deleted", "react": "reacted"}.get(kind, kind)}
        event |= {"cid": self.cid, "of": of, "user": user, "name": "N"}
        event |= {"edit": {"text": value}, "react": {"emoji": value, "on": bool(more)}, "topic": {"topic": value}}.get(
            kind, {}
        )
        self.body = b"," + json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()[1:]

    async def through(self, broker: Broker, room: str) -> Sent:
        """Amend, and wait for the answer."""
        broker.amend(room, self, self.amendment)
        return await self.answered()


@asynccontextmanager
async def running(work: object) -> AsyncIterator[None]:
    """Run a coroutine as a task; cancel it at the end, and fail if it failed."""
    task = asyncio.ensure_future(work)  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(0)  # connections dropped on the way out close in the next turn
