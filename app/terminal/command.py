"""`parley chat`: its options, its exit codes: 0 clean, 1 refused by the server, 2 wrong usage, 3 unreachable."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app.arguments import above_zero, within
from app.config import TOKEN
from app.errors import BadRequest
from app.protocol.names import room_name, user_name
from app.terminal.text import inline

URL = "http://127.0.0.1:8000"
PATIENCE_SECONDS, PATIENCE_MAX_SECONDS = 10.0, 86_400.0
PAGE, PAGE_MAX = 50, 200
_IN_ROOM = re.compile(r"/r/[^/]+\Z")
"""How the address of a room's page ends; which room is meant says ROOM."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put the command's options on the command line."""
    parser = commands.add_parser(
        "chat",
        help="talk in a room, from a terminal or a pipe",
        description="Talk in a room. On a terminal it shows the conversation and sends what is typed; /help lists what "
        "else there is. With a pipe on standard input each line is sent as a message, and the command ends when the "
        "last one is acknowledged; with a pipe on standard output messages are printed as lines. Exit code 0: as "
        "asked; 1: the server refused something; 2: wrong usage; 3: the server cannot be reached.",
    )
    parser.add_argument("room", metavar="ROOM", type=_room, help="for example lobby")
    parser.add_argument("--url", metavar="URL", type=_address, default=URL, help=f"the server (default: {URL})")
    parser.add_argument(
        "--name", metavar="NAME", type=_name, help="be the guest of this name (default: the last one here)"
    )
    parser.add_argument("--json", action="store_true", help="print events as JSON, one a line")
    parser.add_argument(
        "--history",
        metavar="N",
        type=within(0, PAGE_MAX),
        help=f"begin with the latest N events (default: {PAGE} on a terminal, "
        "20 when only reading, 0 when fed from a pipe)",
    )
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help=f"sign in with the token in this file (or in {TOKEN})"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=above_zero(PATIENCE_MAX_SECONDS),
        default=PATIENCE_SECONDS,
        help=f"give up on a server that cannot be reached for so long (default: {PATIENCE_SECONDS:g})",
    )
    parser.set_defaults(parser=parser)


def run(parsed: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command; the exit code."""
    from app.client import Refused
    from app.terminal.plain import say
    from app.terminal.visit import Unreachable, Visit, on_terminal

    visit = Visit(
        url=parsed.url,
        room=parsed.room,
        name=parsed.name or "",
        token_file=parsed.token_file,
        patience_seconds=parsed.timeout,
        environment=environment,
    )
    try:
        visit.token()
    except OSError as error:
        parsed.parser.error(f"--token-file: {error.strerror}: {parsed.token_file}")
    except ValueError as error:
        parsed.parser.error(str(error))
    try:
        if not parsed.json and on_terminal(environment):
            return asyncio.run(visit.at_a_terminal(PAGE if parsed.history is None else parsed.history))
        return asyncio.run(visit.through_pipes(parsed.json, parsed.history))
    except KeyboardInterrupt:
        return 0
    except Unreachable as error:
        say(str(error))
        return 3
    except Refused as error:
        say(f"the server refuses: {inline(str(error))}")
        return 2 if error.code == "bad_request" else 1


def _room(text: str) -> str:
    return _checked(room_name, text.removeprefix("#"))


def _name(text: str) -> str:
    return _checked(user_name, text)


def _checked(rule: Callable[[str], str], text: str) -> str:
    try:
        return rule(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _address(text: str) -> str:
    """The websocket behind the address of a server or of one of its pages."""
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if parts.scheme not in schemes or not parts.hostname:
        raise argparse.ArgumentTypeError("an address begins with http://, https://, ws:// or wss:// and a host")
    if parts.username or parts.password or parts.query:
        raise argparse.ArgumentTypeError(f"an address holds no secrets; give a token by --token-file or {TOKEN}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = _IN_ROOM.sub("", parts.path.rstrip("/")).removesuffix("/ws")
    return f"{schemes[parts.scheme]}://{host}{port}{path}/ws"
