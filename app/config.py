"""The one reader of the environment: every setting, typed, frozen, with its meaning and range.

A setting `data_dir` is given as `--data-dir` on the command line or as PARLEY_DATA_DIR in the environment; the command
line wins.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.errors import SettingError, reason
from app.log import LEVELS
from app.origins import written

PREFIX = "PARLEY_"
TOKEN = "PARLEY_TOKEN"
"""Belongs to the clients: no setting of the server's, and no mistake in its environment."""

SECRET_CHARS = 32
"""Fewest characters of a secret: as many as the bytes of the digest that it makes."""

_LINK_NAME = re.compile(PREFIX + r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)\Z")
_LINK_PORT = re.compile(PREFIX + r"(\w+_)?PORT\Z")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


def _setting(default: Any, help_: str, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": help_, "low": low, "high": high, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a server. The metadata of each field has its help, its range or its choices."""

    host: str = _setting("127.0.0.1", "Address to listen on; 0.0.0.0 for all.")
    port: int = _setting(8000, "Port to listen on; 0 takes a free one.", 0, 65535)
    workers: int = _setting(0, "Worker processes; 0: one per core, at least 2.", 0, 256)
    proxies: int = _setting(
        0, "Proxies before this server that are trusted to say, in X-Forwarded-*, who asks them for what.", 0, 10
    )
    origins: str = _setting(
        "",
        "Origins whose pages may come in, like https://chat.example; separated by commas. "
        "Empty: the origin of this server's own page alone.",
    )
    handshake_seconds: float = _setting(10.0, "A handshake, or the head of a request, is cut after so long.", 1, 60)
    arrivals_per_worker: int = _setting(
        5000,
        "Most connections of a worker that are no websockets yet: handshakes, requests, idle ones. Beyond, the oldest "
        "is cut.",
        10,
        1_000_000,
    )
    connections_per_worker: int = _setting(
        50_000,
        "Most websockets of a worker, fewer where the limit of open files is lower; beyond, 503.",
        1,
        10_000_000,
    )
    connections_per_address: int = _setting(
        5000,
        "Most websockets of a worker from one IPv4 address or IPv6 /64; beyond, 429. 0: no limit.",
        0,
        10_000_000,
    )
    connections_per_user: int = _setting(
        100,
        "Most websockets of a user, on all replicas, to within one for each worker; beyond, 4505. 0: no limit.",
        0,
        100_000,
    )
    redis_url: str = _setting(
        "", "Redis to use: redis://, rediss:// or unix://. Empty: an embedded Valkey of its own.", secret=True
    )
    redis_password_file: str = _setting(
        "", "File with the password for the user that the URL names; read again whenever the server logs in."
    )
    redis_ca_file: str = _setting("", "Certificates that rediss:// trusts (PEM); empty: those of the system.")
    redis_cert_file: str = _setting("", "Certificate by which the server shows itself to Redis (PEM).")
    redis_key_file: str = _setting("", "Its key, where that is not in the same file.")
    data_dir: str = _setting("data", "Directory of the embedded Valkey's data and the server's secret.")
    embedded_memory_percent: int = _setting(
        50,
        "How much of the memory of the machine, or of its container, the embedded Valkey's data may take; then it "
        "refuses what is new. A rewrite of its log may take as much again. 0: no bound.",
        0,
        100,
    )
    node: str = _setting("", "Name of this server among the replicas; empty: the host's name.")
    log_level: str = _setting("info", "Least level that is logged.", choices=LEVELS)
    log_format: str = _setting("auto", "auto: readable on a terminal, else JSON.", choices=("auto", "json", "text"))
    secret: str = _setting(
        "",
        "Signs guest tokens, the same on all replicas. Several, separated by commas: the first signs, all are "
        "recognised. Empty: a random one, made once and kept in the data directory.",
        secret=True,
    )
    guests: str = _setting("on", "Whether people come in by name alone.", choices=("on", "off"))
    token_secret: str = _setting(
        "", "Signs the tokens of signed-in users (HS256); several, separated by commas: any of them.", secret=True
    )
    token_keys: str = _setting(
        "", "Files of public keys for such tokens (RS256, ES256, EdDSA): PEM, or a key set; separated by commas."
    )
    token_jwks_url: str = _setting("", "Where such keys are published as a key set: https://, or http:// on loopback.")
    token_audience: str = _setting("", "What such tokens have to name as audience (aud); empty: anything.")
    token_issuer: str = _setting("", "What such tokens have to name as issuer (iss); empty: anything.")
    token_leeway_seconds: float = _setting(30.0, "How far the clock that made a token may differ from this one.", 0, 60)
    room_rules: str = _setting("", "File that says what everybody may do in which rooms; empty: read and write in all.")
    api_keys: str = _setting("", "File of API keys beside those that `parley key` has made; empty: none.")
    redis_timeout_seconds: float = _setting(2.0, "Redis counts as away when it is silent for so long.", 0.1, 60)
    history_events: int = _setting(10_000, "Events kept per room, at least.", 100, 10_000_000)
    history_seconds: int = _setting(30 * 86400, "How long events are kept, at least.", 600, 10 * 365 * 86400)
    resume_events: int = _setting(5_000, "Most events given to a resuming client; beyond, the latest page.", 1, 100_000)
    text_chars: int = _setting(4000, "Most characters of a message's text.", 1, 100_000)
    message_bytes: int = _setting(65_536, "Most bytes of a websocket message.", 1024, 16 * 2**20)
    rooms_per_connection: int = _setting(100, "Most rooms a connection may join.", 1, 10_000)
    unacked: int = _setting(32, "Most unacknowledged changes of a connection.", 1, 32)
    sends_per_second: int = _setting(
        20,
        "Messages, other changes and acts of moderation of a user a second, over all its connections and replicas. Of "
        "a text, each KiB that is begun counts as one.",
        1,
        10**6,
    )
    guest_sends_per_second: int = _setting(
        100,
        "Messages and other changes of all guests of one IPv4 address or IPv6 /64 together a second, over all "
        "replicas; those on this machine and in private networks are not counted. 0: no limit.",
        0,
        10**6,
    )
    guests_per_minute: int = _setting(
        60,
        "New guests that may come from one IPv4 address or IPv6 /64 a minute, over all replicas, and at once after a "
        "rest; those on this machine and in private networks are not counted. 0: no limit.",
        0,
        10**6,
    )
    joins_per_second: int = _setting(20, "Joins of a connection a second.", 1, 10**6)
    histories_per_second: int = _setting(10, "Pages of history that a connection may ask for a second.", 1, 10**6)
    lists_per_second: int = _setting(
        10, "Lists of rooms and of moderation that a user may ask for a second, of each worker.", 1, 10**6
    )
    pings_per_second: int = _setting(5, "Pings of the protocol that a connection may ask for a second.", 1, 10**6)
    requests_per_second: int = _setting(50, "Other requests of a connection a second, typing included.", 1, 10**6)
    refusals_per_second: int = _setting(
        50, "A connection that is told to wait more often than so, and goes on, is closed.", 1, 10**6
    )
    frames_per_second: int = _setting(200, "Frames that are read from a connection a second.", 64, 10**6)
    bytes_per_second: int = _setting(1_048_576, "Bytes that are read from a connection a second.", 65_536, 2**40)
    burst_seconds: int = _setting(5, "So many seconds' worth of any of these may be used at once.", 1, 60)
    presence_limit: int = _setting(200, "People of a room that are told by name; more are counted.", 0, 10_000)
    presence_grace_seconds: float = _setting(10.0, "A lost connection counts as a leave after so long.", 0, 300)
    presence_lease_seconds: float = _setting(15.0, "A worker that is not heard of for so long is dead.", 2, 600)
    ping_seconds: int = _setting(25, "The server sends something to everybody at least this often.", 1, 3600)
    slow_soft_bytes: int = _setting(262_144, "Unsent bytes from which a member counts as slow.", 1024, 2**30)
    slow_grace_seconds: float = _setting(2.0, "A slow member that takes nothing for so long is cut.", 0.1, 3600)
    slow_hard_bytes: int = _setting(4_194_304, "A member with so many unsent bytes is cut at once.", 4096, 2**30)
    drain_seconds: float = _setting(10.0, "Time over which members are sent away at SIGTERM.", 0, 3600)

    @property
    def worker_count(self) -> int:
        """Workers to run."""
        return self.workers or max(2, cores())

    @property
    def node_name(self) -> str:
        """The node's name, made of characters that are safe everywhere."""
        return re.sub(r"[^A-Za-z0-9_.\-]", "-", self.node or socket.gethostname())[:40] or "node"

    @property
    def data_place(self) -> Path:
        """The data directory in full, there or not."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def signs_in(self) -> bool:
        """Whether there are signed-in users."""
        return bool(self.token_secret or self.token_keys or self.token_jwks_url)

    @property
    def redis_certificates(self) -> tuple[str, str, str]:
        """Files for TLS to Redis, as far as given: trusted certificates, the server's own, its key."""
        return self.redis_ca_file, self.redis_cert_file, self.redis_key_file

    @property
    def embedded(self) -> bool:
        """Whether the server runs a Valkey of its own."""
        return not self.redis_url


def load(given: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """The settings from the command line, then the environment, then the defaults.

    Raises:
        SettingError: one is wrong or unknown; the message names it as the user gave it.
    """
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    foreign = links(environment)
    for variable in environment:
        known = variable == TOKEN or variable in foreign or variable[len(PREFIX) :].lower() in fields
        if variable.startswith(PREFIX) and not known:
            meant = nearest(variable[len(PREFIX) :])
            raise SettingError(variable, "no such setting" + (f"; is {PREFIX}{meant.upper()} meant?" if meant else ""))
    for name, field in fields.items():
        variable = PREFIX + name.upper()
        if name in given:
            values[name] = _typed(field, given[name], flag(name))
        elif variable in environment and variable not in foreign:
            values[name] = _typed(field, environment[variable], variable)
    settings = Settings(**values)

    def shown(name: str) -> str:
        return flag(name) if name in given else PREFIX + name.upper()

    if set(several(settings.token_secret)) & set(several(settings.secret)):
        raise SettingError(shown("token_secret"), f"must not be {shown('secret')}, which signs guest tokens")
    if settings.slow_hard_bytes <= settings.slow_soft_bytes:
        least = f"{shown('slow_soft_bytes')}, {settings.slow_soft_bytes}"
        raise SettingError(shown("slow_hard_bytes"), f"must be larger than {least}")
    return settings


def links(environment: Mapping[str, str]) -> set[str]:
    """The variables by which Kubernetes and Docker tell where a service called parley, or parley-..., is.

    They begin like settings and are none: PARLEY_SERVICE_HOST, PARLEY_PORT=tcp://10.0.0.1:8000, and so on.
    """
    return {
        variable
        for variable, value in environment.items()
        if _LINK_NAME.match(variable) or (_LINK_PORT.match(variable) and _LINK_VALUE.match(value.strip()))
    }


def flag(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def nearest(given: str) -> str:
    """The setting that was probably meant by an unknown option or variable; empty if nothing is like it."""
    names = [field.name for field in dataclasses.fields(Settings)]
    wanted = given.strip("-").replace("-", "_").lower()
    return next(iter(difflib.get_close_matches(wanted, names, n=1, cutoff=0.7)), "")


def allowed(field: dataclasses.Field[Any]) -> str:
    """The values that a setting may have, as far as they can be listed; else empty."""
    low, high = field.metadata["low"], field.metadata["high"]
    if low is not None:
        return f"{number(low)} to {number(high)}"
    return ", ".join(field.metadata.get("choices", ()))


def number(value: float) -> str:
    """A number as it would be given: all digits, and none after the point without need."""
    return f"{int(value)}" if value == int(value) else f"{value}"


def _typed(field: dataclasses.Field[Any], raw: str, shown: str) -> Any:
    kind: type[Any] = type(field.default)
    meta = field.metadata
    raw = raw.strip()
    try:
        value = kind(raw)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingError(shown, f"{raw!r} is not {wanted}") from None
    if meta["low"] is not None and not meta["low"] <= value <= meta["high"]:
        raise SettingError(shown, f"{raw} is not between {meta['low']} and {meta['high']}")
    if "choices" in meta and value not in meta["choices"]:
        raise SettingError(shown, f"{raw!r} is none of {', '.join(meta['choices'])}")
    if field.name == "redis_url" and value and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise SettingError(shown, "must begin with redis://, rediss:// or unix://")
    if field.name == "data_dir" and not value:
        raise SettingError(shown, "must name a directory; . is the current one")
    if field.name in ("secret", "token_secret") and value:
        _check_secrets(value, shown)
    if field.name == "token_jwks_url" and value:
        _check_keys_url(value, shown)
    if field.name == "origins":
        _check_origins(value, shown)
    return value


def _check_secrets(value: str, shown: str) -> None:
    if not several(value) or any(len(secret) < SECRET_CHARS for secret in several(value)):
        raise SettingError(shown, f"must have at least {SECRET_CHARS} characters")


def _check_keys_url(value: str, shown: str) -> None:
    try:
        url = urlsplit(value)
        port = url.port  # raises where it is none
    except ValueError:
        raise SettingError(shown, "not a URL") from None
    near = url.hostname in ("localhost", "127.0.0.1", "::1")
    if not url.hostname or port == 0 or not (url.scheme == "https" or (url.scheme == "http" and near)):
        raise SettingError(shown, "must begin with https://, or with http:// for this machine itself")


def _check_origins(value: str, shown: str) -> None:
    for one in several(value):
        try:
            written(one)
        except ValueError as error:
            raise SettingError(shown, str(error)) from None


def several(value: str) -> list[str]:
    """The parts of a setting that holds several, separated by commas."""
    return [part for part in map(str.strip, value.split(",")) if part]


def password_in(path: str, setting: str = "--redis-password-file") -> str:
    """The password for Redis in a file. Raises SettingError if there is none, and names `setting`."""
    try:
        password = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(setting, f"{path} cannot be read ({reason(error)})") from None
    if not password:
        raise SettingError(setting, f"{path} holds no password")
    return password


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def data_path(settings: Settings) -> Path:
    """The data directory, made if need be. Raises SettingError if it cannot be written."""
    path = settings.data_place
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Containers that share the directory have the same process ids.
        probe = path / f".write-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingError(flag("data_dir"), f"cannot write to {path} ({reason(error)})") from None
    return path
