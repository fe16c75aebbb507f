"""How many connections and people there are, over all workers."""

from __future__ import annotations

from app.backplane.census import Line
from app.counting import NAMED_MAX, RENEW_SECONDS, Counting
from app.errors import Unavailable
from tests.fakes.worker import Worker


class Census:
    """What all workers count, in memory."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.writes = 0
        self.up = True

    async def write(self, worker: str, line: Line) -> None:
        """See Census."""
        if not self.up:
            raise Unavailable("away")
        self.writes += 1
        self.lines[worker] = line

    async def read(self, workers: list[str]) -> list[Line]:
        """See Census."""
        return [self.lines[worker] for worker in workers if worker in self.lines]


def counting(worker: Worker, census: Census) -> Counting:
    """The counting of a worker."""
    connections = lambda: len(worker.connections.open)  # noqa: E731
    return Counting(census, worker.activity, worker.presence, worker.people, connections, worker.clock)  # type: ignore[arg-type]


async def test_a_line_is_written_when_there_is_need() -> None:
    """When something has changed, when the last one ends soon, and again when that failed."""
    worker, census = Worker(), Census()
    here = counting(worker, census)
    await here.write()
    await here.write()
    assert census.writes == 1
    await worker.visitor("Ada")
    await here.write()
    await here.write()
    assert census.writes == 2
    (line,) = census.lines.values()
    assert (line.connections, line.people, len(line.handles or ())) == (1, 1, 1)
    worker.clock.pass_(RENEW_SECONDS)
    await here.write()
    assert census.writes == 3


async def test_people_are_counted_once() -> None:
    """On however many connections and workers; until a worker has too many to name them."""
    worker, census = Worker(), Census()
    here = counting(worker, census)
    visitor = await worker.visitor("Ada")
    await worker.visitor("Ada", guest=visitor.heard[0]["guest"])
    handle = worker.people.handles()[0]
    worker.presence._peers.alive({"w-other"}, worker.clock())
    census.lines["w-other"] = Line(5, 3, [handle, "b", "c"])
    census.lines["w-dead"] = Line(50, 30, [])
    counts = await here.counts()
    assert (counts.connections, counts.people, counts.exact, counts.workers) == (7, 3, True, 2)
    census.lines["w-other"] = Line(5000, NAMED_MAX + 1, None)
    counts = await here.counts()
    assert (counts.connections, counts.people, counts.exact) == (5002, NAMED_MAX + 2, False)
