"""The search finds what a complete enumeration finds: energy, latency, product and the whole front."""

from __future__ import annotations

import pytest

from picojoule.ask import ROLES
from picojoule.cost.model import evaluate
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import Mapping, check
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME, Tiny, all_mappings, priced, thin
from tests.search.pricing import Pricer
from tests.search.problems import RAGGED, WINDOWS, Wanted, problems

TINY = Tiny(links=False)
TWICE = Wanted(kinds=WINDOWS, twice=True, most=3_000, chip=Tiny(links=False, memories=1))
GROUPS = {  # name: (number of problems, what may occur)
    "every feature": (110, Wanted()),
    "whole tiles": (60, Wanted(imperfect=False)),
    "two fan-outs and three memories, leaking": (70, Wanted(chip=Tiny(links=False, memories=3, fanouts=2, leakage=True))),
    "two fan-outs, whole tiles": (40, Wanted(imperfect=False, chip=Tiny(links=False, fanouts=2))),
    "leakage, MACs of other speeds": (60, Wanted(chip=Tiny(links=False, leakage=True), macs_per_cycle=(1.0, 2.0, 0.5))),
    "two fan-outs, no ports": (40, Wanted(chip=Tiny(links=False, ports=False, fanouts=2))),
    "no limits": (40, Wanted(chip=Tiny(links=False, ports=False, constraints=False, switches=False))),
    "outputs in two memories below a fan-out": (
        30,
        Wanted(
            kinds=("gemm", "conv", "sum", "strided"),
            axes=(2, 3, 4),
            most=1_500,
            chip=Tiny(links=False, memories=3, peers=False, bypass=False, ports=False, constraints=False, switches=False),
        ),
    ),
    "long dimensions on wide axes": (30, Wanted(kinds=RAGGED, axes=(2, 3, 4, 5, 6, 7, 8), most=1_500, chip=TINY)),
    "neighbour links": (20, Wanted(chip=Tiny(links=True))),
    "networks with a bandwidth": (10, Wanted(chip=Tiny(links=False, networks=0.9))),
    "networks with a bandwidth, two fan-outs and served axes": (
        4,
        Wanted(chip=Tiny(links=False, memories=3, fanouts=2, leakage=True, networks=0.9, serves=0.5), most=200),
    ),
    "homes on the chip and side by side": (20, Wanted(homes=0.5, most=400)),
    "homes on the chip below two fan-outs": (10, Wanted(homes=0.5, chip=Tiny(links=False, memories=3, fanouts=2, leakage=True))),
    "memories that serve axes": (5, Wanted(chip=Tiny(links=False, constraints=False, serves=0.7), most=200)),
    "memories that serve axes, two fan-outs": (5, Wanted(chip=Tiny(links=False, memories=3, fanouts=2, serves=0.7), most=300)),
    "windows along served axes": (
        6,
        Wanted(
            kinds=("conv", "padded", "wide sum"), axes=(2, 3), most=600, chip=Tiny(links=False, constraints=False, serves=0.8)
        ),
    ),
    "two fan-outs that each unroll both dimensions of a window": (40, TWICE),
}
VALUES = {"energy": lambda e, c: e, "latency": lambda e, c: c, "edp": lambda e, c: e * c}


def same(a: float, b: float) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))


def compare(layer: Layer, chip: Chip, mappings: list[Mapping], space: str) -> None:
    """All objectives on one problem; unproved answers only where the certificate says why, and never below the optimum."""
    price = Pricer(layer, chip)
    points = [(*price(m), m) for m in mappings]
    told = f"\n{layer}\n{chip}"
    for objective, value in VALUES.items():
        r = best_mapping(layer, chip, objective, space=space, homes=dict(mappings[0].homes))
        check(r.mapping, layer, chip)
        least, wanted = min(((value(e, c), str(m)) for e, c, m in points), key=lambda x: x[0])
        found = value(r.cost.energy_pj, r.cost.cycles)
        if not r.proved:
            assert r.certificate["outside_the_proof"], f"{objective} unproved without a reason{told}"
            assert found >= least * (1 - SAME)
            continue
        assert same(found, least), f"{objective}: {found} by {r.mapping}, best is {least} by {wanted}{told}"
        if objective == "latency":
            frugal = min(e for e, c, _ in points if c <= least * (1 + SAME))
            assert same(r.cost.energy_pj, frugal), f"energy at the least latency{told}"
    r = best_mapping(layer, chip, "front", space=space, homes=dict(mappings[0].homes))
    if r.proved:
        front = [(e, c) for e, c, _ in thin(points)]
        assert len(r.front) == len(front), f"{[(p.energy_pj, p.cycles) for p in r.front]}, exact front {front}{told}"
        assert all(same(p.energy_pj, e) and same(p.cycles, c) for p, (e, c) in zip(r.front, front, strict=True)), told
    else:
        assert r.certificate["outside_the_proof"]


@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("name", GROUPS)
def test_the_search_equals_a_complete_enumeration(name: str) -> None:
    number, wanted = GROUPS[name]
    for layer, chip, mappings in problems(number, seed=1, wanted=wanted):
        compare(layer, chip, mappings, "default" if wanted.imperfect else "perfect")


@pytest.mark.slow
@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("seed", range(2, 6))
def test_the_search_equals_a_complete_enumeration_of_many_problems(name: str, seed: int) -> None:
    number, wanted = GROUPS[name]
    for layer, chip, mappings in problems(5 * number, seed, wanted):
        compare(layer, chip, mappings, "default" if wanted.imperfect else "perfect")


