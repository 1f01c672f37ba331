"""Charts of real machines as inline SVG: predicted over measured, errors by group, a timeline of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from picojoule.machines.kernels.latency import BOUNDS
from picojoule.report import units
from picojoule.report.charts.loglog import LogLog, decades
from picojoule.report.charts.plots import WIDTH, colours_of, line, svg, text

if TYPE_CHECKING:
    from picojoule.machines.kernels.calibrate import Prediction
    from picojoule.machines.kernels.predict import NetworkPrediction

_FAMILIES = ("gemm", "conv", "attn", "vec")


def scatter(predictions: Sequence[Prediction], title: str, bands: Sequence[float] = (0.15, 0.30)) -> str:
    """Predicted over measured latency, both logarithmic, with bands of relative error. Hollow: fitted; full: held out."""
    ends = decades([p.hot_s for p in predictions] + [p.measured_hot_s for p in predictions])
    plane = LogLog(x=ends, y=ends, height=560, left=90, right=240, top=16, bottom=50)
    low, high = plane.x_ends
    out = []
    for band in sorted(bands, reverse=True):
        up, down = 1.0 + band, 1.0 / (1.0 + band)
        corners = [(low, low * up), (high / up, high), (high, high), (high, high * down), (low / down, low), (low, low)]
        out.append(plane.polygon(corners, "#0072b2", 0.10, f"within {100 * band:.0f} %"))
    out += [*plane.grid(units.seconds, units.seconds), *plane.names("measured hot latency", "predicted")]
    out.append(plane.line(low, low, high, high, "roof"))
    colour = colours_of(_FAMILIES)
    for p in sorted(predictions, key=lambda p: not p.seen):
        c = colour.get(p.group.split()[0], "#444444")
        fill = f'fill="none" stroke="{c}" stroke-opacity="0.6"' if p.seen else f'fill="{c}" fill-opacity="0.85"'
        tip = f"{p.name}: predicted {units.seconds(p.hot_s)}, measured {units.seconds(p.measured_hot_s)} ({100 * p.error:+.1f} %)"
        place = f'cx="{plane.px(p.measured_hot_s):.1f}" cy="{plane.py(p.hot_s):.1f}"'
        out.append(f'<circle {place} r="4.5" {fill}><title>{escape(tip)}</title></circle>')
    x, top = WIDTH - plane.right + 24, plane.top
    for i, (name, c) in enumerate(colour.items()):
        out.append(f'<circle cx="{x}" cy="{top + 14 + 20 * i}" r="5" fill="{c}"/>' + text(x + 12, top + 18 + 20 * i, name))
    notes = ("full: held out", "hollow: fitted", *(f"band: within {100 * b:.0f} %" for b in bands))
    out += [text(x - 5, top + 110 + 18 * i, t, "start", "axis") for i, t in enumerate(notes)]
    return svg(plane.height, out, title)


def residuals(predictions: Sequence[Prediction], title: str) -> str:
    """Signed error of every kernel, a row for each group; the bar spans the middle half of the held-out kernels, or of all."""
    groups = sorted({p.group for p in predictions})
    row, left, top, most = 26, 130, 24, 0.6
    height = top + row * len(groups) + 40

    def px(e: float) -> float:
        return left + (max(-most, min(most, e)) + most) / (2 * most) * (WIDTH - left - 60)

    out = []
    for e in (-0.6, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.6):
        css = "roof" if e == 0 else "grid"
        out.append(
            line(px(e), top - 6, px(e), height - 34, css) + text(px(e), height - 18, f"{100 * e:+.0f} %", "middle", "axis")
        )
    colour = colours_of(_FAMILIES)
    for i, group in enumerate(groups):
        y = top + row * i + row / 2
        mine = [p for p in predictions if p.group == group]
        out.append(text(left - 10, y + 4, f"{group} ({len(mine)})", "end"))
        held = sorted(p.error for p in mine if not p.seen) or sorted(p.error for p in mine)
        a, b = held[len(held) // 4], held[(3 * len(held)) // 4 if len(held) > 1 else 0]
        out.append(f'<rect x="{px(a):.1f}" y="{y - 8:.1f}" width="{max(2.0, px(b) - px(a)):.1f}" height="16" fill="#d9dee6"/>')
        for p in mine:
            c = colour.get(group.split()[0], "#444444")
            fill = f'fill="none" stroke="{c}"' if p.seen else f'fill="{c}"'
            out.append(
                f'<circle cx="{px(p.error):.1f}" cy="{y:.1f}" r="4" {fill}>'
                f"<title>{escape(p.name)}: {100 * p.error:+.1f} %</title></circle>"
            )
    return svg(height, out, title)


def timeline(p: NetworkPrediction, title: str, most: int = 400) -> str:
    """Kernels one after the other, coloured by what bounds them; what lies between them is waiting. At most `most` are drawn."""
    colour = colours_of(BOUNDS)
    rows, row, top = 6, 34, 34
    shown = p.kernels[:most]
    end = p.latency_s if len(shown) == len(p.kernels) else shown[-1].start_s + shown[-1].count * shown[-1].seconds
    span = end / rows
    out, x = [], 0.0
    for name, c in colour.items():
        out.append(f'<rect x="{x:.0f}" y="4" width="12" height="12" fill="{c}"/>' + text(x + 17, 15, name))
        x += 32 + 8.4 * len(name)
    out.append(text(WIDTH, 15, f"{units.seconds(end)} in {rows} rows", "end", "axis"))
    for r in range(rows):
        out.append(line(0, top + row * r + 24, WIDTH, top + row * r + 24, "grid"))
    for k in shown:
        begin, stop = k.start_s, k.start_s + k.count * k.seconds
        tip = escape(f"{k.name}: {units.seconds(k.seconds)}" + (f" x {k.count}" if k.count > 1 else "") + f", bound by {k.bound}")
        for r in range(int(begin / span), min(rows - 1, int(stop / span)) + 1):
            a, b = max(begin, r * span) - r * span, min(stop, (r + 1) * span) - r * span
            if b > a:
                out.append(
                    f'<rect x="{WIDTH * a / span:.2f}" y="{top + row * r}" height="24" '
                    f'width="{max(0.4, WIDTH * (b - a) / span - 0.4):.2f}" '
                    f'fill="{colour[k.bound]}"><title>{tip}</title></rect>'
                )
    return svg(top + row * rows, out, title)
