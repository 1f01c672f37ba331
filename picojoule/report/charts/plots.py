"""Charts as inline SVG: no script, no network, small enough to keep beside a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from picojoule.report import units

# Okabe and Ito's colours, told apart with any common colour blindness, then lighter kin for more series.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#8a7f00",
    "#7f7f7f",
    "#6a51a3",
    "#a6761d",
    "#1b9e77",
    "#444444",
)

WIDTH = 1160
_LABEL, _VALUE, _ROW = 250, 110, 20


@dataclass(frozen=True)
class Bar:
    """One row of a stacked bar chart: a label, its tooltip, and (series, value) parts."""

    label: str
    title: str
    parts: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        return sum(v for _, v in self.parts)


def colours_of(series: Sequence[str]) -> dict[str, str]:
    """One colour a series, in order."""
    return {s: COLOURS[i % len(COLOURS)] for i, s in enumerate(series)}


def stacked_bars(bars: Sequence[Bar], series: Sequence[str], kind: str, title: str) -> str:
    """Horizontal stacked bars, one a row; `kind` is "energy" or "time", in pJ or s; the unit stands in the heading."""
    largest = max((b.total for b in bars), default=0.0)
    divisor, unit = units.unit_for(largest, kind)
    colour = colours_of(series)
    head, top = legend(series, colour)
    plot = WIDTH - _LABEL - _VALUE
    out = [head, text(WIDTH, top - 8, f"[{unit}]", "end", "axis")]
    for k, bar in enumerate(bars):
        y = top + k * _ROW
        x = float(_LABEL)
        out.append(f"<g><title>{escape(bar.title)}</title>" + text(_LABEL - 8, y + 13, _cut(bar.label, 36), "end"))
        for name, value in bar.parts:
            width = plot * value / largest if largest else 0.0
            if width > 0:
                out.append(
                    f'<rect x="{x:.2f}" y="{y + 2}" width="{width:.2f}" height="{_ROW - 4}" fill="{colour[name]}">'
                    f"<title>{escape(bar.label)}: {escape(name)} {value / divisor:.4g} {unit}</title></rect>"
                )
            x += width
        out.append(text(WIDTH, y + 13, units.figures(bar.total / divisor), "end") + "</g>")
    return svg(top + len(bars) * _ROW + 6, out, title)


def legend(series: Sequence[str], colour: dict[str, str]) -> tuple[str, int]:
    """The legend, wrapped to the width, and the y where the plot may begin."""
    out, x, y = [], 0.0, 14
    for name in series:
        width = 32 + 8.4 * len(name)
        if x + width > WIDTH - 60:
            x, y = 0.0, y + 20
        out.append(f'<rect x="{x:.0f}" y="{y - 10}" width="12" height="12" fill="{colour[name]}"/>' + text(x + 17, y, name))
        x += width
    return "".join(out), y + 26


def front(points: Sequence[tuple[float, float]], title: str) -> str:
    """The energy-latency front as a staircase; points are (pJ, s). Each corner is a mapping that no other one dominates."""
    height, left, right, top, bottom = 260, 90, 30, 14, 46
    (e_div, e_unit), (t_div, t_unit) = (
        units.unit_for(max(p[i] for p in points), kind) for i, kind in ((0, "energy"), (1, "time"))
    )
    corners = sorted((t / t_div, e / e_div) for e, t in points)
    x0, x1 = _span([t for t, _ in corners])
    y0, y1 = _span([e for _, e in corners])

    def px(t: float) -> float:
        return left + (t - x0) / (x1 - x0) * (WIDTH - left - right)

    def py(e: float) -> float:
        return height - bottom - (e - y0) / (y1 - y0) * (height - top - bottom)

    out = []
    for t in _ticks(x0, x1):
        out.append(line(px(t), py(y0), px(t), py(y1), "grid") + text(px(t), height - 28, f"{t:g}", "middle"))
    for e in _ticks(y0, y1):
        out.append(line(px(x0), py(e), px(x1), py(e), "grid") + text(left - 8, py(e) + 4, f"{e:g}", "end"))
    for (t, e), (next_t, next_e) in pairwise(corners):
        out.append(line(px(t), py(e), px(next_t), py(e), "roof") + line(px(next_t), py(e), px(next_t), py(next_e), "roof"))
    for t, e in corners:
        tip = f"<title>{units.figures(e)} {e_unit}, {units.figures(t)} {t_unit}</title>"
        out.append(f'<circle cx="{px(t):.1f}" cy="{py(e):.1f}" r="4" fill="{COLOURS[0]}">{tip}</circle>')
    out.append(text((left + WIDTH - right) / 2, height - 8, f"latency [{t_unit}]", "middle", "axis"))
    middle = f"translate(16 {height / 2:.0f}) rotate(-90)"
    out.append(f'<text class="axis" text-anchor="middle" transform="{middle}">energy [{e_unit}]</text>')
    return svg(height, out, title)


def _ticks(low: float, high: float) -> list[float]:
    """Four to ten round numbers between the ends."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= rough * 0.999)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The range of the values with a margin, never empty."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def svg(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{f" class={css!r}" if css else ""}>{escape(text)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, css: str) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="{css}"/>'


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
