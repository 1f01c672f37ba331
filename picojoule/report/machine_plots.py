"""Charts of real machines as inline SVG: predicted over measured, errors by group, a timeline of kernels, the roofline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from picojoule.platforms.calibrate import Prediction
from picojoule.platforms.predict import NetworkPrediction
from picojoule.report import units
from picojoule.report.plots import WIDTH, _decades, colours_of, line, svg, text

_FAMILIES = ("gemm", "conv", "attn", "vec")


def scatter(predictions: Sequence[Prediction], title: str, bands: Sequence[float] = (0.15, 0.30)) -> str:
    """Predicted over measured latency, both logarithmic, with bands of relative error. Hollow: fitted; full: held out."""
    height, left, right, top, bottom = 560, 90, 240, 16, 50
    values = [p.hot_s for p in predictions] + [p.measured_hot_s for p in predictions]
    e0, e1 = _decades(values)

    def px(x: float) -> float:
        return left + (math.log10(x) - e0) / (e1 - e0) * (WIDTH - left - right)

    def py(y: float) -> float:
        return height - bottom - (math.log10(y) - e0) / (e1 - e0) * (height - top - bottom)

    low, high = 10.0**e0, 10.0**e1
    out = []
    for band in sorted(bands, reverse=True):
        up, down = 1.0 + band, 1.0 / (1.0 + band)
        corners = [(low, low * up), (high / up, high), (high, high), (high, high * down), (low / down, low), (low, low)]
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in corners)
        out.append(
            f'<polygon points="{points}" fill="#0072b2" fill-opacity="0.10"><title>within {100 * band:.0f} %</title></polygon>'
        )
    for e in range(e0, e1 + 1):
        v = 10.0**e
        out.append(line(px(v), py(low), px(v), py(high), "grid") + text(px(v), height - 30, units.seconds(v), "middle"))
        out.append(line(px(low), py(v), px(high), py(v), "grid") + text(left - 8, py(v) + 4, units.seconds(v), "end"))
    out.append(line(px(low), py(low), px(high), py(high), "roof"))
    colour = colours_of(_FAMILIES)
    for p in sorted(predictions, key=lambda p: not p.seen):
        c = colour.get(p.group.split()[0], "#444444")
        fill = f'fill="none" stroke="{c}" stroke-opacity="0.6"' if p.seen else f'fill="{c}" fill-opacity="0.85"'
        tip = f"{p.name}: predicted {units.seconds(p.hot_s)}, measured {units.seconds(p.measured_hot_s)} ({100 * p.error:+.1f} %)"
        out.append(
            f'<circle cx="{px(p.measured_hot_s):.1f}" cy="{py(p.hot_s):.1f}" r="4.5" {fill}><title>{escape(tip)}</title></circle>'
        )
    x = WIDTH - right + 24
    for i, (name, c) in enumerate(colour.items()):
        out.append(f'<circle cx="{x}" cy="{top + 14 + 20 * i}" r="5" fill="{c}"/>' + text(x + 12, top + 18 + 20 * i, name))
    notes = ("full: held out", "hollow: fitted", *(f"band: within {100 * b:.0f} %" for b in bands))
    out += [text(x - 5, top + 110 + 18 * i, t, "start", "axis") for i, t in enumerate(notes)]
    out.append(text((left + WIDTH - right) / 2, height - 10, "measured hot latency", "middle", "axis"))
    out.append(f'<text class="axis" text-anchor="middle" transform="translate(14 {height / 2:.0f}) rotate(-90)">predicted</text>')
    return svg(height, out, title)


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


def roofline(
    points: Sequence[tuple[str, str, float, float]],
    ceilings: Sequence[tuple[str, float]],
    bytes_per_s: Sequence[tuple[str, float]],
    title: str,
) -> str:
    """Attained operations a second over operations a DRAM byte. points: (name, series, ops/B, ops/s); roofs by name."""
    points = [p for p in points if p[2] > 0 and p[3] > 0]
    if not points:
        return ""
    height, left, right, top, bottom = 460, 90, 170, 20, 50
    peak = max(v for _, v in ceilings)
    knees = [v / b for _, v in ceilings for _, b in bytes_per_s]
    x0, x1 = _decades([p[2] for p in points] + knees)
    y0, y1 = _decades([p[3] for p in points] + [v for _, v in ceilings])

    def px(x: float) -> float:
        return left + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - left - right)

    def py(y: float) -> float:
        return height - bottom - (math.log10(y) - y0) / (y1 - y0) * (height - top - bottom)

    out = []
    for e in range(x0, x1 + 1):
        out.append(
            line(px(10.0**e), py(10.0**y0), px(10.0**e), py(10.0**y1), "grid")
            + text(px(10.0**e), height - 32, f"{10.0**e:g}", "middle")
        )
    for e in range(y0, y1 + 1):
        out.append(
            line(px(10.0**x0), py(10.0**e), px(10.0**x1), py(10.0**e), "grid")
            + text(left - 8, py(10.0**e) + 4, units.count(10.0**e), "end")
        )
    for name, rate in bytes_per_s:
        begin, end = max(10.0**x0, 10.0**y0 / rate), min(10.0**x1, peak / rate)
        if begin < end:
            out.append(line(px(begin), py(begin * rate), px(end), py(end * rate), "roof"))
            middle = 10.0 ** (0.35 * math.log10(begin) + 0.65 * math.log10(end))
            out.append(text(px(middle) - 8, py(middle * rate) - 6, f"{name} {units.count(rate)}B/s", "end", "axis"))
    slope = max(b for _, b in bytes_per_s)
    for name, rate in ceilings:
        out.append(line(px(max(10.0**x0, rate / slope)), py(rate), px(10.0**x1), py(rate), "roof"))
        out.append(text(WIDTH - right + 6, py(rate) + 4, f"{name} {units.count(rate)}OP/s", "start", "axis"))
    colour = colours_of(sorted({p[1] for p in points}))
    for name, series, x, y in points:
        tip = f"{name}: {x:.3g} op/B, {units.count(y)}OP/s"
        out.append(
            f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="4" fill="{colour[series]}" fill-opacity="0.8">'
            f"<title>{escape(tip)}</title></circle>"
        )
    out.append(text((left + WIDTH - right) / 2, height - 10, "operations per DRAM byte", "middle", "axis"))
    out.append(
        f'<text class="axis" text-anchor="middle" transform="translate(16 {height / 2:.0f}) rotate(-90)">'
        "operations a second</text>"
    )
    for i, (series, c) in enumerate(colour.items()):
        y = height - bottom - 14 - 18 * (len(colour) - 1 - i)
        out.append(f'<circle cx="{WIDTH - right - 110}" cy="{y - 4}" r="5" fill="{c}"/>' + text(WIDTH - right - 98, y, series))
    return svg(height, out, title)


def timeline(p: NetworkPrediction, title: str, most: int = 400) -> str:
    """Kernels one after the other, coloured by what bounds them; what lies between them is waiting. At most `most` are drawn."""
    bounds = ("launch", "products", "lanes", "cache", "DRAM")
    colour = colours_of(bounds)
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
