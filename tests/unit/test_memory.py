"""Freed memory and the system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.memory import give_back, usable_bytes
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


def test_a_container_may_use_less_than_the_machine_has(tmp_path: Path) -> None:
    """What its control group says counts if it is less; no bound, and no such file, is none."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    bound = tmp_path / "memory.max"
    assert usable_bytes([bound]) == machine
    for said, usable in (("max\n", machine), (f"{64 * MIB}\n", 64 * MIB), (f"{2**63 - 4096}\n", machine)):
        bound.write_text(said)
        assert usable_bytes([tmp_path / "none", bound]) == usable
    assert 0 < usable_bytes() <= machine
