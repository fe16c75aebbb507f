"""Log lines: events with fields, in one form."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app import log


class Lines:
    """What was written to standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def getvalue(self) -> str:
        """All of it, once."""
        return self._capsys.readouterr().err


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Standard error; logging is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Lines(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def read(lines: Lines) -> list[dict[str, object]]:
    """The lines as JSON."""
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields(lines: Lines) -> None:
    """What is bound for the process is on every line, and each has its level and time."""
    log.configure("info", "json", node="n1", worker=2)
    structlog.get_logger("relay").warning("events lost", room="a\nb", had=5)
    (line,) = read(lines)
    assert line == {
        **line,
        "event": "events lost",
        "level": "warning",
        "node": "n1",
        "worker": 2,
        "room": "a\nb",
        "had": 5,
    }
    assert str(line["timestamp"]).endswith("Z")


def test_lines_below_the_level_are_left_out(lines: Lines) -> None:
    """As the setting says."""
    log.configure("warning", "json")
    logger = structlog.get_logger("x")
    logger.info("no")
    logger.warning("yes")
    assert [line["event"] for line in read(lines)] == ["yes"]


def test_an_exception_is_in_the_line(lines: Lines) -> None:
    """With its traceback, still as one line."""
    log.configure("info", "json")
    structlog.get_logger("x").error("failed", exc_info=ValueError("why"))
    (line,) = read(lines)
    assert "ValueError: why" in str(line["exception"])


def test_warnings_of_libraries_come_in_the_same_form(lines: Lines) -> None:
    """Under the library's name; its chatter is left out."""
    log.configure("debug", "json")
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("careful, %s", "you")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("library").exception("failed")
    careful, failed = read(lines)
    assert (careful["event"], careful["logger"], careful["level"]) == ("careful, you", "library", "warning")
    assert "ValueError: why" in str(failed["exception"])


@pytest.mark.parametrize("format_", ["auto", "text"])
def test_the_format_suits_the_reader(lines: Lines, format_: str) -> None:
    """Auto is JSON where nobody watches; text is for people."""
    log.configure("info", format_)
    structlog.get_logger("x").info("hello", room="lobby")
    line = lines.getvalue()
    assert line.startswith("{") == (format_ == "auto")
    assert "hello" in line
    assert "lobby" in line
