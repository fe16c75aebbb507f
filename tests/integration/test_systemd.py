"""The unit of systemd, where that is there to look at it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """With the program where it is here."""
    unit = tmp_path / "parley.service"
    here = str(Path(sys.executable).with_name("parley"))
    unit.write_text((ROOT / "deploy" / "parley.service").read_text().replace("/opt/parley/bin/parley", here))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
