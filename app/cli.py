"""The command line: `parley serve` and what else there is.

Exit codes of `serve`: 0 stopped as asked, 2 it cannot start (one line on standard error says why).
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from collections.abc import Sequence

import structlog

from app import __version__, doctor, loadtest, log, terminal, verify
from app.config import PREFIX, Settings, flag, links, load
from app.errors import StartError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parley", description="A self-hosted group chat that scales out over Redis.")
    parser.add_argument("--version", action="version", version=f"parley {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description="Run the server. Every option can also be given in the environment, as "
        f"{PREFIX}HOST for --host, and so on; secrets are better given there.",
    )
    _add_settings(serve)
    _add_settings(doctor.add_parser(commands))
    terminal.add_parser(commands)
    verify.add_parser(commands)
    loadtest.add_parser(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        shown = "" if field.default == "" else f" (default: {field.default})"
        help_text = field.metadata["help"].replace("%", "%%") + shown
        group.add_argument(flag(field.name), dest=field.name, metavar="VALUE", help=help_text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `parley` command."""
    namespace = _parser().parse_args(arguments)
    if namespace.command == "chat":
        sys.stderr = sys.stderr or open(os.devnull, "w")  # closed by whoever started this
        log.configure("error", "text")
        sys.exit(terminal.run(namespace, os.environ))
    if namespace.command == "verify":
        sys.exit(verify.run(namespace))
    if namespace.command == "loadtest":
        sys.exit(loadtest.run(namespace))
    names = (field.name for field in dataclasses.fields(Settings))
    given = {name: value for name in names if (value := getattr(namespace, name)) is not None}
    if namespace.command == "doctor":
        sys.exit(doctor.run(given, os.environ, namespace.url, not namespace.no_wait, namespace.json))
    sys.exit(_serve(given))


def _serve(given: dict[str, str]) -> int:
    # Imported here: other commands need none of the server.
    from app.supervisor import Supervisor

    async def run(settings: Settings) -> None:
        await Supervisor(settings).run()

    try:
        settings = load(given, os.environ)
        log.configure(settings.log_level, settings.log_format, node=settings.node_name)
        if foreign := links(os.environ):
            structlog.get_logger(component="cli").info(
                "variables that name a service are no settings", left_out=sorted(foreign)
            )
        asyncio.run(run(settings))
    except StartError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main()
