"""What a memory holds over time, as inline SVG: one column an item of a schedule, as wide as it takes, up to the capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report import units
from picojoule.report.charts.plots import COLOURS, WIDTH, svg, text

_LEFT, _RIGHT, _TOP, _HEIGHT, _FOOT = 90, 20, 14, 170, 34


@dataclass(frozen=True, slots=True)
class Column:
    """An item: how long it takes, bits that tensors hold meanwhile, bits that its own tiles take besides."""

    title: str
    seconds: float
    held_bits: float
    own_bits: float


def occupancy(columns: Sequence[Column], capacity_bits: float | None, title: str) -> str:
    """Held bits and those of the running job's own tiles over time, with the capacity as a line."""
    total = sum(c.seconds for c in columns) or 1.0
    most = max([*(c.held_bits + c.own_bits for c in columns), capacity_bits or 0.0, 1.0])
    width, base = WIDTH - _LEFT - _RIGHT, _TOP + _HEIGHT
    out, x = [], float(_LEFT)
    for c in columns:
        w, y = width * c.seconds / total, float(base)
        out.append(f"<g><title>{escape(c.title)}</title>")
        for bits, colour in ((c.held_bits, COLOURS[0]), (c.own_bits, COLOURS[4])):
            h = _HEIGHT * bits / most
            y -= h
            if h > 0:
                out.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(w, 0.3):.2f}" height="{h:.2f}" fill="{colour}"/>')
        out.append("</g>")
        x += w
    if capacity_bits is not None:
        y = base - _HEIGHT * capacity_bits / most
        out.append(f'<line class="roof" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        out.append(text(_LEFT - 8, y + 4, units.bits(capacity_bits), "end", "axis"))
    out.append(f'<line class="grid" x1="{_LEFT}" y1="{base}" x2="{WIDTH - _RIGHT}" y2="{base}"/>')
    out.append(text(_LEFT - 8, base + 4, "0", "end", "axis"))
    for i in range(5):
        label = units.seconds(total * i / 4) if i else "0"
        out.append(text(_LEFT + width * i / 4, base + 16, label, "end" if i == 4 else "middle", "axis"))
    out += [
        f'<rect x="{_LEFT}" y="{base + 22}" width="10" height="10" fill="{COLOURS[0]}"/>',
        text(_LEFT + 16, base + 31, "tensors that stay", "start", "axis"),
        f'<rect x="{_LEFT + 150}" y="{base + 22}" width="10" height="10" fill="{COLOURS[4]}"/>',
        text(_LEFT + 166, base + 31, "tiles of the running job", "start", "axis"),
    ]
    return svg(base + _FOOT + 6, out, title)
