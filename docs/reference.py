"""Writes the reference pages from the code: `make docs`. A test fails while a page is not what this would write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.config import PREFIX, Settings, allowed, flag, number
from app.metrics import BOUNDS, DECLARED, REPLICA, Kind
from app.protocol import shapes

DOCS = Path(__file__).parent
NOTE = "<!-- Written by `make docs` from {source}. Change it there. -->"


def configuration() -> str:
    """docs/configuration.md: every setting."""
    rows: list[tuple[str, ...]] = []
    for field in dataclasses.fields(Settings):
        meta = field.metadata
        default = number(field.default) if isinstance(field.default, int | float) else str(field.default)
        secret = " A secret: better given in the environment." if meta.get("secret") else ""
        rows.append(
            (f"`{flag(field.name)}`", f"`{PREFIX}{field.name.upper()}`", default, allowed(field), meta["help"] + secret)
        )
    return f"""\
# Configuration

{NOTE.format(source="app/config.py")}

Each setting is an option of `parley serve` or a variable of the environment; the option wins. Without any the server
listens on this machine alone and brings its own Valkey. A wrong or unknown setting ends the start with one line that
names it. Variables by which Kubernetes or Docker name a service called `parley` (`PARLEY_PORT=tcp://...`,
`PARLEY_SERVICE_HOST` and the like) are no settings and are left out; the log says which.
`parley doctor` says whether they suit each other and the machine; [operations](operations.md) when to change what.

{_table(("option", "variable", "default", "allowed", "meaning"), rows)}
"""


def metrics() -> str:
    """docs/metrics.md: every metric."""
    rows: dict[str, tuple[str, ...]] = {}
    for declared in DECLARED:
        label = ", ".join(f"`{name}`" for name in ("worker", *declared.labels))
        values = [one.labels for one in DECLARED if one.name == declared.name and one.labels]
        means = declared.help
        if values:
            shown = ", ".join(f"`{value}`" for labels in values for value in labels.values())
            means = f"{means} One of {shown}."
        rows[declared.name] = (f"`{declared.name}`", declared.kind.value, label, means)
    for name, help_ in REPLICA.items():
        label = "`version`" if name.endswith("_info") else ""
        rows[name] = (f"`{name}`", Kind.GAUGE.value, label, help_)
    bounds = ", ".join(f"{bound:g}" for bound in BOUNDS)
    return f"""\
# Metrics

{NOTE.format(source="app/metrics.py")}

`/metrics` gives the values of all workers of a replica, whichever answers, in the text format of Prometheus. They are
written once a second; those of a worker that has died are gone, and its successor counts from 0. Times are in seconds,
sizes in bytes. No label names a room or a person. Nothing is counted per delivery: a publication counts its events and
its members at once. Histograms have the buckets {bounds} and +Inf.

An event's time is set by Redis' clock. `parley_delivery_seconds` compares it with this machine's clock, corrected by
`parley_redis_clock_offset_seconds`: the difference that the worker estimates once a second from the fastest of the last
16 answers to `TIME`. It is wrong by half of that answer's round trip at most, and by the millisecond to which event
times are cut.

{_table(("metric", "type", "labels", "meaning"), list(rows.values()))}

[Operations](operations.md) says what to alert on; `deploy/observability/` has a dashboard and alert rules.
"""


def protocol() -> str:
    """docs/protocol.md, with the tables of all messages between its marks."""
    before, begin, rest = (DOCS / "protocol.md").read_text().partition("<!-- messages:begin -->\n")
    _, end, after = rest.partition("<!-- messages:end -->\n")
    client = [(*_described(type_), _replies(shapes.tag(type_))) for type_ in shapes.CLIENT]
    server = [(*_described(type_), _summary(type_)) for type_ in shapes.SERVER]
    tables = f"""\
Written by `make docs` from `app/protocol/`; `/asyncapi.json` has the same for programs. A field with `?` may be
missing. Any request but those answered by nothing may be answered by `error` instead.

{_table(("client", "fields", "answered by"), client)}

{_table(("server", "fields", "meaning"), server)}
"""
    return f"{before}{begin}{tables}{end}{after}"


def _described(type_: Any) -> tuple[str, str]:
    named = [f"`{name}`" if required else f"`{name}`?" for name, required, _ in shapes.fields(type_)]
    return f"`{shapes.tag(type_)}`", ", ".join(named)


def _replies(request: str) -> str:
    return ", ".join(f"`{reply}`" for reply in shapes.REPLIES[request]) or "nothing"


def _summary(type_: Any) -> str:
    return " ".join((type_.__doc__ or "").split())


PAGES = {"configuration.md": configuration, "metrics.md": metrics, "protocol.md": protocol}


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
