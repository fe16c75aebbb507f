"""The report of a load test: one HTML file that needs nothing else, made from what the result file holds. Pure."""

from __future__ import annotations

import base64
import math
from html import escape
from pathlib import Path
from typing import Any

from app.loadtest.plots import Band, Line, Plot

Result = dict[str, Any]
Rows = list[tuple[str, str]]

CSS = Path(__file__).with_name("report.css")
NINES = (50.0, 90.0, 99.0, 99.9, 99.99)


def html(result: Result, picture: Path | None) -> str:
    """The whole file; the picture is put into it if there is one."""
    verdict = result["verdict"]
    parts = [
        _head(result),
        _figures(result),
        f'<section class="plots">{"".join(plot.svg() for plot in _plots(result))}</section>',
        _comparison(result),
        _steps(result),
        _accounts(result),
        _picture(picture),
        _circumstances(result),
        _seconds(result),
    ]
    title = f"{verdict['word']}: Parley load test, {result['ended']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS.read_text()}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(result: Result) -> str:
    verdict = result["verdict"]
    line = verdict["line"].removeprefix(verdict["word"] + ": ")
    return (
        f"<h1>Parley load test, {escape(result['ended'])}</h1>"
        f'<div class="verdict {verdict["word"].lower()}"><strong>{verdict["word"]}</strong><p>{escape(line)}</p></div>'
        f"<pre>{escape(result['command'])}</pre>"
    )


def _sum(result: Result, *path: str) -> float:
    total = 0.0
    for load in result["loads"]:
        value = load
        for name in path:
            value = value[name]
        total += value
    return total


def _figures(result: Result) -> str:
    if not result["loads"]:
        return ""
    worst = max(result["loads"], key=lambda load: load["delivery_ms"]["p99"])
    delivery, page = worst["delivery_ms"], worst["page_ms"]
    seconds = sum(load["seconds"] for load in result["loads"])
    account = {name: _sum(result, "account", name) for name in result["loads"][0]["account"]}
    disorder = sum(account[name] for name in ("late", "conflicts", "own_order", "wrong_rows"))
    figures = [
        ("messages a second", f"{_sum(result, 'acked') / seconds:,.0f}", False),
        ("deliveries a second", f"{account['given'] / seconds:,.0f}", False),
        ("p50", f"{delivery['p50']:,.1f} <small>ms</small>", False),
        ("p99", f"{delivery['p99']:,.1f} <small>ms</small>", False),
        ("maximum", f"{delivery['max']:,.1f} <small>ms</small>", False),
        ("lost", f"{account['lost']:,.0f}", account["lost"] > 0),
        ("twice", f"{account['twice'] + account['stored_twice']:,.0f}", account["twice"] + account["stored_twice"] > 0),
        ("out of order", f"{disorder:,.0f}", disorder > 0),
        ("reconnects", f"{_sum(result, 'reconnects'):,.0f}", False),
    ]
    if page["count"]:
        figures.insert(5, ("p99 until a page shows it", f"{page['p99']:,.1f} <small>ms</small>", False))
    cells = [f"<div{' class=bad' if bad else ''}><dt>{name}</dt><dd>{value}</dd></div>" for name, value, bad in figures]
    return f'<dl class="figures">{"".join(cells)}</dl>'


# Plots


