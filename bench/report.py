"""Turns results into tables: one row a server, one column a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.peers import PEERS
from bench.scenarios import SCENARIOS

Result = dict[str, Any]
Results = dict[tuple[str, str], Result]


@dataclass(frozen=True)
class Column:
    """A title, a scenario, and the figures of it that are shown: (key, format)."""

    title: str
    scenario: str
    parts: tuple[tuple[str, str], ...]

    def cell(self, result: Result | None) -> str:
        """The figures; a load that was not carried shows what came out all the same, marked with !."""
        if result is None:
            return ""
        if self.parts[0][0] not in result:
            return "failed"
        text = " / ".join(form.format(result[key]) for key, form in self.parts if key in result)
        return text + _marks(result)


def _marks(result: Result) -> str:
    marks = "!" if "failed" in result else ""
    marks += "" if result.get("valid", True) else "?"
    marks += "~" if result.get("disturbed") else ""
    return f" {marks}" if marks else ""


LEGEND = {
    "!": "not all of the load was carried, see below",
    "?": "invalid: the load client was the limit",
    "~": "other programs or machines took processor time meanwhile",
}


def _percentiles(form: str = "{:.1f}") -> tuple[tuple[str, str], ...]:
    return (("p50_ms", form), ("p99_ms", form))


TABLES: dict[str, tuple[Column, ...]] = {
    "What it carries": (
        Column("deliveries/s, 1 room x 1000", "fanout-1x1000", (("deliveries_per_second", "{:,.0f}"),)),
        Column("p50 / p99 ms there", "fanout-1x1000", _percentiles("{:.0f}")),
        Column("deliveries/s, 200 rooms x 10", "fanout-200x10", (("deliveries_per_second", "{:,.0f}"),)),
        Column("p50 / p99 ms there", "fanout-200x10", _percentiles("{:.0f}")),
        Column("sends to ack/s", "ack-top", (("acks_per_second", "{:,.0f}"),)),
        Column("KiB per idle connection", "idle", (("kib_per_connection", "{:.1f}"),)),
        Column("connections+joins/s", "idle", (("connects_per_second", "{:,.0f}"),)),
    ),
    "How long it takes (p50 / p99 ms)": (
        Column("lone message", "lone", _percentiles("{:.2f}")),
        Column("36,000 deliveries/s, 1 x 1000", "latency-36k", _percentiles()),
        Column("send to ack at 25,000/s", "ack-25k", _percentiles()),
    ),
    "What one does to the others (p50 / p99 ms)": (
        Column("hot room's deliveries/s", "hot-room", (("hot_deliveries_per_second", "{:,.0f}"),)),
        Column("room of 10 beside it", "hot-room", _percentiles()),
        Column("1,000 readers", "stalled", (("without_p50_ms", "{:.1f}"), ("without_p99_ms", "{:.1f}"))),
        Column("one of them stalled: the others", "stalled", _percentiles()),
        Column("memory grown, MiB", "stalled", (("grown_mib", "{:.1f}"),)),
    ),
}

# Figures of the same servers on this class of machine, taken when the goals were set: deliveries/s in both shapes, and
# connections+joins/s, the middle of what was seen.
REFERENCE = {
    "bun": (5_080_000, 550_000, 30_500),
    "node-ws": (108_000, 116_000, 6_700),
    "socket-io": (70_000, 49_000, 2_100),
    "naive-sanic": (52_000, 26_000, 2_050),
    "fastapi": (38_000, 22_000, 1_150),
    "python-socketio": (10_600, 6_800, 595),
}
COMPARED = (
    ("1 x 1000", "fanout-1x1000", "deliveries_per_second"),
    ("200 x 10", "fanout-200x10", "deliveries_per_second"),
    ("connections+joins/s", "idle", "connects_per_second"),
)


def best(results: list[Result]) -> Results:
    """The best round of each cell, for all servers alike: what else runs on a machine only ever takes away."""
    found: Results = {}
    for result in results:
        cell = result["scenario"], result["peer"]
        if cell not in found or _better(result, found[cell]):
            found[cell] = result
    return found


def _better(new: Result, old: Result) -> bool:
    scenario = SCENARIOS[new["scenario"]]
    if ("failed" in new) != ("failed" in old):
        return "failed" in old
    if scenario.primary not in new or scenario.primary not in old:
        return scenario.primary in new
    return bool((new[scenario.primary] > old[scenario.primary]) is scenario.more_is_better)


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _peers(results: Results) -> list[str]:
    measured = {peer for _, peer in results}
    return [name for name in PEERS if name in measured]


def tables(results: Results) -> list[str]:
    """All that have a figure, each under its title, and what the marks mean that occur."""
    measured = {scenario for scenario, _ in results}
    parts = []
    for title, all_columns in TABLES.items():
        columns = [column for column in all_columns if column.scenario in measured]
        if columns:
            head = ["server", *(column.title for column in columns)]
            parts += [f"**{title}**", _markdown([head, *(_row(name, columns, results) for name in _peers(results))])]
    seen = "".join(_marks(result) for result in results.values())
    legend = [f"`{mark}` {meaning}" for mark, meaning in LEGEND.items() if mark in seen]
    return [*parts, "; ".join(legend)] if legend else parts


def _row(name: str, columns: list[Column], results: Results) -> list[str]:
    return [PEERS[name].label, *(column.cell(results.get((column.scenario, name))) for column in columns)]


def ratios(results: Results) -> str:
    """Parley against each peer in this run, and each peer here against its reference figure."""

    def figures(name: str) -> list[float | None]:
        return [results.get((scenario, name), {}).get(figure) for _, scenario, figure in COMPARED]

    titles = [title for title, *_ in COMPARED]
    rows = [["beside", *(f"Parley is faster, {t}" for t in titles), *(f"itself here / reference, {t}" for t in titles)]]
    for name, reference in REFERENCE.items():
        theirs = figures(name)
        if not any(theirs):
            continue
        times = [_times(o, t) for o, t in zip(figures("parley"), theirs, strict=True)]
        shares = [_share(t, r) for t, r in zip(theirs, reference, strict=True)]
        rows.append([PEERS[name].label, *times, *shares])
    return _markdown(rows) if len(rows) > 1 else ""


def _times(ours: float | None, theirs: float | None) -> str:
    return f"{ours / theirs:.2f} times" if ours and theirs else ""


def _share(here: float | None, reference: float) -> str:
    return f"{here:,.0f} / {reference:,.0f} = {here / reference:.2f}" if here else ""


def setups(versions: dict[str, str]) -> str:
    """How each server that was measured is set up."""
    rows = [["server", "set-up", "versions", "guarantees"]]
    rows += [[PEERS[n].label, PEERS[n].setup, versions[n], PEERS[n].guarantees] for n in PEERS if n in versions]
    return _markdown(rows)
