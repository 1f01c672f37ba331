"""The busiest PE against real zeros, counted bit by bit: 50 random products, unrollings, densities and moments of waiting."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from picojoule.cost.imbalance import Leader, _binomial_max, double, single
from picojoule.cost.sparsity import imbalance, mac_conditions
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import Mapping, parse
from picojoule.workload.layer import Layer, gemm

NAMES = "MNK"


def counted(layer: Layer, split: dict[str, tuple[int, int, int]], skips: tuple[str, ...], waits: str, draws: int) -> float:
    """Busiest PE's work / mean work over windows and draws. `split`: (loops outside, unrolled, inside) by dimension."""
    rng, busiest, mean = np.random.default_rng(0), 0.0, 0.0
    a, b = (layer.zeros(layer.tensors[i]) for i in (0, 1))
    for _ in range(draws):
        x = a.sample(rng) if "input" in skips else np.ones(a.shape, bool)
        y = b.sample(rng) if "weight" in skips else np.ones(b.shape, bool)
        work = (x[:, None, :] & y.T[None, :, :]).astype(np.int64)  # m, n, k
        work = work.reshape([n for d in NAMES for n in split[d]]).transpose(0, 3, 6, 1, 4, 7, 2, 5, 8)
        outside, pes = (int(np.prod([split[d][i] for d in NAMES])) for i in (0, 1))
        work = work.reshape(outside, pes, -1)
        per_pe = {"tile": work.sum(axis=2), "layer": work.sum(axis=(0, 2))[None], "step": None}[waits]
        if per_pe is None:
            per_pe = work.transpose(0, 2, 1).reshape(-1, pes)
        busiest += per_pe.max(axis=1).sum()
        mean += per_pe.mean(axis=1).sum()
    return busiest / mean


def case(rng: random.Random) -> tuple[Layer, Chip, Mapping, dict[str, tuple[int, int, int]], tuple[str, ...], str]:
    waits = rng.choice(("tile", "tile", "layer", "step"))
    split = {d: (rng.choice((1, 2, 4)), rng.choice((1, 2, 4)), rng.choice((4, 8))) for d in NAMES}
    skips = rng.choice((("input",), ("weight",), ("input", "weight")))
    sizes = {d: a * b * c for d, (a, b, c) in split.items()}
    layer = gemm(**sizes).with_density(input=rng.choice((0.1, 0.3, 0.5, 0.8)), weight=rng.choice((0.1, 0.3, 0.5, 0.8)))  # type: ignore[arg-type]
    array = FanOut("array", tuple(Axis(f"{d}x", 4) for d in NAMES), waits=waits)
    chip = Chip("pes", (Group((Memory("DRAM", None, 16, 1.0, 1.0),)), array), Compute("MAC", 1.0, skips=skips), 1e9)
    loops = [
        "{}".format(" ".join(f"{d.lower()}{split[d][0]}" for d in NAMES)),
        ", ".join(f"{d}x:{d.lower()}{split[d][1]}" for d in NAMES),
        " ".join(f"{d.lower()}{split[d][2]}" for d in NAMES),
    ]
    return layer, chip, parse(f"DRAM{{A,B,Z}}; {'; '.join(loops)}", layer, chip), split, skips, waits


@pytest.mark.parametrize("seed", range(50))
def test_the_expected_maximum_is_that_of_counted_work_within_3_percent(seed: int) -> None:
    layer, chip, mapping, split, skips, waits = case(random.Random(seed))
    expected = imbalance(layer, chip, mapping, mac_conditions(layer, chip, mapping)[0])
    assert expected == pytest.approx(counted(layer, split, skips, waits, 150), rel=0.03), (split, skips, waits, layer.tensors)


def test_the_maximum_of_draws_is_exact() -> None:
    """Two units that count with probability 1/4 each: 1 - (3/4)^2."""
    assert _binomial_max(1, 0.25, 2) == pytest.approx(1 - (3 / 4) ** 2)
    assert single(Leader(1, 0.25), 2) == pytest.approx((1 - (3 / 4) ** 2) / 0.25)


def test_one_pe_or_dense_work_has_no_imbalance_and_more_pes_have_more() -> None:
    assert single(Leader(64, 0.3), 1) == 1.0
    assert single(Leader(64, 1.0), 64) == 1.0
    grown = [single(Leader(64, 0.3), n) for n in (2, 8, 32, 128)]
    assert grown == sorted(grown) and grown[0] > 1.0
    assert single(Leader(6400, 0.3), 64) < single(Leader(64, 0.3), 64)


def test_pes_that_never_wait_have_none() -> None:
    layer, chip, mapping, *_ = case(random.Random(1))
    array = replace(chip.fanouts[0], waits="never")
    patient = replace(chip, levels=(chip.levels[0], array))
    assert imbalance(layer, patient, mapping, mac_conditions(layer, chip, mapping)[0]) == 1.0


@pytest.mark.parametrize("units", [(1, 4, 1), (1, 4, 100)])  # drawn, and as normal numbers: both fall 1e-5 short without a floor
def test_the_busiest_pe_never_works_less_than_the_mean(units: tuple[int, int, int]) -> None:
    assert 1.0 <= double(*units, 0.9999, 0.9999, (1, 1, 2)) < 1.001
