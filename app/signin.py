"""Signing in with a token: its keys are configured, or fetched from where the system that signs publishes them."""

from __future__ import annotations

import asyncio
import http.client
import random
import time
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from app.errors import Unavailable
from app.tokens import FILE_BYTES_MAX, Expected, Key, User, fitting, key_name, key_set, verify

FETCH_SECONDS = 3.0
GAP_SECONDS = 5.0
"""Between two fetches, whoever asks."""
WAIT_SECONDS = 9.0
"""Longest wait for a key: a gap and a fetch, and less than a hello may take."""
REFRESH_SECONDS = 300.0
RETRY_CAP_SECONDS = 30.0
KEPT_SECONDS = 24 * 3600.0
"""Keys that could not be fetched again for so long are no longer believed."""
WAITING_MAX = 1000

_log = structlog.get_logger(component="signin")


class KeySet:
    """A key set (JWKS) at a URL. `run` keeps it fresh, and fetches it early when a key is missing."""

    def __init__(self, url: str, download: Callable[[str], bytes] | None = None) -> None:
        self._url = url
        self._download = download or fetch
        self.keys: list[Key] = []
        self._well = False
        self._good_at = 0.0
        self._begun = self._ended = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Condition()
        self._waiting = 0

    async def run(self) -> None:
        """Fetch now, every REFRESH_SECONDS, and when a key is wanted; after a failure sooner, with backoff."""
        failures = 0
        while True:
            self._wanted.clear()
            self._begun += 1
            await self._fetch()
            failures = 0 if self._well else failures + 1
            self._ended = self._begun
            async with self._news:
                self._news.notify_all()
            await asyncio.sleep(GAP_SECONDS)
            pause = REFRESH_SECONDS if self._well else min(RETRY_CAP_SECONDS, 2.0**failures)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):
                    await self._wanted.wait()

    async def _fetch(self) -> None:
        now = time.monotonic()
        try:
            async with asyncio.timeout(2 * FETCH_SECONDS):
                data = await asyncio.to_thread(self._download, self._url)
            keys = key_set(data)
            if not keys:
                raise ValueError("no key for RS256, ES256 or EdDSA")
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._well = False
            if now - self._good_at > KEPT_SECONDS:
                self.keys = []
            _log.warning("keys cannot be fetched", error=str(error)[:200], keys=len(self.keys))
        else:
            self._well, self._good_at, self.keys = True, now, keys

    async def find(self, algorithm: str, kid: str) -> list[Key]:
        """The keys that may have signed a token, fetched anew if there is none; empty if there is none then.

        Raises:
            Unavailable: they cannot be had now.
        """
        enough = self._begun + 1  # one under way may have been answered before the key was there
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many wait for the keys of tokens")
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._news:
                while not (keys := fitting(self.keys, algorithm, kid)) and self._ended < enough:
                    await self._news.wait()
        except TimeoutError:
            raise Unavailable("the keys of tokens cannot be had now") from None
        finally:
            self._waiting -= 1
        if not keys and not self._well:
            raise Unavailable("the keys of tokens cannot be had now")
        return keys


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Keys come from where the setting says, and from nowhere else."""


def fetch(url: str) -> bytes:
    """What is at a URL, within FETCH_SECONDS and FILE_BYTES_MAX. Blocks. Raises OSError, ValueError, HTTPException."""
    until = time.monotonic() + FETCH_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    asked = urllib.request.Request(url, headers={"accept": "application/json"})
    data = b""
    with opener.open(asked, timeout=FETCH_SECONDS) as answer:
        while chunk := answer.read1(65536):
            data += chunk
            if len(data) > FILE_BYTES_MAX:
                raise ValueError(f"more than {FILE_BYTES_MAX} bytes")
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
    return data


class Signin:
    """Tells who a token is for. `remote` has keys beside the configured ones."""

    def __init__(self, keys: Sequence[Key], expected: Expected, remote: KeySet | None = None) -> None:
        self._keys = list(keys)
        self._expected = expected
        self.remote = remote

    @property
    def leeway_seconds(self) -> float:
        """How far clocks may differ."""
        return self._expected.leeway_seconds

    def user(self, token: str) -> User | Coroutine[Any, Any, User]:
        """Who a token is for, or what to wait for to know it.

        Raises:
            Expired, Unauthorized: see app.tokens.verify.
        """
        algorithm, kid = key_name(token)
        keys = fitting(self._keys, algorithm, kid)
        if self.remote is not None:
            keys += fitting(self.remote.keys, algorithm, kid)
            # Only such keys are published.
            if not keys and algorithm in ("RS256", "ES256", "EdDSA"):
                return self._later(self.remote, token, algorithm, kid)
        return verify(token, keys, self._expected)

    async def _later(self, remote: KeySet, token: str, algorithm: str, kid: str) -> User:
        return verify(token, await remote.find(algorithm, kid), self._expected)
