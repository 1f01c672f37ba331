"""Rooflines as inline SVG: layers of a network under the roofs of a chip, kernels under those of a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report import units
from picojoule.report.charts.loglog import LogLog, decades
from picojoule.report.charts.plots import WIDTH, colours_of, svg, text


@dataclass(frozen=True)
class Point:
    """A layer in the roofline: MACs per byte of DRAM traffic, MACs per second, and its number in the table."""

    number: int
    name: str
    macs_per_byte: float
    macs_per_s: float


def roofline(points: Sequence[Point], peak_macs_per_s: float, dram_bytes_per_s: float | None, title: str) -> str:
    """Attained MAC/s over MACs per DRAM byte, both logarithmic, under the compute roof and (if modelled) the DRAM slope."""
    if not points:
        return ""
    knee = [peak_macs_per_s / dram_bytes_per_s] if dram_bytes_per_s else []
    plane = LogLog(
        x=decades([p.macs_per_byte for p in points] + knee), y=decades([p.macs_per_s for p in points] + [peak_macs_per_s]),
        height=420, left=80, right=30, top=20, bottom=50,
    )  # fmt: skip
    out = [*plane.grid(), *plane.names("MACs per byte of DRAM traffic", "MAC/s")]
    (begin, end), low = plane.x_ends, plane.y_ends[0]
    if dram_bytes_per_s:
        start, begin = max(begin, low / dram_bytes_per_s), max(begin, peak_macs_per_s / dram_bytes_per_s)
        out.append(plane.line(start, start * dram_bytes_per_s, begin, begin * dram_bytes_per_s, "roof"))
    out.append(plane.line(begin, peak_macs_per_s, end, peak_macs_per_s, "roof"))
    peak = f"peak {units.count(peak_macs_per_s)}MAC/s"
    out.append(text(WIDTH - plane.right - 4, plane.py(peak_macs_per_s) - 6, peak, "end", "axis"))
    placed: list[tuple[float, float]] = []
    for p in points:
        x, y = plane.px(p.macs_per_byte), plane.py(p.macs_per_s)
        out.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#d55e00" fill-opacity="0.75"><title>{p.number}: {escape(p.name)}: '
            f"{p.macs_per_byte:.4g} MAC/B, {units.count(p.macs_per_s)}MAC/s</title></circle>"
        )
        if all(abs(x - a) > 18 or abs(y - b) > 11 for a, b in placed):
            out.append(text(x + 6, y + 14, str(p.number), "start", "small"))
            placed.append((x, y))
    return svg(plane.height, out, title)


def machine_roofline(
    points: Sequence[tuple[str, str, float, float]],
    ceilings: Sequence[tuple[str, float]],
    bytes_per_s: Sequence[tuple[str, float]],
    title: str,
) -> str:
    """Attained operations a second over operations a DRAM byte. points: (name, series, ops/B, ops/s); roofs by name."""
    points = [p for p in points if p[2] > 0 and p[3] > 0]
    if not points:
        return ""
    peak = max(v for _, v in ceilings)
    knees = [v / b for _, v in ceilings for _, b in bytes_per_s]
    plane = LogLog(
        x=decades([p[2] for p in points] + knees), y=decades([p[3] for p in points] + [v for _, v in ceilings]),
        height=460, left=90, right=170, top=20, bottom=50,
    )  # fmt: skip
    (x0, x1), y0, edge = plane.x_ends, plane.y_ends[0], WIDTH - plane.right
    out = [*plane.grid(lambda v: f"{v:g}", units.count), *plane.names("operations per DRAM byte", "operations a second")]
    for name, rate in bytes_per_s:
        begin, end = max(x0, y0 / rate), min(x1, peak / rate)
        if begin < end:
            out.append(plane.line(begin, begin * rate, end, end * rate, "roof"))
            middle = 10.0 ** (0.35 * math.log10(begin) + 0.65 * math.log10(end))
            out.append(text(plane.px(middle) - 8, plane.py(middle * rate) - 6, f"{name} {units.count(rate)}B/s", "end", "axis"))
    slope = max(b for _, b in bytes_per_s)
    for name, rate in ceilings:
        out.append(plane.line(max(x0, rate / slope), rate, x1, rate, "roof"))
        out.append(text(edge + 6, plane.py(rate) + 4, f"{name} {units.count(rate)}OP/s", "start", "axis"))
    colour = colours_of(sorted({p[1] for p in points}))
    for name, series, x, y in points:
        tip = f"{name}: {x:.3g} op/B, {units.count(y)}OP/s"
        out.append(
            f'<circle cx="{plane.px(x):.1f}" cy="{plane.py(y):.1f}" r="4" fill="{colour[series]}" fill-opacity="0.8">'
            f"<title>{escape(tip)}</title></circle>"
        )
    for i, (series, c) in enumerate(colour.items()):
        y = plane.height - plane.bottom - 14 - 18 * (len(colour) - 1 - i)
        out.append(f'<circle cx="{edge - 110}" cy="{y - 4}" r="5" fill="{c}"/>' + text(edge - 98, y, series))
    return svg(plane.height, out, title)
