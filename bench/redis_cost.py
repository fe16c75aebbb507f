"""What a send costs Redis, with order, history and dedupe on: time in the script, memory kept, bytes logged.

Usage: python -m bench.redis_cost

Starts the Valkey that Parley embeds, with its append-only file on, and publishes through Parley's own broker: 200
rooms, one sender each, texts of 128 bytes, several changes per call as the load makes them. Prints a table. The time
is that which Valkey itself counts for the script (INFO commandstats).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from itertools import count
from pathlib import Path

from app.arguments import within
from app.backplane import keys
from app.backplane.broker import Change
from app.backplane.link import Address
from app.backplane.pipeline import Pipeline
from app.backplane.redis_broker import RedisBroker
from app.embedded import Embedded
from app.errors import ParleyError

ROOMS = 200
TEXT = b"x" * 128
PER_CALL = (1, 4, 16)
EVENTS = 32_000
WHOLE = ROOMS * max(PER_CALL)


def sender(room: int) -> str:
    """Who sends in a room."""
    return f"g{room:012}/session{room:04}"


class Sent(Change):
    """A change that is its own author."""

    numbers = count(1)  # never again, or the server would know the change
    answered = asyncio.Event()
    address = ""

    def __init__(self, room: int) -> None:
        self.author = self
        self.sender = sender(room)
        self.cid = f"s{room}-{next(self.numbers)}"
        self.body = b',"type":"message","room":"room%d","cid":"%b","user":"g%012d","name":"Ada","text":"%b"}' % (
            room,
            self.cid.encode(),
            room,
            TEXT,
        )

    def stored(self, changes: list[Sent], epoch: str, first: int, token: str, ts: int) -> None:
        """The next ones may come."""
        Sent.answered.set()

    def found(self, change: Sent, epoch: str, seq: int, mid: str, ts: int) -> None:
        """The measurement is void."""
        raise SystemExit(f"stored before: {change.cid}")

    def failed(self, changes: list[Sent], error: ParleyError) -> None:
        """The measurement is void."""
        raise SystemExit(f"not stored: {error}")


async def publish(broker: RedisBroker, per_call: int, events: int) -> None:
    """Publish `events`, `per_call` of them in each script call."""
    for _ in range(events // (ROOMS * per_call)):
        for room in range(ROOMS):
            for _ in range(per_call):
                broker.publish(f"room{room}", Sent(room))
        # What came while a room's call is under way would share the next one.
        while broker.unconfirmed:
            Sent.answered.clear()
            await Sent.answered.wait()


async def fields(pipeline: Pipeline, section: str) -> dict[str, str]:
    """A section of INFO."""
    text: bytes = await pipeline.call("INFO", section)
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


async def measure(pipeline: Pipeline, per_call: int, events: int) -> tuple[float, float, float, float]:
    """Script microseconds, bytes of memory for 1,000 events, bytes per sender's record, bytes logged, per event."""
    await pipeline.call("FLUSHALL")
    broker = RedisBroker(pipeline, 10_000, 30 * 86400)
    await publish(broker, per_call, events)  # until each log and record has its usual size
    await pipeline.call("CONFIG", "RESETSTAT")
    before = int((await fields(pipeline, "persistence"))["aof_current_size"])
    await publish(broker, per_call, events)
    stats = (await fields(pipeline, "commandstats"))["cmdstat_evalsha"]
    counted = dict(pair.split("=") for pair in stats.split(","))
    if int(counted["calls"]) * per_call != events:
        raise SystemExit(f"{counted['calls']} calls carried {events} changes, not {per_call} each")
    micros = float(counted["usec"])
    logged = int((await fields(pipeline, "persistence"))["aof_current_size"]) - before
    length = 0
    memory = record = 0
    for room in range(ROOMS):
        name = f"room{room}"
        memory += await pipeline.call("MEMORY", "USAGE", keys.log(name))
        length += int((await pipeline.call("HGET", keys.meta(name), "seq")).decode())
        record += await pipeline.call("MEMORY", "USAGE", keys.cids(name, sender(room)))
    return micros / events, 1000 * memory / length, record / ROOMS, logged / events


async def main(events: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        embedded = Embedded(Path(directory))
        await embedded.start()
        pipeline = Pipeline(Address.parse(embedded.url), "bench", 10.0)
        keeping = asyncio.create_task(pipeline.run())
        try:
            await pipeline.connected.wait()
            await pipeline.call("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)
            print("| changes per call | script us/send | KiB per 1,000 events | bytes per sender | log B/send |")
            print("|---|---|---|---|---|")
            for per_call in PER_CALL:
                micros, memory, record, logged = await measure(pipeline, per_call, events)
                print(f"| {per_call} | {micros:.1f} | {memory / 1024:.0f} | {record:.0f} | {logged:.0f} |")
        finally:
            keeping.cancel()
            await embedded.stop()


def whole(text: str) -> int:
    """A number of events that fills all calls of every round."""
    return within(WHOLE)(text) // WHOLE * WHOLE


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.redis_cost", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=whole, default=EVENTS, metavar="N", help="for each row (default: %(default)s)")
    asyncio.run(main(parser.parse_args().events))
