"""What back ends do about people: kick, mute, ban, disconnect, and see what holds and what was done."""

from __future__ import annotations

from app.apikeys import ApiKey
from app.errors import Forbidden
from app.moderating import deed_entry, ends_at, held_entry
from app.moderation import By, Moderation
from app.protocol.service import Ban, Kick, Lifted, ModerationPage, ModerationQuery, Mute, Ruled, Unban, Unmute


class Ruling:
    """Carries out what a key may do; where `room` is empty it is for all of them. Raises as Moderation does."""

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation

    async def kick(self, key: ApiKey, room: str, asked: Kick) -> Ruled:
        """Take a user out of a room."""
        await self._moderation.kick(asked.user, _by(key), room, asked.reason)
        return Ruled("kick", room, asked.user)

    async def disconnect(self, key: ApiKey, user: str) -> None:
        """Close all connections of a user."""
        await self._moderation.kick(user, _by(key))

    async def mute(self, key: ApiKey, room: str, asked: Mute) -> Ruled:
        """Have a user write nothing for a while."""
        done = await self._moderation.mute(asked.user, asked.seconds, _by(key), room, asked.reason)
        return Ruled("mute", room, asked.user, until=ends_at(done.until))

    async def unmute(self, key: ApiKey, room: str, asked: Unmute) -> Lifted:
        """End a mute."""
        return Lifted((await self._moderation.unmute(asked.user, _by(key), room)).changed > 0)

    async def ban(self, key: ApiKey, room: str, asked: Ban) -> Ruled:
        """Keep a user or an address away. Raises Forbidden for an address unless the key is for all rooms."""
        _check_address(key, asked.address)
        done = await self._moderation.ban(
            _by(key), asked.user, asked.address, asked.seconds, room, asked.reason, asked.addresses
        )
        return Ruled("ban", room, asked.user, asked.address, ends_at(done.until))

    async def unban(self, key: ApiKey, room: str, asked: Unban) -> Lifted:
        """End a ban. Raises as `ban`."""
        _check_address(key, asked.address)
        return Lifted((await self._moderation.unban(_by(key), asked.user, asked.address, room)).changed > 0)

    async def page(self, key: ApiKey, room: str, query: ModerationQuery) -> ModerationPage:
        """What holds and what was done; addresses are for keys for all rooms."""
        deeds = await self._moderation.deeds(room, query.limit, query.before)
        shown = key.everywhere
        return ModerationPage(
            [held_entry(held, shown) for held in self._moderation.held(room)],
            [deed_entry(deed, shown) for deed in deeds],
        )


def _by(key: ApiKey) -> By:
    return By(key.user, key.name, key.everywhere)


def _check_address(key: ApiKey, address: str) -> None:
    if address and not key.everywhere:
        raise Forbidden("addresses need an API key for all rooms; ban a user with its addresses instead")
