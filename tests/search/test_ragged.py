"""Dimensions that no factors suit: every ragged way to unroll and tile them is in the search."""

from __future__ import annotations

import random

import pytest

from picojoule.cost.model import evaluate
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import parse
from picojoule.search.exact.lattice import build_lattice, outermost_tiles
from picojoule.search.exact.spatial import spatial_choices
from picojoule.search.optimal import best_mapping
from picojoule.verification.reprove_space import unrollings
from picojoule.workload.layer import gemm


def two_arrays(*sizes: int) -> Chip:
    """DRAM and one fan-out after the other over M."""
    fans = tuple(FanOut(f"F{i}", (Axis(f"X{i}", n, ("M",)),)) for i, n in enumerate(sizes))
    return Chip("arrays", (Group((Memory("DRAM", None, 8, 64.0, 64.0),)), *fans), Compute("MAC", 1.0), 1e9)


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
def test_an_extent_that_divides_may_still_be_unrolled_raggedly(objective: str) -> None:
    """M = 1010 over 2 places: 505 each exactly, which no array of 10 can split, or 510 and 500."""
    layer, chip = gemm(M=1010, N=1, K=2, bits=8), two_arrays(2, 10)
    better = evaluate(layer, chip, parse("DRAM{A,B,Z}; X0:m2, X1:m10; m51 k2", layer, chip))
    r = best_mapping(layer, chip, objective)
    value = {"latency": better.cycles, "energy": better.energy_pj, "edp": better.energy_pj * better.cycles}[objective]
    assert r.proved and r.certificate["value"] <= value * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_the_search_unrolls_all_that_the_second_proof_does(seed: int) -> None:
    rng = random.Random(seed)
    bounds = [rng.choice((1, 2, 5, 6, 13, 14, 27, 29, 35, 55, 60, 101)) for _ in range(3)]
    layer = gemm(M=bounds[0], N=bounds[1], K=bounds[2], bits=8)
    names = [d for d, _ in layer.dims]
    axes = []
    for name, size in zip("XYZ", rng.choice(((4,), (7,), (16,), (2, 6), (4, 4), (3, 4, 2))), strict=False):
        axes.append(Axis(name, size, tuple(rng.sample(names, rng.randint(1, len(names)))) if rng.random() < 0.5 else None))
    fanout = FanOut("F", tuple(axes))
    found = spatial_choices(fanout, layer, build_lattice(layer, True))
    ours = {(tuple(e), tuple(b)) for e, b in zip(found.extents.tolist(), found.below.tolist(), strict=True)}
    theirs = {(u.extents, u.below) for u in unrollings(layer, fanout, {d: outermost_tiles(n, True) for d, n in layer.dims})}
    assert len(ours) == len(found.extents) and ours == theirs
    assert (found.axes.prod(axis=1) == found.extents).all()
    assert (found.axes.prod(axis=2) <= [a.size for a in axes]).all()
