"""Small SVG plots without a plotting library: bars on a logarithmic scale, and lines on two of them.

The files are text that a diff can show. Colours are the browser's to adapt: text follows `prefers-color-scheme`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LEFT, RIGHT, TOP, BOTTOM = 180, 90, 40, 46
BAR, GAP = 20, 8
COLOURS = ("#2f6fde", "#c2571a", "#3c8f4c", "#8a4fbf")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.soft{fill:#656d76}.grid{stroke:#8884;stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}}"
)


def short(value: float) -> str:
    """Like 5.1M, 830k, 42, 0.31: three digits at most."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def _text(x: float, y: float, words: str, anchor: str = "start", soft: bool = False) -> str:
    kind = ' class="soft"' if soft else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def _svg(height: float, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


@dataclass(frozen=True)
class Scale:
    """Values from the power of ten below the lowest to the highest, on so many pixels."""

    low: float
    high: float
    start: float
    length: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, length: float) -> Scale:
        low = 10.0 ** math.floor(math.log10(min(values) / 1.5))
        return cls(low, max(max(values), low * 10), start, length)

    def at(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * self.length

    def ticks(self) -> list[float]:
        first, last = round(math.log10(self.low)), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def bars(title: str, rows: Sequence[tuple[str, float]], ours: str) -> str:
    """One bar a row, in the order given; logarithmic, since servers differ by factors of a thousand."""
    scale = Scale.over([value for _, value in rows], LEFT, WIDTH - LEFT - RIGHT)
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    floor = height - BOTTOM + 4
    parts = [f"<title>{escape(title)}</title>", _text(8, 22, title)]
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 6}" y2="{floor:.0f}"/>')
        parts.append(_text(x, floor + 18, short(tick), "middle", soft=True))
    for index, (label, value) in enumerate(rows):
        y = TOP + index * (BAR + GAP)
        end, colour = scale.at(value), COLOURS[0] if label == ours else "#8b949e"
        parts.append(_text(LEFT - 10, y + BAR - 5, label, "end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{max(end - LEFT, 1):.0f}" height="{BAR}" rx="3" fill="{colour}"/>'
        )
        parts.append(_text(end + 8, y + BAR - 5, short(value)))
    return _svg(height, parts)


@dataclass(frozen=True)
class Line:
    """Points of one series, in the order of x."""

    label: str
    points: Sequence[tuple[float, float]]


def lines(title: str, x_title: str, series: Sequence[Line]) -> str:
    """Series over a common x, both axes logarithmic; every point is labelled with its value."""
    height, left, bottom = 330.0, 70.0, 60.0
    points = [point for line in series for point in line.points]
    across = Scale.over([x for x, _ in points], left, WIDTH - left - 150)
    up = Scale.over([y for _, y in points], height - bottom, -(height - bottom - 50))
    parts = [f"<title>{escape(title)}</title>", _text(8, 22, title)]
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH - 150}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(_text(left - 8, y + 4, short(tick), "end", soft=True))
    values = sorted({x for x, _ in points})
    parts += [_text(across.at(x), height - bottom + 22, short(x), "middle", soft=True) for x in values]
    parts.append(_text((left + WIDTH - 150) / 2, height - 12, x_title, "middle", soft=True))
    for line, colour in zip(series, COLOURS, strict=False):
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in line.points:
            parts.append(f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3" fill="{colour}"/>')
        end_x, end_y = line.points[-1]
        parts.append(_text(across.at(end_x) + 10, up.at(end_y) + 4, f"{line.label}: {short(end_y)}"))
    return _svg(height, parts)
