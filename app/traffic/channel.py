"""A child's end of the line to the process that runs a load test: JSON lines in and out; it ends with its input."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec

LINE_BYTES_MAX = 2**26


class Channel:
    """Commands from standard input, reports to standard output."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @classmethod
    async def open(cls) -> Channel:
        """Take over standard input. Ctrl-C is for whoever started this; it says what to do."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        return cls(reader)

    async def line(self) -> bytes:
        """The next line, empty at the end."""
        return await self._reader.readline()

    def say(self, report: dict[str, Any]) -> None:
        """Send a report. A parent that is gone is noticed by the input's end."""
        try:
            sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            pass