def _plots(result: Result) -> list[Plot]:
    rows = result["seconds"]
    if not rows:
        return []
    over_time: dict[str, Any] = {"bands": _bands(rows), "moments": _moments(result)}

    def line(name: str, key: str, style: str) -> Line:
        return Line(name, [(row["at"], row[key]) for row in rows], style)

    def latency(name: str, key: str, style: str) -> Line:
        return Line(name, [(row["at"], row[key]) for row in rows if row[key] > 0], style)

    percentiles = [("max", "max", "quiet"), ("p99", "p99", "c5"), ("p95", "p95", "c2"), ("p50", "p50", "c1")]
    latencies = [latency(*one) for one in percentiles]
    if any(row["page_p99"] for row in rows):
        latencies.append(latency("pages p99", "page_p99", "c4"))
    delivered = Line("delivered", [(row["at"], row["delivered"] + row["shown"]) for row in rows], "c1")
    cores = [line("server", "server_cpu", "c1"), line("Redis", "engine_cpu", "c2")]
    cores += [line("generator", "generator_cpu", "c3"), line("pages", "pages_cpu", "c4")]
    cores.append(line("whole machine", "machine_cpu", "quiet"))
    plots = [
        Plot("Deliveries", "per second", [line("expected", "expected", "quiet"), delivered], **over_time),
        Plot("Delivery latency", "ms", latencies, log=True, limit=_limit(result), **over_time),
        Plot("CPU", "cores", [one for one in cores if any(y for _, y in one.points)], **over_time),
        Plot("Members", "connected", [line("target", "target", "quiet"), line("connected", "here", "c1")], **over_time),
    ]
    return [*plots, *_curve(result), *_search(result)]


def _bands(rows: list[dict[str, Any]]) -> list[Band]:
    bands: list[Band] = []
    for row in rows:
        begin = bands[-1][2] if bands else rows[0]["at"]
        if bands and bands[-1][0] == row["phase"]:
            bands[-1] = (row["phase"], bands[-1][1], row["at"])
        else:
            bands.append((row["phase"], begin, row["at"]))
    return bands


def _moments(result: Result) -> list[tuple[str, float]]:
    moments = []
    for fault in result["faults"]:
        moments.append((fault["name"], fault["begun"]))
        if fault["back"] is not None:
            moments.append(("all back", fault["back"]))
    return moments


def _limit(result: Result) -> tuple[str, float] | None:
    if not result["plan"]["slo"]:
        return None
    first = result["plan"]["slo"][0]
    return first, float(first.partition("=")[2].removesuffix("ms"))


def _nines(percent: float) -> float:
    """Where a percentile stands: every nine takes as much room as the one before."""
    return -math.log10(max(1e-6, 1 - min(percent, 99.9995) / 100))


def _curve(result: Result) -> list[Plot]:
    names = {"delivery": ("to a socket", "c1"), "page": ("until a page shows it", "c4"), "ack": ("to the ack", "c3")}
    lines = [
        Line(label, [(_nines(percent), ms) for percent, ms in result["curves"][name] if percent < 100], style)
        for name, (label, style) in names.items()
        if result["curves"][name]
    ]
    ticks = [(_nines(percent), f"{percent:g}") for percent in NINES]
    note = "From the moment a message was meant to be sent."
    plot = Plot("Latency curve", "ms by percentile", lines, True, "", ticks, limit=_limit(result), note=note)
    return [plot] if lines else []


def _search(result: Result) -> list[Plot]:
    steps = result["steps"]
    if not steps:
        return []
    styles = {"passed": "c3", "too much": "c5"}
    dots = [
        Line(
            name,
            [(step["rate"], max(step["p99"], 0.1)) for step in steps if step["passed"] == (name == "passed")],
            style,
        )
        for name, style in styles.items()
    ]
    note = "Each dot is a step of the search."
    return [Plot("p99 by rate", "ms", dots, True, "messages/s", limit=_limit(result), dots=True, note=note)]


# Tables


def _table(rows: Rows) -> str:
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"


