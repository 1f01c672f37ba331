"""Scatter plots with logarithmic axes as inline SVG: the Pareto plot of a comparison and trends over years."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report import units
from picojoule.report.charts import plots
from picojoule.report.charts.plots import WIDTH

LEFT, RIGHT, BOTTOM = 80, 24, 46
LINE = 13  # height of a label


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A point: place, label, the series that gives its colour, radius in pixels, tooltip, and whether it is hollow."""

    x: float
    y: float
    label: str
    series: str
    radius: float = 5.0
    title: str = ""
    hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis from `low` to `high`; `show` writes a tick."""

    low: float
    high: float
    ticks: tuple[float, ...]
    title: str
    log: bool
    show: Callable[[float], str]

    def share(self, v: float) -> float:
        """0 at the lower end, 1 at the upper."""
        if self.log:
            return math.log(v / self.low) / math.log(self.high / self.low)
        return (v - self.low) / (self.high - self.low)


def decades(values: Sequence[float], title: str, show: Callable[[float], str]) -> Axis:
    """A logarithmic axis over whole powers of ten, with a tick at each, thinned to ten."""
    low, high = math.floor(math.log10(min(values)) - 0.05), math.ceil(math.log10(max(values)) + 0.05)
    step = max(1, math.ceil((high - low) / 10))
    ticks = tuple(10.0**e for e in range(low, high + 1, step))
    return Axis(low=10.0**low, high=10.0**high, ticks=ticks, title=title, log=True, show=show)


def years(values: Sequence[float]) -> Axis:
    low, high = min(values) - 1, max(values) + 1
    step = max(1, round((high - low) / 12))
    ticks = tuple(float(t) for t in range(math.ceil(low), math.floor(high) + 1, step))
    return Axis(low=low, high=high, ticks=ticks, title="year", log=False, show=lambda v: f"{v:g}")


def scatter(dots: Sequence[Dot], x: Axis, y: Axis, title: str, *, lines: Sequence[Sequence[Dot]] = (), height: int = 480) -> str:
    """The plot. `lines` join dots (a front). A label that finds no free place is left to the tooltip."""
    series = list(dict.fromkeys(d.series for d in dots))
    colour = plots.colours_of(series)
    head, top = plots.legend(series, colour)

    def px(d: Dot) -> float:
        return LEFT + x.share(d.x) * (WIDTH - LEFT - RIGHT)

    def py(d: Dot) -> float:
        return height - BOTTOM - y.share(d.y) * (height - top - BOTTOM)

    out = [head, _grid(x, y, top, height)]
    for line in lines:
        points = " ".join(f"{px(d):.1f},{py(d):.1f}" for d in sorted(line, key=lambda d: d.x))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour[line[0].series]}" stroke-dasharray="5 4"/>')
    for d in sorted(dots, key=lambda d: -d.radius):
        fill = 'fill="none" stroke-width="2"' if d.hollow else f'fill="{colour[d.series]}" fill-opacity="0.45"'
        out.append(
            f'<circle cx="{px(d):.1f}" cy="{py(d):.1f}" r="{d.radius:.1f}" {fill} stroke="{colour[d.series]}">'
            f"<title>{escape(d.title or d.label)}</title></circle>"
        )
    out += _labels([(d, px(d), py(d)) for d in dots], top, height)
    return plots.svg(height, out, title)


def _grid(x: Axis, y: Axis, top: int, height: int) -> str:
    out = []
    for t in x.ticks:
        at = LEFT + x.share(t) * (WIDTH - LEFT - RIGHT)
        out.append(plots.line(at, top, at, height - BOTTOM, "grid") + plots.text(at, height - BOTTOM + 18, x.show(t), "middle"))
    for t in y.ticks:
        at = height - BOTTOM - y.share(t) * (height - top - BOTTOM)
        lift = 4 if at < height - BOTTOM - 10 else 0  # clear of the first tick of the other axis
        out.append(plots.line(LEFT, at, WIDTH - RIGHT, at, "grid") + plots.text(LEFT - 8, at + lift, y.show(t), "end"))
    out.append(plots.text((LEFT + WIDTH - RIGHT) / 2, height - 6, x.title, "middle", "axis"))
    turn = f"translate(14 {(top + height - BOTTOM) / 2:.0f}) rotate(-90)"
    out.append(f'<text class="axis" text-anchor="middle" transform="{turn}">{escape(y.title)}</text>')
    return "".join(out)


def _labels(placed: Sequence[tuple[Dot, float, float]], top: int, height: int) -> list[str]:
    """Right, left, above or below its dot, wherever there is room; the larger dots choose first."""
    taken = [(cx - d.radius, cy - d.radius, cx + d.radius, cy + d.radius) for d, cx, cy in placed if d.radius < 30]
    out = []
    for d, cx, cy in sorted(placed, key=lambda p: -p[0].radius):
        wide, r = 6.7 * len(d.label), d.radius + 4
        spots = [(cx + r, cy + 4, "start"), (cx - r, cy + 4, "end"), (cx, cy - r, "middle"), (cx, cy + r + LINE - 3, "middle")]
        for sx, sy, anchor in spots:
            left = sx - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
            box = (left, sy - LINE + 2, left + wide, sy + 3)
            inside = box[0] >= LEFT and box[2] <= WIDTH - RIGHT and box[1] >= top and box[3] <= height - BOTTOM
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                out.append(plots.text(sx, sy, d.label, anchor))
                break
    return out


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def energy_axis(pj: Sequence[float]) -> Axis:
    return decades(pj, "energy per inference", units.energy)


def time_axis(seconds: Sequence[float]) -> Axis:
    return decades(seconds, "time per inference", units.seconds)
