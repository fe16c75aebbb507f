"""What a client may do as a moderator: requests that are answered once, on this connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.client.link import Message


class Moderator:
    """Without a room each is for all rooms and the server. All raise Refused, also when not connected.

    Times are in seconds; 0 is for ever.
    """

    def __init__(self, request: Callable[[str, Message], Awaitable[Message]]) -> None:
        self._request = request

    async def kick(self, user: str, room: str = "", reason: str = "") -> None:
        """Take a user out of a room, or close its connections."""
        await self._ask("kick", user=user, room=room, reason=reason)

    async def mute(self, user: str, seconds: float, room: str = "", reason: str = "") -> Message:
        """Have a user write nothing: `{until}`."""
        return await self._ask("mute", user=user, seconds=seconds, room=room, reason=reason)

    async def unmute(self, user: str, room: str = "") -> bool:
        """End a mute; whether there was one."""
        return bool((await self._ask("unmute", user=user, room=room))["was"])

    async def ban(
        self,
        user: str = "",
        room: str = "",
        *,
        address: str = "",
        seconds: float = 0,
        reason: str = "",
        addresses: bool = False,
    ) -> Message:
        """Keep a user, with `addresses` where it comes from too, or an address away: `{until}`."""
        whom = {"user": user, "address": address}
        return await self._ask("ban", **whom, room=room, seconds=seconds, reason=reason, addresses=addresses)

    async def unban(self, user: str = "", room: str = "", *, address: str = "") -> bool:
        """End a ban; whether there was one."""
        return bool((await self._ask("unban", user=user, room=room, address=address))["was"])

    async def list(self, room: str = "", limit: int = 50, before: str = "") -> Message:
        """What holds and what was done: `{held, deeds}`."""
        return await self._ask("moderation", room=room, limit=limit, before=before)

    async def _ask(self, type_: str, **fields: Any) -> Message:
        return await self._request(type_, {name: value for name, value in fields.items() if value != ""})