def _numbers(titles: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th class="number">{escape(title)}</th>' for title in titles)
    body = "".join(
        "<tr>" + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _comparison(result: Result) -> str:
    found = result.get("comparison")
    if not found:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in found["lines"][1:])
    word = f'<span class="{found["word"]}">{found["word"]}</span>'
    return f"<h2>Compared with {escape(found['before'])}: {word}</h2><ul>{lines}</ul>"


def _steps(result: Result) -> str:
    if not result["steps"]:
        return ""
    titles = ["messages/s", "deliveries/s", "p50 ms", "p99 ms", "max ms", "generator", "came out"]
    rows = [
        [f"{step['rate']:,.0f}", f"{step['deliveries'] / step['seconds']:,.0f}"]
        + [f"{step[name]:,.1f}" for name in ("p50", "p99", "max")]
        + [f"{step['generator_cpu']:.0%}", ("" if step["fine"] else "roughly: ") + step["reason"]]
        for step in result["steps"]
    ]
    return f"<h2>The search</h2>{_numbers(titles, rows)}"


def _accounts(result: Result) -> str:
    if not result["loads"]:
        return ""
    titles = ["load", "sent", "acked", "deliveries", "expected", "lost", "twice", "late", "conflicts", "unanswered"]
    titles += ["p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms"]
    rows = []
    for number, load in enumerate(result["loads"], 1):
        account, delivery = load["account"], load["delivery_ms"]
        counts = [account[name] for name in ("given", "expected", "lost", "twice", "late", "conflicts", "unanswered")]
        rows.append(
            [str(number), f"{load['sent']:,}", f"{load['acked']:,}"]
            + [f"{count:,}" for count in counts]
            + [f"{delivery[name]:,.1f}" for name in ("p50", "p95", "p99", "p999", "max")]
        )
    return f"<h2>The account</h2>{_numbers(titles, rows)}"


def _picture(picture: Path | None) -> str:
    if picture is None or not picture.exists():
        return ""
    data = base64.b64encode(picture.read_bytes()).decode()
    return (
        f'<h2>A page under this load</h2><img alt="The chat page during the load" src="data:image/png;base64,{data}">'
    )


def _circumstances(result: Result) -> str:
    plan, machine = result["plan"], result["machine"]
    asked = ("browsers", "pages", "sockets", "rooms", "rate", "ramp", "duration", "text_bytes", "generators", "repeat")
    plan_rows = [(name.replace("_", " "), f"{plan[name]:g}") for name in asked]
    plan_rows.append(("goal", escape(", ".join(plan["slo"])) or "none"))
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    rows = [
        ("servers", escape(result["stack"])),
        ("machine", escape(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB")),
        ("system", escape(f"{machine['system']} {machine['kernel']}, Python {machine['python']}")),
        ("versions", escape(f"parley {result['parley']} ({machine['commit']}), {versions}")),
        ("cores", escape(result["cores"] or "shared by all")),
        ("browser", escape(result["browser"] or "none")),
        ("generator", escape(_validity(result))),
    ]
    rows += [
        (escape(fault["name"]), escape(f"at {fault['begun']:.1f} s: {fault['effect']}")) for fault in result["faults"]
    ]
    rows += [(f"{count} times", escape(error)) for error, count in result["errors"].items()]
    return f'<h2>Circumstances</h2><div class="two">{_table(rows)}{_table(plan_rows)}</div>'


def _validity(result: Result) -> str:
    if not result["loads"]:
        return "nothing measured"
    worst = max(result["loads"], key=lambda load: load["generator_cpu"])
    lag = max(load["send_lag_ms"]["p99"] for load in result["loads"])
    ceiling = f", could take about {worst['capacity']:,} deliveries/s as they came here" if worst["capacity"] else ""
    return f"used {worst['generator_cpu']:.0%} of a core at most, sent at most {lag:.1f} ms late (p99){ceiling}"


def _seconds(result: Result) -> str:
    names = ["at", "phase", "sent", "acked", "expected", "delivered", "shown", "p50", "p95", "p99", "max", "page_p99"]
    names += ["here", "waiting", "reconnects", "server_cpu", "engine_cpu", "generator_cpu", "pages_cpu", "lag_p99"]
    rows = [
        [row[name] if isinstance(row[name], str) else f"{row[name]:g}" for name in names] for row in result["seconds"]
    ]
    return f"<details><summary>Every second</summary>{_numbers(names, rows)}</details>"
