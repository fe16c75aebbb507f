"""Settings: each by flag and by environment, typed and bounded; a wrong one is named."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from app.config import PREFIX, Settings, data_path, flag, links, load, several
from app.errors import SettingError

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
NUMBERS = [name for name, field in FIELDS.items() if field.metadata["low"] is not None]
GOOD: dict[str, str] = {
    "host": "::1",
    "port": "9001",
    "workers": "3",
    "proxies": "2",
    "origins": "https://chat.example",
    "handshake_seconds": "5",
    "arrivals_per_worker": "100",
    "connections_per_worker": "1000",
    "connections_per_address": "20",
    "connections_per_user": "5",
    "redis_url": "rediss://example.test:6380/2",
    "redis_password_file": "/run/secrets/redis",
    "redis_ca_file": "/etc/parley/ca.pem",
    "redis_cert_file": "/etc/parley/client.pem",
    "redis_key_file": "/etc/parley/client.key",
    "data_dir": "/var/lib/parley",
    "embedded_memory_percent": "25",
    "node": "n7",
    "log_level": "debug",
    "log_format": "json",
    "secret": "0123456789abcdef0123456789abcdef",
    "guests": "off",
    "api_keys": "/etc/parley/keys.toml",
    "token_secret": "fedcba9876543210fedcba9876543210",
    "token_keys": "/etc/parley/key.pem",
    "token_jwks_url": "https://example.test/keys",
    "token_audience": "parley",
    "token_issuer": "https://example.test",
    "token_leeway_seconds": "5",
    "room_rules": "/etc/parley/rooms.toml",
    "redis_timeout_seconds": "0.5",
    "history_events": "123",
    "history_seconds": "601",
    "resume_events": "7",
    "text_chars": "99",
    "message_bytes": "2048",
    "rooms_per_connection": "2",
    "unacked": "5",
    "sends_per_second": "3",
    "guest_sends_per_second": "0",
    "guests_per_minute": "30",
    "joins_per_second": "4",
    "histories_per_second": "5",
    "lists_per_second": "5",
    "pings_per_second": "6",
    "requests_per_second": "7",
    "refusals_per_second": "8",
    "frames_per_second": "90",
    "bytes_per_second": "100000",
    "burst_seconds": "2",
    "ping_seconds": "9",
    "slow_soft_bytes": "2048",
    "slow_grace_seconds": "1.5",
    "slow_hard_bytes": "900000",
    "drain_seconds": "0",
    "presence_limit": "50",
    "presence_grace_seconds": "0.5",
    "presence_lease_seconds": "3",
}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def outcome(name: str, raw: str) -> Any:
    """The setting's value, given on the command line; and the same by environment."""
    by_flag = getattr(load({name: raw}, {}), name)
    assert by_flag == getattr(load({}, {variable(name): raw}), name)
    return by_flag


def refusals(name: str, raw: str) -> tuple[SettingError, SettingError]:
    """The errors by flag and by environment."""
    with pytest.raises(SettingError) as by_flag:
        load({name: raw}, {})
    with pytest.raises(SettingError) as by_environment:
        load({}, {variable(name): raw})
    return by_flag.value, by_environment.value


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_its_flag_and_its_variable(name: str) -> None:
    """Both give the same value, of the type of the default."""
    value = outcome(name, GOOD[name])
    assert type(value) is type(FIELDS[name].default)
    assert str(value) == GOOD[name] or float(value) == float(GOOD[name])
    assert value != FIELDS[name].default


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_is_explained(name: str) -> None:
    """One sentence, and a default that is itself allowed."""
    assert FIELDS[name].metadata["help"].endswith(".")
    if name in NUMBERS or FIELDS[name].default:
        assert outcome(name, str(FIELDS[name].default)) == FIELDS[name].default


def test_the_command_line_wins() -> None:
    """Over the environment, which wins over the default."""
    settings = load({"port": "1"}, {"PARLEY_PORT": "2", "PARLEY_WORKERS": "3"})
    assert (settings.port, settings.workers, settings.host) == (1, 3, "127.0.0.1")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("raw", ["", "x", "1;2", "0x10", "ten", "--1", "1e999", "nan", "-inf"])
def test_what_is_no_number_is_refused(name: str, raw: str) -> None:
    """One line that names the setting as it was given."""
    for error, shown in zip(refusals(name, raw), (flag(name), variable(name)), strict=True):
        assert str(error).startswith(f"{shown}: ")
        assert error.setting == shown
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_bounds_of_a_number_belong_to_it(name: str) -> None:
    """Both ends are allowed, beyond them it is refused, saying what would be right."""
    low, high = FIELDS[name].metadata["low"], FIELDS[name].metadata["high"]
    step = 1 if isinstance(FIELDS[name].default, int) else 0.01
    others = {"slow_hard_bytes": str(2**30)} if name == "slow_soft_bytes" else {}
    others |= {"slow_soft_bytes": "1024"} if name == "slow_hard_bytes" else {}
    for good in (low, high - 1 if name == "slow_soft_bytes" else high):
        assert getattr(load({**others, name: str(good)}, {}), name) == good
    for wrong in (low - step, high + step):
        for error, shown in zip(refusals(name, str(wrong)), (flag(name), variable(name)), strict=True):
            assert str(error) == f"{shown}: {wrong} is not between {low} and {high}"


@pytest.mark.parametrize(("name", "raw"), [("log_level", "loud"), ("log_format", "xml"), ("log_level", "")])
def test_a_choice_that_there_is_not_is_refused(name: str, raw: str) -> None:
    """The message lists the choices."""
    for error in refusals(name, raw):
        assert ", ".join(FIELDS[name].metadata["choices"]) in str(error)


