"""Row stationary on an array: every PE works once, sets fold and replicate, and the nest is in the mapspace."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

import picojoule
from picojoule.cost.traffic import count
from picojoule.errors import MappingError, SpecError
from picojoule.hardware.dataflow import constrained
from picojoule.machines.row_stationary.best import best_parameters
from picojoule.machines.row_stationary.counts import Sparsity, prices_of, run_length_bits, words
from picojoule.machines.row_stationary.rows import Array, Parameters, RowStationary, Shape, array_of, parameters, shape_of
from picojoule.mapping.dataflow import violations
from picojoule.mapping.mapping import check
from picojoule.reproduction.eyeriss import PARAMETERS
from picojoule.workload.layer import Layer, conv, gemm

CHIP = picojoule.load_chip("eyeriss")
ARRAY = array_of(CHIP)
ALEXNET = {s.layer.name: s.layer for s in picojoule.load_model("alexnet", batch=4).layers}


def on_chip(name: str) -> RowStationary:
    return RowStationary(shape=shape_of(ALEXNET[name]), array=ARRAY, parameters=PARAMETERS[name])


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_active_pe_has_one_work_and_every_work_of_the_sets_is_done(name: str) -> None:
    rs = on_chip(name)
    works = list(rs.works())
    assert len({(w.row, w.column) for w in works}) == len(works) == rs.active_pes
    assert all(w.row < 12 and w.column < 14 for w in works)
    x = rs.parameters
    wanted = {(i, j, r, t) for i in range(rs.shape.R) for j in range(x.e) for r in range(x.r) for t in range(x.t)}
    assert {(w.filter_row, w.output_row, w.channel_set, w.filter_set) for w in works} == wanted


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_physical_mapping_is_a_mapping_of_the_row_stationary_dataflow(name: str) -> None:
    nest = on_chip(name).mapping(ALEXNET[name])
    narrowed = constrained(CHIP, "row-stationary")
    assert violations(nest, ALEXNET[name], narrowed) == ()
    check(nest, ALEXNET[name], narrowed)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_words_at_the_buffer_are_those_that_the_nest_moves(name: str) -> None:
    """Where no input is padding, to the word; else padding is what the closed form has more."""
    rs, layer = on_chip(name), ALEXNET[name]
    moved, nest = words(rs), count(layer, CHIP, rs.mapping(layer))
    assert nest.reads()["GLB", "O"] + nest.writes()["GLB", "O"] == moved.buffer_sums
    assert nest.reads()["DRAM", "W"] == moved.dram_filters
    real = layer.elements(layer.tensor("I"))
    padded = rs.shape.N * rs.shape.G * rs.shape.C * rs.shape.input_rows(rs.shape.E) * rs.shape.W
    assert nest.reads()["GLB", "I"] * padded == moved.buffer_inputs * real or name == "conv1"
    if name == "conv1":
        assert nest.reads()["GLB", "I"] == moved.buffer_inputs


def test_what_does_not_fit_says_which_resource_and_how_much() -> None:
    rs = on_chip("conv3")
    wrong = (
        ({"p": 24, "m": 96}, "filter scratchpad"),
        ({"q": 5, "p": 8}, "input scratchpad"),
        ({"m": 128}, "global buffer"),
        ({"r": 2}, "logical sets, folded"),
    )
    for change, said in wrong:
        with pytest.raises(MappingError, match=said):
            replace(rs, parameters=replace(rs.parameters, **change))


def test_parameters_are_read_and_mistakes_named() -> None:
    assert parameters("m=96,n=1,e=7,p=16,q=1,r=1,t=2") == PARAMETERS["conv1"]
    for text, said in (("m=96", "n, e, p, q, r, t missing"), ("mm=1", "unknown parameter 'mm'"), ("m=x", "no whole number")):
        with pytest.raises(SpecError, match=said):
            parameters(text)


def test_a_chip_without_a_two_dimensional_array_is_refused() -> None:
    with pytest.raises(SpecError, match="two-dimensional PE array"):
        array_of(picojoule.load_chip("simba-like"))


def test_a_narrower_word_costs_its_share_of_an_access_and_of_a_transfer() -> None:
    wide, narrow = prices_of(CHIP, ARRAY, 16), prices_of(CHIP, ARRAY, 8)
    for name, component in (("input_pj", ARRAY.names[3]), ("filter_pj", ARRAY.names[2]), ("buffer_pj", ARRAY.names[0])):
        memory = CHIP.memory(component)
        share = memory.accesses_per_word(8) / memory.accesses_per_word(16)
        assert getattr(narrow, name) == pytest.approx(share * getattr(wide, name)) and share == 0.5, name
    assert narrow.array_pj == pytest.approx(wide.array_pj / 2) and narrow.mac_pj == wide.mac_pj


SMALL = (conv(K=8, C=4, P=6, Q=6, R=3, S=3), conv(K=6, C=6, P=9, Q=5, R=5, S=5, stride=2, groups=2), gemm(M=4, N=8, K=6))


def fitting(shape: Shape, array: Array) -> Iterator[Parameters]:
    """All parameters that work in whole passes: m a multiple of p * t that divides M, q and n divisors of C and N."""

    def divisors(n: int) -> list[int]:
        return [d for d in range(1, n + 1) if n % d == 0]

    sets = range(1, array.rows * array.columns + 1)
    for m, n, p, q in itertools.product(divisors(shape.M), divisors(shape.N), divisors(shape.M), divisors(shape.C)):
        for e, r, t in itertools.product(range(1, shape.E + 1), sets, sets):
            if r * t <= len(sets) and m % (p * t) == 0 and q * r <= shape.C:
                yield Parameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


@pytest.mark.parametrize("layer", SMALL)
def test_the_parameters_of_least_energy_are_the_least_of_all_that_fit(layer: Layer) -> None:
    small = replace(ARRAY, rows=6, columns=5, buffer_words=600)
    prices, shape = prices_of(CHIP, ARRAY), shape_of(layer)
    best = best_parameters(shape, small, prices, 460.0)

    def energy(p: Parameters) -> float:
        try:
            w = words(RowStationary(shape=shape, array=small, parameters=p))
        except MappingError:
            return float("inf")
        return w.dram * 460 + w.buffer * prices.buffer_pj + (w.delivered + w.handed_on) * prices.array_pj

    assert energy(best.parameters) == pytest.approx(min(map(energy, fitting(shape, small))), rel=1e-12)


def test_run_length_codes_follow_their_format() -> None:
    assert run_length_bits(0.0) == pytest.approx(64 / 3)  # every value carries its run
    assert run_length_bits(1.0) == pytest.approx(64 / 3 / 32)  # one pair for 32 zeros
    assert 16 / run_length_bits(0.725) == pytest.approx(2.73, abs=0.01)
    rng = random.Random(1)
    zeros, pairs, run = 0.8, 0, 0
    for _ in range(60_000):  # coded one by one
        zero = rng.random() < zeros
        if zero and run < 31:
            run += 1
        else:
            pairs, run = pairs + 1, 0
    assert pairs * 64 / 3 / 60_000 == pytest.approx(run_length_bits(zeros), rel=0.02)
    dense = on_chip("conv4")
    assert words(dense, Sparsity(input_zeros=0.8, packed_input=True)).dram < words(dense).dram
