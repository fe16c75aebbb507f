"""A bot that reminds: say "remind me in 10 minutes to make tea".   python docs/examples/bot.py ws://HOST/ws ROOM"""

import asyncio
import re
import sys
from contextlib import suppress
from typing import Any

from app.client import Client

ASKED = re.compile(r"remind me in (\d{1,4}) (second|minute|hour)s? to (.{1,500})", re.IGNORECASE)
SECONDS = {"second": 1, "minute": 60, "hour": 3600}


async def main(url: str, room: str) -> None:
    reminders: set[asyncio.Task[None]] = set()

    async def remind(event: dict[str, Any], seconds: int, what: str) -> None:
        await bot.react(room, event["seq"], "\N{ALARM CLOCK}")
        await asyncio.sleep(seconds)
        await bot.send(room, f"@{event['name']} {what}")

    def on(kind: str, event: dict[str, Any]) -> None:  # each event of the room once, in order, over all reconnects
        if kind == "event" and event["type"] == "message" and event["user"] != bot.user and len(reminders) < 1000:
            if asked := ASKED.fullmatch(event["text"]):
                seconds = int(asked[1]) * SECONDS[asked[2].lower()]
                reminders.add(task := asyncio.create_task(remind(event, seconds, asked[3])))
                task.add_done_callback(reminders.discard)

    async with Client(url, name="Reminder", on=on) as bot:
        await bot.join(room)
        print(f"{bot.name} is in {room}", flush=True)
        await bot.stay()


with suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:3]))
