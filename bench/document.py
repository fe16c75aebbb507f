"""Puts a run into docs/performance.md, between markers: head, tables, plots, what failed, the client's ceiling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import plot, report
from bench.peers import PEERS
from bench.scenarios import SCENARIOS

PLOTS = "plots"
# File, title, scenario, key.
BARS = (
    ("fanout-1x1000", "Deliveries per second, one room of 1,000", "fanout-1x1000", "deliveries_per_second"),
    ("fanout-200x10", "Deliveries per second, 200 rooms of 10", "fanout-200x10", "deliveries_per_second"),
    ("idle", "KiB per idle connection (less is better)", "idle", "kib_per_connection"),
    ("connects", "Connections and joins per second", "idle", "connects_per_second"),
)


def _head(meta: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in meta["packages"].items())
    busy = meta["busy_before"]
    quiet = "quiet before the run" if busy < 0.1 else f"PRELIMINARY: {busy:.2f} cores were in use by others before"
    rounds = f" The best of {meta['rounds']} rounds, for all alike." if meta["rounds"] > 1 else ""
    return (
        f"Measured {meta['date']} at commit {meta['commit']} with `{meta['command']}`, {quiet}.{rounds}\n\n"
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


def _troubles(run: dict[str, Any], results: report.Results) -> list[str]:
    parts = []
    failed = [
        f"- {PEERS[peer].label}, {SCENARIOS[scenario].title}: {result['failed']}"
        for (scenario, peer), result in results.items()
        if "failed" in result
    ]
    if failed:
        parts.append("Not carried:\n\n" + "\n".join(failed))
    if run["left_out"]:
        lines = [f"- {PEERS[name].label}: {why}" for name, why in run["left_out"].items()]
        parts.append("Could not be installed here, hence not measured:\n\n" + "\n".join(lines))
    if run["violations"]:
        lines = [f"- {text}" for text in dict.fromkeys(run["violations"])]
        parts.append("Events lost, doubled or out of order, at any rate that was tried:\n\n" + "\n".join(lines))
    else:
        parts.append("No event was lost, doubled or out of order at any rate that was tried.")
    return parts


def block(run: dict[str, Any], plots: bool = False) -> str:
    """What stands between the markers; with references to the plots where these are written."""
    results = report.best(run["results"])
    parts = [_head(run["meta"]), *report.tables(results)]
    if plots:
        parts.append("\n".join(f"![{title}]({PLOTS}/{name}.svg)" for name, title in _drawn(results)))
    ratios = report.ratios(results)
    if ratios:
        parts.append(ratios)
    parts += _troubles(run, results)
    if run["ceilings"]:
        parts.append(_ceilings(run["ceilings"]))
    if run["versions"]:
        parts.append(report.setups(run["versions"]))
    return "\n\n".join(parts)


def _rows(results: report.Results, scenario: str, key: str) -> list[tuple[str, float]]:
    found = [(peer, results.get((scenario, peer), {}).get(key)) for peer in PEERS]
    return [(PEERS[peer].label, value) for peer, value in found if value and value > 0]


def _drawn(results: report.Results) -> list[tuple[str, str]]:
    return [(name, title) for name, title, scenario, key in BARS if len(_rows(results, scenario, key)) > 1]


def _write_plots(folder: Path, results: report.Results) -> None:
    folder.mkdir(exist_ok=True)
    drawn = {name for name, _ in _drawn(results)}
    for name, title, scenario, key in BARS:
        if name in drawn:
            picture = plot.bars(title, _rows(results, scenario, key), PEERS["parley"].label)
            (folder / f"{name}.svg").write_text(picture)


def replace_between(path: Path, name: str, make: Callable[[], str]) -> None:
    """Replace what is between the markers of this name; the rest of the page is written by people."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, found, rest = path.read_text().partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no {begin} ... {end}")
    path.write_text(f"{head}{begin}\n{make()}\n{end}{tail}")


def write(path: Path, run: dict[str, Any]) -> None:
    """Tables into the page, plots beside it."""
    _write_plots(path.parent / PLOTS, report.best(run["results"]))
    replace_between(path, "bench", lambda: block(run, plots=True))
