"""Timeloop files import as what they mean: golden counts come out of golden files, in both dialects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count
from picojoule.errors import PicojouleError
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.interop.judge import counted
from picojoule.interop.load import import_files, load_chip, load_model, parse_mapping
from tests.golden import sparse_tool
from tests.golden.even_tile_tool import expected, load
from tests.interop.timeloop_files import ARCH, ERT, MAP, PROBLEM, files_of, written

CASES = ("d01", "d02", "d03", "d04", "d06", "d09")


class _Tagged(yaml.SafeDumper):
    """Blocks with a key `!` are written with it as their tag."""


def _block(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    tag = f"!{value['!']}" if "!" in value else "tag:yaml.org,2002:map"
    return dumper.represent_mapping(tag, {k: v for k, v in value.items() if k != "!"})


_Tagged.add_representer(dict, _block)


@pytest.mark.parametrize("dialect", ["0.4", "0.2"])
@pytest.mark.parametrize("case", CASES)
def test_golden_files_give_the_golden_counts(case: str, dialect: str, tmp_path: Path) -> None:
    golden = load(case)
    sections = files_of(golden, dialect)
    if dialect == "0.4":
        for m in sections["mapping"]:
            m["target"] = "inter_array_spatial" if m["type"] == "spatial" else m["target"]
    texts = {k: yaml.dump({k: v}, Dumper=_Tagged, sort_keys=False) for k, v in sections.items()}
    (placed,) = import_files(written(tmp_path, **texts)).mappings
    ours = counted(count(placed.layer, placed.chip, placed.mapping, "timeloop"))
    assert {k: n for k, n in ours.items() if n} == {k: per * n for k, (per, n) in expected(golden).items() if per}
    cost = evaluate(placed.layer, placed.chip, placed.mapping, "timeloop")
    assert cost.cycles == golden["expected"]["summary"]["Cycles"]


def test_a_small_design_is_read_as_its_files_say(tmp_path: Path) -> None:
    found = import_files(written(tmp_path, arch=ARCH, prob=PROBLEM, map=MAP, ert=ERT))
    (placed,) = found.mappings
    chip = placed.chip
    assert (chip.clock_hz, chip.technology_nm, chip.pes) == (5e8, 45, 8)
    buffer = chip.memory("Buffer")
    assert (buffer.capacity_bits, buffer.word_bits, buffer.keeps) == (16 * 64 * 32, 32, ("input", "output"))
    assert (buffer.read_pj, buffer.write_pj, buffer.leakage_mw) == (4, 5, pytest.approx(0.25))  # 0.5 pJ in 2 ns
    assert [(a.name, a.size, a.dims) for a in chip.fanouts[0].axes] == [("X", 4, ("K",)), ("Y", 2, ("C", "P"))]
    assert chip.memory("sums").capacity_bits == 4 * 8  # four elements, whatever their width there
    assert str(placed.mapping) == (
        "DRAM{Weights,Inputs,Outputs}; k2 p2; Buffer{Inputs,Outputs}; p3 c2; Y:c2, X:k4; weights{Weights}; r3; sums{Outputs}"
    )
    said = [(x.verdict, x.field) for x in found.report.lines]
    assert ("read", "sums.datawidth") in said
    assert found.report.of("refused") == []
    assert evaluate(placed.layer, chip, placed.mapping, "timeloop").energy_pj > 0


def test_without_an_ert_no_price_is_made_up(tmp_path: Path) -> None:
    chip = load_chip(str(written(tmp_path, arch=ARCH)[0]))
    assert [m.read_pj for m in chip.memories] == [None] * 4
    assert chip.compute.mac_pj is None


def test_files_are_taken_where_ours_are_expected(tmp_path: Path) -> None:
    arch, problem = written(tmp_path, arch=ARCH, prob=PROBLEM)
    (step,) = load_model(problem).layers
    chip = load_chip(str(arch))
    mapping = parse_mapping(MAP, step.layer, chip)
    assert mapping == parse_mapping(str(mapping), step.layer, chip)


FAULTS = {  # name -> (file, what to replace, by what, the message)
    "misspelt stride": ("prob", "Wstride: 2}", "WStride: 2}", "prob.yaml:17:38: unknown key 'WStride' of the instance"),
    "unknown instance key": ("prob", "Wstride: 2}", "Zed: 2}", "unknown key of the instance 'Zed'"),
    "missing size": ("prob", "C: 4, ", "", "gives no size for dimension 'C'"),
    "misspelt depth": ("arch", "depth: 8,", "dpeth: 8,", "unknown attribute 'dpeth' of 'weights'"),
    "misspelt tag": ("arch", "!Parallel", "!Paralel", "unknown node '!Paralel'"),
    "no size": ("arch", "{depth: 8, width: 8, datawidth: 8}", "{width: 8, datawidth: 8}", "memory 'weights' has no size"),
    "uneven width": ("arch", "depth: 8, width: 8", "depth: 8, width: 12", "width 12 of 'weights' is no whole number of 8-bit"),
    "misspelt component": ("ert", "tiny.Buffer", "tiny.Bufer", "the ERT prices 'Bufer', which the architecture does not have"),
    "negative energy": ("ert", "energy: 200", "energy: -200", "energy of read is '-200'"),
    "other update": ("ert", "{name: update, energy: 5}", "{name: update, energy: 6}", "an update of 'Buffer' takes 6 pJ"),
    "unknown target": ("map", "target: weights", "target: wieghts", "unknown target 'wieghts'"),
    "axis that is not there": (
        "map",
        "permutation: KCPR, split: 1",
        "permutation: KCPR, split: 0",
        "axis Y of PE has 2 places and 8 are used",
    ),
    "factors too small": ("map", "factors: K=2 P=2", "factors: K=1 P=2", "do not cover its bound 8"),
    "remainder": ("map", "factors: K=2 P=2", "factors: 'K=2,1 P=2'", "the factor 'K=2,1' has a remainder"),
    "three terms": ("prob", "[[R], [P, Wstride]]", "[[R], [P], [K]]", "adds up 3 dimensions"),
    "python": ("arch", "16*64", "__import__('os').getpid()", "cannot evaluate"),
    "key twice": ("prob", "  version: 0.4", "  version: 0.4\n  version: 0.4", "key 'version' is given twice"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    file, old, new, message = FAULTS[name]
    texts = {"arch": ARCH, "prob": PROBLEM, "map": MAP, "ert": ERT}
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)
    with pytest.raises(PicojouleError) as fault:
        import_files(written(tmp_path, **texts))
    assert message in str(fault.value)
    assert ".yaml:" in fault.value.where or name in ("axis that is not there", "factors too small")
    assert fault.value.hint


@pytest.mark.parametrize("case", ["s01", "s02", "s03", "s04", "s07"])
def test_golden_sparse_designs_are_the_same_chips(case: str, tmp_path: Path) -> None:
    golden = load(case)
    storages = []
    for s in reversed(golden["architecture"]["storage"]):
        own = {k: v for k, v in s.items() if k not in ("name", "technology", "instances", "word_bits")}
        attributes = {"datawidth": s["word_bits"], **own}
        storages.append({"!": "Component", "name": s["name"], "class": s.get("technology", "SRAM"), "attributes": attributes})
    mac = {"!": "Component", "name": "MAC", "class": "intmac", "attributes": {"datawidth": 16}}
    sections = files_of(golden, "0.4") | {
        "architecture": {"version": "0.4", "nodes": [*storages, mac]},
        "sparse_optimizations": golden["sparse"],
    }
    texts = {k: yaml.dump({k: v}, Dumper=_Tagged, sort_keys=False) for k, v in sections.items()}
    (placed,) = import_files(written(tmp_path, **texts)).mappings
    expected_chip = sparse_tool.chip_of(golden)
    for ours, theirs in zip(placed.chip.memories, expected_chip.memories, strict=True):
        plain = tuple((r, replace(f, reverse=False)) for r, f in theirs.formats)  # of B the ranks follow the loops, N before K
        assert (ours.formats, ours.skips, ours.gates) == (plain, theirs.skips, theirs.gates)
        assert (ours.capacity_bits, ours.word_bits) == (theirs.capacity_bits, theirs.word_bits)
    assert placed.chip.compute.gates == expected_chip.compute.gates
    layer = sparse_tool.layer_of(golden)
    assert {t.name: t.density for t in placed.layer.tensors} == {t.name: t.density for t in layer.tensors}
    assert placed.mapping == sparse_tool.mapping_of(golden, layer, expected_chip)


def test_a_chip_of_ours_stays_ours(tmp_path: Path) -> None:
    ours = tmp_path / "chip.yaml"
    ours.write_text(chip_to_yaml(load_chip("simple3")) + "# !Compute with care, not a - !Component\n", encoding="utf-8")
    assert load_chip(str(ours)) == load_chip("simple3")
    ours.write_text("chip: x\nlevels: [{memory: {name: DRAM, wrod: 16 b}}]\ncompute: {mac: 1 pJ}\n", encoding="utf-8")
    with pytest.raises(PicojouleError, match="wrod"):  # its own reader tells what is wrong
        load_chip(str(ours))
