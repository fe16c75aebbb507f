"""The command line: `parley serve` and what else there is.

Exit codes of `serve`: 0 stopped as asked, 2 it cannot start (one line on standard error says why).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import structlog

from app import __version__, doctor, keycommand, log, terminal
from app.arguments import positive
from app.backplane import permissions
from app.config import PREFIX, TOKEN, Settings, allowed, flag, links, load, nearest, number, password_in, several
from app.errors import ParleyError, SettingError, StartError
from app.loadtest import command as loadtest
from app.verify import command as verify


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parley", description="A self-hosted group chat that scales out over Redis.")
    parser.add_argument("--version", action="version", version=f"parley {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        usage="parley serve [--SETTING VALUE ...]",
        help="run the server",
        description="Run the server. Every option can also be given in the environment, as "
        f"{PREFIX}HOST for --host, and so on; secrets are better given there.",
    )
    _add_settings(serve)
    _add_settings(doctor.add_parser(commands))
    _add_token(commands)
    keycommand.add_parser(commands)
    _add_redis_user(commands)
    terminal.add_parser(commands)
    verify.add_parser(commands)
    loadtest.add_parser(commands)
    return parser


def _add_token(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    token = commands.add_parser(
        "token",
        help="make a signed-in user's token, for trying out",
        description=f"Print a token signed with {PREFIX}TOKEN_SECRET, of which the environment has one or several "
        f"(the first signs). Give it to a client in {TOKEN}, never in an address.",
    )
    token.add_argument("--user", required=True, metavar="ID", help="who it is for (sub)")
    token.add_argument("--name", metavar="NAME", help="the name shown to others (default: the user)")
    token.add_argument(
        "--seconds",
        type=positive,
        default=3600,
        metavar="SECONDS",
        help="how long it is good (default: %(default)s)",
    )
    token.add_argument(
        *("--room", "-r"),
        action="append",
        default=[],
        type=_room_right,
        metavar="PATTERN=RIGHT",
        help="a room, or the beginning of names followed by *, and read, write or moderate; any number of times",
    )
    token.set_defaults(parser=token)


def _room_right(text: str) -> tuple[str, str]:
    pattern, given, right = text.rpartition("=")
    if not given:
        raise argparse.ArgumentTypeError(f"{text!r} is not like team-*=write")
    return pattern, right


def _add_redis_user(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    user = commands.add_parser(
        "redis-user",
        help="print the user that the server needs in Redis, for its ACL file",
        description="Print a user for Redis' ACL file who may do what the server needs and nothing else: its keys, its "
        f"channels, the commands it calls. Let {PREFIX}REDIS_URL name it and {PREFIX}REDIS_PASSWORD_FILE its password.",
    )
    user.add_argument("--name", default=permissions.USER, help="how it is called (default: %(default)s)")
    user.add_argument("password_file", metavar="PASSWORD_FILE", help="file with its password, which is not printed")
    user.set_defaults(parser=user)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        default = number(field.default) if isinstance(field.default, int | float) else field.default
        notes = [allowed(field), f"default: {default}" if default else ""]
        shown = "; ".join(filter(None, notes))
        help_text = field.metadata["help"].replace("%", "%%") + (f" ({shown})" if shown else "")
        group.add_argument(flag(field.name), dest=field.name, metavar="VALUE", help=help_text)
    parser.set_defaults(parser=parser)


def _open_missing() -> None:
    """Put /dev/null where standard input, output or error is closed: sockets would take their numbers."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stderr = sys.stderr or open(os.devnull, "w")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `parley` command."""
    _open_missing()
    namespace, unknown = _parser().parse_known_args(arguments)
    if unknown:
        _refuse(namespace, unknown)
    if namespace.command == "chat":
        log.configure("error", "text")
        sys.exit(terminal.run(namespace, os.environ))
    if namespace.command == "token":
        sys.exit(_token(namespace))
    if namespace.command == "key":
        log.configure("error", "text")
        sys.exit(keycommand.run(namespace, os.environ))
    if namespace.command == "redis-user":
        sys.exit(_redis_user(namespace.name, namespace.password_file))
    if namespace.command == "verify":
        sys.exit(verify.run(namespace))
    if namespace.command == "loadtest":
        sys.exit(loadtest.run(namespace))
    names = (field.name for field in dataclasses.fields(Settings))
    given = {name: value for name in names if (value := getattr(namespace, name)) is not None}
    if namespace.command == "doctor":
        sys.exit(doctor.run(given, os.environ, namespace.url, not namespace.no_wait, namespace.json))
    sys.exit(_serve(given))


def _refuse(namespace: argparse.Namespace, unknown: Sequence[str]) -> NoReturn:
    """Say which arguments the command does not know, and which setting may have been meant."""
    meant = ""
    if namespace.command in ("serve", "doctor"):
        meant = nearest(unknown[0].partition("=")[0])
    parser: argparse.ArgumentParser = namespace.parser
    parser.error(f"unknown: {' '.join(unknown)}" + (f"; is {flag(meant)} meant?" if meant else ""))


def _token(namespace: argparse.Namespace) -> int:
    from app.tokens import Expected, make, shared_keys, verify

    try:
        settings = load({}, os.environ)
        secrets = several(settings.token_secret)
        if not secrets:
            raise SettingError(f"{PREFIX}TOKEN_SECRET", "needed to sign a token")
        named = {"name": namespace.name, "aud": settings.token_audience, "iss": settings.token_issuer}
        claims = {claim: value for claim, value in named.items() if value}
        if namespace.room:
            claims["rooms"] = dict(namespace.room)
        token = make(secrets[0], namespace.user, namespace.seconds, claims)
        # What the server would refuse is refused here, with the reason.
        verify(token, shared_keys(secrets[:1]), Expected(settings.token_audience, settings.token_issuer))
    except ParleyError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    print(token)
    return 0


def _redis_user(name: str, password_file: str) -> int:
    try:
        if re.fullmatch(r"[\w.-]+", name) is None:
            raise SettingError("--name", "letters, digits, dots, dashes and underscores")
        print(permissions.user(password_in(password_file, "PASSWORD_FILE"), name))
    except ParleyError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    return 0


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
        with contextlib.suppress(OSError):  # the log is on a full disk
            print(f"parley: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main()
