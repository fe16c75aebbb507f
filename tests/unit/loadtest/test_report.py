"""The report: one file that needs nothing else, whatever was measured."""

from __future__ import annotations

import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.loadtest import report
from app.loadtest.gauges import Gauges
from app.loadtest.measure import Measure, Second
from app.loadtest.plots import Line, Plot, nice, short
from app.loadtest.verdict import judge
from app.traffic.account import Account

VOID = {"meta", "img", "br", "path", "rect"}


class Checker(HTMLParser):
    """Fails where elements do not close in order; notes what is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def result(**changes: Any) -> dict[str, Any]:
    """A result as the file has it."""
    measure = Measure(100, 2, account=Account(expected=10, given=9, lost=1), sent=10, acked=10)
    measure.delivery.add([(1500, 9), (90_000, 1)])
    rows = [Second(float(at), "load" if at > 1 else "ramp", delivered=at, p50=1.0, p99=3.0, max=9.0) for at in range(5)]
    return {
        "parley": "1",
        "command": "parley loadtest --rate 5 'http://x/?a=<b>'",
        "ended": "2026-01-02 03:04:05 +0000",
        "stack": "parley serve",
        "machine": {
            "cpu": "c",
            "cores": 2,
            "memory_gib": 1,
            "kernel": "6",
            "python": "3",
            "packages": {},
            "commit": "a",
        }
        | {"system": "Linux"},
        "browser": "",
        "cores": "",
        "plan": {
            **dict.fromkeys(("browsers", "pages", "sockets", "rooms", "rate", "ramp", "duration", "text_bytes"), 1),
            **{"generators": 1, "repeat": 1, "slo": ["p99=200ms"], "find_max": False},
        },
        "verdict": judge([measure], ()).asdict(),
        "loads": [measure.asdict()],
        "curves": {"delivery": measure.delivery.curve(), "ack": [], "page": []},
        "steps": [],
        "faults": [{"name": "kill-worker", "begun": 2.0, "back": 3.0, "effect": "worker 7 killed", "took": True}],
        "errors": {"closed with 1006": 3},
        "seconds": [asdict(row) for row in rows],
        **changes,
    }


def page(found: dict[str, Any], picture: Path | None = None) -> str:
    """The report, checked for what every report must be."""
    html = report.html(found, picture)
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert all(address.startswith("data:") for address in checker.addresses)
    assert "url(" not in html
    assert "NaN" not in html
    return html


def test_a_report_says_what_was_run_and_what_came_of_it(tmp_path: Path):
    """Verdict, exact command, faults, errors, and the picture inside the file."""
    picture = tmp_path / "page.png"
    picture.write_bytes(b"\x89PNG")
    html = page(result(), picture)
    for wanted in ("FAIL", "1 lost", "&#x27;http://x/?a=&lt;b&gt;&#x27;", "kill-worker", "worker 7 killed", "1006"):
        assert wanted in html
    assert "data:image/png;base64,iVBORw==" in html
    assert html.count("<svg") == 5


def test_a_report_of_nothing_is_still_a_report():
    """Interrupted before anything was measured."""
    nothing = {"verdict": judge([], (), interrupted=True).asdict(), "loads": [], "seconds": [], "faults": []}
    assert "INVALID" in page(result(**nothing, curves={"delivery": [], "ack": [], "page": []}))


def test_a_report_of_a_search_shows_its_steps():
    """Each with what came of it."""
    common = {"seconds": 5, "fine": True, "deliveries": 50, "generator_cpu": 0.2, "p50": 1, "p95": 2, "max": 9}
    steps = [
        {"rate": 200, "passed": True, "reason": "passed", "p99": 20, **common},
        {"rate": 400, "passed": False, "reason": "p99 900.0 ms, more than 200", "p99": 900, **common},
    ]
    html = page(result(steps=steps))
    assert "more than 200" in html
    assert html.count("<circle") == 2


def test_a_report_tells_what_it_was_compared_with():
    """In one word and by figure."""
    compared = {"word": "worse", "before": "yesterday", "lines": ["compared with yesterday: worse", "p99, ms: worse"]}
    html = page(result(comparison=compared))
    assert 'class="worse">worse' in html
    assert "p99, ms: worse" in html


@pytest.mark.parametrize("log", [False, True])
def test_a_plot_keeps_every_point_inside_its_frame(log: bool):
    """On either scale, with a limit beyond all points."""
    line = Line("a", [(0.0, 0.5), (1.0, 20.0), (2.0, 7000.0)], "c1")
    svg = Plot("t", "ms", [line], log=log, limit=("goal", 9000.0), moments=[("kill", 1.0)]).svg()
    path = re.search(r'class="line c1" d="M([^"]+)"', svg)
    assert path is not None
    for point in path[1].split("L"):
        x, y = map(float, point.split())
        assert 0 <= x <= 560
        assert 0 <= y <= 230


def test_a_plot_without_points_is_empty_and_whole():
    """Nothing was measured yet."""
    assert "<svg" in Plot("t", "ms", [Line("a", [], "c1")], log=True).svg()


def test_ticks_are_round_and_short():
    """As people count."""
    assert [nice(value) for value in (0.7, 1, 1.2, 2.2, 4, 70)] == [1, 1, 2, 2.5, 5, 100]
    assert [short(value) for value in (0.5, 20, 1500, 2_000_000)] == ["0.5", "20", "1.5k", "2M"]


def tick(**changes: Any) -> dict[str, Any]:
    """A generator's report."""
    counts = dict.fromkeys(("sent", "acked", "expected", "delivered", "twice", "late", "refused", "retried"), 0)
    return {
        **counts,
        "reconnects": 0,
        "resumed": 0,
        "delivery": [],
        "ack": [],
        "lag": [],
        "cpu": 0.1,
        "seconds": 0.5,
    } | {
        **{"at": 1.0, "here": 5, "target": 5, "waiting": 0, "behind": 0, "sending": True},
        **changes,
    }


def test_the_gauges_add_up_what_all_processes_report():
    """Two generators, one second."""
    gauges = Gauges()
    gauges.measure = Measure(1, 1)
    gauges.tick("generator 1", tick(delivered=10, delivery=[(2000, 10)], twice=1))
    gauges.tick("generator 2", tick(delivered=30, delivery=[(90_000, 30)]))
    second = gauges.close_second()
    assert (second.delivered, second.here) == (40, 10)
    assert second.p50 == pytest.approx(90, rel=0.01)
    assert gauges.measure.delivered == 40
    assert gauges.twice == 1
    assert gauges.close_second().delivered == 0


def test_the_panel_forgets_what_is_older_than_five_seconds():
    """A spike goes out of sight, not out of the measure."""
    gauges = Gauges()
    gauges.measure = Measure(1, 1)
    gauges.tick("generator 1", tick(delivered=1, delivery=[(2_000_000, 1)]))
    gauges.close_second()
    assert gauges.recent().ms(100) > 1900
    for _ in range(5):
        gauges.close_second()
    assert gauges.recent().count == 0
    assert gauges.measure.delivery.ms(100) > 1900
