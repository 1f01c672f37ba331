"""Sparse designs: accesses that took place, were gated or were skipped, level by level, against the golden files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.sparsity import SparseTraffic, exploit
from picojoule.cost.traffic import count
from picojoule.hardware.chip import Chip, Group
from picojoule.hardware.compression import Format
from picojoule.mapping.mapping import Mapping
from picojoule.workload.layer import Layer
from tests.golden.even_tile_tool import load
from tests.golden.sparse_tool import chip_of, fate_of, layer_of, mapping_of, metadata_of

CASES = ("s01", "s02", "s03", "s04", "s07")
RATIO = 1e-4  # the tool rounds its expectations to whole words


def triple(case: str) -> tuple[Layer, Chip, Mapping]:
    golden = load(case)
    layer, chip = layer_of(golden), chip_of(golden)
    return layer, chip, mapping_of(golden, layer, chip)


def sparse(layer: Layer, chip: Chip, mapping: Mapping) -> SparseTraffic:
    return exploit(layer, chip, mapping, count(layer, chip, mapping, "timeloop"), "timeloop")


def wide_runs(chip: Chip) -> Chip:
    """The chip with runs so long that none overflows: the tool counts no overflow."""

    def wide(f: Format) -> Format:
        return replace(f, ranks=tuple(replace(r, bits=16) if r.kind == "run_length" else r for r in f.ranks))

    levels = tuple(
        Group(tuple(replace(m, formats=tuple((r, wide(f)) for r, f in m.formats)) for m in g.memories))
        for g in chip.levels
        if isinstance(g, Group)
    )
    return replace(chip, levels=levels)


@pytest.mark.parametrize("case", CASES)
def test_every_access_is_kept_gated_or_skipped_as_in_the_golden_file(case: str) -> None:
    layer, chip, mapping = triple(case)
    ours = sparse(layer, wide_runs(chip), mapping)
    for (level, tensor, what, fate), words in fate_of(load(case)).items():
        table = ours.reads if what == "reads" else ours.writes
        if (what == "fills") == (tensor == "Z"):
            continue  # fills are writes of operands, updates of outputs
        a = table.get((level, tensor))
        mine = 0.0 if a is None else {"Actual": a.kept, "Gated": a.gated, "Skipped": a.skipped}[fate]
        assert mine == pytest.approx(words, rel=RATIO, abs=0.51), (level, tensor, what, fate)


@pytest.mark.parametrize("case", CASES)
def test_macs_and_cycles(case: str) -> None:
    layer, chip, mapping = triple(case)
    ours, golden = sparse(layer, chip, mapping), load(case)["expected"]["levels"][0]["stats"]
    assert ours.macs.kept == pytest.approx(golden["Actual Computes (total)"], rel=RATIO)
    gating = case in ("s01", "s04")  # the file says so itself: gating never saves cycles
    assert evaluate(layer, chip, mapping, "timeloop").cycles == pytest.approx(
        layer.macs if gating else golden["Cycles"], rel=RATIO
    )


@pytest.mark.parametrize("case", ["s02", "s03", "s04"])
def test_metadata_is_that_of_the_golden_file_but_for_its_rounding_up_of_each_fibre(case: str) -> None:
    layer, chip, mapping = triple(case)
    ours = sparse(layer, wide_runs(chip), mapping)
    for (level, tensor, what), units in metadata_of(load(case)).items():
        fmt = chip.memory(level).format_of(layer.tensor(tensor).role)
        bits = sum(n * (16 if r.kind == "run_length" else r.bits or 1) for n, r in zip(units, fmt.ranks, strict=True))
        table = ours.reads if what == "reads" else ours.writes
        near = pytest.approx(bits, rel=0.03 if case == "s02" else 1e-6)
        assert table[level, tensor].metadata_bits == near, (level, tensor, what)


def test_runs_that_overflow_cost_more_than_the_golden_file_says() -> None:
    """4-bit runs at a density of a quarter: a gap holds 16 zeros once in 0.75^16 = 1 % of the cases."""
    layer, chip, mapping = triple("s04")
    q = 0.75**16
    assert sparse(layer, chip, mapping).reads["DRAM", "A"].kept == pytest.approx(4096 * (1 + q / (1 - q)), rel=0.003)
