"""`pj which` on the terminal and as JSON: what qualifies, and what is missing for the rest."""

from __future__ import annotations

from math import inf
from typing import Any

from rich.console import RenderableType

from picojoule.compare.limits import UNITS, Span
from picojoule.compare.which import Candidate, Miss, Selection, figures
from picojoule.report import show, tables, units

MOST = 20  # rows of machines that fail, the nearest first


def shown(s: Selection, as_json: bool) -> None:
    """The machines by verdict."""
    if as_json:
        show.json_only(to_json(s))
    else:
        show.print_parts(*_parts(s))


def to_json(s: Selection) -> dict[str, Any]:
    """Limits, and every candidate with its figures and what it misses."""
    return {
        "model": s.model,
        "batch": s.batch,
        "bits": s.bits,
        "limits": {k: {"low": v.low, "high": v.high, "unit": UNITS[k]} for k, v in s.limits.given().items()},
        "qualifies": list(s.qualifies),
        "candidates": [
            {
                "machine": c.machine,
                "kind": c.kind,
                "verdict": c.verdict,
                "objective": c.objective,
                "figures": None if c.answer is None else figures(c.answer),
                "misses": [{"figure": m.figure, "value": m.value, "unit": UNITS[m.figure], "times": m.times} for m in c.misses],
                "reason": c.reason,
            }
            for c in s.candidates
        ],
    }


def _parts(s: Selection) -> list[RenderableType]:
    asked = "; ".join(f"{_name(k)} {_range(k, v)}" for k, v in s.limits.given().items())
    parts: list[RenderableType] = [f"{s.model}, batch {s.batch}: {asked}", ""]
    answered = [c for c in s.candidates if c.verdict in ("qualifies", "not ruled out", "unknown")]
    if answered:
        right = ("energy/inf", "latency", "inf/s", "power [W]", "area [mm2]")
        parts += [tables.rows_table([_row(c) for c in answered], right), ""]
    parts.append(f"qualify: {', '.join(s.qualifies) or 'none'}")
    open_ = [c for c in s.candidates if c.verdict == "not ruled out"]
    if bounds := [c.machine for c in open_ if c.answer is None or not c.answer.at_least]:
        parts.append(f"not ruled out by their rooflines, which are bounds: {', '.join(bounds)}")
    if least := [c.machine for c in open_ if c.answer is not None and c.answer.at_least]:
        parts.append(
            f"not ruled out, operations of some operators being unknown (--operators macs leaves them out): {', '.join(least)}"
        )
    failing = [c for c in s.candidates if c.verdict == "fails"]
    if failing:
        parts += ["", f"what the other {len(failing)} miss, the nearest first:"]
        parts.append(tables.rows_table([{"machine": c.machine, "missing": _missing(c)} for c in failing[:MOST]]))
        parts += [f"and {len(failing) - MOST} more, see --json"] if len(failing) > MOST else []
    declined = [c for c in s.candidates if c.verdict == "declines"]
    if declined:
        parts += ["", f"cannot run it: {'; '.join(c.reason for c in declined)}"]
    return parts


def _row(c: Candidate) -> dict[str, object]:
    assert c.answer is not None
    a = c.answer
    return {
        "machine": c.machine, "verdict": c.verdict, "mapped for": c.objective if c.kind == "chip, mapped" else "-",
        "energy/inf": "-" if a.per_inference_pj is None else units.energy(a.per_inference_pj),
        "latency": units.seconds(a.latency_s),
        "inf/s": units.figures(a.inferences_per_s, 3), "power [W]": "-" if a.power_w is None else units.figures(a.power_w, 3),
        "area [mm2]": "-" if a.area_mm2 is None else units.figures(a.area_mm2, 3), "scope": a.scope,
        "open": _missing(c) or "-",
    }  # fmt: skip


def _missing(c: Candidate) -> str:
    text = "; ".join(_miss(m) for m in c.misses)
    return f"{text} ({c.reason})" if c.reason else text


def _miss(m: Miss) -> str:
    if m.value is None:
        return f"{_name(m.figure)} is not known"
    way = f"{m.times:.3g} times too high" if m.times > 1 else f"{100 * m.times:.3g} % of what is asked"
    return f"{_name(m.figure)} {_shown(m.figure, m.value)}, {way}"


def _name(figure: str) -> str:
    return {
        "power_w": "power",
        "latency_s": "latency",
        "energy_j": "energy per inference",
        "inferences_per_s": "inferences/s",
        "area_mm2": "area",
        "offchip_bytes": "off-chip traffic per inference",
    }[figure]


def _range(figure: str, span: Span) -> str:
    if span.low == 0:
        return f"at most {_shown(figure, span.high)}"
    if span.high == inf:
        return f"at least {_shown(figure, span.low)}"
    return f"{_shown(figure, span.low)} to {_shown(figure, span.high)}"


def _shown(figure: str, value: float) -> str:
    if figure == "latency_s":
        return units.seconds(value)
    if figure == "energy_j":
        return units.energy(value * 1e12)
    return f"{units.figures(value, 3)} {UNITS[figure]}".replace(" 1/s", "/s")
