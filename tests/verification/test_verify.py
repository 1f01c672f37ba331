"""`verify` accepts what the search gives and rejects what was changed; its second proof equals enumeration."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.hardware.chipfile.read import chip_from_yaml, chip_to_yaml, load_chip
from picojoule.mapping.mapping import check, parse
from picojoule.report.to_json import layer_json, network_json
from picojoule.search.exact import lattice
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.verification.recount import costs
from picojoule.verification.reprove import reprove
from picojoule.verification.reprove_space import unrollings
from picojoule.verification.space import outermost_tiles
from picojoule.verification.verify import verify
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.network import Network, Step
from picojoule.workload.plain import layer_from_plain
from tests.oracle.enumerate import SAME, Tiny, all_mappings, priced
from tests.search.pricing import Pricer
from tests.search.problems import RAGGED, WINDOWS, Wanted, problems

VALUES = {"energy": lambda e, c: e, "latency": lambda e, c: c, "edp": lambda e, c: e * c}
Edit = Callable[[dict[str, Any]], None]


def small_chip(links: tuple[str, ...] = ()) -> Chip:
    """A DRAM with ports, a buffer that anything may skip, four PEs with registers that must keep outputs; leakage."""
    dram = Memory("DRAM", None, 16, 64.0, 80.0, ports=(Port("in", "write", 16.0), Port("out", "read", 32.0)))
    buffer = Memory("Buffer", 400, 16, 4.0, 5.0, keeps=(), may_keep=("weight", "input", "output"), leakage_mw=0.2)
    registers = Memory("RF", 48, 16, 0.5, 0.5, keeps=("output",), may_keep=("weight",))
    fanout = FanOut("array", (Axis("X", 2), Axis("Y", 2)), transfer_pj=0.3, links=links)
    return Chip("small", (Group((dram,)), Group((buffer,)), fanout, Group((registers,))), Compute("MAC", 0.5), 1e9)


def stored(layer: Layer, chip: Chip, objective: str = "edp", **about: Any) -> dict[str, Any]:
    """One layer's result as it comes back from a file."""
    r = best_mapping(layer, chip, objective, **about)
    return dict(json.loads(json.dumps({**layer_json(r), "chip_yaml": chip_to_yaml(r.chip)})))


LAYERS = {
    "gemm": gemm(M=4, N=6, K=8),
    "conv": conv(K=4, C=2, P=4, Q=2, R=3, S=1, stride=2),
    "padded": conv(K=2, C=2, P=5, Q=1, R=3, S=1, pad=(1, 0)),
    "depthwise": conv(K=4, C=4, groups=4, P=4, Q=4, R=3, S=3),
    "prime": gemm(M=13, N=2, K=11),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "front"])
def test_a_true_result_is_accepted_and_proved_again(name: str, objective: str) -> None:
    report = verify(stored(LAYERS[name], small_chip(), objective), seconds=120)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    assert report["rechecked"], report["bounds"]
    assert {b["open"] for b in report["bounds"]} == {0}


@pytest.mark.parametrize("space", ["perfect", "prototype"])
def test_other_spaces_are_accepted(space: str) -> None:
    report = verify(stored(LAYERS["gemm"], small_chip(), space=space), seconds=60)
    assert report["ok"] and report["rechecked"], report


def test_the_least_energy_within_a_latency_is_proved_again_as_such() -> None:
    layer, chip = LAYERS["gemm"], small_chip()
    free, fast = (best_mapping(layer, chip, o).cost for o in ("energy", "latency"))
    limit = (free.cycles + fast.cycles) / 2
    result = stored(layer, chip, "energy", latency_cycles=limit)
    assert free.energy_pj < result["energy_pj"] and fast.cycles < limit < free.cycles
    report = verify(result)
    assert report["ok"] and report["rechecked"]
    unlimited = copy.deepcopy(result)
    del unlimited["certificate"]["latency_cycles"]
    assert not verify(unlimited)["ok"]  # there is a cheaper mapping, though a slower one
    for other in (free.cycles, result["cycles"] / 2, None, float("inf")):
        forged = copy.deepcopy(result)
        forged["certificate"]["latency_cycles"] = other
        assert not verify(forged)["ok"], other


