"""The examples of docs/api.md, as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from app.protocol.operations import OPERATIONS
from app.protocol.problems import STATUS
from tests.support import ROOT, Server

PAGE = (ROOT / "docs" / "api.md").read_text()


def example(name: str) -> str:
    """The commands of an example."""
    marks = rf"<!-- tried by tests/integration/test_service_docs.py: {name} -->\n```sh\n(.*?)```"
    found = re.search(marks, PAGE, re.DOTALL)
    assert found is not None, name
    return found[1]


def test_the_first_example_works_as_it_says(server: Callable[..., Server], tmp_path: Path) -> None:
    """Typed into a shell beside a fresh server; typed again, it is a duplicate."""
    here = server("--data-dir", str(tmp_path / "data"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {"PATH": path, "PARLEY": here.url.rstrip("/"), "PARLEY_DATA_DIR": str(tmp_path / "data")}
    said = []
    for _ in range(2):
        command = ["bash", "-euc", example("first")]
        done = subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        sent, end = json.JSONDecoder().raw_decode(done.stdout)
        page = json.loads(done.stdout[end:])
        said.append((sent["seq"], sent["cid"], sent["dup"], page["messages"][0]["text"]))
    assert said == [(1, "build-4711", False, "4711 is live"), (1, "build-4711", True, "4711 is live")]


def test_the_page_names_every_operation_scope_and_problem() -> None:
    """And none that is not there."""
    named = set(re.findall(r"^\| `((?:GET|POST) /[^`]*)`", PAGE, re.MULTILINE))
    assert named == {f"{operation.method} {operation.path}" for operation in OPERATIONS}
    scopes = PAGE.partition("| scope | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", scopes, re.MULTILINE)) == {operation.scope for operation in OPERATIONS}
    problems = PAGE.partition("| status | code | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", problems)) <= STATUS.keys()
