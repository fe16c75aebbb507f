"""Writing to the members of a room without holding the event loop: big rooms a slice at a time, in order.

A room with more members than a slice is written to over several turns of the loop, so that what small rooms have to
say goes between. What arrives for it meanwhile waits, joined, until the slices before it are written. Who joins is
not written what was delivered before: the answer to the join had that; who has left is written nothing more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice

from app.room import Client, Room

SLICE_MEMBERS = 64
WAITING_BYTES = 1024 * 1024
"""What may wait for a room; beyond, it is written to in one go, and the subscriber reads nothing meanwhile."""


class _Job:
    """Frames on their way to those who were members when they arrived."""

    __slots__ = ("data", "members", "rest")

    def __init__(self, members: tuple[Client, ...], data: bytes) -> None:
        self.members = members
        self.rest = iter(members)
        self.data = [data]


class Fanout:
    """Owns what is still to be written to big rooms."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: dict[Room, deque[_Job]] = {}
        self._waiting: dict[Room, int] = {}

    def send(self, room: Room, data: bytes) -> None:
        """Write whole frames to all members: now, or in the next turns of the loop, after all sent before."""
        jobs = self._jobs.get(room)
        if jobs is None:
            if len(room) <= SLICE_MEMBERS:
                room.send_message(data)
                return
            if not self._jobs:
                self._loop.call_soon(self._turn)
            self._jobs[room] = deque([_Job(room.members, data)])
            self._waiting[room] = 0
            return
        self._waiting[room] += len(data)
        if len(jobs) > 1 and jobs[-1].members is room.members:
            jobs[-1].data.append(data)
        else:
            jobs.append(_Job(room.members, data))
        if self._waiting[room] > WAITING_BYTES:
            while self._slice(room, jobs):
                pass

    def _turn(self) -> None:
        """One slice, of the room that has waited longest."""
        try:
            for room, jobs in self._jobs.items():
                if self._slice(room, jobs):
                    # Behind the others, if there are any.
                    self._jobs[room] = self._jobs.pop(room)
                break
        finally:
            # Whatever a slice may raise, the others go on.
            if self._jobs:
                self._loop.call_soon(self._turn)

    def _slice(self, room: Room, jobs: deque[_Job]) -> bool:
        """Write one slice; whether anything is left for the room."""
        job = jobs[0]
        data = job.data[0] if len(job.data) == 1 else b"".join(job.data)
        job.data = [data]
        clients = tuple(islice(job.rest, SLICE_MEMBERS))
        room.send_to(clients if job.members is room.members else [one for one in clients if one in room], data)
        if len(clients) == SLICE_MEMBERS:
            return True
        jobs.popleft()
        if jobs:
            self._waiting[room] -= sum(map(len, jobs[0].data))
            return True
        del self._jobs[room], self._waiting[room]
        return False
