"""A history on disk."""

from __future__ import annotations

from pathlib import Path

from app.traffic.faults import FaultMark
from app.traffic.history import read, short, write
from tests.unit.verify.world import World


def test_a_history_survives_the_disk(tmp_path: Path):
    """What is read is what was written."""
    history = World(1).history()
    history.faults.append(FaultMark("kill-worker", 1.0, 2.0, None, "worker 1 killed", True))
    write(history, tmp_path / "history.jsonl")
    assert read(tmp_path / "history.jsonl") == history


def test_a_long_text_is_kept_as_its_digest():
    """Two long texts that differ at the end are still told apart."""
    one, other = "x" * 5000 + "a", "x" * 5000 + "b"
    assert short("hello") == "hello"
    assert len(short(one)) < 120
    assert short(one) != short(other)
