"""The secret of guest tokens: made once for all who share a data directory, and read by nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import SettingError
from app.secret import fingerprint, secrets_of


def test_a_configured_secret_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    """Several, in their order."""
    settings = Settings(secret=f"{'a' * 32},{'b' * 32}", data_dir=str(tmp_path / "data"))
    assert secrets_of(settings) == ["a" * 32, "b" * 32]
    assert not (tmp_path / "data").exists()


def test_without_one_it_is_made_once(tmp_path: Path) -> None:
    """Only its owner reads it, and the next start finds it."""
    settings = Settings(data_dir=str(tmp_path / "data"))
    (secret,) = secrets_of(settings)
    assert len(secret) >= 32
    assert secrets_of(settings) == [secret]
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]
    assert secrets_of(Settings(data_dir=str(tmp_path / "other"))) != [secret]


def test_all_who_begin_at_once_have_the_same(tmp_path: Path) -> None:
    """Replicas on one volume: whoever comes first makes it."""
    settings = Settings(data_dir=str(tmp_path))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: tuple(secrets_of(settings)), range(64)))
    assert len(set(found)) == 1


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, content: bytes) -> None:
    """It is not overwritten: it may be somebody's."""
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingError, match=r"--data-dir: .*secret"):
        secrets_of(Settings(data_dir=str(tmp_path)))
    assert (tmp_path / "secret").read_bytes() == content


def test_where_nothing_can_be_kept_a_secret_has_to_be_set() -> None:
    """The line says so."""
    with pytest.raises(SettingError, match="--secret: needed, since none can be kept here"):
        secrets_of(Settings(data_dir="/proc/nowhere"))


def test_a_fingerprint_tells_secrets_apart_and_nothing_else() -> None:
    """The same for the same, another for another, and no part of it."""
    assert fingerprint("a" * 32) == fingerprint("a" * 32) != fingerprint("b" * 32)
    assert "a" * 4 not in fingerprint("a" * 32)
