"""How often a key may ask: so many times a second on each worker, a second's worth at once. Pure."""

from __future__ import annotations

from collections.abc import Callable

from app.apikeys import KEYS_MAX, ApiKey
from app.errors import RateLimited

BURST_SECONDS = 1.0


class Rates:
    """Owns, for each key that asked, up to when its requests are spent. `clock` goes on evenly, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._spent)

    def take(self, key: ApiKey) -> None:
        """Take one request from a key's allowance. Raises RateLimited if there is none left."""
        now = self._clock()
        spent = max(self._spent.get(key.id, now - BURST_SECONDS), now - BURST_SECONDS)
        if spent > now:
            raise RateLimited(f"this API key may ask {key.rate:g} times a second", spent - now, limit="api_rate")
        if len(self._spent) > 2 * KEYS_MAX:
            self._spent = {each: until for each, until in self._spent.items() if until > now - BURST_SECONDS}
        self._spent[key.id] = spent + 1 / key.rate
