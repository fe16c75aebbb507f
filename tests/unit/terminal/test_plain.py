"""Bytes to lines, and events to JSON that is safe to look at."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from app.terminal.plain import LINE_BYTES_MAX, Splitter, as_json


def split(*chunks: bytes) -> list[str | None]:
    """All lines of a stream that comes in these chunks."""
    splitter = Splitter()
    return [line for chunk in (*chunks, b"") for line in splitter.feed(chunk)]


def test_lines_are_messages() -> None:
    """Empty ones are left out; the last needs no end; carriage returns before the end go."""
    assert split(b"one\r\n\n  \ntwo") == ["one", "two"]


@given(st.lists(st.text("abc\u00e9\u65e5 \n", max_size=20)), st.integers(1, 5))
def test_it_makes_no_difference_how_the_bytes_come(texts: list[str], size: int) -> None:
    """Characters and lines may be cut anywhere."""
    data = "\n".join(texts).encode()
    assert split(*(data[at : at + size] for at in range(0, len(data), size))) == split(*([data] if data else []))


def test_a_line_that_is_too_long_is_reported_once() -> None:
    """However it comes, and what follows it is read as usual."""
    long = b"x" * (LINE_BYTES_MAX + 1)
    assert split(long + b"\nnext\n") == [None, "next"]
    assert split(long, long, long[:9] + b"\nnext") == [None, "next"]
    assert split(long) == [None]
    assert split(b"x" * LINE_BYTES_MAX + b"\n") == ["x" * LINE_BYTES_MAX]


def test_bytes_that_are_no_text_are_replaced() -> None:
    """Rather than stopping everything."""
    assert split(b"caf\xe9\n") == ["caf\ufffd"]


@given(st.text())
def test_json_says_the_same_and_controls_nothing(text: str) -> None:
    """Valid JSON in one line, without a character that a terminal or a reader of logs would act upon."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # not to be had from a server
    line = as_json({"text": text})
    assert json.loads(line) == {"text": text}
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u202e\u2028\u2066" for char in line)
