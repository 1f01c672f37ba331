"""What the experiments on smaller networks count, against counting in the simplest way."""

from __future__ import annotations

import numpy as np
import pytest

from picojoule.reproduction.experiments.proxies import _layers, _sizes, candidates, worst_pair
from picojoule.reproduction.experiments.pruned_and_quantised import entries


def test_pairs_of_run_lengths_are_those_of_walking_the_row() -> None:
    rng = np.random.default_rng(0)
    for density in (0.02, 0.1, 0.5, 1.0):
        codes = rng.integers(1, 9, 3000) * (rng.random(3000) < density)
        count = zeros = 0
        last = int(np.flatnonzero(codes)[-1])
        for value in codes[: last + 1]:
            if value == 0 and zeros < 15:
                zeros += 1
            else:  # a weight, or the 16th zero
                count, zeros = count + 1, 0
        assert entries(codes) == count


def test_the_worst_pair_is_that_of_trying_all() -> None:
    rng = np.random.default_rng(1)
    proxy, energy = rng.integers(0, 9, 40).astype(float), rng.random(40) + 0.1
    pairs = [(a, b) for a in range(40) for b in range(40) if a != b and proxy[a] <= proxy[b]]
    assert worst_pair(proxy, energy) == pytest.approx(max(energy[a] / energy[b] for a, b in pairs))
    assert worst_pair(np.arange(5.0), np.arange(1.0, 6.0)) < 1  # ordered alike: no pair is wrong


def test_the_proxies_of_a_network_are_sums_over_its_layers() -> None:
    layers = _layers(8, 16, 32, "separable", (8, 4, 4, 8))
    macs, weights, stored, operations, moved = _sizes(layers)
    assert macs == 64 * 8 * 9 + 64 * 8 * 9 + 64 * 8 * 16 + 256 * 32 + 320
    assert weights == 72 + 72 + 128 + 8192 + 320
    assert stored == 72 * 8 + (72 + 128 + 8192) * 4 + 320 * 8
    assert operations == 64 * 72 * 64 + (64 * 72 + 64 * 128 + 8192) * 16 + 320 * 64
    inputs = 64 * 8 + (512 + 512 + 256) * 4 + 32 * 8
    outputs = (512 + 512 + 1024) * 4 + 32 * 8 + 10 * 8
    assert moved == stored + inputs + outputs
    assert len(set(candidates())) == len(candidates())
