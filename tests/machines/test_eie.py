"""EIE's queues: the recurrence against a cycle-by-cycle walk, laws, and matrices whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.relative_index import expected_padding
from picojoule.machines.eie import eie
from picojoule.machines.eie.sparse_product import I7_5930K, TITAN_X, crossover_density, dense_s, sparse_s

LAYER = eie.SparseLayer(name="t", inputs=400, outputs=640, weight_density=0.1, activation_density=0.5)


def test_the_recurrence_equals_a_walk_over_the_cycles() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        pes, n, queue = int(rng.integers(1, 6)), int(rng.integers(1, 30)), int(rng.integers(1, 10))
        entries = rng.poisson(rng.choice([0.3, 1, 4]), (pes, n)).astype(np.int64)
        assert eie.cycles(entries, queue) == eie.cycles_reference(entries, queue)


def test_deeper_queues_and_more_balance_never_take_longer() -> None:
    entries = np.random.default_rng(1).poisson(2, (16, 200)).astype(np.int64)
    times = [eie.cycles(entries, q) for q in (1, 2, 4, 8, 16, 64)]
    assert times == sorted(times, reverse=True)
    assert times[-1] >= entries.sum(axis=1).max()


def test_even_work_takes_the_bound_and_one_cycle_to_send() -> None:
    run = eie.run_columns(np.ones((64 * 5, 30), np.uint8))
    assert (run.padding, run.empty) == (0, 0)
    assert run.cycles == run.bound_cycles + 1 == 5 * 30 + 1


def test_a_column_without_entries_takes_one_cycle() -> None:
    run = eie.run_columns(np.zeros((64, 50), np.uint8))
    assert (run.cycles, run.empty) == (51, 64 * 50)


def test_a_run_has_the_work_of_its_densities() -> None:
    run = eie.run(LAYER)
    assert run.nonzeros == pytest.approx(640 * 200 * 0.1, rel=0.03)
    assert run.padding / run.nonzeros == pytest.approx(expected_padding(0.1, 10), abs=0.01)
    assert run.bound_cycles <= run.cycles
    assert run.energy_j() == pytest.approx(64 * 9.157e-3 * run.cycles / 800e6)
    assert eie.run(LAYER, seed=1) != run == eie.run(LAYER, seed=0)


@pytest.mark.parametrize("p", [I7_5930K, TITAN_X])
def test_rooflines_grow_with_work_and_batches_share_the_weights(p: object) -> None:
    for seconds in (dense_s, sparse_s):
        times = [seconds(LAYER, p, b) for b in (1, 2, 8, 64)]  # type: ignore[operator]
        assert times == sorted(times)
        assert times[-1] <= 64 * times[0] * 1.001
    assert dense_s(LAYER, p) >= 4 * 400 * 640 / p.bytes_per_s  # type: ignore[attr-defined]


def test_sparse_and_dense_cross_where_they_take_the_same_time() -> None:
    d = crossover_density(2048, 2048, I7_5930K, 16)
    at = eie.SparseLayer(name="x", inputs=2048, outputs=2048, weight_density=d, activation_density=1)
    assert sparse_s(at, I7_5930K, 16) == pytest.approx(dense_s(at, I7_5930K, 16), rel=1e-3)


@pytest.mark.parametrize("wrong", [{"weight_density": 1.1}, {"weight_density": 0.0}, {"activation_density": -0.2}, {"inputs": 0}])
def test_impossible_layers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="layer 'x'"):
        eie.SparseLayer(**{"name": "x", "inputs": 4, "outputs": 4, "weight_density": 0.5, "activation_density": 0.5} | wrong)


def test_impossible_queues_and_batches_are_refused() -> None:
    with pytest.raises(SpecError, match="queues of 0"):
        eie.run(LAYER, queue=0)
    with pytest.raises(SpecError, match="a batch of 0"):
        sparse_s(LAYER, I7_5930K, 0)