@pytest.mark.parametrize("objective", ["latency", "edp", "front"])
def test_a_latency_limit_goes_with_energy_alone(objective: str) -> None:
    with pytest.raises(SpecError, match="a latency limit goes with the objective energy"):
        best_mapping(LAYERS["gemm"], small_chip(), objective, latency_cycles=1e6)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_limit_is_a_number_of_cycles(limit: float) -> None:
    with pytest.raises(SpecError, match="latency limit of"):
        best_mapping(LAYERS["gemm"], small_chip(), "energy", latency_cycles=limit)


def test_another_accounting_is_accepted_and_its_bound_said_to_be_unchecked() -> None:
    report = verify(stored(LAYERS["gemm"], load_chip("simple3"), accounting="timeloop"), seconds=5)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    assert not report["rechecked"]


def test_prices_of_zeros_are_checked_in_the_accounting_of_the_result() -> None:
    chip = load_chip("simple3")
    skipping = replace(chip, compute=replace(chip.compute, skips=("input",)))
    report = verify(stored(LAYERS["depthwise"].with_density(input=0.5), skipping, accounting="timeloop"), seconds=5)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]


def test_what_is_outside_the_proof_is_accepted_and_nothing_is_claimed() -> None:
    report = verify(stored(LAYERS["gemm"], small_chip(links=("M",))), seconds=5)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    assert report["bounds"] == []


def test_a_layer_beyond_the_budget_is_rechecked_in_part_and_the_report_says_so() -> None:
    report = verify(stored(conv(K=64, C=64, P=14, Q=14, R=3, S=3), load_chip("pin_array16")), seconds=1.0)
    (bound,) = report["bounds"]
    assert report["ok"] and not report["rechecked"] and not bound["rechecked"]
    assert bound["open"] > 0 and bound["bounded"] + bound["searched"] + bound["open"] == bound["pairs"]
    assert "in part" in bound["detail"]


# ---- what was changed is found -------------------------------------------------------------------------------------------
@cache
def good() -> str:
    return json.dumps(stored(LAYERS["conv"], small_chip()))


def edited(edit: Edit) -> dict[str, Any]:
    result = dict(json.loads(good()))
    edit(result)
    return result


def worse(result: dict[str, Any]) -> None:
    """The mapping swapped for a worse one, every number of the result made to fit."""
    layer, chip = layer_from_plain(result["layer"]), chip_from_yaml(result["chip_yaml"])
    text = "DRAM{I,W,O}; k4 c2 p4 q2 r3; RF{O}"
    mapping = parse(text, layer, chip)
    from picojoule.cost.model import evaluate
    from picojoule.report.to_json import cost_json

    cost = evaluate(layer, chip, mapping)
    point = {"energy_pj": cost.energy_pj, "cycles": cost.cycles, "mapping": str(mapping)}
    result.update(cost_json(cost), mapping=str(mapping), front=[point])
    certificate, value = result["certificate"], cost.energy_pj * cost.cycles
    certificate.update(mapping=str(mapping), energy_pj=cost.energy_pj, cycles=cost.cycles, value=value, lower_bound=value)


def at(*path: Any, to: Any) -> Edit:
    def edit(result: dict[str, Any]) -> None:
        here: Any = result
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to(here[path[-1]]) if callable(to) else to

    return edit


def swapped(text: str) -> str:
    """The first loop after the nodes of DRAM runs once more."""
    head, _, rest = text.partition("; ")
    digits = next(i for i, x in enumerate(rest) if x.isdigit())
    return f"{head}; {rest[:digits]}{int(rest[digits]) + 1}{rest[digits + 1 :]}"


