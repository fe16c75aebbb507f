"""Measurements that the documents quote: their commands work. What they find is no matter of tests."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

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


@pytest.mark.compiler
def test_the_load_client_counts_what_is_lost_doubled_or_swapped():
    """Against a server that does just that, in every protocol it speaks; nothing is counted where nothing is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--self-check"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert (said.count(": right"), said.count("WRONG")) == (15, 0)
