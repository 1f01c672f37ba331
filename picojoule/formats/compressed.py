"""CSR and CSC: compressed rows or columns of a matrix, and the words that a product with a vector moves.

CSR keeps the nonzeros row after row with their column indices and a pointer to the start of each row; CSC is CSR of the
transposed matrix. In y = W x, W of M rows (outputs) and N columns (inputs), CSR finishes one output at a time and needs all
inputs at hand; CSC works off one input at a time, can leave out inputs that are zero, and needs all outputs at hand.
Source: the survey's Section VII-B-2 and Fig. 44 (after Dorrance et al., FPGA 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A matrix as values, indices and pointers. `order`: "csr" or "csc"."""

    order: str
    shape: tuple[int, int]
    values: np.ndarray
    indices: np.ndarray  # of the column (csr) or row (csc) of each value
    pointers: np.ndarray  # first value of each row (csr) or column (csc), and one past the last

    @property
    def index_bits(self) -> int:
        inner = self.shape[1] if self.order == "csr" else self.shape[0]
        return max(1, (inner - 1).bit_length())

    @property
    def pointer_bits(self) -> int:
        return max(1, len(self.values).bit_length())

    @property
    def metadata_bits(self) -> int:
        return self.index_bits * len(self.indices) + self.pointer_bits * len(self.pointers)

    def bits(self, value_bits: int) -> int:
        """Bits of values and metadata."""
        return value_bits * len(self.values) + self.metadata_bits


def encode(matrix: np.ndarray, order: str) -> Compressed:
    """The nonzeros of a matrix in CSR or CSC order."""
    if order not in ("csr", "csc") or matrix.ndim != 2:
        raise SpecError(f"no {order!r} of {matrix.ndim} dimensions", hint="csr or csc of a matrix")
    m = matrix if order == "csr" else matrix.T
    outer, inner = np.nonzero(m)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(outer, minlength=m.shape[0]))])
    return Compressed(
        order=order, shape=(matrix.shape[0], matrix.shape[1]), values=m[outer, inner], indices=inner, pointers=pointers
    )


def decode(c: Compressed) -> np.ndarray:
    """The matrix again."""
    rows, columns = c.shape if c.order == "csr" else c.shape[::-1]
    out = np.zeros((rows, columns), c.values.dtype)
    out[np.repeat(np.arange(rows), np.diff(c.pointers)), c.indices] = c.values
    return out if c.order == "csr" else out.T


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTraffic:
    """Words that the vectors of one product move to and from memory beyond a buffer."""

    input_words: int
    output_words: int

    @property
    def words(self) -> int:
        return self.input_words + self.output_words


def csr_traffic(outputs: int, inputs: int, buffer_words: int) -> VectorTraffic:
    """CSR with room for `buffer_words` inputs: the inputs in blocks, each input once; partial outputs come back for each block.

    Outputs are written once a block and read again in every block but the first.
    """
    blocks = _blocks(inputs, buffer_words)
    return VectorTraffic(input_words=inputs, output_words=outputs * (2 * blocks - 1))


def csc_traffic(outputs: int, inputs: int, buffer_words: int) -> VectorTraffic:
    """CSC with room for `buffer_words` outputs: the outputs in blocks, each output once; the inputs come again for each block."""
    return VectorTraffic(input_words=inputs * _blocks(outputs, buffer_words), output_words=outputs)


def _blocks(words: int, buffer_words: int) -> int:
    if buffer_words < 1:
        raise SpecError(f"a buffer of {buffer_words} words", hint="1 or more")
    return -(-words // buffer_words)
