"""One run of the command: who comes, to which server, and what stands at its two ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.client import Client, Tuning
from app.client.client import Callback
from app.config import TOKEN
from app.errors import BadRequest, reason
from app.protocol.names import user_name
from app.terminal.identity import Guest, Identities, default_path
from app.terminal.plain import Input, Output, Piped, say
from app.terminal.text import inline

READER_PAGE = 20
TUNING = Tuning(cap_seconds=5.0)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Unreachable(Exception):
    """No server there, or none that answers."""


def on_terminal(environment: Mapping[str, str]) -> bool:
    """Whether a person sits at both ends, before a terminal that can do more than print."""
    ends = (sys.stdin, sys.stdout)
    return all(end is not None and end.isatty() for end in ends) and environment.get("TERM", "dumb") != "dumb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who comes where.

    Attributes:
        url: of the server's websocket.
        name: of a guest; empty for the last one used there.
        patience_seconds: for a server that cannot be reached.
    """

    url: str
    room: str
    name: str
    token_file: Path | None
    patience_seconds: float
    environment: Mapping[str, str]

    def token(self) -> str:
        """The token to sign in with, empty for a guest. A file is read anew each time, since tokens are renewed.

        Raises:
            OSError: the file cannot be read. ValueError: there is no token in it.
        """
        if self.token_file is None:
            return self.environment.get(TOKEN, "").strip()
        token = self.token_file.read_text("utf-8").strip()
        if not token:
            raise ValueError(f"--token-file: there is no token in {self.token_file}")
        return token

    async def at_a_terminal(self, page: int) -> int:
        """Somebody reads and types; the exit code."""
        from app.terminal.talk import Talk

        talk = Talk(self.room, colours="NO_COLOR" not in self.environment)
        client = self._client(talk.on)
        talk.attach(client)
        with _stopping() as stop:
            async with self._present(client, page, stop) as here:
                return await talk.run(stop) if here else 0

    async def through_pipes(self, json: bool, page: int | None) -> int:
        """Lines come in or go out; the exit code."""
        # Standard output may have been closed by whoever started this.
        output = Output(os.open(os.devnull, os.O_WRONLY) if sys.stdout is None else sys.stdout.fileno())
        piped = Piped(self.room, output, json, self.patience_seconds)
        kind = _kind(sys.stdin)
        if page is None:
            page = 0 if kind == "pipe" else READER_PAGE
        client = self._client(piped.on)
        with _stopping() as stop:
            async with self._present(client, page, stop) as here:
                lines = Input(sys.stdin.fileno()) if kind else None
                return await piped.run(client, lines, stop) if here else 0

    def _client(self, on: Callback) -> Client:
        if self.token_file is not None or self.token():
            return Client(self.url, token=self.token, on=on, tuning=TUNING)
        guest = self._identities.find(self.url, self.name) or Guest(self.url, self.name or self._login())
        return Client(self.url, name=guest.name, guest=guest.token, on=on, tuning=TUNING)

    @contextlib.asynccontextmanager
    async def _present(self, client: Client, page: int, stop: asyncio.Event) -> AsyncIterator[bool]:
        """In the room; False if the user had enough before. Raises Unreachable or Refused."""
        arriving = asyncio.create_task(self._arrive(client, page), name="arrive")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({arriving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                await arriving
                self._remember(client)
            yield arriving.done()
        finally:
            arriving.cancel()
            stopping.cancel()
            await asyncio.wait({arriving, stopping})
            await client.close()

    async def _arrive(self, client: Client, page: int) -> None:
        try:
            async with asyncio.timeout(self.patience_seconds):
                await client.start()
                await client.join(self.room, limit=page)
        except TimeoutError:
            if client.put_off is not None:
                raise Unreachable(f"{self.url} lets nobody in for now: {inline(str(client.put_off))}") from None
            why = f": {inline(client.trouble)}" if client.trouble else ""
            raise Unreachable(f"no server answers at {self.url}{why}") from None

    # Guests

    @property
    def _identities(self) -> Identities:
        return Identities(default_path(self.environment))

    def _login(self) -> str:
        try:
            return user_name(self.environment.get("USER") or self.environment.get("LOGNAME") or "Guest")
        except BadRequest:
            return "Guest"

    def _remember(self, client: Client) -> None:
        if not client.guest:
            return
        try:
            self._identities.keep(Guest(self.url, client.name, client.guest))
        except OSError as error:
            say(f"the next time you will be somebody else: cannot write {self._identities.path} ({reason(error)})")


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """An event that is set when the process is asked to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _kind(end: TextIO | None) -> str:
    """What standard input is: a terminal, a pipe (or a file), or empty for nothing to read from, such as /dev/null."""
    if end is None:
        return ""
    mode = os.fstat(end.fileno()).st_mode
    if end.isatty():
        return "terminal"
    return "" if stat.S_ISCHR(mode) else "pipe"
