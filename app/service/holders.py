"""Who may ask for what: API keys, their scopes and rooms, and how often each may ask.

Owns what is known of the keys. Those in Redis are read anew at most every FRESH_SECONDS, whoever asks, so a revoked key
is worth nothing after that; while Redis is away only the keys of the file are good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from app.apikeys import ApiKey, id_of
from app.backplane.keyring import Keyring
from app.errors import Forbidden, Unauthorized
from app.protocol.operations import Operation

FRESH_SECONDS = 1.0
GAP_SECONDS = 0.1
"""Between two reads, however many keys come that nobody knows."""
HEADER_MAX = 200


class Holders:
    """Finds out who asks. `now` is the time in seconds since 1970, `clock` goes on evenly."""

    def __init__(
        self, ring: Keyring, filed: Iterable[ApiKey], clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._ring = ring
        self._filed = {key.id: key for key in filed}
        self._kept: dict[str, ApiKey] = {}
        self._clock = clock
        self._now = now
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def holder(self, authorization: list[str]) -> ApiKey:
        """The key that comes in a request's headers.

        Raises:
            Unauthorized: there is none, or none that is good.
            Unavailable, NotConfirmed: Redis does not say.
        """
        if len(authorization) != 1 or len(authorization[0]) > HEADER_MAX:
            raise Unauthorized("an API key is needed: Authorization: Bearer pk_...")
        scheme, _, shown = authorization[0].partition(" ")
        shown = shown.strip()
        id_ = id_of(shown)
        if scheme.lower() != "bearer" or id_ is None:
            raise Unauthorized("this is no API key: Authorization: Bearer pk_...")
        key = self._filed.get(id_) or await self._find(id_)
        if key is None or not key.proved_by(shown) or key.ended(self._now()):
            raise Unauthorized("this API key is not good here, or not any more")
        return key

    async def _find(self, id_: str) -> ApiKey | None:
        """The key in Redis as it was at most FRESH_SECONDS ago, or none now; all who ask at once share a read."""
        asked = self._clock()
        async with self._lock:
            age = self._clock() - self._read_at
            # A key may have been made a moment ago: that there is none is only known from a read begun since.
            if age >= FRESH_SECONDS or (id_ not in self._kept and self._read_at < asked):
                await asyncio.sleep(max(0.0, GAP_SECONDS - age))
                begun = self._clock()
                self._kept = {key.id: key for key in await self._ring.all()}
                self._read_at = begun
            return self._kept.get(id_)


def check(key: ApiKey, operation: Operation, room: str) -> None:
    """Raises Forbidden unless a key is for this; `room` is empty for what is not about one."""
    if operation.scope not in key.scopes:
        raise Forbidden(f"this API key is not for {operation.scope}")
    if (room and not key.reaches(room)) or (operation.everywhere and not key.everywhere):
        raise Forbidden("this API key is not for this room" if room else "this needs an API key for all rooms")
