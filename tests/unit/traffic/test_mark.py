"""The mark that texts of a load carry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.traffic import mark
from app.traffic.mark import SIZE, SPAN, Mark

numbers = st.integers(0, SPAN - 1)
ROOT = Path(__file__).parents[3]


@given(numbers, numbers, numbers)
def test_a_mark_is_read_as_it_was_written(sender: int, number: int, time_us: int):
    """Whatever the three numbers are."""
    text = mark.write(sender, number, time_us)
    assert len(text) == SIZE
    assert mark.read(text) == Mark(sender, number, time_us)


@given(numbers, numbers, st.integers(SIZE, 2000))
def test_a_text_has_the_length_asked_for_and_begins_with_its_mark(sender: int, number: int, characters: int):
    """The rest is filling."""
    text = mark.text(sender, number, 7, characters)
    assert len(text) == characters
    assert mark.read(text) == Mark(sender, number, 7)


@pytest.mark.parametrize("text", ["", "hello", "~pl~", "~pl~" + "a" * 23, "~pl~" + "q" * 24])
def test_a_text_without_a_mark_has_none(text: str):
    """Neither too short nor in other letters."""
    assert mark.read(text) is None


def test_a_mark_is_found_inside_a_text():
    """A page puts names and times around it."""
    assert mark.read("Ada 12:03 " + mark.write(1, 2, 3) + " more") == Mark(1, 2, 3)


def test_the_key_is_one_for_sender_and_number():
    """And sorts a sender's messages by number."""
    assert Mark(1, 5, 0).key == Mark(1, 5, 99).key
    assert Mark(1, 5, 0).key < Mark(1, 6, 0).key < Mark(2, 0, 0).key


def test_the_age_survives_the_clock_starting_again():
    """Times are modulo SPAN; a time that seems to lie ahead is no age."""
    assert mark.age_us(SPAN - 10, SPAN + 5) == 15
    assert mark.age_us(100, 90) == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_benchmark_writes_the_same_mark(tmp_path: Path):
    """bench/loadgen/marker.h and this module agree, both ways."""
    source = tmp_path / "mark.c"
    source.write_text(
        '#include "marker.h"\n'
        "int main(void) { char out[MARK_BYTES + 1] = {0};"
        " mark_write(out, (struct mark){.time_us = 4000000123u, .sender = 77, .counter = 3000000009u});"
        " struct mark m = mark_read(out); if (m.counter != 3000000009u || m.sender != 77) return 1; puts(out); }\n"
    )
    program = tmp_path / "mark"
    include = ROOT / "bench" / "loadgen"
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{include}", "-o", program, source], check=True)
    out = subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()
    assert out == mark.write(77, 3000000009, 4000000123)
