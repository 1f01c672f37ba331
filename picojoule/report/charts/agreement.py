"""A chart of predicted over measured values as inline SVG, both logarithmic: the diagonal is agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report.charts.loglog import LogLog, decades
from picojoule.report.charts.plots import WIDTH, colours_of, legend, svg, text


@dataclass(frozen=True)
class Pair:
    """One point: measured x, predicted y, the series that colours it, and its tooltip."""

    x: float
    y: float
    series: str
    title: str


def agreement(pairs: Sequence[Pair], x_name: str, y_name: str, title: str, band_percent: float = 25.0) -> str:
    """The points, the diagonal, and the band in which predictions are within so many percent of the measured value."""
    series = list(dict.fromkeys(p.series for p in pairs))
    colour = colours_of(series)
    key, top = legend(series, colour)

    ends = decades([v for p in pairs for v in (p.x, p.y)])
    plane = LogLog(x=ends, y=ends, height=620, left=80, right=40, top=int(top), bottom=54)
    first, last = plane.x_ends
    up, down = 1.0 + band_percent / 100, 1.0 - band_percent / 100
    corners = ((first, first), (first, first * up), (last / up, last), (last, last), (last, last * down), (first / down, first))
    out = [key, plane.polygon(corners, "#0072b2", 0.12), *plane.grid(), *plane.names(x_name, y_name)]
    out.append(plane.line(first, first, last, last, "roof"))
    for p in pairs:
        percent = 100.0 * (p.y / p.x - 1.0)
        out.append(
            f'<circle cx="{plane.px(p.x):.1f}" cy="{plane.py(p.y):.1f}" r="2.6" fill="{colour[p.series]}" fill-opacity="0.55">'
            f"<title>{escape(p.title)}: {p.x:,.0f} measured, {p.y:,.0f} predicted ({percent:+.1f} %)</title></circle>"
        )
    out.append(text(WIDTH - plane.right, top - 10, f"band: within {band_percent:g} %", "end", "axis"))
    return svg(plane.height, out, title)
