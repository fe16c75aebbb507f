"""`parley doctor`: its options, its exit code, and how findings are shown."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO
from urllib.parse import urlsplit

from app.config import links, load
from app.errors import SettingError
from app.findings import Finding, Grade, bad

STYLES = {Grade.GOOD: "green", Grade.WEAK: "yellow", Grade.BAD: "bold red"}


def run(given: dict[str, str], environment: Mapping[str, str], url: str, patient: bool, as_json: bool) -> int:
    """Examine everything and show it; 0, or 1 if anything is bad."""
    findings = asyncio.run(examine(given, environment, url, patient))
    if as_json:
        print(json.dumps({"ok": _ok(findings), "findings": [_plain(one) for one in findings]}, indent=2))
    else:
        show(findings, sys.stdout)
    return 0 if _ok(findings) else 1


async def examine(given: dict[str, str], environment: Mapping[str, str], url: str, patient: bool) -> list[Finding]:
    """All findings, the settings first: without them nothing else can be looked at but the proxy."""
    # Imported here: other commands need none of it.
    from app.doctor import machine, proxy, redis

    through = await proxy.examine(url, patient) if url else []
    try:
        settings = load(given, environment)
    except SettingError as error:
        return [bad("settings", str(error), "the server does not start", "correct it"), *through]
    foreign = links(environment)
    here = [*machine.settings(settings, foreign), *machine.machine(settings)]
    return [*here, *await redis.examine(settings), *through]


def show(findings: Sequence[Finding], out: TextIO) -> None:
    """A table on a terminal, else one line for each finding and one for each advice."""
    if out.isatty():
        _table(findings, out)
    else:
        for one in findings:
            print(f"{one.grade.value:4}  {one.topic}: {one.found}; {one.means}", file=out)
            if one.advice:
                print(f"      -> {one.advice}", file=out)
    counts = {grade: sum(one.grade is grade for one in findings) for grade in Grade}
    verdict = "nothing breaks a promise" if _ok(findings) else "something breaks a promise"
    print(f"{counts[Grade.GOOD]} good, {counts[Grade.WEAK]} weak, {counts[Grade.BAD]} bad: {verdict}", file=out)


def _table(findings: Sequence[Finding], out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=False, header_style="bold", expand=False)
    for title in ("", "looked at", "found", "means"):
        table.add_column(title, overflow="fold")
    for one in findings:
        style = STYLES[one.grade]
        # Text: what was found may contain what rich would take for markup.
        means = Text(one.means)
        if one.advice:
            means.append(f"\n-> {one.advice}", style=style)
        table.add_row(Text(one.grade.value, style=style), Text(one.topic), Text(one.found), means)
    Console(file=out).print(table)


def _ok(findings: Sequence[Finding]) -> bool:
    return all(one.grade is not Grade.BAD for one in findings)


def _plain(finding: Finding) -> dict[str, str]:
    return {**finding._asdict(), "grade": finding.grade.value}


def _base(text: str) -> str:
    """The address of a server, without anything behind it: nothing else than the root can be where it is."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise argparse.ArgumentTypeError("must begin with http:// or https://")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"no path, please: the server is at the root, {parts.scheme}://{parts.netloc}")
    return text


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Put the command's own options on the command line."""
    parser = commands.add_parser(
        "doctor",
        usage="parley doctor [--url URL] [--no-wait] [--json] [--SETTING VALUE ...]",
        help="say what settings, machine, Redis and proxy mean for the promises",
        description="Look at the settings, this machine, Redis and, with --url, at the way through a proxy; say what "
        "each means for the guarantees and what to do. Takes the same settings as serve. Exit code 0: nothing breaks a "
        "promise; 1: something does.",
    )
    parser.add_argument("--url", default="", type=_base, metavar="URL", help="a running server, as people reach it")
    parser.add_argument("--no-wait", action="store_true", help="with --url: do not wait for heartbeats")
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    return parser
