"""API keys: how they are made, shown, kept, recognised."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from app.apikeys import ApiKey, file_keys, id_of, make, toml
from app.errors import BadRequest, SettingError

NOW = 1_800_000_000.0


def key(**more: object) -> tuple[ApiKey, str]:
    """A key and how it is shown."""
    given = {"name": "Robot", "scopes": ["send"], "rooms": [], "rate": 5.0, "now": NOW, "seconds": None, **more}
    return make(**given)  # type: ignore[arg-type]


def test_a_key_is_recognised_and_not_kept() -> None:
    """By what was shown, and by nothing else; the secret is nowhere in what is kept."""
    kept, shown = key()
    assert kept.proved_by(shown)
    assert id_of(shown) == kept.id
    for wrong in ("", shown[:-1], shown + "0", shown.upper(), kept.sha256, "\ud800"):
        assert not kept.proved_by(wrong)
    secret = shown.split("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in msgspec.json.encode(kept).decode() + toml(kept) + repr(kept)
    assert key()[1] != shown


@pytest.mark.parametrize("text", ["", "pk_", "pk_1_2", "pk_" + "0" * 12 + "_" + "g" * 64, "x" * 100, "\u0660" * 80])
def test_what_is_no_key_has_no_id(text: str) -> None:
    """So nobody is asked about it."""
    assert id_of(text) is None


def test_a_key_ends() -> None:
    """At its second; one without a time never does."""
    ending, lasting = key(seconds=10)[0], key()[0]
    assert [ending.ended(NOW + seconds) for seconds in (0, 9.9, 10, 11)] == [False, False, True, True]
    assert not lasting.ended(math.inf)
    assert key(seconds=-10)[0].ended(NOW)


def test_a_key_reaches_the_rooms_of_its_patterns() -> None:
    """And never those of two people."""
    everywhere, some = key()[0], key(rooms=["team-*", "ops"])[0]
    assert [everywhere.everywhere, some.everywhere] == [True, False]
    assert [some.reaches(room) for room in ("team-", "team-red", "ops", "ops2", "tea")] == [True] * 3 + [False] * 2
    assert everywhere.reaches("anything")
    assert not everywhere.reaches("dm:aaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbb")
    assert some.user == "svc:Robot"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 33},
        {"name": "a\u202eb"},
        {"name": " a"},
        {"scopes": []},
        {"scopes": ["all"]},
        {"rooms": ["a*b"]},
        {"rooms": [""]},
        {"rate": 0.0},
        {"rate": -1.0},
        {"rate": math.nan},
        {"rate": math.inf},
    ],
)
def test_a_wrong_key_is_not_made(wrong: dict[str, object]) -> None:
    """The refusal says why."""
    with pytest.raises(BadRequest, match=r"\w"):
        key(**wrong)


def test_a_file_of_keys_gives_back_what_was_put_in(tmp_path: Path) -> None:
    """Whatever the name, in the order of the file."""
    path = tmp_path / "keys.toml"
    keys = [key(name='Ro"b\\ot é', rooms=["a-*", "b"], seconds=5)[0], key(scopes=["read", "send", "read"])[0]]
    path.write_text("\n\n".join(map(toml, keys)))
    assert file_keys(path) == keys
    assert keys[1].scopes == ["read", "send"]
    path.write_text("")
    assert file_keys(path) == []


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[keys]\na = 1",
        "other = 1",
        '[[keys]]\nid = "x"',
        toml(key()[0]) + "\nmore = 1",
        toml(key()[0]).replace("send", "all"),
        "#" * 300_000,
        "\udcff",
    ],
    ids=["text", "no list", "another table", "no key", "unknown field", "unknown scope", "too large", "not UTF-8"],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """With its name and the reason."""
    path = tmp_path / "keys.toml"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(SettingError, match=r"--api-keys: .*keys.toml: ."):
        file_keys(path)
    with pytest.raises(SettingError, match="No such file"):
        file_keys(tmp_path / "none")
