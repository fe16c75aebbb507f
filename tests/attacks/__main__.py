"""`python -m tests.attacks`: attack a server in every way there is, and print what that did to it and to others.

Ends with 1 where something is wrong, or worse than what is aimed at. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import sys
import tempfile
from pathlib import Path

from tests.attacks.attacker import Attack
from tests.attacks.canary import Cage
from tests.attacks.catalogue import ATTACKS
from tests.attacks.judge import Verdict, carry_out, warm_up
from tests.attacks.table import BEGIN, END, HEAD, complaints, row, summary
from tests.attacks.target import Target


def _chosen(patterns: list[str]) -> list[Attack]:
    return [
        one
        for one in ATTACKS
        if not patterns
        or any(fnmatch.fnmatch(f"{one.area}/{one.name}", pattern.replace("_", " ")) for pattern in patterns)
    ]


async def _all(attacks: list[Attack], long: bool, directory: Path) -> list[Verdict]:
    target = await asyncio.to_thread(Target, directory)
    verdicts = []
    try:
        cage = await Cage.open(target.server.ws)
        await warm_up(target)
        target.complaints()
        for one in attacks:
            verdicts.append(await carry_out(one, target, cage, long))
            print(row(verdicts[-1]), complaints(verdicts[-1]), sep="\n", end="", flush=True)
        await cage.close()
    finally:
        await asyncio.to_thread(target.stop)
    return verdicts


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="which attacks, e.g. 'frames/*'; all by default")
    parser.add_argument("--short", action="store_true", help="as the tests do it, in a minute")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, between its marks")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    given = parser.parse_args()
    attacks = _chosen(given.patterns)
    if not attacks:
        parser.error("no attack is called that; --list says which there are")
    if given.list:
        for one in attacks:
            print(f"{one.area}/{one.name}: {one.about}")
        return 0
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="parley-attacks-") as directory:
        verdicts = asyncio.run(_all(attacks, not given.short, Path(directory)))
    print(f"\n{summary(verdicts)}")
    if given.write:
        page = given.write.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        table = "\n".join([HEAD, *map(row, verdicts)])
        given.write.write_text(f"{before}{BEGIN}\n{table}\n\n{summary(verdicts)}\n{END}{after}")
    return int(any(one.wrong or one.slow for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
