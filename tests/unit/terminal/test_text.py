"""What people wrote reaches the terminal as words, never as commands to it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.terminal.text import block, inline, isolated, visible

HEBREW = "\u05e9\u05dc\u05d5\u05dd"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\u241b[2J"),
        ("\x1b]0;title\x07", "\u241b]0;title\u2407"),
        ("\x9b31mred", "<U+009B>31mred"),
        ("bell\x07 null\x00 delete\x7f", "bell\u2407 null\u2400 delete\u2421"),
        ("over\rwritten", "over\u240dwritten"),
        ("photo\u202egnp.exe", "photo<U+202E>gnp.exe"),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
        ("line\u2028separator", "line<U+2028>separator"),
        ("\ud800 alone", "<U+D800> alone"),
        ("a\tb\r\nc", "a    b\nc"),
    ],
)
def test_controls_are_shown(text: str, shown: str) -> None:
    """Escape sequences, bells, carriage returns, bidi overrides, invisible characters."""
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["plain", "caf\u00e9", "\u65e5\u672c\u8a9e", FAMILY, PERSIAN, "\u00a0", HEBREW])
def test_words_of_every_script_are_left_alone(text: str) -> None:
    """Joiners among them, which emoji and some scripts need."""
    assert visible(text) == text


@given(st.text())
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    """Whatever was written."""
    for char in inline(text) + block(text).replace("\n", ""):
        allowed = char in "\u200c\u200d\u2068\u2069" or 0xE0020 <= ord(char) < 0xE0080
        assert allowed or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_right_to_left_words_stay_where_they_are() -> None:
    """They are isolated, so that the time and the name before them keep their places; others are not touched."""
    assert isolated(f"{HEBREW} 12") == f"\u2068{HEBREW} 12\u2069"
    assert isolated("caf\u00e9") == "caf\u00e9"
    assert block(f"{HEBREW}\n{HEBREW}").count("\u2069") == 2


def test_a_text_of_several_lines_cannot_pose_as_several_messages() -> None:
    """Each further line is indented below the first."""
    assert block("hi\n12:00 Ada: I agree") == "hi\n      12:00 Ada: I agree"


def test_words_among_others_are_one_short_line() -> None:
    """Line breaks become spaces, and what is too long is cut."""
    assert inline("two\nlines\n") == "two lines"
    assert inline("x" * 50, 10) == "x" * 9 + "\u2026"
