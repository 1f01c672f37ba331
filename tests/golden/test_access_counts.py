"""Every count of the golden mappings is equal, at every level and tensor, under that tool's accounting."""

from __future__ import annotations

import pytest

from picojoule.cost.model import evaluate
from picojoule.cost.traffic import count, differences
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.workload.layer import Layer
from tests.golden.even_tile_tool import chip_of, counted, expected, instances, layer_of, load, mapping_of

CASES = ("d01", "d02", "d03", "d04", "d06", "d08", "d09")
LINKS = {"d08": ("R",)}  # its array passes inputs on along R; the others share no halo


def triple(case: str) -> tuple[Layer, Chip, Mapping]:
    golden = load(case)
    layer, chip = layer_of(golden), chip_of(golden, LINKS.get(case, ()))
    return layer, chip, mapping_of(golden, layer, chip)


@pytest.mark.parametrize("case", CASES)
def test_every_count_equals_the_golden_one(case: str) -> None:
    layer, chip, mapping = triple(case)
    ours = counted(count(layer, chip, mapping, "timeloop"))
    for key, (per_instance, n) in expected(load(case)).items():
        assert round(ours.get(key, 0) / n) == per_instance, key
        if case != "d08":  # d08's own values are rounded: 26,624 forwarded words are 554.67 a PE
            assert ours.get(key, 0) == per_instance * n, key


@pytest.mark.parametrize("case", CASES)
def test_energy_and_cycles_equal_the_golden_ones(case: str) -> None:
    golden = load(case)
    layer, chip, mapping = triple(case)
    cost = evaluate(layer, chip, mapping, "timeloop")
    for level in golden["expected"]["levels"]:
        pj = sum(t["Energy (total)"] for t in level["dataspaces"].values()) or level["stats"]["Energy (total)"]
        tolerance = 16 if case == "d08" else 0  # 48 x 0.33 rounded words of 1 pJ
        assert sum(c.energy_pj for c in cost.contributions if c.component == level["name"]) == pytest.approx(pj, abs=tolerance)
        slowest = max([c for cause, c in cost.cycles_by_cause if cause.startswith(f"{level['name']}.")], default=0)
        assert max(slowest, layer.macs / instances(golden)) == level["stats"]["Cycles"], level["name"]
    assert cost.cycles == golden["expected"]["summary"]["Cycles"]


def test_bandwidth_of_d09_binds_at_the_buffer() -> None:
    cost = evaluate(*triple("d09"), "timeloop")
    assert dict(cost.cycles_by_cause) == {
        "compute": 16384,
        "DRAM.read": 20480,
        "DRAM.write": 2048,
        "Buffer.read": 67072,
        "Buffer.write": (8192 + 32768 + 262144) / 8,
    }
    assert cost.bound_by == "Buffer.read"


DIFFERENCES = {  # what each rule of the other accounting changes in the counts of the default rules
    "d01": {"drain_reads": {("Buffer", "Z", "read"): -3072}},
    "d02": {"drain_reads": {("Buffer", "Z", "read"): -12288}},
    "d03": {
        "drain_reads": {("GlobalBuffer", "Outputs", "read"): -200704, ("RegisterFile", "Outputs", "read"): -3211264},
        # 100,352 partial sums come back to groups of 16 PEs (C unrolled); 15 more copies are written, and read at the MACs
        "reload_every_copy": {("RegisterFile", "Outputs", "read"): 1505280, ("RegisterFile", "Outputs", "write"): 1505280},
    },
    "d04": {
        "drain_reads": {("GlobalBuffer", "Outputs", "read"): -200704, ("RegisterFile", "Outputs", "read"): -3211264},
        "reload_every_copy": {("RegisterFile", "Outputs", "read"): 1505280, ("RegisterFile", "Outputs", "write"): 1505280},
    },
    "d06": {"drain_reads": {("GlobalBuffer", "Outputs", "read"): -25088, ("RegisterFile", "Outputs", "read"): -100352}},
    "d08": {
        "drain_reads": {("GlobalBuffer", "Outputs", "read"): -12544, ("RegisterFile", "Outputs", "read"): -37632},
        "forward_reads": {("RegisterFile", "Inputs", "read"): 26624},  # 43,008 written, 16,384 read at the buffer
    },
    "d09": {"drain_reads": {("Buffer", "Z", "read"): -4096}},
}


@pytest.mark.parametrize("case", CASES)
def test_each_difference_from_the_default_rules_has_its_rule(case: str) -> None:
    parts = {rule: change for rule, change in differences(*triple(case)).items() if change}
    assert parts == DIFFERENCES[case]
    default, other = count(*triple(case)), count(*triple(case), "timeloop")
    for tables in ((default.reads(), other.reads(), "read"), (default.writes(), other.writes(), "write")):
        before, after, action = tables
        for memory, tensor in before | after:
            change = sum(p.get((memory, tensor, action), 0) for p in parts.values())
            assert after.get((memory, tensor), 0) == before.get((memory, tensor), 0) + change
