"""Measurements that the documents quote: their commands work. What they find is no matter of tests."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support import ROOT


def test_what_a_send_costs_redis_is_said_for_calls_of_each_size():
    """A row for each; the measurement itself fails where a call carries more or less than it should."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.redis_cost", "--events", "3200"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [re.findall(r"[\d.]+", line) for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "4", "16"]
    assert all(float(value) > 0 for row in rows for value in row)
