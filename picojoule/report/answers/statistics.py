"""Statistics of real runs on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from rich.console import RenderableType

from picojoule import options
from picojoule.observed.statistics import Statistics, Tally
from picojoule.report import show, tables
from picojoule.report.pages.statistics_page import statistics_page

STEPS = " ▁▂▃▄▅▆▇█"
SHOWN_BINS = 16


def statistics(found: Statistics, as_json: bool, save: Path | None, page: Path | None = None) -> None:
    """A table of every tensor; the densities go to `save`, the histograms to `page`."""
    if page is not None:
        options.write_text(page, statistics_page(found))
    if save is not None:
        options.write_text(save, json.dumps(found.densities(), indent=1) + "\n")
    if as_json:
        show.json_only(found.to_json())
    else:
        show.print_parts(*_parts(found))
    if save is not None:
        print(f"densities: {save}", file=sys.stderr if as_json else sys.stdout)
    if page is not None:
        print(f"report: {page.resolve()}", file=sys.stderr if as_json else sys.stdout)


def _parts(found: Statistics) -> list[RenderableType]:
    rows = [_row(layer, role, t) for layer, roles in found.layers.items() for role, t in roles.items()]
    right = ("elements", "zeros [%]", "least", "most", "entropy [b]", "run-length ratio")
    parts: list[RenderableType] = [
        f"{found.model} on {found.samples} samples of {found.data}, run by {found.ran_by}",
        "",
        tables.rows_table(rows, right=right),
        "",
        "output: after the activation function that follows; entropy: of zero and 256 levels, b an element; run-length "
        "ratio: 16 b over Eyeriss' code; histogram: of the nonzeros, from -2^k to 2^k",
    ]
    if found.unseen:
        parts.append(f"not observed: {', '.join(found.unseen)}")
    return parts


def _row(layer: str, role: str, t: Tally) -> dict[str, object]:
    return {
        "layer": layer,
        "tensor": role,
        "elements": t.elements,
        "zeros [%]": f"{100 * (1 - t.density):.1f}",
        "least": f"{t.low:.3g}",
        "most": f"{t.high:.3g}",
        "entropy [b]": f"{t.entropy_bits:.2f}",
        "run-length ratio": f"{t.run_length_ratio:.2f}",
        "histogram": f"|{_bars(t.bins)}|",
    }


def _bars(bins: np.ndarray) -> str:
    parts = bins.reshape(SHOWN_BINS, -1).sum(axis=1)
    most = max(int(parts.max()), 1)
    return "".join(STEPS[0 if n == 0 else max(1, round(n * (len(STEPS) - 1) / most))] for n in parts.tolist())
