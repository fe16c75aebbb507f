"""`parley key`: makes, lists and revokes API keys. Exit codes: 0 done, 1 there is no such key, 2 it cannot be done."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from app.apikeys import RATE, RATE_MAX, ApiKey, Scope, file_keys, make, toml
from app.arguments import above_zero
from app.config import Settings, flag, load
from app.errors import ParleyError, StartError

if TYPE_CHECKING:
    from app.backplane.keyring import Keyring

SETTINGS = ("redis_url", "redis_password_file", "redis_ca_file", "redis_cert_file", "redis_key_file", "data_dir")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put the command's options on the command line."""
    parser = commands.add_parser(
        "key",
        help="make, list and revoke API keys",
        description="API keys are for back ends that use the HTTP API (docs/api.md). They are kept in Redis, or in the "
        "Valkey of a server that runs with this data directory.",
    )
    orders = parser.add_subparsers(dest="order", required=True, metavar="ORDER")
    create = orders.add_parser("create", help="make a key and print it: it is not shown again")
    create.add_argument("--name", required=True, metavar="NAME", help="the service; shown with what it sends")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in Scope],
        help="what it is for; any number of times",
    )
    create.add_argument(
        "--rooms",
        action="append",
        default=[],
        metavar="PATTERN",
        help="a room, or the beginning of names followed by *; any number of times (default: *)",
    )
    create.add_argument(
        "--rate",
        type=above_zero(RATE_MAX),
        default=RATE,
        metavar="N",
        help="requests a second and worker (default: %(default)g)",
    )
    create.add_argument("--expires", type=_seconds, metavar="TIME", help="how long it is good, like 90d, 12h, 30m")
    create.add_argument("--toml", action="store_true", help="keep it nowhere; print its entry for --api-keys as well")
    listing = orders.add_parser("list", help="list the keys, without their secrets")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    revoke = orders.add_parser("revoke", help="make a key worthless, within a second")
    revoke.add_argument("id", metavar="ID", help="as the list has it")
    for order in (create, listing, revoke):
        order.set_defaults(parser=order)
        for name in (*SETTINGS, *(("api_keys",) if order is listing else ())):
            order.add_argument(flag(name), dest=name, metavar="VALUE", help=f"as for serve: {flag(name)}")


def run(namespace: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command; the exit code."""
    try:
        given = {
            name: value for name in (*SETTINGS, "api_keys") if (value := getattr(namespace, name, None)) is not None
        }
        settings = load(given, environment)
        if namespace.order == "create" and namespace.toml:
            key, shown = _made(namespace)
            print(f"{shown}\n\n{toml(key)}")
            return 0
        return asyncio.run(_with_redis(namespace, settings))
    except ParleyError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2


async def _with_redis(namespace: argparse.Namespace, settings: Settings) -> int:
    # Imported here: other commands need none of it.
    from app.backplane.keyring import Keyring
    from app.backplane.link import Address, Link
    from app.embedded import running

    address = await running(settings.data_place) if settings.embedded else Address.of(settings)
    if address is None:
        raise StartError(f"no server runs with --data-dir {settings.data_dir}: start it, or give --redis-url")
    link = await Link.connect(address, "parley-key", settings.redis_timeout_seconds, lambda: None)
    try:
        async with asyncio.timeout(4 * settings.redis_timeout_seconds):
            ring = Keyring(link)
            if namespace.order == "create":
                return await _create(ring, namespace)
            if namespace.order == "revoke":
                return await _revoke(ring, namespace.id)
            return _list(await ring.all(), settings, namespace.json)
    except TimeoutError:
        raise StartError(f"Redis at {address} does not answer") from None
    finally:
        link.drop()


def _made(namespace: argparse.Namespace) -> tuple[ApiKey, str]:
    return make(namespace.name, namespace.scope, namespace.rooms, namespace.rate, time.time(), namespace.expires)


async def _create(ring: Keyring, namespace: argparse.Namespace) -> int:
    key, shown = _made(namespace)
    await ring.add(key)
    print(shown)
    print(f"parley: key {key.id} of {key.name}: keep it now, it is not shown again", file=sys.stderr)
    return 0


async def _revoke(ring: Keyring, key_id: str) -> int:
    if await ring.revoke(key_id):
        return 0
    print(f"parley: there is no key {key_id} in Redis", file=sys.stderr)
    return 1


def _list(kept: list[ApiKey], settings: Settings, as_json: bool) -> int:
    filed = file_keys(Path(settings.api_keys)) if settings.api_keys else []
    rows = [("redis", key) for key in sorted(kept, key=lambda key: key.created)] + [("file", key) for key in filed]
    now = time.time()
    if as_json:
        for place, key in rows:
            shown = {name: value for name, value in msgspec.structs.asdict(key).items() if name != "sha256"}
            print(msgspec.json.encode({**shown, "kept": place, "ended": key.ended(now)}).decode())
        return 0
    head = ("ID", "NAME", "SCOPES", "ROOMS", "RATE", "CREATED", "EXPIRES", "KEPT")
    table = [head, *(_row(place, key, now) for place, key in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _row(place: str, key: ApiKey, now: float) -> tuple[str, ...]:
    expires = "ended" if key.ended(now) else _date(key.expires) if key.expires else "never"
    created = _date(key.created) if key.created else "-"
    return key.id, key.name, ",".join(key.scopes), ",".join(key.rooms), f"{key.rate:g}", created, expires, place


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _seconds(text: str) -> int:
    unit = _UNITS.get(text[-1:], 0)
    if not unit or not text[:-1].isdecimal() or not 0 < int(text[:-1][:9]) * unit <= 100 * 366 * 86400:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no time like 90d, 12h, 30m or 45s")
    return int(text[:-1]) * unit
