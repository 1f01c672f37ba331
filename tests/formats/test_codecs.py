"""Codecs of zeros: round trips, bit layouts, twins, sizes against closed forms, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import picojoule
from picojoule.errors import SpecError
from picojoule.formats import relative_index, run_length
from picojoule.formats.codebook import k_means
from picojoule.formats.element import Entries

DATA = Path(picojoule.__file__).parent / "workload" / "zoo" / "data"


def sparse(rng: np.random.Generator, shape: tuple[int, ...], density: float, high: int = 1 << 15) -> np.ndarray:
    return (rng.integers(1, high, shape) * (rng.random(shape) < density)).astype(np.int16)


def test_run_length_gives_10_000_random_tensors_back() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        shape = (int(rng.integers(1, 4)), int(rng.integers(0, 60)))
        x = sparse(rng, shape, rng.choice([0, 0.02, 0.3, 0.9, 1.0])) * np.int16(rng.choice([-1, 1]))
        code = run_length.encode(x)
        assert np.array_equal(run_length.decode(code), x)
        runs, levels = run_length.encode_reference(x.reshape(-1).view(np.uint16))
        assert (code.pairs, code.bits) == (len(runs), 64 * -(-len(runs) // 3))
        assert code.padding_pairs == levels.count(0)


def test_relative_indices_give_10_000_random_matrices_back() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10_000):
        m, n, pes = int(rng.integers(1, 60)), int(rng.integers(1, 4)), int(rng.integers(1, 5))
        x = sparse(rng, (m, n), rng.choice([0, 0.02, 0.3, 1.0]), 16).astype(np.uint8)
        code = relative_index.encode(x, pes)
        assert np.array_equal(relative_index.decode(code), x)
        reference = relative_index.encode_reference(x, pes)
        flat = [e for pe in reference for column in pe for e in column]
        assert list(zip(code.runs.tolist(), code.codes.tolist(), strict=True)) == flat
        assert code.padding == sum(v == 0 for _, v in flat)
        assert code.metadata_bits == 4 * len(flat) + 16 * pes * (n + 1)


def test_run_length_packs_three_pairs_and_an_end_bit_into_64_bits() -> None:
    x = np.array([0, 0, 12, 0, 0, 0, 0, 53, 0, 0, 22, 7], np.int16)  # the example of the Eyeriss paper, and one value more
    code = run_length.encode(x)
    first = 2 << 58 | 12 << 42 | 4 << 37 | 53 << 21 | 2 << 16 | 22
    assert [hex(w) for w in code.words.tolist()] == [hex(first), hex(1 << 63 | 0 << 58 | 7 << 42)]
    assert code.metadata_bits == 128 - 4 * 16


def test_a_run_of_32_zeros_takes_a_pair_of_its_own() -> None:
    x = np.zeros(33, np.int16)
    x[32] = 9
    code = run_length.encode(x)
    assert (code.pairs, code.padding_pairs) == (2, 1)
    assert [int(w) >> 58 & 31 for w in code.words] == [31]


@pytest.mark.parametrize(("zeros", "ratio"), [(0.387, 1.22), (0.5, 1.5), (0.725, 2.73), (0.776, 3.35), (0.793, 3.62)])
def test_run_length_ratios_by_density_are_the_closed_form_and_the_published_ones(zeros: float, ratio: float) -> None:
    x = sparse(np.random.default_rng(2), (400_000,), 1 - zeros)
    assert 16 / run_length.expected_bits(1 - zeros) == pytest.approx(ratio, abs=0.006)
    assert run_length.encode(x).ratio == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize("density", [0.02, 0.04, 0.09, 0.25, 0.5])
def test_eie_pads_as_often_as_geometric_runs_say(density: float) -> None:
    for rows, columns in ((64, 2000), (16, 2000), (20_000, 8)):
        code = relative_index.encode(sparse(np.random.default_rng(3), (16 * rows, columns), density, 16).astype(np.uint8), 16)
        expected = relative_index.expected_padding(density, None if rows == 20_000 else rows)
        assert code.padding / code.nonzeros == pytest.approx(expected, rel=0.03, abs=1e-4)


def test_real_images_come_back() -> None:
    images = np.load(DATA / "digits.npz")["image"].astype(np.int16)  # about half are zero
    for x in (images, *images):
        code = run_length.encode(x)
        np.testing.assert_array_equal(run_length.decode(code), x)
    assert run_length.encode(images).ratio > 1.2
    assert run_length.entropy_bits(images) < run_length.encode(images).bits / images.size


@pytest.mark.parametrize("kept", [0.04, 0.1, 0.3])
def test_trained_weights_pruned_and_shared_come_back(kept: float) -> None:
    for tensor in onnx.load(DATA / "digits.onnx").graph.initializer:
        w = numpy_helper.to_array(tensor)
        if w.ndim < 2:
            continue
        matrix = w.reshape(w.shape[0], -1)
        big = np.abs(matrix) > np.quantile(np.abs(matrix), 1 - kept)
        codes = np.where(big, 1 + Entries(table=k_means(matrix[big], 15)).encode(matrix), 0).astype(np.uint8)
        for pes in (1, 4, 64):
            np.testing.assert_array_equal(relative_index.decode(relative_index.encode(codes, pes)), codes)


def test_empty_and_all_zero_tensors_are_coded() -> None:
    assert run_length.encode(np.zeros(0, np.int16)).bits == 0
    x = np.zeros((5, 13), np.int16)
    np.testing.assert_array_equal(run_length.decode(run_length.encode(x)), x)
    assert run_length.encode(x).pairs == 3  # 32 + 32 + 1
    assert relative_index.encode(np.zeros((200, 3), np.uint8), 2).entries == 0


def test_what_cannot_be_coded_or_decoded_is_one_clear_error() -> None:
    with pytest.raises(SpecError, match="16 b elements, not float64"):
        run_length.encode(np.zeros(3))
    with pytest.raises(SpecError, match="4 b codebook indices"):
        relative_index.encode(np.full((2, 2), 16))
    with pytest.raises(SpecError, match="0 PEs"):
        relative_index.encode(np.zeros((2, 2), np.uint8), 0)
    for density in (-0.1, 1.1):
        with pytest.raises(SpecError, match="fraction"):
            run_length.expected_bits(density)
        with pytest.raises(SpecError, match="fraction"):
            relative_index.expected_padding(density)
    code = run_length.encode(np.arange(10, dtype=np.int16))
    with pytest.raises(SpecError, match="does not end after 9 elements"):
        run_length.decode(run_length.RunLength(words=code.words, shape=(9,), pairs=10, padding_pairs=0))
