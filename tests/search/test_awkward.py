"""Sizes that no factors suit, and figures that every later change must keep."""

from __future__ import annotations

from picojoule.hardware.chipfile.read import load_chip
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import conv, gemm


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
