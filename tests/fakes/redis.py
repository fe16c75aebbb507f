"""A Redis played by a test: it reads commands and answers what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import hiredis

Command = list[bytes]
Answer = Callable[[Command], bytes | None]

OK = b"+OK\r\n"


class PlayedRedis:
    """Answers each command with what `answer` returns; None ends the connection, empty bytes say nothing."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.commands: list[Command] = []
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._writers.add(writer)
        parser = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    self.commands.append(command)
                    said = self.answer(command)
                    if said is None:
                        return
                    writer.write(said)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._writers)

    def say(self, data: bytes) -> None:
        """Send something to all connections, unasked."""
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        """End all connections."""
        for writer in list(self._writers):
            writer.transport.abort()


@asynccontextmanager
async def played(answer: Answer) -> AsyncIterator[PlayedRedis]:
    """A played Redis on a free port."""
    redis = PlayedRedis(answer)
    server = await asyncio.start_server(redis.serve, "127.0.0.1", 0)
    redis.port = server.sockets[0].getsockname()[1]
    try:
        yield redis
    finally:
        server.close()
        redis.hang_up()
        await asyncio.sleep(0)
