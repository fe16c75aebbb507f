"""What is seen while a load test runs: one panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from rich import live
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.loadtest.gauges import SHOWN_SECONDS, Gauges
from app.loadtest.measure import Second
from app.loadtest.run import Session

PLAIN_EVERY_SECONDS = 5


class Plain:
    """Lines for logs and pipes."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, line: str) -> None:
        """Something happened."""
        print(line, file=self._out, flush=True)

    def second(self, session: Session) -> None:
        """Every fifth second, and each in which the phase changed, is a line."""
        rows = session.gauges.seconds
        changed = len(rows) < 2 or rows[-2].phase != rows[-1].phase
        if changed or len(rows) % PLAIN_EVERY_SECONDS == 0:
            self.say(line(session))


def line(session: Session) -> str:
    """A second in one line."""
    now, recent = session.gauges.seconds[-1], session.gauges.recent()
    return (
        f"{now.at:6.1f} s  {now.phase:5}  {now.here}/{now.target} there  {now.sent:.0f} sent/s  "
        f"{now.delivered + now.shown:.0f}/{now.expected:.0f} delivered/s  "
        f"p50 {recent.ms(50):.1f}  p95 {recent.ms(95):.1f}  p99 {recent.ms(99):.1f}  max {recent.ms(100):.1f} ms  "
        f"{trouble(session.gauges)}  cpu server {now.server_cpu + now.engine_cpu:.2f} "
        f"generator {now.generator_cpu:.2f} pages {now.pages_cpu:.2f}"
    )


def trouble(gauges: Gauges) -> str:
    """What should be nothing: deliveries not there yet or lost, given twice, out of order; and reconnects."""
    return (
        f"{gauges.latest('behind')} missing  {gauges.twice} twice  {gauges.late} out of order  "
        f"{gauges.reconnects} reconnects"
    )


class Screen:
    """One panel, drawn again every second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = live.Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """A line above the panel."""
        self._console.print(line, markup=False, highlight=False)

    def second(self, session: Session) -> None:
        """Draw it."""
        self._live.update(panel(session))


def panel(session: Session) -> Panel:
    """The run at a glance."""
    now, recent, gauges = session.gauges.seconds[-1], session.gauges.recent(), session.gauges
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right")
    grid.add_column()
    grid.add_row("phase", f"{now.phase}, {now.at:.0f} s")
    grid.add_row("connected", f"{now.here} of {now.target}")
    grid.add_row("sent", f"{now.sent:,.0f}/s, {now.waiting:,} waiting for their ack")
    grid.add_row("delivered", _delivered(now))
    points = "  ".join(
        f"{name} {recent.ms(at):,.1f}" for name, at in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
    )
    grid.add_row(f"last {SHOWN_SECONDS} s", f"{points} ms")
    wrong = gauges.twice + gauges.late
    grid.add_row("trouble", Text(trouble(gauges), style="red" if wrong else ""))
    grid.add_row("cores", _cores(now))
    return Panel(grid, title="parley loadtest", title_align="left", subtitle=session.stack.description, width=96)


def _delivered(now: Second) -> str:
    return f"{now.delivered + now.shown:,.0f}/s, expected {now.expected:,.0f}/s"


def _cores(now: Second) -> str:
    return (
        f"server {now.server_cpu:.2f}  redis {now.engine_cpu:.2f}  generator {now.generator_cpu:.2f}  "
        f"pages {now.pages_cpu:.2f}  all {now.machine_cpu:.2f}"
    )


def display() -> Plain | Screen:
    """The one that fits standard error."""
    console = Console(stderr=True)
    return Screen(console) if console.is_terminal else Plain()
