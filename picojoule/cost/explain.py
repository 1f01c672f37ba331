"""Where each number of a cost comes from: the count in words with its own numbers, the price and the price's source."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

from picojoule.cost.cost import Contribution, Cost
from picojoule.cost.model import evaluate, leakage
from picojoule.cost.rank_counts import tile_size
from picojoule.cost.sparsity import active
from picojoule.cost.traffic import RULES, Place, count, factors, fanouts_between, places, words
from picojoule.hardware.chip import Chip, FanOut, tensor_word_pj, transfer_word_pj
from picojoule.mapping.mapping import Mapping
from picojoule.mapping.words import Flow
from picojoule.workload.layer import Layer, Tensor

Row = dict[str, Any]


def explain(layer: Layer, chip: Chip, mapping: Mapping, accounting: str = "default") -> list[Row]:
    """One row per action of a flow, fan-out, MAC or leaking component; their energies add up to `evaluate`'s.

    Keys: component, tensor, action, count (words of the tensor, MACs or instance-cycles), pj_each, energy_pj, source,
    formula (how the count arises). n = visits of a tile over time and copies, f = its elements, x = visits for which it
    stays, `u/|S|` = distinct tiles among the copies of a fan-out.
    """
    chip = chip.at(layer)
    cost = evaluate(layer, chip, mapping, accounting)
    if active(layer, chip):
        return _sparse_rows(layer, chip, mapping, cost, accounting)
    flows = {(f.tensor, f.kind, f.outer, f.inner): f for f in count(layer, chip, mapping, accounting).flows}
    rows: list[Row] = []
    for tensor in layer.tensors:
        for holder, place in pairwise(places(layer, chip, mapping, tensor, RULES[accounting])):
            between = fanouts_between(chip, holder, place)
            kinds = {k: f for (t, k, o, i), f in flows.items() if t == tensor.name and i == place.name and o in (holder.name, i)}
            explained = _output_texts if tensor.role == "output" else _operand_texts
            for action, memory, n, text in explained(kinds, place, between, RULES[accounting].bounding_box):
                m = chip.memory(memory)
                rows.append(_row(Contribution(memory, tensor.name, action, n, tensor_word_pj(m, tensor, action), m.source), text))
            rows += _transfer_rows(list(kinds.values()), tensor, between)
    total = " x ".join(f"{d} {n:,}" for d, n in layer.dims if n > 1) or "1"
    rows += [_row(c, f"one for each point of the loops: {total}") for c in cost.contributions if c.action == "mac"]
    for c in leakage(chip, cost.cycles):
        rows.append(_row(c, f"{c.count / cost.cycles:,.0f} instances x {cost.cycles:,.0f} cycles"))
    return [r for r in rows if r["count"]]


def _sparse_rows(layer: Layer, chip: Chip, mapping: Mapping, cost: Cost, accounting: str) -> list[Row]:
    """Where zeros are exploited: each count as its share of the dense words that a chip without zeros would move."""
    traffic = count(layer, chip, mapping, accounting)
    dense: dict[tuple[str, str, str], float] = {(m, t, "read"): n for (m, t), n in traffic.reads().items()}
    dense |= {(m, t, "write"): n for (m, t), n in traffic.writes().items()}
    dense |= {(f, t, "transfer"): n for (f, t), n in traffic.crossings().items()}
    rows = []
    for c in (c for c in cost.contributions if c.count):
        what, _, action = c.action.rpartition(" ")
        if c.action.endswith("mac"):
            text = f"{traffic.macs:,} MACs x {c.count / traffic.macs:.6g} {what or 'neither skipped nor gated'}"
        elif n := dense.get((c.component, c.tensor, action or c.action)):
            unit = " b" if what == "metadata" else ""
            text = f"{n:,} dense words x {c.count / n:.6g}{unit} {what or 'stored and needed'}"
        elif c.action == "leak":
            text = f"{c.count / cost.cycles:,.0f} instances x {cost.cycles:,.0f} cycles"
        else:
            text = "elements packed or unpacked where the format changes"
        rows.append(_row(c, text))
    return rows


def _row(c: Contribution, formula: str) -> Row:
    return {
        "component": c.component,
        "tensor": c.tensor,
        "action": c.action,
        "count": c.count,
        "pj_each": c.pj_each,
        "energy_pj": c.energy_pj,
        "source": c.source or "not given",
        "formula": formula,
    }


def _operand_texts(
    flows: dict[str, Flow], place: Place, between: tuple[FanOut, ...], box: bool
) -> list[tuple[str, str, int, str]]:
    """(action, memory, words, formula) of an operand between its holder and a place."""
    f = flows["fill"] if place.keeps else flows["operand"]
    moved = f"words written at {place.name}" if place.keeps else "operands of the MACs"
    out = [("read", f.outer, f.outer_words, _merged(moved, place, between, box))]
    if place.keeps:
        out.append(("write", f.inner, f.inner_words, visits_text(place, box)))
    if "forward" in flows:
        g = flows["forward"]
        out.append(("read", g.inner, g.inner_words, f"{g.outer_words:,} words that links pass on to a neighbour"))
    return out


def _output_texts(
    flows: dict[str, Flow], place: Place, between: tuple[FanOut, ...], box: bool
) -> list[tuple[str, str, int, str]]:
    """(action, memory, words, formula) of the output between its holder and a place."""
    up, back = (flows["drain"], flows["reload"]) if place.keeps else (flows["update"], flows["accumulate"])
    moved = f"words drained at {place.name}" if place.keeps else "results of the MACs"
    first = f"{up.outer_words:,} arrivals - {up.outer_words - back.outer_words:,} first arrivals, which start from zero"
    out = [
        ("write", up.outer, up.outer_words, _merged(moved, place, between, box)),
        ("read", up.outer, back.outer_words, f"partial sums brought back: {first}"),
    ]
    if place.keeps:
        out.append(("read", up.inner, up.inner_words, f"each visit ends with a drain: {visits_text(place, box)}"))
        each = "one copy of each reduction group" if back.inner_words == back.outer_words else "every copy of a reduction group"
        out.append(("write", up.inner, back.inner_words, f"{back.outer_words:,} partial sums brought back, into {each}"))
    return out


def _transfer_rows(flows: list[Flow], tensor: Tensor, between: tuple[FanOut, ...]) -> list[Row]:
    rows = []
    for fanout in between:
        pj = transfer_word_pj(fanout, tensor)
        for flow in flows:
            n = dict(flow.crossings).get(fanout.name, 0)
            text = f"{flow.kind} {flow.outer} - {flow.inner}: words on the inner side, {tensor.bits} b each"
            if n and pj:
                rows.append(_row(Contribution(fanout.name, tensor.name, "transfer", n, pj, fanout.source), text))
    return rows


def visits_text(place: Place, box: bool = False) -> str:
    """Words that a node's visits move: n x f / x, with the sliding window's share, or factor by factor where ragged."""
    total = words(place, (), box)
    layer, tensor = place.layer, place.tensor
    whole = all(n % place.extents[d] == 0 for d, n in layer.dims)
    padded = any(r.offset < 0 or r.size is not None for r in tensor.ranks)
    n = math.prod(bound for d, bound in layer.dims) // math.prod(place.extents.values()) if whole else 0
    f = math.prod(
        tile_size(a, b, (place.extents[p], place.extents[r]), box) if len(terms) == 2 else place.extents[p]
        for terms in (rank.terms for rank in tensor.ranks)
        for (a, p), (b, r) in [(terms[0], terms[-1])]
    )
    slides = place.sliding[2].length if place.sliding else 1
    if whole and n * f == total * place.stays:
        return f"n {n:,} x f {f:,} / x {place.stays:,} = {total:,}"
    if whole and not padded and slides > 1:
        each = Fraction(total * place.stays * slides, n)
        new = (each - f) / (slides - 1)
        return (
            f"n {n:,} / x {place.stays:,} x (f {f:,} + {slides - 1:,} steps x {new} new) / {slides:,} = {total:,}"
            " (sliding window)"
        )
    parts = " x ".join(f"{','.join(dims)} {k:,}" for dims, k in factors(place, (), box))
    return f"returns and valid indices, clipped at the borders: {parts} = {total:,}"


def _merged(moved: str, place: Place, between: tuple[FanOut, ...], box: bool) -> str:
    """Words at the holder: those inside, merged by each fan-out on the way (distinct tiles / copies)."""
    before = words(place, (), box)
    text = f"{before:,} {moved}"
    for i in reversed(range(len(between))):
        after = words(place, between[i:], box)
        copies = math.prod(x.bound for x in place.loops if x.within((between[i],)))
        ratio = Fraction(after, before) if before else Fraction(1)
        distinct = ratio * copies
        share = f"{distinct}/{copies}" if distinct.denominator == 1 else f"{ratio}"
        linked = ", with neighbour links" if between[i].links and place.tensor.role != "output" else ""
        text += f" x {share} ({between[i].name}{linked})"
        before = after
    return f"{text} = {before:,}" if between else text
