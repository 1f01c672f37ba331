"""The page of `pj statistics --html`: each tensor's histogram beside its zeros, entropy and run-length ratio."""

from __future__ import annotations

import numpy as np

from picojoule.observed.statistics import Statistics, Tally
from picojoule.report.charts import plots
from picojoule.report.pages import html
from picojoule.report.pages.document import document

BARS, WIDTH, HEIGHT = 64, 300, 46


def statistics_page(found: Statistics) -> str:
    """A self-contained page."""
    rows = [
        (
            layer,
            role,
            f"{t.elements:,}",
            f"{100 * (1 - t.density):.1f}",
            f"{t.low:.3g}",
            f"{t.high:.3g}",
            f"{t.entropy_bits:.2f}",
            f"{t.run_length_ratio:.2f}",
            html.Raw(histogram(t, f"{role} of {layer}")),
        )
        for layer, roles in found.layers.items()
        for role, t in roles.items()
    ]
    head = ("layer", "tensor", "elements", "zeros [%]", "least", "most", "entropy [b]", "run-length ratio", "nonzeros by value")
    body = [
        html.tag("h1", f"{found.model} on {found.data}"),
        html.tag(
            "p",
            f"{found.samples} samples, run by {found.ran_by}. Outputs are those after the activation function that "
            "follows. Entropy: of zero and 256 levels, bits an element. Run-length ratio: 16 b over Eyeriss' code. "
            "Histograms: of the nonzeros, each bar a share of the tallest, the range below it; the line marks zero.",
        ),
        html.table(head, rows, left=(0, 1, 8)),
    ]
    if found.unseen:
        body.append(html.tag("p", f"Not observed: {', '.join(found.unseen)}."))
    return document(f"{found.model} on {found.data} - picojoule", body)


def histogram(t: Tally, title: str) -> str:
    """Inline SVG of the nonzeros from -2^k to 2^k."""
    counts = t.bins.reshape(BARS, -1).sum(axis=1)
    most = max(int(counts.max()), 1)
    width = WIDTH / BARS
    step = 2.0 ** (t.exponent + 1) / BARS
    out = [f'<line x1="{WIDTH / 2}" y1="0" x2="{WIDTH / 2}" y2="{HEIGHT}" stroke="#9aa5b1"/>']
    for i in np.flatnonzero(counts).tolist():
        tall = max(1.0, HEIGHT * counts[i] / most)
        low = -(2.0**t.exponent) + i * step
        out.append(
            f'<rect x="{i * width:.2f}" y="{HEIGHT - tall:.2f}" width="{width - 0.5:.2f}" height="{tall:.2f}" '
            f'fill="{plots.COLOURS[0]}"><title>{low:.4g} to {low + step:.4g}: {int(counts[i]):,}</title></rect>'
        )
    edge = 2.0**t.exponent
    out += [_label(0, f"{-edge:g}", "start"), _label(WIDTH / 2, "0", "middle"), _label(WIDTH, f"{edge:g}", "end")]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 14}" width="{WIDTH}" height="{HEIGHT + 14}" role="img">'
        f"<title>{html.text(title)}</title>{''.join(out)}</svg>"
    )


def _label(x: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{HEIGHT + 12}" text-anchor="{anchor}" font-size="10" fill="#52606d">{html.text(text)}</text>'