TAMPERED: dict[str, Edit] = {
    "less energy": at("energy_pj", to=lambda x: x * 0.999),
    "more energy": at("energy_pj", to=lambda x: x * 1.000001),
    "fewer cycles": at("cycles", to=lambda x: x - 1),
    "a loop with another bound": at("mapping", to=swapped),
    "a node dropped": at("mapping", to=lambda x: x.replace("RF{O}", "").replace("RF{W,O}", "RF{W}").replace("RF{O,W}", "RF{W}")),
    "an unknown memory": at("mapping", to=lambda x: x.replace("RF", "LRF")),
    "proved denied": at("certificate", "proved", to=False),
    "proved denied in the row only": at("proved", to=False),
    "a gap beside a proof": at("certificate", "gap", to=0.1),
    "a gap in the row only": at("gap", to=0.1),
    "an unknown space": at("certificate", "space", to="all"),
    "another objective": at("certificate", "objective", to="energy"),
    "another value": at("certificate", "value", to=lambda x: x * 0.99),
    "a lower bound above the value": at("certificate", "lower_bound", to=lambda x: x * 1.01),
    "a lower bound below the value": at("certificate", "lower_bound", to=lambda x: x * 0.5),
    "a cheaper chip": at("chip_yaml", to=lambda x: x.replace("64 pJ", "32 pJ")),
    "a faster chip": at("chip_yaml", to=lambda x: x.replace("32 b/cycle", "64 b/cycle").replace("16 b/cycle", "64 b/cycle")),
    "a smaller buffer": at("chip_yaml", to=lambda x: x.replace("400 b", "32 b").replace("50 B", "4 B")),
    "a smaller layer": at("layer", "dims", "K", to=2),
    "another stride": at("layer", "tensors", 0, "ranks", -1, "terms", to=[[1, "P"], [1, "R"]]),
    "wider words": at("layer", "tensors", 0, "bits", to=8),
    "MACs": at("macs", to=lambda x: x + 1),
    "utilization": at("utilization", to=0.99),
    "latency": at("latency_s", to=lambda x: x * 0.5),
    "the product": at("edp_js", to=lambda x: x * 0.5),
    "energy of a level": at("energy_pj_by_level", "DRAM", to=lambda x: x - 1.0),
    "energy of a tensor": at("energy_pj_by_tensor", "W", to=lambda x: x + 1.0),
    "cycles of a cause": at("cycles_by_cause", "compute", to=lambda x: x + 1.0),
    "a count": at("contributions", 0, "count", to=lambda x: x + 1),
    "the tiles of the space": at("certificate", "outermost_tiles", "K", to=[1, 4]),
    "fewer unrollings": at("certificate", "spatial_closed", to=lambda x: x - 1),
    "something outside the proof": at("certificate", "outside_the_proof", to=["neighbour links are not credited in the search"]),
    "the certificate's mapping": at("certificate", "mapping", to=lambda x: x + " "),
    "the certificate's energy": at("certificate", "energy_pj", to=lambda x: x * 0.9),
    "no certificate": at("certificate", to={}),
    "a worse mapping, all numbers to fit": worse,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_result_is_rejected(name: str) -> None:
    result = edited(TAMPERED[name])
    assert result != json.loads(good()), "the edit changed nothing"
    report = verify(result, seconds=60)
    assert not report["ok"]
    assert not report["rechecked"]


def test_the_untouched_result_passes_and_more_than_twenty_edits_are_tried() -> None:
    assert verify(json.loads(good()), seconds=60)["ok"]
    assert len(TAMPERED) >= 20


def test_a_worse_mapping_is_answered_with_a_better_one() -> None:
    report = verify(edited(worse), seconds=60)
    failed = [c for c in report["checks"] if not c["ok"]]
    assert [c["check"] for c in failed] == ["lower bound"]
    result = edited(worse)
    layer, chip = layer_from_plain(result["layer"]), chip_from_yaml(result["chip_yaml"])
    better = parse(failed[0]["detail"].removeprefix("wrong: ").split(" costs ")[0], layer, chip)
    energy, cycles = priced(layer, chip, better)
    assert energy * cycles < result["certificate"]["value"]


def test_a_point_left_out_of_a_front_is_found() -> None:
    """On three PEs five rows of M are done in two rounds, padded, or more frugally one after the other."""
    registers = Memory("RF", 48, 16, 0.5, 0.5, keeps=("output",), may_keep=("weight",))
    dram = Memory("DRAM", None, 16, 64.0, 80.0)
    array = FanOut("array", (Axis("X", 3),), multicast=False, transfer_pj=9.0)
    levels = (Group((dram,)), Group((Memory("Buffer", 96, 16, 4.0, 5.0),)), array, Group((registers,)))
    chip = Chip("front", levels, Compute("MAC", 0.5), 1e9)
    result = stored(conv(K=2, C=2, P=6, Q=1, R=3, S=1), chip, "front")
    assert verify(result, seconds=120)["rechecked"]
    assert len(result["front"]) > 1
    gone = 0 if result["front"][0]["mapping"] != result["mapping"] else -1
    del result["front"][gone]
    assert not verify(result, seconds=120)["ok"]


def test_a_ragged_mapping_is_not_in_the_space_of_whole_tiles() -> None:
    result = stored(LAYERS["prime"], small_chip())
    assert verify(result, seconds=60)["ok"]
    result["certificate"]["space"] = "perfect"
    result["certificate"]["outermost_tiles"] = {"M": [1, 13], "N": [1, 2], "K": [1, 11]}
    failed = [c["check"] for c in verify(result, seconds=60)["checks"] if not c["ok"]]
    assert "mapping: in the space" in failed


def test_a_proof_claimed_for_a_chip_with_links_is_rejected() -> None:
    result = stored(LAYERS["gemm"], small_chip(links=("M",)))
    result["proved"] = result["certificate"]["proved"] = True
    result["gap"] = result["certificate"]["gap"] = 0.0
    result["certificate"]["lower_bound"] = result["certificate"]["value"]
    assert not verify(result, seconds=5)["ok"]


@pytest.mark.parametrize("value", [None, [], {}, {"chip_yaml": "chip: x"}, {"chip_yaml": "?", "layers": []}, 3])
def test_what_is_no_result_is_an_error_of_the_input(value: Any) -> None:
    with pytest.raises(SpecError):
        verify(value)


# ---- networks ----------------------------------------------------------------------------------------------------------
@cache
def network_text(objective: str) -> str:
    layers = (gemm("a", M=4, N=4, K=8), conv("b", K=4, C=2, P=4, Q=2, R=3, S=1), gemm("c", M=4, N=4, K=8))
    network = Network("three", tuple(Step(x) for x in layers))
    return json.dumps(network_json(map_network(network, small_chip(), objective, jobs=1, cache=False)))


@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "front"])
def test_a_network_is_accepted(objective: str) -> None:
    report = verify(json.loads(network_text(objective)), seconds=240)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    assert report["rechecked"], report["bounds"]


