"""Freed memory and the system."""

from __future__ import annotations

import sys

import pytest

from app.memory import give_back
from app.metrics import resident_bytes

MIB = 1024 * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tells nothing of memory in use")
def test_what_is_free_between_what_is_not_goes_back() -> None:
    """Blocks freed below one that is still in use stay with the process until then."""
    blocks = [bytes(8000) for _ in range(64 * MIB // 8000)]
    kept = blocks[:: len(blocks) // 8]
    blocks.clear()
    before = resident_bytes()
    give_back()
    assert before - resident_bytes() > 16 * MIB
    assert len(kept) >= 8
