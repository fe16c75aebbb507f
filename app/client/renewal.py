"""A signed-in client's tokens: a new one is brought to the server before the old one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from app.client.errors import Refused
from app.client.link import Link, Message

EARLY_SECONDS = 60.0
"""A token is renewed so long before its end, or at half of what it still lasts if that is later."""
AGAIN_SECONDS = 5.0
"""Between two tries, while there is no newer token."""

_log = structlog.get_logger(component="client")


class Renewal:
    """Asks `token` for a valid token, again and again on one connection; see `Client`."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token
        self._link: Link | None = None
        self._given = ""
        self._ends_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def token(self) -> str:
        """A token for a new connection. Raises whatever the function raises."""
        self._given = self._token()
        return self._given

    def began(self, link: Link, seconds: float) -> None:
        """A connection was welcomed whose token ends in so many seconds."""
        self._link = link
        self._lasts(seconds)

    def over(self) -> None:
        """The connection is gone."""
        self._link = None
        if self._timer is not None:
            self._timer.cancel()

    def _lasts(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + seconds
        self._timer = loop.call_later(max(seconds - EARLY_SECONDS, seconds / 2), self._renew)

    def _again(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._ends_at:
            self._timer = loop.call_later(min(AGAIN_SECONDS, (self._ends_at - loop.time()) / 2 + 0.05), self._renew)

    def _renew(self) -> None:
        link = self._link
        if link is None:
            return
        try:
            token = self._token()
        except Exception:
            _log.exception("no token for this connection")
            token = ""
        if not token or token == self._given:
            self._again()
            return

        def done(reply: Message | Refused) -> None:
            if self._link is not link:
                return
            if isinstance(reply, Refused):
                # Another one may do. If none does, the server closes when the old one ends, and hello says why.
                self._again()
                return
            self._given = token
            self._lasts(float(reply["exp"]))

        link.ask("refresh", {"token": token}, done)