NETWORK: dict[str, Edit] = {
    "total energy": at("totals", "energy_pj", to=lambda x: x * 0.99),
    "total cycles": at("totals", "cycles", to=lambda x: x * 0.99),
    "total product": at("totals", "edp_js", to=lambda x: x * 0.99),
    "total MACs": at("totals", "macs", to=lambda x: x - 1),
    "total latency": at("totals", "latency_s", to=lambda x: x * 0.99),
    "proved": at("totals", "proved", to=False),
    "gap": at("totals", "gap", to=0.5),
    "a count": at("layers", 0, "count", to=1),
    "a layer gone": at("layers", to=lambda x: x[1:]),
    "another chip's name": at("chip", to="eyeriss"),
    "the certificate's objective": at("certificate", "objective", to="latency"),
}


@pytest.mark.parametrize("name", NETWORK)
def test_a_tampered_network_is_rejected(name: str) -> None:
    result = json.loads(network_text("edp"))
    before = copy.deepcopy(result)
    NETWORK[name](result)
    assert result != before
    assert not verify(result, seconds=0.1)["ok"]


FORKED = """
chip: forked
clock: 1 GHz
levels:
  - peers:
      - {name: flash, word: 8 b, read: 80 pJ, write: 90 pJ, keeps: weight, bandwidth: 8 b/cycle}
      - {name: sram, size: 1 KiB, word: 8 b, read: 20 pJ, write: 20 pJ, keeps: [input, output]}
  - memory: {name: buffer, size: 64 B, word: 8 b, read: 4 pJ, write: 4 pJ, may_keep: all}
  - fanout: {name: array, axes: {X: 2, Y: 2}, transfer: 1 pJ, word: 8 b, hops: 1.5, bandwidth: 16 b/cycle}
  - peers:
      - {name: ireg, size: 8 b, word: 8 b, read: 0.1 pJ, write: 0.1 pJ, keeps: input, serves: X, leakage: 1 mW}
      - {name: oreg, size: 32 b, word: 8 b, read: 0.2 pJ, write: 0.2 pJ, keeps: output, serves: Y, bandwidth: 8 b/cycle}
compute: {mac: 1 pJ}
"""


