"""The API keys in Redis, all in one hash: they are few, and whoever needs one reads all."""

from __future__ import annotations

from typing import Protocol

import hiredis
import msgspec

from app.apikeys import KEYS_MAX, ApiKey
from app.backplane import keys
from app.backplane.link import Argument, Reply
from app.errors import BadRequest, Unavailable

_decode = msgspec.json.Decoder(ApiKey).decode


class Caller(Protocol):
    """A connection to Redis: a Link or a Pipeline."""

    async def call(self, *command: Argument) -> Reply:
        """One command and its reply. Raises Unavailable, NotConfirmed or hiredis.ReplyError."""


class Keyring:
    """Everything here raises Unavailable or NotConfirmed when Redis does not answer."""

    def __init__(self, redis: Caller) -> None:
        self._redis = redis

    async def all(self) -> list[ApiKey]:
        """Every key, ended ones too. What is none of ours is left out."""
        found = []
        for value in await self._call("HVALS", keys.API_KEYS):
            try:
                found.append(_decode(value))
            except ValueError:
                continue
        return found

    async def add(self, key: ApiKey) -> None:
        """Keep a key. Raises BadRequest if there are KEYS_MAX already."""
        if await self._call("HLEN", keys.API_KEYS) >= KEYS_MAX:
            raise BadRequest(f"there are {KEYS_MAX} keys already: revoke some")
        await self._call("HSET", keys.API_KEYS, key.id, msgspec.json.encode(key))

    async def revoke(self, key_id: str) -> bool:
        """Forget a key; False if there is none."""
        return bool(await self._call("HDEL", keys.API_KEYS, key_id))

    async def _call(self, *command: Argument) -> Reply:
        try:
            return await self._redis.call(*command)
        except hiredis.ReplyError as error:
            raise Unavailable(f"Redis refuses: {str(error)[:100]}") from None
