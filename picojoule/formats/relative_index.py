"""EIE's compressed columns, bit by bit: a 4 b count of zeros before each entry and a 4 b codebook index, per PE and column.

Row i of the matrix belongs to PE i mod P. Each PE keeps its part of each column as entries (z, v): z zero rows (of this PE)
and then the value; z is 15 at most, so a longer run needs an entry of 15 zeros and the value zero, which is the 16th. A pointer
to the first entry of each column (and one past the last) is kept apart. Entries take 8 b: one SRAM word of 64 b has eight.
Source: Han et al., EIE, ISCA 2016, Sections III-B and IV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from picojoule.errors import SpecError

INDEX_BITS, VALUE_BITS, POINTER_BITS = 4, 4, 16
LONGEST_RUN = (1 << INDEX_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeIndex:
    """A matrix in EIE's format. `codes` index a codebook whose entry 0 is the value zero."""

    shape: tuple[int, int]
    pes: int
    runs: np.ndarray  # uint8, entries of PE 0 column by column, then of PE 1, ...
    codes: np.ndarray  # uint8
    pointers: np.ndarray  # int64[pe, columns + 1], into runs and codes
    nonzeros: int

    @property
    def entries(self) -> int:
        return len(self.runs)

    @property
    def padding(self) -> int:
        """Entries that stand for nothing but zeros."""
        return self.entries - self.nonzeros

    @property
    def entries_of(self) -> np.ndarray:
        """int64[pe, column]: entries a PE works through for one column."""
        return np.diff(self.pointers, axis=1)

    @property
    def metadata_bits(self) -> int:
        """Bits of the runs and of the pointers."""
        return INDEX_BITS * self.entries + POINTER_BITS * self.pointers.size

    @property
    def bits(self) -> int:
        return VALUE_BITS * self.entries + self.metadata_bits

    def packed(self) -> np.ndarray:
        """The entries as bytes: the run in the high half, the codebook index in the low one."""
        return (self.runs.astype(np.uint8) << 4) | self.codes.astype(np.uint8)


def encode_reference(matrix: np.ndarray, pes: int) -> list[list[list[tuple[int, int]]]]:
    """[pe][column] -> entries (zeros before, code), by walking the rows of each PE."""
    out = []
    for pe in range(pes):
        columns = []
        for column in matrix[pe::pes].T:
            entries, zeros = [], 0
            for code in column.tolist():
                if code == 0 and zeros < LONGEST_RUN:
                    zeros += 1
                elif code == 0:
                    entries.append((LONGEST_RUN, 0))
                    zeros = 0
                else:
                    entries.append((zeros, code))
                    zeros = 0
            while entries and entries[-1][1] == 0:  # what follows the last nonzero needs no entry
                entries.pop()
            columns.append(entries)
        out.append(columns)
    return out


@njit(cache=True)
def _entries(rows: np.ndarray, runs: np.ndarray, codes: np.ndarray, at: int) -> int:
    """Twin of encode_reference for one PE and one column: `rows` are the PE's codes, its first entry goes to `at`."""
    zeros, kept = 0, at
    for i in range(len(rows)):
        code = rows[i]
        if code == 0 and zeros < LONGEST_RUN:
            zeros += 1
            continue
        runs[at] = zeros
        codes[at] = code
        at += 1
        zeros = 0
        if code != 0:
            kept = at
    return kept


@njit(cache=True)
def _all_entries(matrix: np.ndarray, pes: int, runs: np.ndarray, codes: np.ndarray, pointers: np.ndarray) -> int:
    at = 0
    for pe in range(pes):
        for c in range(matrix.shape[1]):
            pointers[pe, c] = at
            at = _entries(matrix[pe::pes, c], runs, codes, at)
        pointers[pe, matrix.shape[1]] = at
    return at


def encode(matrix: np.ndarray, pes: int = 64) -> RelativeIndex:
    """The matrix of codebook indices (0 to 15, 0 is zero), rows spread over the PEs."""
    if matrix.ndim != 2 or matrix.min(initial=0) < 0 or matrix.max(initial=0) >= 1 << VALUE_BITS:
        raise SpecError("EIE codes a matrix of 4 b codebook indices", hint="give two dimensions and values 0 to 15")
    if pes < 1:
        raise SpecError(f"{pes} PEs", hint="1 or more")
    m = np.ascontiguousarray(matrix, np.uint8)
    nonzeros = int(np.count_nonzero(m))
    room = nonzeros + m.size // (LONGEST_RUN + 1) + pes * m.shape[1]
    runs, codes = np.empty(room, np.uint8), np.empty(room, np.uint8)
    pointers = np.empty((pes, m.shape[1] + 1), np.int64)
    n = int(_all_entries(m, pes, runs, codes, pointers))
    return RelativeIndex(
        shape=(m.shape[0], m.shape[1]),
        pes=pes,
        runs=runs[:n].copy(),
        codes=codes[:n].copy(),
        pointers=pointers,
        nonzeros=nonzeros,
    )


def decode(code: RelativeIndex) -> np.ndarray:
    """The matrix again."""
    out = np.zeros(code.shape, np.uint8)
    for pe in range(code.pes):
        of = code.pointers[pe]
        begin, end = int(of[0]), int(of[-1])
        if begin == end:
            continue
        steps = code.runs[begin:end].astype(np.int64) + 1
        column = np.repeat(np.arange(code.shape[1]), np.diff(of))
        reached = np.cumsum(steps)
        before = np.concatenate([[0], reached])[of[:-1] - begin]  # steps of the columns before
        rows = reached - before[column] - 1
        if rows.max() * code.pes + pe >= code.shape[0]:
            raise SpecError("an entry lies below the last row", hint="give the shape that was coded")
        out[rows * code.pes + pe, column] = code.codes[begin:end]
    return out


def expected_entries(rows: int, columns: int, pes: int, density: float) -> float:
    """Expected entries of a matrix with independent nonzeros, each PE with its own share of the rows; exact."""
    if density == 0:
        return 0.0
    own = [len(range(pe, rows, pes)) for pe in range(pes)]
    padding = {n: expected_padding(density, n) for n in set(own) if n}
    return float(columns * sum(density * n * (1 + padding[n]) for n in own if n))


def worst_entries(rows: int, columns: int) -> int:
    """Entries that no matrix exceeds: an entry stands for at least one element."""
    return rows * columns


def expected_padding(density: float, rows: int | None = None) -> float:
    """Expected padding entries for each nonzero of a column of so many rows of one PE (None: without end).

    With q = 1 - density, i zeros before a nonzero take floor(i / 16) entries, and a run of n has probability q^n. Without end
    that is q^16 / (1 - q^16); in `rows` rows the mean over rows i of the sum of q^(16 k) over 16 k <= i, as zeros behind the
    last nonzero take none. At 4 % it is 1.09 without end, and 0.56 in the 64 rows that a PE has of VGG-16's first dense layer.

    >>> round(expected_padding(0.04), 3), round(expected_padding(0.04, 64), 3)
    (1.085, 0.561)
    """
    if not 0 < density <= 1:
        raise SpecError(f"density {density}", hint="give a fraction above 0, to 1")
    q = (1 - density) ** (LONGEST_RUN + 1)
    if rows is None:
        return q / (1 - q)
    full = np.arange(rows) // (LONGEST_RUN + 1)  # padding entries that fit before row i
    return float(np.mean(q * (1 - q**full) / (1 - q))) if q < 1 else float(full.mean())
