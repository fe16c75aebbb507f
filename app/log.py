"""Logging: events with fields, JSON when nobody watches, readable on a terminal. Never message bodies or tokens."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from traceback import extract_tb
from typing import Any, TextIO, cast

import structlog

LEVELS = ("debug", "info", "warning", "error")
CLIENT_SECONDS = 60.0
CLIENTS_MOST = 60


class Seldom:
    """Leaves out what would fill the log: a processor of structlog.

    A line with the field `seldom` was caused by a client that misbehaves, by what others publish in a room, or tells
    that something failed for them; the field names the client or the room and is not written. Each has one line a
    minute (errors: one of each kind), all together CLIENTS_MOST. The next line says how many were left out.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}
        self._left_out = 0

    def __call__(self, _logger: Any, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Pass a line on, or raise DropEvent."""
        if "seldom" not in event:
            return event
        now = self._clock()
        key = (str(event.pop("seldom")), str(event["event"]) if level in ("error", "exception") else "")
        if key not in self._said and len(self._said) >= CLIENTS_MOST:
            self._said = {one: at for one, at in self._said.items() if now - at < CLIENT_SECONDS}
        if now - self._said.get(key, -CLIENT_SECONDS) < CLIENT_SECONDS or len(self._said) >= CLIENTS_MOST:
            self._left_out += 1
            raise structlog.DropEvent
        self._said[key] = now
        if self._left_out:
            event["left_out"], self._left_out = self._left_out, 0
        return event


class _Lenient:
    """Standard error as far as it can be written: a full disk or a closed terminal costs lines, not the server."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write the text, or leave it out."""
        with suppress(OSError, ValueError):  # ValueError: the file is closed
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, as far as that can be."""
        with suppress(OSError, ValueError):
            self._file.flush()


def configure(level: str, format_: str, **fields: Any) -> None:
    """Set up logging for this process, once. `fields` are on every line.

    Args:
        level: one of LEVELS.
        format_: json, text, or auto: text on a terminal, else json.
    """
    number = getattr(logging, level.upper())
    readable = format_ == "text" or (format_ == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        Seldom(time.monotonic),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        # Plain: other formatters show local variables, and with them what people wrote.
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Lenient(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)
    _route_stdlib(number)


class _Forward(logging.Handler):
    """Lines of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger().bind(logger=record.name)
        exc_info = record.exc_info if record.exc_info and record.exc_info[0] else None
        if not record.name.startswith("sanic"):
            logger.log(record.levelno, record.getMessage(), exc_info=exc_info)
            return
        # Whatever a client asked for is in the arguments and in the exception's words: what is written is the place.
        where = (
            [f"{frame.name}, {frame.filename}:{frame.lineno}" for frame in extract_tb(exc_info[2])] if exc_info else []
        )
        kind = exc_info[0].__name__ if exc_info and exc_info[0] else None
        logger.log(record.levelno, str(record.msg), seldom=record.name, exception=kind, frames=where[-8:])


def _route_stdlib(level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(max(level, logging.WARNING))
