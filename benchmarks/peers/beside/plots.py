"""Plots as SVG, by hand: a dot for each tracker on a logarithmic scale, legible on a light and on a dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, LINE, TOP, BOTTOM = 760, 150, 190, 22, 46, 30
STYLE = """\
  <style>
    .back { fill: #ffffff; }
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 13px; }
    .note, .tick { fill: #656d76; font-size: 11px; }
    .ours { font-weight: 600; }
    .grid { stroke: #d0d7de; }
    .stem { stroke: #8c959f; stroke-width: 2; }
    .dot { fill: #8c959f; stroke: #8c959f; stroke-width: 2; }
    .hollow { fill: none; }
    .mine { fill: #0969da; stroke: #0969da; }
    @media (prefers-color-scheme: dark) {
      .back { fill: #0d1117; }
      text { fill: #e6edf3; }
      .note, .tick { fill: #9198a1; }
      .grid { stroke: #3d444d; }
      .mine { fill: #58a6ff; stroke: #58a6ff; }
    }
  </style>"""


@dataclass(frozen=True)
class Point:
    """A tracker's value in seconds, or none; what is said of it; whether it is hollow: it did not do the job whole."""

    name: str
    value: float | None
    note: str
    hollow: bool = False
    ours: bool = False


def plot(title: str, points: list[Point]) -> str:
    """The picture: the lowest value first, those without a value last."""
    rows = sorted(points, key=lambda point: (point.value is None, point.value or 0))
    values = [point.value for point in rows if point.value]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    bottom = TOP + LINE * len(rows)

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img">',
        f"  <title>{escape(title)}</title>",
        STYLE,
        f'  <rect class="back" width="{WIDTH}" height="{bottom + BOTTOM}" rx="6"/>',
        f'  <text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        lines.append(f'  <line class="grid" x1="{at:.1f}" y1="{TOP - 12}" x2="{at:.1f}" y2="{bottom}"/>')
        lines.append(f'  <text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{tick(power)}</text>')
    for number, point in enumerate(rows):
        lines += _row(point, TOP + LINE * number + 4, None if point.value is None else x(point.value))
    return "\n".join([*lines, "</svg>", ""])


def _row(point: Point, y: int, x: float | None) -> list[str]:
    ours = " ours" if point.ours else ""
    lines = [f'  <text class="name{ours}" x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(point.name)}</text>']
    if x is not None:
        kind = "dot" + (" hollow" if point.hollow else "") + (" mine" if point.ours else "")
        lines.append(f'  <line class="stem" x1="{LEFT}" y1="{y}" x2="{x - 5:.1f}" y2="{y}"/>' if x > LEFT + 5 else "")
        lines.append(f'  <circle class="{kind}" cx="{x:.1f}" cy="{y}" r="5"/>')
    at = LEFT + 4 if x is None else x + 11
    lines.append(f'  <text class="note{ours}" x="{at:.1f}" y="{y + 4}">{escape(point.note)}</text>')
    return [line for line in lines if line]


def tick(power: int) -> str:
    """A power of ten of a second: `10 µs`."""
    unit, least = next(
        (unit, least) for unit, least in (("s", 0), ("ms", -3), ("µs", -6), ("ns", -9)) if power >= least
    )
    return f"{10 ** (power - least):,} {unit}"