@pytest.mark.parametrize("raw", ["localhost:6379", "http://localhost", "memcached://x"])
def test_a_redis_url_begins_with_a_scheme_that_is_known(raw: str) -> None:
    """The message says which, and does not repeat the URL, which may hold a password."""
    for error in refusals("redis_url", raw):
        assert "redis://" in str(error)
        assert raw not in str(error)


def test_a_secret_is_long_enough_and_never_shown() -> None:
    """Short keys are refused without being repeated."""
    for error in refusals("secret", "hunter2"):
        assert "32 characters" in str(error)
        assert "hunter2" not in str(error)


def test_the_token_of_a_client_is_no_mistake() -> None:
    """Whoever has it in the environment may start a server there."""
    assert load({}, {"PARLEY_TOKEN": "secret"}) == load({}, {})


def test_an_unknown_variable_is_refused() -> None:
    """A spelling mistake is an error, not a default in silence; other programs' variables are no business of ours."""
    with pytest.raises(SettingError, match=r"PARLEY_WORKRES: no such setting; is PARLEY_WORKERS meant\?"):
        load({}, {"PARLEY_WORKRES": "4"})
    with pytest.raises(SettingError, match=r"PARLEY_COFFEE: no such setting$"):
        load({}, {"PARLEY_COFFEE": "4"})
    assert load({}, {"HOME": "/", "NOT_PARLEY_PORT": "x"}) == Settings()


KUBERNETES = {
    "PARLEY_SERVICE_HOST": "10.0.0.1",
    "PARLEY_SERVICE_PORT": "8000",
    "PARLEY_SERVICE_PORT_HTTP": "8000",
    "PARLEY_PORT": "tcp://10.0.0.1:8000",
    "PARLEY_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "PARLEY_PORT_8000_TCP_PROTO": "tcp",
    "PARLEY_PORT_8000_TCP_PORT": "8000",
    "PARLEY_PORT_8000_TCP_ADDR": "10.0.0.1",
    "PARLEY_REDIS_SERVICE_HOST": "10.0.0.2",
    "PARLEY_REDIS_PORT": "tcp://10.0.0.2:6379",
    "PARLEY_REDIS_PORT_6379_TCP_ADDR": "10.0.0.2",
}


def test_variables_that_name_a_service_are_no_settings() -> None:
    """Kubernetes sets them for every service called parley or parley-...; they neither count nor hinder."""
    assert load({}, KUBERNETES) == Settings()
    assert load({"port": "9"}, KUBERNETES).port == 9
    assert links({**KUBERNETES, "PARLEY_WORKERS": "2", "HOME": "/"}) == set(KUBERNETES)


@pytest.mark.parametrize(
    "variable", ["PARLEY_PORT", "PARLEY_PROT", "PARLEY_PORTS", "PARLEY_SERVICE", "PARLEY_HOST_PORT"]
)
def test_what_only_looks_like_a_service_is_still_checked(variable: str) -> None:
    """A port that is a number counts, one that is neither is refused, and so is a spelling mistake."""
    assert links({variable: "x"}) == set()
    with pytest.raises(SettingError, match=variable):
        load({}, {variable: "x"})


def test_the_hard_limit_is_above_the_soft_one() -> None:
    """Settings that contradict each other are refused, each named as it was given."""
    with pytest.raises(SettingError, match="--slow-hard-bytes: must be larger than --slow-soft-bytes, 5000"):
        load({"slow_soft_bytes": "5000", "slow_hard_bytes": "5000"}, {})
    with pytest.raises(SettingError, match="--slow-hard-bytes: must be larger than PARLEY_SLOW_SOFT_BYTES, 262144"):
        load({"slow_hard_bytes": "5000"}, {})


def test_settings_are_frozen() -> None:
    """Nobody changes them after the start."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_the_number_of_workers_is_as_given_or_one_per_core() -> None:
    """At least two, so that one can die."""
    assert load({"workers": "1"}, {}).worker_count == 1
    assert Settings().worker_count == max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


@pytest.mark.parametrize(
    ("given", "name"), [("n1", "n1"), ("a b/c\n", "a-b-c"), ("ünsal", "-nsal"), ("x" * 99, "x" * 40), ("...", "...")]
)
def test_a_node_name_is_safe_everywhere(given: str, name: str) -> None:
    """In ids, log lines and Redis names."""
    assert load({"node": given}, {}).node_name == name


def test_without_a_name_the_node_is_the_host() -> None:
    """Made safe in the same way."""
    assert 1 <= len(Settings().node_name) <= 40


def test_without_a_redis_url_the_server_has_its_own() -> None:
    """The embedded Valkey is the default."""
    assert Settings().embedded
    assert not load({"redis_url": GOOD["redis_url"]}, {}).embedded


def test_the_data_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """With its parents; an existing one is used as it is."""
    settings = load({"data_dir": str(tmp_path / "a" / "b")}, {})
    assert data_path(settings) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert data_path(settings) == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_data_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A file in its place; the message names setting and path."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingError, match=r"--data-dir: cannot write to .*/file"):
            data_path(load({"data_dir": str(path)}, {}))


def test_a_secret_may_be_several() -> None:
    """Separated by commas, each as long as one has to be."""
    assert several(load({"secret": f"{'a' * 32}, {'b' * 32},"}, {}).secret) == ["a" * 32, "b" * 32]
    for wrong in ("a" * 31, f"{'a' * 32},b", ","):
        for error in refusals("secret", wrong):
            assert "must have at least 32 characters" in str(error)