@pytest.mark.slow
@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("fanouts", [1, 2])
def test_the_search_equals_a_complete_enumeration_of_bigger_problems(fanouts: int) -> None:
    wanted = Wanted(chip=Tiny(links=False, fanouts=fanouts, memories=1 + fanouts), least=500, most=8_000)
    for layer, chip, mappings in problems(60, 7, wanted):
        compare(layer, chip, mappings, "default")


def test_there_are_five_hundred_problems_and_they_have_what_they_claim() -> None:
    assert sum(number for number, _ in GROUPS.values()) >= 500


def test_the_pricer_of_these_tests_is_the_cost_model() -> None:
    wanted = Wanted(chip=Tiny(links=True, memories=3, fanouts=2, leakage=True), macs_per_cycle=(0.5, 2.0), most=200)
    for layer, chip, mappings in problems(20, 3, wanted):
        price = Pricer(layer, chip)
        for m in mappings:
            energy, cycles = price(m)
            assert same(energy, priced(layer, chip, m)[0]) and same(cycles, priced(layer, chip, m)[1])


def test_two_placements_are_as_good_as_all_on_two_fanouts() -> None:
    for layer, chip, two in problems(15, 5, Wanted(imperfect=False, chip=Tiny(links=False, fanouts=2), most=150)):
        price = Pricer(layer, chip)
        every = [(*price(m), m) for m in all_mappings(layer, chip)]
        few = [(*price(m), m) for m in two]
        assert [(pytest.approx(e, rel=SAME), c) for e, c, _ in thin(every)] == [(e, c) for e, c, _ in thin(few)]


# ---- problems that once went wrong --------------------------------------------------------------------------------------
def dram(read: float = 64.0) -> Group:
    return Group((Memory("DRAM", None, 8, read, read),))


def keeps(name: str, bits: int, pj: float, roles: tuple[str, ...] = ROLES) -> Group:
    return Group((Memory(name, bits, 8, pj, pj, keeps=roles),))


@pytest.mark.usefixtures("ragged_everywhere")
def test_a_dimension_may_be_unrolled_raggedly_over_two_axes() -> None:
    """Three of K on 2 x 2 PEs: ceil(3 / 2) = 2 along one axis, 2 along the other, one PE idle."""
    layer = gemm(M=5, N=1, K=3, bits=8)
    chip = Chip("c", (dram(), FanOut("F", (Axis("X", 2), Axis("Y", 2)))), Compute("MAC", 0.5), 1e9)
    assert best_mapping(layer, chip, "latency").cost.cycles == 5


def test_copies_that_start_from_zero_may_save_more_than_their_node_costs() -> None:
    layer = gemm(M=2, N=1, K=8, bits=8)
    inner = keeps("M1", 8, 10.0, ("output",)), keeps("M2", 8, 30.0, ("output",))
    chip = Chip("c", (dram(1.0), FanOut("F", (Axis("X", 8),)), *inner), Compute("MAC", 0.1), 1e9)
    mappings = list(all_mappings(layer, chip, None, "two"))
    compare(layer, chip, mappings, "perfect")


def test_a_run_goes_on_through_two_memories() -> None:
    """r3 leaves O in place in M1 and in M2, so that both are written once."""
    layer = gemm(M=2, N=1, K=3, bits=8)
    chip = Chip("c", (dram(), keeps("M0", 32, 2.0), keeps("M1", 24, 1.5), keeps("M2", 24, 1.0)), Compute("MAC", 0.5), 1e9)
    r = best_mapping(layer, chip, "energy", space="perfect")
    least = min(evaluate(layer, chip, m).energy_pj for m in all_mappings(layer, chip))
    assert same(r.cost.energy_pj, least)


@pytest.mark.usefixtures("ragged_everywhere")
def test_padding_weighs_only_energy_that_is_there_in_the_end() -> None:
    """Two of three rows at a time on 2 x 2 PEs; what the output saves by starting from zero comes with the last stage."""
    layer = conv(K=1, C=1, P=3, Q=1, R=2, S=1, bits=8)
    outer = Group((Memory("DRAM", None, 8, 64.0, 80.0),))
    inner = Group((Memory("M0", 58, 16, 0.85, 1.1),))
    chip = Chip("c", (outer, inner, FanOut("F", (Axis("X", 3), Axis("Y", 2)), transfer_pj=0.3)), Compute("MAC", 0.5), 1e9)
    r = best_mapping(layer, chip, "edp")
    assert r.cost.energy_pj * r.cost.cycles == pytest.approx(1279.5)


@pytest.mark.usefixtures("ragged_everywhere")
def test_two_fanouts_may_each_unroll_both_dimensions_of_a_window() -> None:
    layer = conv(K=1, C=1, P=4, Q=1, R=3, S=1, pad=(1, 0), size=(3, 1), bits=8)
    fans = FanOut("F1", (Axis("X1", 2), Axis("Y1", 3))), FanOut("F0", (Axis("X0", 2, ("P", "R"), ("weight",)), Axis("Y0", 2)))
    inner = Group((Memory("M0", 21, 8, 4.48, 5.82, keeps=("weight", "output"), may_keep=("input",)),))
    chip = Chip("c", (Group((Memory("DRAM", None, 32, 64.0, 64.0),)), *fans, inner), Compute("MAC", 0.5), 1e9)
    r = best_mapping(layer, chip, "edp")
    assert r.cost.energy_pj * r.cost.cycles == pytest.approx(429.2)
