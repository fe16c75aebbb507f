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


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(seldom: log.Seldom, client: str, event: str = "closed", level: str = "info") -> dict[str, object] | None:
    """The line as it is written, or None if it is left out."""
    try:
        return dict(seldom(None, level, {"event": event, "seldom": client}))
    except structlog.DropEvent:
        return None


def test_a_client_has_one_line_a_minute() -> None:
    """However it misbehaves; the next line says how many were left out, and no line says `seldom`."""
    clock = Clock()
    seldom = log.Seldom(clock)
    assert said(seldom, "u1") == {"event": "closed"}
    clock.now += 59
    assert [said(seldom, "u1"), said(seldom, "u1", "refused")] == [None, None]
    assert said(seldom, "u2") == {"event": "closed", "left_out": 2}
    clock.now += 1
    assert said(seldom, "u1") == {"event": "closed"}
    assert said(seldom, "u1") is None


def test_an_error_is_not_hidden_by_a_clients_other_lines() -> None:
    """It may be ours; of each kind there is one a minute."""
    seldom = log.Seldom(Clock())
    assert said(seldom, "u1") is not None
    assert said(seldom, "u1", "a request failed", "error") is not None
    assert said(seldom, "u1", "a request failed", "error") is None
    assert said(seldom, "u1", "something else failed", "error") is not None


def test_a_crowd_of_clients_does_not_fill_the_log() -> None:
    """All together have so many lines a minute, and what is remembered of them is bounded."""
    clock = Clock()
    seldom = log.Seldom(clock)
    assert sum(said(seldom, f"u{number}") is not None for number in range(1000)) == log.CLIENTS_MOST
    clock.now += 60
    line = said(seldom, "one more")
    assert line == {"event": "closed", "left_out": 1000 - log.CLIENTS_MOST}
    assert len(seldom._said) == 1


def test_lines_that_are_about_no_client_are_never_left_out() -> None:
    """As often as they come."""
    seldom = log.Seldom(Clock())
    for _ in range(1000):
        assert seldom(None, "info", {"event": "redis"}) == {"event": "redis"}


def test_what_the_http_library_says_is_without_what_was_asked_for(lines: Lines) -> None:
    """Place and kind of an error, not its words, once a minute: they hold addresses with whatever is in them."""
    log.configure("info", "json")
    for _ in range(3):
        try:
            raise ValueError("GET /ws?token=geheim")
        except ValueError:
            logging.getLogger("sanic.error").exception("Exception occurred while handling uri: %s", "/?t=geheim")
    text = lines.getvalue()
    assert "geheim" not in text
    (line,) = [json.loads(one) for one in text.splitlines()]
    assert line["exception"] == "ValueError"
    assert "test_what_the_http_library_says" in line["frames"][-1]


def test_an_exception_on_a_terminal_is_shown_without_variables(lines: Lines) -> None:
    """They hold what people wrote."""
    log.configure("info", "text")
    text = "".join(["ge", "heim"])
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger("x").exception("failed", length=len(text))
    shown = lines.getvalue()
    assert "ValueError: why" in shown
    assert "geheim" not in shown
