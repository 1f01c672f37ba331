"""Laws of peak, utilization, roofline and bytes off the chip, on every chip that comes along, at several widths and densities."""

from __future__ import annotations

import math

import pytest

from picojoule.cost.cost import Cost
from picojoule.cost.explain import explain
from picojoule.cost.model import evaluate
from picojoule.cost.performance import offchip_bytes, own_peak_macs_per_s, peak_macs_per_s
from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chipfile.read import chip_from_yaml, chips, load_chip
from picojoule.machines.answer import Ask
from picojoule.machines.providers.chips import answer
from picojoule.report.pages.sections import roofline_points
from picojoule.report.to_json import network_json
from picojoule.search.network import map_network
from picojoule.search.result import NetworkResult
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.load import load_model
from picojoule.workload.network import Network, Step

LAYER = gemm("g", M=8, N=8, K=16)
DENSITIES = ((1.0, 1.0), (0.3, 1.0), (0.4, 0.5))


def mapped(layer: Layer, name: str) -> NetworkResult | None:
    """The layer mapped in the smallest space; None where the chip cannot hold it at this width."""
    chip = load_chip(name)
    try:
        return map_network(Network("n", (Step(layer),)), chip, "latency", space="prototype", jobs=1, cache=False, time_limit=0.3)
    except (NoMapping, SpecError):
        return None


def agree(result: NetworkResult, name: str) -> None:
    """Page, JSON, table, comparison and explanation have one figure each for energy, cycles and bytes; shares are shares."""
    x, chip = result.layers[0].result, result.chip
    cost, card, written = x.cost, answer(result, Ask()), network_json(result)
    assert 0.0 < cost.utilization <= 1.0 + 1e-9, name
    assert 0.0 < result.utilization <= 1.0 + 1e-9 and written["totals"]["utilization"] == result.utilization
    assert card.utilization == pytest.approx(result.utilization, rel=1e-12)
    assert card.layers[0].utilization == written["layers"][0]["utilization"] == cost.utilization
    assert card.energy_pj == result.energy_pj == written["totals"]["energy_pj"]
    assert card.latency_s == result.latency_s and written["totals"]["cycles"] == result.cycles
    assert math.fsum(c.energy_pj for c in cost.contributions) == pytest.approx(cost.energy_pj, rel=1e-12)
    rows = explain(x.layer, x.chip, x.mapping)
    assert math.fsum(float(r["energy_pj"]) for r in rows) == pytest.approx(cost.energy_pj, rel=1e-9), name
    moved = offchip_bytes(cost, x.layer, x.chip)
    if chip.scope == "system":
        assert card.layers[0].offchip_bytes == moved
    for p in roofline_points(result):
        assert p.macs_per_s <= peak_macs_per_s(x.chip, x.layer) * (1 + 1e-9), name
        assert p.macs_per_byte * moved == pytest.approx(cost.done)
        width = sum(port.bits_per_cycle for m in chip.outermost for port in m.ports)
        if 0 < width < math.inf:
            assert p.macs_per_s <= p.macs_per_byte * width / 8 * chip.clock_hz * (1 + 1e-9), name


@pytest.mark.parametrize("name", sorted(chips()))
def test_every_figure_is_the_same_everywhere_and_every_share_a_share(name: str) -> None:
    widths = {bits: LAYER.bits_of(weight=bits, input=bits, output=16) for bits in (2, 4, 8, 16)}
    cases = [*widths.values(), *(widths[8].with_density(input=i, weight=w) for i, w in DENSITIES[1:])]
    found = [r for r in (mapped(layer, name) for layer in cases) if r is not None]
    assert found
    for result in found:
        agree(result, name)


def test_units_that_compose_narrow_operands_are_busy_once() -> None:
    """2-bit operands on blocks that join to 8 bits: 16 times the MACs a cycle, and not 1,600 % of them."""
    result = map_network(load_model("gemm:M=64,N=64,K=64,bits=2"), load_chip("fusion-like"), "latency", jobs=1, cache=False)
    cost = result.layers[0].result.cost
    assert 0.0 < cost.utilization <= 1.0
    assert peak_macs_per_s(result.chip, result.layers[0].result.layer) == 16 * own_peak_macs_per_s(result.chip)


TWO = """
chip: two
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 8 b, read: 64 pJ, write: 64 pJ, bandwidth: {shared: 4096 b/cycle}}
  - memory: {name: buffer, size: 64 KiB, word: 8 b, read: 1 pJ, write: 1 pJ, may_keep: all}
  - fanout: {name: array, axes: {X: 8}, transfer: 0 pJ}
compute: {name: MAC, mac: 1 pJ, operands: 8 b, per_cycle: 2}
"""


def test_units_of_two_macs_a_cycle_are_at_most_all_busy() -> None:
    chip = chip_from_yaml(TWO)
    result = map_network(load_model("gemm:M=16,N=64,K=64,bits=8"), chip, "latency", jobs=1, cache=False)
    cost = result.layers[0].result.cost
    assert (cost.cycles, cost.utilization) == (4096.0, 1.0)


def test_metadata_are_bytes_of_the_dram() -> None:
    chip = load_chip("eyeriss-gated")
    layer = conv("c", K=16, C=16, P=14, Q=14, R=3, S=3).with_density(input=0.4, weight=0.5)
    result = map_network(Network("n", (Step(layer),)), chip, "energy", space="prototype", jobs=1, cache=False)
    x = result.layers[0].result
    cost: Cost = evaluate(x.layer, chip, x.mapping)
    metadata = sum(c.count for c in cost.contributions if c.component == "DRAM" and c.action.startswith("metadata"))
    assert metadata > 0
    words = sum(c.count * 16 for c in cost.contributions if c.component == "DRAM" and c.action in ("read", "write"))
    assert offchip_bytes(cost, x.layer, chip) == pytest.approx((words + metadata) / 8)
