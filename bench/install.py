"""Installs what the other servers need: once, in pinned versions, into bench/cache, apart from the product.

A cache folder is named after the contents of its lock, so a changed lock is installed anew and an unchanged one
costs nothing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.peers.base import ASGI, NODE

CACHE = Path(__file__).parent / "cache"
INSTALL_SECONDS = 600


class CannotInstall(Exception):
    """A peer's packages are not to be had here; the message says why."""


def _run(argv: list[str | Path], folder: Path) -> None:
    try:
        run = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise CannotInstall(str(problem)) from None
    if run.returncode:
        lines = (run.stderr or run.stdout).strip().splitlines()
        raise CannotInstall(f"{argv[0]} ended with {run.returncode}: {lines[-1] if lines else 'no word why'}")


def _cached(name: str, locks: list[Path], fill: Callable[[Path], None]) -> Path:
    """The folder for these locks, filled if it is new; half-filled ones never get the name."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    if folder.exists():
        return folder
    CACHE.mkdir(exist_ok=True)
    for stale in CACHE.glob(f"{name}-*"):
        shutil.rmtree(stale)
    unfinished = CACHE / f"{name}-{digest}.unfinished"
    unfinished.mkdir()
    for lock in locks:
        shutil.copy(lock, unfinished)
    fill(unfinished)
    return unfinished.rename(folder)


def node() -> Path:
    """The node_modules folder of the Node and Bun peers."""

    def fill(folder: Path) -> None:
        if not shutil.which("npm") or not shutil.which("node"):
            raise CannotInstall("node and npm are not installed")
        # No install scripts: bufferutil and Bun come as built binaries.
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    return _cached("node", [NODE / "package.json", NODE / "package-lock.json"], fill) / "node_modules"


def bun() -> Path:
    """Bun's binary, which the npm package `bun` brings as an optional dependency for this platform."""
    for binary in sorted(node().glob("@oven/bun-*/bin/bun")):
        if subprocess.run([binary, "--version"], capture_output=True, check=False).returncode == 0:
            return binary
    raise CannotInstall("the npm package bun brought no binary that runs on this platform")


def asgi() -> Path:
    """The interpreter of a virtual environment with the packages of the ASGI peers."""

    def fill(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", "venv"], folder)
        pip = ["venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", "requirements.txt"], folder)

    return _cached("asgi", [ASGI / "requirements.txt"], fill) / "venv" / "bin" / "python"
