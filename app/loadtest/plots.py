"""Plots as SVG elements for the report: lines over time, a latency curve, a search. No script, colours by CSS class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 560, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 26
LABEL_GAP = 13

Point = tuple[float, float]
Band = tuple[str, float, float]
Moment = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a plot. `style` is its CSS class, c1 to c5 or `quiet`."""

    name: str
    points: Sequence[Point]
    style: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: what is on its axes, its lines, what is marked.

    Attributes:
        ticks: of the x axis, places and labels; empty: chosen.
        bands: named stretches of the x axis. moments: named places on it.
        limit: a named height, drawn across.
    """

    title: str
    unit: str
    lines: Sequence[Line]
    log: bool = False
    x_unit: str = "s"
    ticks: Sequence[tuple[float, str]] = ()
    bands: Sequence[Band] = ()
    moments: Sequence[Moment] = ()
    limit: tuple[str, float] | None = None
    dots: bool = False
    note: str = ""

    def svg(self) -> str:
        """The figure with its caption and legend."""
        return _Drawing(self).figure()


@dataclass(slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    first: float
    last: float
    log: bool = False
    _map: Callable[[float], float] = field(init=False)

    def __post_init__(self) -> None:
        self._map = math.log10 if self.log else float

    def __call__(self, value: float) -> float:
        low, high = self._map(self.low), self._map(self.high)
        part = (self._map(min(max(value, self.low), self.high)) - low) / ((high - low) or 1.0)
        return round(self.first + part * (self.last - self.first), 1)

    def ticks(self) -> list[float]:
        """Round values, three to six of them; powers of ten on a logarithmic scale."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = nice((self.high - self.low) / 4)
        count = int((self.high - self.low) / step + 1e-9)
        return [self.low + step * number for number in range(count + 1)]


def nice(value: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is not below a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * 0.999999)


def short(value: float) -> str:
    """A tick's label: 1.2k, 3M, 0.5."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class _Drawing:
    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        points = [point for line in plot.lines for point in line.points]
        xs = [x for x, _ in points] + [x for x, _ in plot.ticks]
        xs += [edge for _, begin, end in plot.bands for edge in (begin, end)]
        heights = [y for _, y in points] + ([plot.limit[1]] if plot.limit else [])
        bottom = HEIGHT - BOTTOM
        self.x = _Scale(min(xs, default=0.0), max(xs, default=1.0), LEFT, WIDTH - RIGHT)
        if plot.log:
            positive = [y for y in heights if y > 0]
            low = 10.0 ** math.floor(math.log10(min(positive, default=1.0)))
            high = 10.0 ** math.ceil(math.log10(max(positive, default=10.0)))
            self.y = _Scale(low, max(high, low * 10), bottom, TOP, log=True)
        else:
            top = max(heights, default=1.0) or 1.0
            step = nice(top / 4)
            self.y = _Scale(0.0, step * math.ceil(top / step), bottom, TOP)

    def figure(self) -> str:
        plot = self.plot
        parts = [*self._bands(), *self._grid(), *self._limit(), *self._lines(), *self._moments()]
        keys = "".join(f'<li class="{line.style}"><i></i>{escape(line.name)}</li>' for line in plot.lines)
        label = f"{plot.title}, {plot.unit}"
        note = f'<p class="note">{escape(plot.note)}</p>' if plot.note else ""
        return (
            f'<figure><figcaption>{escape(plot.title)} <span class="unit">{escape(plot.unit)}</span></figcaption>'
            f'<ul class="keys">{keys}</ul>'
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
            f"{note}</figure>"
        )

    def _grid(self) -> list[str]:
        parts = []
        for value in self.y.ticks():
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 3.5}" text-anchor="end">{short(value)}</text>')
        for value, label in self.plot.ticks or [(value, short(value)) for value in self._x_ticks()]:
            x = self.x(value)
            parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
        at = f'x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end"'
        parts.append(f'<text class="tick" {at}>{escape(self.plot.x_unit)}</text>')
        return parts

    def _x_ticks(self) -> list[float]:
        step = nice((self.x.high - self.x.low) / 8)
        first = math.ceil(self.x.low / step)
        ticks = [step * number for number in range(first, int(self.x.high / step) + 1)]
        return [value for value in ticks if self.x(value) < WIDTH - RIGHT - 24]

    def _bands(self) -> list[str]:
        parts = []
        for number, (name, begin, end) in enumerate(self.plot.bands):
            x, width = self.x(begin), max(0.0, self.x(end) - self.x(begin))
            shade = "band" if number % 2 else "band alt"
            parts.append(
                f'<rect class="{shade}" x="{x}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
            )
            if width > 6 * len(name):
                parts.append(f'<text class="band-name" x="{x + 4}" y="{TOP + 10}">{escape(name)}</text>')
        return parts

    def _moments(self) -> list[str]:
        parts = []
        for number, (name, at) in enumerate(self.plot.moments):
            x, y = self.x(at), TOP + 10 + LABEL_GAP * (1 + number % 3)
            end = x > WIDTH * 0.7
            anchor, shift = ("end", -4) if end else ("start", 4)
            parts.append(f'<path class="moment" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>')
            parts.append(
                f'<text class="moment-name" x="{x + shift}" y="{y}" text-anchor="{anchor}">{escape(name)}</text>'
            )
        return parts

    def _limit(self) -> list[str]:
        if self.plot.limit is None:
            return []
        name, value = self.plot.limit
        y = self.y(value)
        text = f'<text class="limit-name" x="{WIDTH - RIGHT - 3}" y="{y - 4}" text-anchor="end">{escape(name)}</text>'
        return [f'<path class="limit" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>', text]

    def _lines(self) -> list[str]:
        parts = []
        for line in self.plot.lines:
            placed = [(self.x(x), self.y(y)) for x, y in line.points]
            if not placed:
                continue
            if not self.plot.dots:
                path = "M" + "L".join(f"{x} {y}" for x, y in placed)
                parts.append(f'<path class="line {line.style}" d="{path}"/>')
                continue
            for (x, y), (rate, value) in zip(placed, line.points, strict=True):
                title = (
                    f"<title>{escape(line.name)}: {short(round(rate))}, {value:,.1f} {escape(self.plot.unit)}</title>"
                )
                parts.append(f'<circle class="dot {line.style}" cx="{x}" cy="{y}" r="4">{title}</circle>')
        return parts
