"""The audience of a run: simulated members that only listen, more than those who talk, held to the rooms' logs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Collection, Mapping, Sequence

from app.tasks import Tasks
from app.traffic.crowd import Crowd
from app.traffic.history import RoomLog
from app.traffic.member import Member
from app.traffic.room import Room
from app.traffic.stacks import POLL_SECONDS
from app.verify.checker import Violation

LOOK_SECONDS = 1.0


class Audience:
    """So many listeners, each in one of the rooms."""

    def __init__(self, urls: Sequence[str], rooms: Sequence[str], count: int) -> None:
        listened = [Room(name, 0, marked=False) for name in rooms]
        self._crowd = Crowd(urls, listened, range(count), f"audience-{secrets.token_hex(4)}")
        self._tasks = Tasks()

    async def enter(self) -> None:
        """Let all in; from then on they come back by themselves."""
        await self._crowd.enter(0)
        self._tasks.start(self._look_after(), "audience")

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._crowd.look_after()

    async def caught_up(self, logs: Mapping[str, RoomLog], seconds: float) -> None:
        """Give everybody time to be given what the logs have. Who was not is a violation."""
        give_up = time.monotonic() + seconds
        while any(_missed(member, logs) for member in self.members):
            if time.monotonic() > give_up:
                return
            await asyncio.sleep(POLL_SECONDS)

    @property
    def members(self) -> Collection[Member]:
        """All of them."""
        return self._crowd.members.values()

    @property
    def deliveries(self) -> int:
        """How many events were given to listeners."""
        return sum(member.seat.given() for member in self.members)

    def judge(self, logs: Mapping[str, RoomLog]) -> list[Violation]:
        """What listeners were not given, or given otherwise than the rooms' logs have it."""
        found: list[Violation] = []
        for member in self.members:
            seat, missed = member.seat, _missed(member, logs)
            said = {
                "lost": (len(missed), f"never given {missed[:5]}, and not told that anything is lost"),
                "twice": (seat.twice, f"{seat.twice} events given again"),
                "order": (seat.late, f"{seat.late} events given after younger ones"),
                "back": (member.gone, "sent away for good"),
            }
            found += [Violation(rule, member.room.name, member.name, what) for rule, (n, what) in said.items() if n]
        for room in self._crowd.rooms:
            log, book = logs.get(room.name), room.ledger
            book.compare((event.seq, event.cid) for event in (log.events if log else ()) if event.seq in book.events)
            if book.conflicts:
                what = f"{book.conflicts} events are others for listeners than in the log or for each other"
                found.append(Violation("order", room.name, "", what))
            if book.twice:
                found.append(Violation("twice", room.name, "", f"{book.twice} cids at two seqs, for listeners"))
        return found

    async def leave(self) -> None:
        """Everybody goes."""
        await self._tasks.cancel()
        with contextlib.suppress(OSError):
            await self._crowd.leave()


def _missed(member: Member, logs: Mapping[str, RoomLog]) -> list[int]:
    """What is in the log and the member was not given, unless it was told of a gap or the numbers began again."""
    log = logs.get(member.room.name)
    if log is None or member.told_of_gap or member.gone:
        return []
    stored = {event.seq for event in log.events}
    return [seq for seq in member.seat.absent(log.position.seq) if seq in stored]
