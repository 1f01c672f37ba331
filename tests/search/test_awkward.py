"""Sizes that no factors suit, and figures that every later change must keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from picojoule.hardware.chipfile.read import chip_from_yaml, load_chip
from picojoule.mapping.mapping import check
from picojoule.search.network import map_network
from picojoule.search.optimal import LayerProblem, best_mapping
from picojoule.workload.layer import conv, gemm
from picojoule.workload.load import load_model

TESLA = (Path(__file__).parents[2] / "bench" / "chips" / "tesla_like.yaml").read_text(encoding="utf-8")


def test_a_product_of_prime_sizes_costs_what_its_round_neighbour_does() -> None:
    chip = load_chip("pin_array16")
    prime = best_mapping(gemm(M=1021, N=1021, K=1021, bits=8), chip, "edp")
    round_ = best_mapping(gemm(M=1024, N=1024, K=1024, bits=8), chip, "edp")
    values = [r.cost.energy_pj * r.cost.cycles for r in (prime, round_)]
    assert prime.proved and round_.proved
    assert abs(values[0] / values[1] - 1) <= 0.02


def test_alexnet_conv3_keeps_eyeriss_busy() -> None:
    layer = conv(K=384, C=256, P=13, Q=13, R=3, S=3, pad=1)
    r = best_mapping(layer, load_chip("eyeriss"), "latency", time_limit=120)
    assert layer.macs / (r.cost.cycles * 168) >= 0.92


def test_gemm_1024_is_no_worse_than_the_known_optimum() -> None:
    r = best_mapping(gemm(M=1024, N=1024, K=1024, bits=8), load_chip("pin_array16"), "edp")
    assert r.proved
    assert r.cost.energy_pj * r.cost.cycles <= 1.45777230e-3 * 1e12 * 4_194_304


def test_a_tile_of_more_bits_than_an_integer_holds_fits_no_memory() -> None:
    """2,097,143 cubed bits wrap around in 64; the mapping that kept them in a buffer was called proved, and illegal."""
    n = 2_097_143
    layer = gemm(M=1, N=n, K=n, batch=n, bits=8)
    r = best_mapping(layer, load_chip("pin_array16"), "energy", space="perfect", time_limit=20)
    check(r.mapping, layer, r.chip)
    footprints = LayerProblem(layer, load_chip("pin_array16"), "perfect").problem(False).foot
    assert footprints.min() > 0 and footprints.max() == 1 << 60


def test_a_whole_hull_without_room_is_searched_slope_by_slope() -> None:
    """The default objective gave a network 17 times worse than `--objective energy` where a hull has too many labels."""
    bits = {"weight": 8, "input": 8, "output": 16}
    network = load_model("conv:K=384,C=256,P=13,Q=13,R=3,S=3,pad=1", bits=bits)
    chip = chip_from_yaml(TESLA)
    edp = map_network(network, chip, "edp", jobs=1, cache=False)
    energy = map_network(network, chip, "energy", jobs=1, cache=False)
    assert edp.energy_pj * edp.cycles <= energy.energy_pj * energy.cycles * (1 + 1e-9)
    assert edp.gap < 0.05


@pytest.mark.parametrize("name", ["edge-npu", "simple3"])
def test_a_time_limit_is_kept_and_what_is_left_of_it_is_used(name: str) -> None:
    r = map_network(load_model("lenet5", bits=8), load_chip(name), "edp", jobs=1, cache=False, time_limit=2.0)
    assert r.search_cpu_s <= 3.0
    assert r.proved or r.search_cpu_s >= 1.0
