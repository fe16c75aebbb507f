"""Which operation of the HTTP API is carried out by what."""

from __future__ import annotations

from typing import Any

from app.counting import Counting
from app.service.dispatch import Call, Handler
from app.service.reading import Reading
from app.service.speaking import Speaking


def handlers(speaking: Speaking, reading: Reading, counting: Counting) -> dict[str, Handler]:
    """By the names of the operations."""

    async def send(call: Call) -> Any:
        return await speaking.say(call.key, call.room, call.body.text, call.idempotency)

    async def messages(call: Call) -> Any:
        return await reading.messages(call.room, call.query)

    async def presence(call: Call) -> Any:
        return await reading.people(call.room)

    async def rooms(call: Call) -> Any:
        return await reading.rooms(call.key, call.query)

    async def room(call: Call) -> Any:
        return await reading.room(call.room)

    async def counts(_call: Call) -> Any:
        return await counting.counts()

    return {
        "sendMessage": send,
        "readMessages": messages,
        "readPresence": presence,
        "listRooms": rooms,
        "readRoom": room,
        "readCounts": counts,
    }
