"""Heads of requests: what is plainly right, and nothing else."""

from __future__ import annotations

import pytest

from app.heads import well_formed

LINE = b"GET /ws HTTP/1.1"


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\r\nX:",
        b"\r\nX: a\tb",
        b"\r\nx-1!#$%&'*+.^_`|~: v",
        b"\r\nCookie: a=b; c=\xc3\xa4",
        b"\r\nX: " + b"x" * 100_000,
    ],
)
def test_a_proper_head_is_taken(lines: bytes) -> None:
    """Names are tokens; values are anything visible, blanks, tabs, bytes above ASCII."""
    assert well_formed(LINE + b"\r\nHost: parley" + lines, "1.1", 1)


@pytest.mark.parametrize(
    "lines",
    [
        b"\r\nContent-Length : 5",
        b"\r\n Content-Length: 5",
        b"\r\n\tfolded",
        b"\r\n: nameless",
        b"\r\nno colon",
        b"\r\nX: a\0b",
        b"\r\nX: a\rY: b",
        b"\nContent-Length: 5",
        b"\r\nX\xc3\xa4: b",
        b"\r\nX\x7f: b",
        b"\r\nX: \x1b[31m",
        b"\r\n",
    ],
)
def test_a_line_that_might_be_read_otherwise_is_not(lines: bytes) -> None:
    """Blanks before the colon or the name, lone line ends, control characters."""
    assert not well_formed(LINE + b"\r\nHost: parley" + lines, "1.1", 1)


@pytest.mark.parametrize(
    "line", [b"GET  / HTTP/1.1", b"GET /\tx HTTP/1.1", b"GET / HTTP/2.0", b"GET /", b"", b"GET /\x80 HTTP/1.1"]
)
def test_the_first_line_has_three_parts(line: bytes) -> None:
    """With one blank between them and nothing hidden in them."""
    assert not well_formed(line, "1.1", 1)


def test_one_host_is_named() -> None:
    """Always the same one, and never none but by the oldest clients."""
    assert [well_formed(LINE, "1.1", hosts) for hosts in (0, 1, 2)] == [False, True, False]
    assert [well_formed(b"GET / HTTP/1.0", "1.0", hosts) for hosts in (0, 1, 2)] == [True, True, False]
