"""Bounds and gaps are true ones; what is least is least in its own figure first, and ties go to the better second figure."""

from __future__ import annotations

import math
import random

import pytest

from picojoule.hardware.chip import Chip, Compute, Group, Memory, Port
from picojoule.hardware.chipfile.read import load_chip
from picojoule.search.gaps import gap, product_bound
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import gemm
from picojoule.workload.load import load_model

ALL = ("weight", "input", "output")


def test_a_gap_is_how_far_a_value_may_lie_above_the_best() -> None:
    assert gap(12.0, 10.0) == pytest.approx(0.2) and gap(10.0, 10.0) == 0.0 and gap(10.0, 0.0) == math.inf


def test_no_pair_above_the_lines_and_floors_has_a_smaller_product() -> None:
    rng = random.Random(0)
    for _ in range(100):
        lines = [(rng.uniform(0.5, 5), rng.uniform(1, 40)) for _ in range(rng.randint(1, 4))]
        floors = rng.uniform(0.1, 6), rng.uniform(0.1, 6)
        bound = product_bound(lines, *floors)
        best = math.inf
        for i in range(4000):
            cycles = floors[1] + i * 0.02
            best = min(best, cycles * max([floors[0], *(b - s * cycles for s, b in lines)]))
        assert bound <= best * (1 + 1e-12) and bound >= best * 0.95


def machine(macs_per_cycle: float, dram: float, buffer: float) -> Chip:
    def port(width: float) -> tuple[Port, ...]:
        return (Port("io", "readwrite", width),)

    return Chip(
        "c",
        (
            Group((Memory("DRAM", None, 8, 64.0, 64.0, ports=port(dram)),)),
            Group((Memory("B", 4096, 8, 1.0, 1.0, keeps=(), may_keep=ALL, ports=port(buffer)),)),
        ),
        Compute("MAC", 1.0, macs_per_cycle=macs_per_cycle),
        1e9,
    )


@pytest.mark.parametrize(
    "chip", [machine(1.0, 1e3, 4192 / 120.0005), machine(1e9, 4e6, 3.99e6)], ids=["120 cycles", "fast units"]
)
def test_the_fastest_mapping_is_the_fastest_point_of_the_front(chip: Chip) -> None:
    """By a thousandth of a cycle too: energy decides among mappings that are equally fast, and nowhere else."""
    layer = gemm(M=6, N=5, K=4, bits=8)
    fast, front = best_mapping(layer, chip, "latency"), best_mapping(layer, chip, "front").front
    least = min(p.cycles for p in front)
    assert fast.proved and fast.cost.cycles <= least * (1 + 1e-9)
    assert fast.cost.energy_pj <= min(p.energy_pj for p in front if p.cycles <= least * (1 + 1e-9)) * (1 + 1e-9)


def test_of_mappings_of_equal_energy_the_faster_one_is_chosen() -> None:
    layer, chip = gemm(M=1, N=1000, K=512, bits=8), load_chip("pin_array16")
    cheap, fast = best_mapping(layer, chip, "energy"), best_mapping(layer, chip, "latency")
    assert cheap.proved and cheap.cost.energy_pj == pytest.approx(fast.cost.energy_pj, rel=1e-9)
    assert cheap.cost.cycles == fast.cost.cycles == 32_032


@pytest.mark.parametrize(("name", "limit"), [("simple3", 0.05), ("simba-like", 0.01)])
def test_the_gap_of_a_search_that_was_stopped_covers_the_best(name: str, limit: float) -> None:
    model, chip = load_model("gemm:M=256,N=256,K=256,bits=8"), load_chip(name)
    full = best_mapping(model.layers[0].layer, chip, "edp")
    stopped = map_network(model, chip, "edp", jobs=1, cache=False, time_limit=limit)
    best = full.cost.energy_pj * full.cost.cycles
    assert full.proved and stopped.energy_pj * stopped.cycles / (1 + stopped.gap) <= best * (1 + 1e-9)


def test_a_network_s_gap_is_of_its_sums_and_not_of_its_worst_layer() -> None:
    model = load_model("lenet5", bits=8)
    r = map_network(model, load_chip("edge-npu"), "energy", jobs=1, cache=False, time_limit=0.5)
    bounds = sum(x.count * x.result.certificate["lower_bound"] for x in r.layers) + sum(x.energy_pj for x in r.operators)
    assert r.energy_pj / bounds - 1 == pytest.approx(r.gap, abs=1e-9)
    assert r.gap <= max(x.result.gap for x in r.layers) + 1e-9
