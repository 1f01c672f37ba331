"""A chart of predicted over measured values as inline SVG, both logarithmic: the diagonal is agreement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report.plots import WIDTH, _decades, _tick, colours_of, legend, line, svg, text

_HEIGHT, _LEFT, _RIGHT, _BOTTOM = 620, 80, 40, 54


@dataclass(frozen=True)
class Pair:
    """One point: measured x, predicted y, the series that colours it, and its tooltip."""

    x: float
    y: float
    series: str
    title: str


def agreement(pairs: Sequence[Pair], x_name: str, y_name: str, title: str, band_percent: float = 25.0) -> str:
    """The points, the diagonal, and the band in which predictions are within so many percent of the measured value."""
    low, high = _decades([v for p in pairs for v in (p.x, p.y)])
    series = list(dict.fromkeys(p.series for p in pairs))
    colour = colours_of(series)
    key, top = legend(series, colour)

    def px(v: float) -> float:
        return _LEFT + (math.log10(v) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def py(v: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(v) - low) / (high - low) * (_HEIGHT - top - _BOTTOM)

    first, last, up, down = 10.0**low, 10.0**high, 1.0 + band_percent / 100, 1.0 - band_percent / 100
    corners = ((first, first), (first, first * up), (last / up, last), (last, last), (last, last * down), (first / down, first))
    band = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in corners)
    out = [key, f'<polygon points="{band}" fill="#0072b2" fill-opacity="0.12"/>']
    for e in range(low, high + 1):
        v = 10.0**e
        out.append(line(px(v), py(first), px(v), py(last), "grid") + text(px(v), _HEIGHT - 34, _tick(e), "middle"))
        out.append(line(px(first), py(v), px(last), py(v), "grid") + text(_LEFT - 8, py(v) + 4, _tick(e), "end"))
    out.append(line(px(first), py(first), px(last), py(last), "roof"))
    for p in pairs:
        percent = 100.0 * (p.y / p.x - 1.0)
        out.append(
            f'<circle cx="{px(p.x):.1f}" cy="{py(p.y):.1f}" r="2.6" fill="{colour[p.series]}" fill-opacity="0.55">'
            f"<title>{escape(p.title)}: {p.x:,.0f} measured, {p.y:,.0f} predicted ({percent:+.1f} %)</title></circle>"
        )
    out.append(text(WIDTH - _RIGHT, top - 10, f"band: within {band_percent:g} %", "end", "axis"))
    out.append(text((_LEFT + WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_name, "middle", "axis"))
    middle = f"translate(14 {(_HEIGHT - _BOTTOM + top) / 2:.0f}) rotate(-90)"
    out.append(f'<text class="axis" text-anchor="middle" transform="{middle}">{escape(y_name)}</text>')
    return svg(_HEIGHT, out, title)
