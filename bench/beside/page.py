"""Results as the tables of docs/benchmark.md, between its markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

SPACES = ("prototype", "perfect", "default")
Row = Sequence[str]
Results = dict[str, dict[str, Any]]


def table(header: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(r)} |" for r in (header, ["---"] * len(header), *rows))


def replace_part(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- begin NAME -->` and `<!-- end NAME -->`."""
    part = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    page.write_text(part.sub(lambda m: f"{m[1]}{text}\n{m[2]}", old), encoding="utf-8")


def middle(runs: Sequence[dict[str, Any]], key: str) -> float:
    return median(r[key] for r in runs)


def seconds(x: float) -> str:
    return f"{x:.1f}" if x >= 9.95 else f"{x:.2f}" if x >= 0.995 else f"{x:.3f}"


def times(x: float) -> str:
    return f"{x:,.0f} x" if x >= 9.95 else f"{x:.1f} x"


def _gave_up(result: dict[str, Any]) -> int | None:
    return next((r["gave_up_after_cpu_s"] for r in result["peer"] if "gave_up_after_cpu_s" in r), None)


def speed(results: Results) -> str:
    """CPU seconds of the search alone, and of whole processes."""
    rows = []
    for r in results.values():
        gave_up = _gave_up(r)
        theirs = f"> {gave_up}" if gave_up else seconds(middle(r["peer"], "search_cpu_s"))
        cells = [r["name"], r["chip"], theirs]
        base = float(gave_up) if gave_up else middle(r["peer"], "search_cpu_s")
        for space in SPACES:
            ours = middle(r["ours"][space], "search_cpu_s")
            cells.append(f"{seconds(ours)} ({'> ' if gave_up else ''}{times(base / ours)})")
        whole = "" if gave_up else seconds(middle(r["peer"], "whole_cpu_s"))
        cells += [whole, seconds(middle(r["ours"]["default"], "whole_cpu_s"))]
        rows.append(cells)
    return table(
        [
            "problem",
            "chip",
            "peer: search, CPU s",
            "ours: prototype space",
            "perfect space",
            "default space",
            "peer: whole process, CPU s",
            "ours: whole process, default space",
        ],
        rows,
    )


def quality_accelforge(results: Results) -> str:
    """EDP that each tool ends with."""
    rows = []
    for r in results.values():
        ours = [f"{r['ours']['edp'][s]:.5g}" for s in SPACES]
        if _gave_up(r):
            rows.append([r["name"], r["chip"], "no answer", "", *ours, "", _proved(r)])
            continue
        theirs, read = r["peer"][0], r["theirs_by_our_rules"]
        own = theirs["energy_j"] * theirs["latency_s"]
        by_ours = read["edp_js"] if read else own
        cells = [r["name"], r["chip"], f"{own:.5g}", f"{read['edp_js']:.5g}" if read else "not importable"]
        cells += [*ours, f"{r['ours']['edp']['default'] / by_ours:.3g}", _proved(r)]
        rows.append(cells)
    return table(
        [
            "problem",
            "chip",
            "AccelForge's figure, J s",
            "its mapping by our rules",
            "ours, prototype space",
            "perfect space",
            "default space",
            "default / its mapping",
            "proved",
        ],
        rows,
    )


def _proved(result: dict[str, Any]) -> str:
    return "yes" if all(x["proved"] for x in result["ours"]["default"]) else f"gap {result['ours']['default'][0]['gap']:.1%}"


def counting_accelforge(results: Results) -> str:
    """Its own figure beside ours for the same mapping, and the rule that makes the difference."""
    rows = []
    for r in results.values():
        read = r.get("theirs_by_our_rules")
        if not read:
            continue
        own = r["peer"][0]["energy_j"]
        apart = read["energy_j"] / own - 1
        different = abs(apart) > 1e-6
        why = "outer nodes end stays" if different else ""
        left = (read["energy_j_by_their_rules"] / own - 1, read["latency_s"] / r["peer"][0]["latency_s"] - 1)
        rows.append(
            [
                r["name"],
                r["chip"],
                f"{own:.6g}",
                f"{read['energy_j']:.6g}",
                f"{apart:+.2%}" if different else "none",
                why,
                *(f"{x:+.0e}" for x in left),
            ]
        )
    return table(
        [
            "mapping found by AccelForge for",
            "chip",
            "its energy, J",
            "by our rules, J",
            "difference",
            "rule",
            'left under `accounting="accelforge"`',
            "latency, ours / its - 1",
        ],
        rows,
    )


def zigzag(results: Results) -> str:
    """Energies and cycles for the same layers and chips."""
    rows = []
    for r in results.values():
        theirs, read = r["peer"][0], r["theirs_by_our_rules"]
        ours = r["ours"]["costs"]["perfect"]
        read_uj = f"{read['energy_pj'] / 1e6:.4f}" if read else "outside our space"
        cycles = f"{theirs['cycles_with_stalls']:,.0f} / {theirs['cycles_with_loading']:,.0f}"
        rows.append(
            [
                r["name"],
                r["chip"],
                f"{theirs['energy_pj'] / 1e6:.4f}",
                read_uj,
                f"{ours['energy_pj'] / 1e6:.4f}",
                cycles,
                f"{read['cycles']:,.0f}" if read else "",
                f"{ours['cycles']:,.0f}",
                _proved(r),
            ]
        )
    return table(
        [
            "layer",
            "chip",
            "ZigZag's figure, µJ",
            "its mapping by our rules, µJ",
            "ours, µJ",
            "ZigZag's cycles: with stalls / with loading",
            "its mapping by our rules, cycles",
            "ours, cycles",
            "proved",
        ],
        rows,
    )


def parts(peer: str, results: Results) -> dict[str, str]:
    """The generated parts of the page, by the name of their markers."""
    if peer == "zigzag":
        return {"zigzag-speed": speed(results), "zigzag-energy": zigzag(results)}
    return {
        "accelforge-speed": speed(results),
        "accelforge-edp": quality_accelforge(results),
        "accelforge-counting": counting_accelforge(results),
    }
