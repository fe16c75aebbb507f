"""Which operation of the HTTP API is carried out by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.apikeys import ApiKey
from app.counting import Counting
from app.service.dispatch import Call, Handler
from app.service.reading import Reading
from app.service.ruling import Ruling
from app.service.speaking import Speaking

Rule = Callable[[ApiKey, str, Any], Awaitable[Any]]


def handlers(speaking: Speaking, reading: Reading, counting: Counting, ruling: Ruling) -> dict[str, Handler]:
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

    def about(rule: Rule) -> Handler:
        return lambda call: rule(call.key, call.room, call.body or call.query)

    async def disconnect(call: Call) -> None:
        await ruling.disconnect(call.key, call.user)

    rules: dict[str, Rule] = {
        "mute": ruling.mute,
        "unmute": ruling.unmute,
        "ban": ruling.ban,
        "unban": ruling.unban,
        "readModeration": ruling.page,
    }
    moderating = {f"{name}{where}": about(rule) for where in ("InRoom", "Everywhere") for name, rule in rules.items()}
    return {
        **moderating,
        "kickUser": about(ruling.kick),
        "disconnectUser": disconnect,
        "sendMessage": send,
        "readMessages": messages,
        "readPresence": presence,
        "listRooms": rooms,
        "readRoom": room,
        "readCounts": counts,
    }
