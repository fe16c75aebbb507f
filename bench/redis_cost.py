"""What a send costs Redis, with order, history and dedupe on: time in the script, memory kept, bytes logged.

Usage: python -m bench.redis_cost

Starts the Valkey that Parley embeds, with its append-only file on, and publishes through Parley's own broker: 200
rooms, one sender each, texts of 128 bytes, several changes per call as the load makes them. Prints a table. The time
is that which Valkey itself counts for the script (INFO commandstats).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

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
MOST_UNCONFIRMED = 4000


class Sent(Change):
    """A change, its own author, whose answer is only counted."""

    left = 0
    done: asyncio.Event
    room_again: asyncio.Event

    def __init__(self, room: int, number: int) -> None:
        self.author = self
        self.sender = f"g{room:012}/session{room:04}"
        self.cid = f"s{room}-{number}"
        self.body = b',"type":"message","room":"room%d","cid":"%b","user":"g%012d","name":"Ada","text":"%b"}' % (
            room,
            self.cid.encode(),
            room,
            TEXT,
        )

    def stored(self, changes: list[Sent], first: int, token: str, ts: int) -> None:
        """Count it."""
        Sent.left -= len(changes)
        Sent.room_again.set()
        if Sent.left == 0:
            Sent.done.set()

    def found(self, change: Sent, seq: int, mid: str, ts: int) -> None:
        """The measurement is void."""
        raise SystemExit(f"stored before: {change.cid}")

    def failed(self, changes: list[Sent], error: ParleyError) -> None:
        """The measurement is void."""
        raise SystemExit(f"not stored: {error}")


async def publish(broker: RedisBroker, per_call: int, events: int) -> None:
    """Publish `events`, `per_call` of them in each script call."""
    Sent.left, Sent.done, Sent.room_again = events, asyncio.Event(), asyncio.Event()
    number = 0
    while number < events:
        for room in range(ROOMS):
            for _ in range(per_call):
                number += 1
                broker.publish(f"room{room}", Sent(room, number))
        await asyncio.sleep(0)
        while broker.unconfirmed > MOST_UNCONFIRMED:
            Sent.room_again.clear()
            await Sent.room_again.wait()
    await Sent.done.wait()


async def fields(pipeline: Pipeline, section: str) -> dict[str, str]:
    """A section of INFO."""
    text: bytes = await pipeline.call("INFO", section)
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


async def measure(pipeline: Pipeline, per_call: int) -> tuple[float, float, float, float]:
    """Script microseconds, bytes of memory for 1,000 events, bytes per sender's record, bytes logged, per event."""
    await pipeline.call("FLUSHALL")
    broker = RedisBroker(pipeline, 10_000, 30 * 86400)
    warm = max(EVENTS // 2, ROOMS * per_call)
    await publish(broker, per_call, warm - warm % (ROOMS * per_call))
    await pipeline.call("CONFIG", "RESETSTAT")
    before = int((await fields(pipeline, "persistence"))["aof_current_size"])
    count = EVENTS - EVENTS % (ROOMS * per_call)
    await publish(broker, per_call, count)
    stats = (await fields(pipeline, "commandstats"))["cmdstat_evalsha"]
    micros = float(dict(pair.split("=") for pair in stats.split(","))["usec"])
    logged = int((await fields(pipeline, "persistence"))["aof_current_size"]) - before
    length = 0
    memory = record = 0
    for room in range(ROOMS):
        name = f"room{room}"
        memory += await pipeline.call("MEMORY", "USAGE", keys.log(name))
        length += int((await pipeline.call("HGET", keys.meta(name), "seq")).decode())
        record += await pipeline.call("MEMORY", "USAGE", keys.cids(name, Sent(room, 0).sender))
    return micros / count, 1000 * memory / length, record / ROOMS, logged / count


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        embedded = Embedded(Path(directory))
        await embedded.start()
        pipeline = Pipeline(Address.parse(embedded.url), "bench", 10.0)
        keeping = asyncio.create_task(pipeline.run())
        try:
            await pipeline.connected.wait()
            print("| changes per call | script us/send | KiB per 1,000 events | bytes per sender | log B/send |")
            print("|---|---|---|---|---|")
            for per_call in PER_CALL:
                micros, memory, record, logged = await measure(pipeline, per_call)
                print(f"| {per_call} | {micros:.1f} | {memory / 1024:.0f} | {record:.0f} | {logged:.0f} |")
        finally:
            keeping.cancel()
            await embedded.stop()


if __name__ == "__main__":
    asyncio.run(main())