@pytest.mark.parametrize("homes", [{}, {"Z": "buffer"}], ids=["outside", "one on the chip"])
@pytest.mark.parametrize("objective", ["energy", "edp"])
def test_a_result_of_a_chip_that_forks_is_accepted_and_proved_again(objective: str, homes: dict[str, str]) -> None:
    report = verify(stored(gemm(M=4, N=2, K=4, bits=8), chip_from_yaml(FORKED), objective, homes=homes), seconds=60)
    assert report["ok"] and report["rechecked"], [c for c in report["checks"] if not c["ok"]]


@pytest.mark.usefixtures("ragged_everywhere")
def test_the_second_proof_parts_no_window_from_the_places_that_share_its_register() -> None:
    """`X:r2; rest{W}; p5; rest{O}; r2; inputs{I}` would be faster than all that is legal: the places hold R 0 and 2, no block."""
    chip = chip_from_yaml("""
chip: parted
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 16 b, read: 64 pJ, write: 80 pJ, bandwidth: {write: 4 b/cycle, read: 2 b/cycle}}
  - fanout: {name: array, axes: {X: 2, Y: 2}, transfer: 0 pJ}
  - peers:
      - {name: inputs, size: 38 b, word: 16 b, read: 6.09 pJ, write: 7.92 pJ, keeps: input, serves: [X, Y],
         bandwidth: {write: 2 b/cycle, read: 16 b/cycle}}
      - {name: rest, size: 160 b, word: 16 b, read: 4.49 pJ, write: 5.84 pJ, keeps: [output, weight], double_buffered: true,
         bandwidth: {write: 2 b/cycle, read: 32 b/cycle}}
compute: {mac: 0.5 pJ}
""")
    layer = conv(K=1, C=1, P=5, Q=1, R=3, S=1, stride=2, pad=(1, 0), size=(8, 1), bits=16)
    tiles, price = {d: lattice.outermost_tiles(n, True) for d, n in layer.dims}, Pricer(layer, chip)
    least = min(e * c for e, c in map(price, all_mappings(layer, chip, tiles, "two")))
    assert reprove(layer, chip, tiles, lambda e, c: e * c < least * (1 - SAME), 60).complete


def test_a_forged_home_is_found_out() -> None:
    entry = stored(gemm(M=4, N=2, K=4, bits=8), chip_from_yaml(FORKED), "energy", homes={"Z": "buffer"})
    entry["mapping"] = entry["mapping"].replace("home buffer{Z}; ", "home buffer{Z}; home buffer{A}; ")
    report = verify(entry, seconds=1)
    assert not report["ok"] and "the home of A is buffer, and sram keeps it too" in str(report["checks"])


# ---- the parts -----------------------------------------------------------------------------------------------------------
def test_the_outermost_tiles_are_those_of_the_search() -> None:
    for n in [*range(1, 400), 512, 768, 997, 1000, 1021, 1024, 1500, 2047, 4096]:
        for ragged in (False, True):
            assert outermost_tiles(n, ragged) == lattice.outermost_tiles(n, ragged)


def test_every_unrolling_of_the_second_proof_is_legal_loops() -> None:
    layer, fanout = LAYERS["prime"], FanOut("F", (Axis("X", 4), Axis("Y", 4)))
    tiles = {d: outermost_tiles(n, True) for d, n in layer.dims}
    found = unrollings(layer, fanout, tiles)
    chip = Chip("c", (Group((Memory("DRAM", None, 16, 1.0, 1.0),)), fanout), Compute("MAC", 1.0), 1e9)
    for u in found:
        if not any(u.below):
            continue
        dims = dict(layer.dims)
        inside = {d: (b if b else n) for (d, n), b in zip(dims.items(), u.below, strict=True)}
        outer = " ".join(
            f"{d.lower()}{n // s}"
            for (d, n), s, b in zip(dims.items(), u.extents, u.below, strict=True)
            if not b and n % s == 0 and n // s > 1
        )
        if any(not b and n % s for (_, n), s, b in zip(dims.items(), u.extents, u.below, strict=True)):
            continue
        spatial = ", ".join(f"{x.axis}:{x.dim.lower()}{x.bound}" for x in u.loops)
        inner = " ".join(f"{d.lower()}{inside[d]}" for d, b in zip(dims, u.below, strict=True) if b and inside[d] > 1)
        check(parse("; ".join(x for x in ("DRAM{A,B,Z}", outer, spatial, inner) if x), layer, chip), layer, chip)


