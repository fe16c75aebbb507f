"""Options that the tools which make traffic have in common.

Here and not beside the tools themselves, so that `parley --help` imports none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.arguments import per_second, positive

if TYPE_CHECKING:
    from app.traffic.stacks import Stack


def add_common(parser: argparse.ArgumentParser, does: str, report: str, rooms: int, rate: float) -> None:
    """The options of every such tool: which servers, how much traffic, where the report goes.

    `does` is a verb, `report` says what is written; `rooms` and `rate` are defaults. `stack` reads what was given.
    """
    add = parser.add_argument
    add("urls", nargs="*", metavar="URL", help=f"servers to {does}, for example http://127.0.0.1:8000")
    add(
        "--rooms",
        type=positive,
        default=rooms,
        metavar="N",
        help="rooms that all are spread over (default: %(default)s)",
    )
    add(
        "--rate",
        type=per_second,
        default=rate,
        metavar="N",
        help="messages a second, of all together (default: %(default)g)",
    )
    add("--workers", type=positive, default=2, metavar="N", help="of the server started (default: %(default)s)")
    add("--report", type=Path, metavar="DIR", help=report)
    parser.set_defaults(parser=parser)


def stack(parsed: argparse.Namespace) -> Stack:
    """The servers given by URL, else one that is started, with its log beside the report."""
    from app.traffic.stacks import Remote, Served

    if parsed.urls:
        return Remote(parsed.urls)
    if parsed.report is None:
        return Served(parsed.workers)
    parsed.report.mkdir(parents=True, exist_ok=True)
    return Served(parsed.workers, parsed.report / "server.log")
