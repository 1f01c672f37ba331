"""CSR and CSC: round trips, scipy's own layout, metadata bits, and traffic against a walk over blocks."""

from __future__ import annotations

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.formats.compressed import csc_traffic, csr_traffic, decode, encode


def made(rng: np.random.Generator) -> np.ndarray:
    shape = tuple(rng.integers(1, 30, 2).tolist())
    return (rng.integers(1, 99, shape) * (rng.random(shape) < rng.choice([0, 0.1, 0.5, 1]))).astype(np.int64)


@pytest.mark.parametrize("order", ["csr", "csc"])
def test_random_matrices_come_back(order: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        x = made(rng)
        c = encode(x, order)
        np.testing.assert_array_equal(decode(c), x)
        assert len(c.values) == np.count_nonzero(x) == c.pointers[-1]
        assert len(c.pointers) == 1 + x.shape[0 if order == "csr" else 1]
        inner = x.shape[1 if order == "csr" else 0]
        assert 2**c.index_bits >= inner
        assert c.metadata_bits == c.index_bits * len(c.values) + c.pointer_bits * len(c.pointers)
        assert c.bits(16) == c.metadata_bits + 16 * len(c.values)


def test_the_layout_is_the_usual_one() -> None:
    x = np.array([[5, 0, 0], [0, 8, 6], [0, 0, 3]])
    csr, csc = encode(x, "csr"), encode(x, "csc")
    assert (csr.values.tolist(), csr.indices.tolist(), csr.pointers.tolist()) == ([5, 8, 6, 3], [0, 1, 2, 2], [0, 1, 3, 4])
    assert (csc.values.tolist(), csc.indices.tolist(), csc.pointers.tolist()) == ([5, 8, 6, 3], [0, 1, 1, 2], [0, 1, 2, 4])


def walked(order: str, m: int, n: int, room: int) -> int:
    """Words moved by a product that keeps a block of the one vector in a buffer, one access after the other."""
    moved = 0
    if order == "csr":
        for start in range(0, n, room):
            moved += min(room, n - start)  # inputs of the block
            for _ in range(m):
                moved += 1 + (start > 0)  # the output is written, and was read if there is one already
    else:
        for start in range(0, m, room):
            moved += n  # each input
            moved += min(room, m - start)  # outputs of the block
    return moved


def test_traffic_is_what_a_walk_counts() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        m, n, room = (int(v) for v in rng.integers(1, 60, 3))
        assert csr_traffic(m, n, room).words == walked("csr", m, n, room)
        assert csc_traffic(m, n, room).words == walked("csc", m, n, room)


def test_with_room_for_both_vectors_they_are_alike() -> None:
    assert csr_traffic(50, 70, 100).words == csc_traffic(50, 70, 100).words == 120


def test_what_cannot_be_compressed_is_refused() -> None:
    with pytest.raises(SpecError, match="no 'coo' of 2 dimensions"):
        encode(np.zeros((2, 2)), "coo")
    with pytest.raises(SpecError, match="a buffer of 0 words"):
        csr_traffic(3, 3, 0)
