"""What is installed is pinned: exact versions, by hash, wherever the product is installed from the locks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"(?:pip|\$\(PIP\)) install(?P<options>[^&\n]*)")
BUILT_HERE = "--no-deps --no-build-isolation"


def requirements(lock: str) -> dict[str, list[str]]:
    """Package -> its hashes. Each line of a lock that names a package names one version."""
    found: dict[str, list[str]] = {}
    for entry in (ROOT / lock).read_text().replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        named = re.match(r"([\w.\-\[\]]+)==\S+", entry)
        assert named is not None, f"{lock}: {entry}"
        found[named[1]] = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
    return found


@pytest.mark.parametrize("lock", ["constraints.txt", "constraints-dev.txt"])
def test_every_package_has_one_version_and_hashes(lock: str) -> None:
    """Direct or not."""
    packages = requirements(lock)
    assert len(packages) > 20
    assert [name for name, hashes in packages.items() if not hashes] == []


def test_developers_run_what_is_shipped() -> None:
    """The lock of the tests has the image's versions."""
    shipped, tried = (
        dict(re.findall(r"(?m)^([\w.\-\[\]]+)==(\S+)", (ROOT / lock).read_text()))
        for lock in ("constraints.txt", "constraints-dev.txt")
    )
    assert {name: tried.get(name) for name in shipped} == shipped


@pytest.mark.parametrize("file", ["deploy/Dockerfile", "Makefile"])
def test_packages_are_installed_from_the_locks_by_hash_alone(file: str) -> None:
    """Whatever else is installed is this project itself, which brings nothing along."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    installs = [match["options"] for match in INSTALL.finditer(text)]
    assert installs
    for options in installs:
        assert "--require-hashes" in options or BUILT_HERE in " ".join(options.split()), options
    assert any("--require-hashes" in options for options in installs)


def test_the_packages_of_the_browser_and_of_other_servers_are_pinned_too() -> None:
    """Those that measurements install."""
    lock = json.loads((ROOT / "bench" / "peers" / "node" / "package-lock.json").read_text())
    assert all("integrity" in one for path, one in lock["packages"].items() if path)
    assert all(requirements("bench/peers/asgi/requirements.txt").values())


def test_images_are_named_by_version() -> None:
    """None is `latest`, and none comes without saying which."""
    compose = (ROOT / "docker-compose.yml").read_text()
    named = re.findall(r"image: (\S+)", compose) + re.findall(
        r"(?m)^FROM (\S+)", (ROOT / "deploy/Dockerfile").read_text()
    )
    assert len(named) >= 6
    for image in named:
        assert re.search(r":v?\d+(\.\d+)*(-slim)?$", image), image
