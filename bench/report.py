"""Turns results into tables, on the terminal and between the markers of docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.peers import PEERS
from bench.scenarios import SCENARIOS

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
Result = dict[str, Any]


def _mark(result: Result) -> str:
    """Footnotes of one figure: the client was the limit, or strangers used the machine."""
    return ("" if result.get("valid", True) else " (invalid)") + (" *" if result.get("disturbed") else "")


def _cell(result: Result | None, *parts: tuple[str, str]) -> str:
    if result is None:
        return ""
    if "skipped" in result:
        return "-"
    if "failed" in result and parts[0][0] not in result:
        return "failed"
    text = ", ".join(form.format(result[key]) for key, form in parts if key in result)
    return ("failed: " if "failed" in result else "") + text + _mark(result)


# Column title, scenario, and the figures shown: (key, format).
COLUMNS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("deliveries/s, 1 room x 1000", "fanout-1x1000", [("deliveries_per_second", "{:,.0f}")]),
    ("p50 / p99 ms", "fanout-1x1000", [("p50_ms", "{:.1f}"), ("p99_ms", "{:.1f}")]),
    ("deliveries/s, 200 rooms x 10", "fanout-200x10", [("deliveries_per_second", "{:,.0f}")]),
    ("p50 / p99 ms", "fanout-200x10", [("p50_ms", "{:.1f}"), ("p99_ms", "{:.1f}")]),
    ("KiB per idle connection", "idle", [("kib_per_connection", "{:.1f}")]),
    ("connections+joins/s", "idle", [("connects_per_second", "{:,.0f}")]),
    ("ack p50 / p99 ms at 25,000/s", "ack-25k", [("p50_ms", "{:.1f}"), ("p99_ms", "{:.1f}")]),
    ("at 80,000/s", "ack-80k", [("p50_ms", "{:.1f}"), ("p99_ms", "{:.1f}")]),
    ("p50 / p99 ms at 36,000 deliveries/s", "latency-36k", [("p50_ms", "{:.2f}"), ("p99_ms", "{:.2f}")]),
]


def table(results: list[Result]) -> str:
    """One row a peer, one column a figure; columns without any figure are left out."""
    found = {(result["scenario"], result["peer"]): result for result in results}
    names = list(dict.fromkeys(result["peer"] for result in results))
    measured = {result["scenario"] for result in results}
    columns = [column for column in COLUMNS if column[1] in measured]
    rows = [["server", "guarantees", *(title for title, _, _ in columns)]]
    for name in names:
        cells = [_cell(found.get((scenario, name)), *parts) for _, scenario, parts in columns]
        rows.append([PEERS[name].label, PEERS[name].guarantees, *cells])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _head(meta: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in meta["packages"].items())
    quiet = (
        "quiet before the run"
        if meta["busy_before"] < 0.1
        else (f"PRELIMINARY: {meta['busy_before']:.2f} cores were in use by others before the run")
    )
    return (
        f"Measured {meta['date']} at commit {meta['commit']} with `{meta['command']}`, {quiet}.\n\n"
        f"{meta['cpu']}, {meta['cores']} cores, {meta['memory_gib']} GiB, Linux {meta['kernel']}; "
        f"Python {meta['python']}, {packages}; {meta['engine']} with AOF every second for all peers. "
        f"{meta['place']} Texts of {meta['text_bytes']} bytes."
    )


def _ceilings(ceilings: list[dict[str, Any]]) -> str:
    lines = [
        f"- {c['proto']}, {c['frames_per_write']} frames a write to {c['connections']:,} connections: "
        f"{c['frames_per_second']:,.0f} frames/s at {c['client_cpu']:.0%} of its core, "
        f"so about {c['ceiling']:,.0f} at most"
        for c in ceilings
    ]
    return "The load client's own ceiling, against a source that only writes:\n\n" + "\n".join(lines)


def document(run: dict[str, Any]) -> str:
    """The block between the markers."""
    parts = [_head(run["meta"]), table(run["results"])]
    if any(result.get("disturbed") for result in run["results"]):
        parts.append("\\* other programs used the machine meanwhile")
    failures = [
        f"- {PEERS[r['peer']].label}, {SCENARIOS[r['scenario']].title}: {r['failed']}"
        for r in run["results"]
        if "failed" in r
    ]
    if failures:
        parts.append("Not carried:\n\n" + "\n".join(failures))
    if run["violations"]:
        parts.append("Violations (events lost, doubled or out of order):\n\n- " + "\n- ".join(run["violations"]))
    if run["ceilings"]:
        parts.append(_ceilings(run["ceilings"]))
    return "\n\n".join(parts)


def write_document(path: Path, run: dict[str, Any]) -> None:
    """Replace what is between the markers; the rest of the page is written by people."""
    text = path.read_text()
    head, found, rest = text.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{path} has no {BEGIN} ... {END}")
    path.write_text(f"{head}{BEGIN}\n{document(run)}\n{END}{tail}")