def test_prices_of_verify_are_those_of_the_cost_model() -> None:
    from picojoule.cost.traffic import count

    for layer, chip, mappings in problems(10, 4, Wanted(chip=Tiny(memories=3, fanouts=2, leakage=True), most=100)):
        for m in mappings[::7]:
            parts, causes = costs(layer, chip, m, count(layer, chip, m))
            energy, cycles = priced(layer, chip, m)
            assert sum(parts.values()) == pytest.approx(energy, rel=1e-12) and max(causes.values()) == pytest.approx(cycles)


GROUPS = {
    "every feature": (25, Wanted(most=400)),
    "two fan-outs and three memories, leaking": (
        12,
        Wanted(chip=Tiny(links=False, memories=3, fanouts=2, leakage=True), most=400),
    ),
    "outputs in two memories below a fan-out": (
        8,
        Wanted(
            kinds=("gemm", "conv"),
            axes=(2, 3, 4),
            most=600,
            chip=Tiny(links=False, memories=3, peers=False, bypass=False, ports=False, constraints=False, switches=False),
        ),
    ),
    "long dimensions": (8, Wanted(kinds=RAGGED, axes=(2, 3, 4, 5, 7), most=600)),
    "networks with a bandwidth": (6, Wanted(chip=Tiny(links=False, networks=0.9, serves=0.3), most=400)),
    "homes on the chip and side by side": (8, Wanted(homes=0.5, most=400)),
    "memories that serve axes": (5, Wanted(chip=Tiny(links=False, constraints=False, serves=0.8), most=400)),
    "windows along served axes": (
        4,
        Wanted(kinds=("conv", "padded"), axes=(2, 3), chip=Tiny(links=False, constraints=False, serves=0.8), most=400),
    ),
    "two fan-outs that each unroll both dimensions of a window": (
        3,
        Wanted(kinds=WINDOWS, twice=True, most=800, chip=Tiny(links=False, memories=1)),
    ),
}


@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("name", GROUPS)
def test_the_second_proof_equals_a_complete_enumeration(name: str) -> None:
    """Nothing is better than the optimum, and what is a little dearer than it is beaten by the optimum."""
    number, wanted = GROUPS[name]
    for layer, chip, mappings in problems(number, 11, wanted):
        if any(sum(d not in t.dims for t in layer.tensors) > 1 for d, _ in layer.dims) or any(f.links for f in chip.fanouts):
            continue
        price = Pricer(layer, chip)
        points, homes = [price(m) for m in mappings], mappings[0].homes
        tiles = {d: lattice.outermost_tiles(n, True) for d, n in layer.dims}
        for objective, value in VALUES.items():
            least = min(value(e, c) for e, c in points)
            told = f"{objective}\n{layer}\n{chip}"
            proof = reprove(layer, chip, tiles, lambda e, c, v=value, b=least: v(e, c) < b * (1 - SAME), 60, homes=homes)
            assert proof.complete, f"{proof.better} for {told}"
            found = reprove(layer, chip, tiles, lambda e, c, v=value, b=least: v(e, c) < b * (1 + 1e-7), 60, homes=homes).better
            assert found is not None, told
            check(found, layer, chip)
            assert value(*price(found)) == pytest.approx(least, rel=1e-6)


def test_mappings_that_the_second_proof_writes_are_in_the_space() -> None:
    layer, chip = LAYERS["gemm"], small_chip()
    tiles = {d: outermost_tiles(n, True) for d, n in layer.dims}
    found = reprove(layer, chip, tiles, lambda e, c: True, 10).better
    assert found is not None
    check(found, layer, chip)
    assert any(True for _ in all_mappings(gemm(M=2, N=1, K=2), chip))
