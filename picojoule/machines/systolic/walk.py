"""A systolic array register by register, with real numbers: the oracle of `systolic.py`.

Every cycle each PE sees only what its neighbours held the cycle before. The still operand travels down a pipe of its own into
a shadow register, and a bit that travels with the first streamed element swaps it in; so one machine serves folds with a gap
and folds without, and a schedule that is too tight gives wrong numbers, not just another count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as pairs

import numpy as np

from picojoule.machines.systolic.systolic import Array


@dataclass(frozen=True, slots=True)
class Walk:
    """What the array computed, and the cycles from the first operand at its edge to the last result leaving it."""

    result: np.ndarray
    cycles: int


def walk(a: np.ndarray, b: np.ndarray, array: Array, dataflow: str, pitch: int | None = None) -> Walk:
    """`a @ b` on the array. `pitch`: cycles from the start of a fold to the next (default: the least that is right)."""
    if dataflow == "is":  # Z^T = B^T A^T with A^T still
        turned = walk(b.T, a.T, array, "ws", pitch)
        return Walk(turned.result.T, turned.cycles)
    return _weight_stationary(a, b, array, pitch) if dataflow == "ws" else _output_stationary(a, b, array, pitch)


def _weight_stationary(a: np.ndarray, b: np.ndarray, array: Array, pitch: int | None) -> Walk:
    rows, columns, (m, k), n = array.rows, array.columns, a.shape, b.shape[1]
    folds = list(pairs(range(0, k, rows), range(0, n, columns)))
    if pitch is None:
        pitch = max(m, rows) if array.preload_overlap else rows + m + rows + columns - 2
    starts = [rows + f * pitch for f in range(len(folds))]
    moving, has = np.zeros((rows, columns), a.dtype), np.zeros((rows, columns), bool)
    swap, sums = np.zeros((rows, columns), bool), np.zeros((rows, columns), a.dtype)
    pipe, tag = np.zeros((rows, columns), a.dtype), np.full((rows, columns), -1)
    shadow, still = np.zeros((rows, columns), a.dtype), np.zeros((rows, columns), a.dtype)
    out, last = np.zeros((m, n), a.dtype), 0
    for t in range(starts[-1] + m + rows + columns - 1):
        # everything moves one PE on: the stream to the right, partial sums and arriving weights down
        moving[:, 1:], has[:, 1:], swap[:, 1:] = moving[:, :-1].copy(), has[:, :-1].copy(), swap[:, :-1].copy()
        above = np.vstack([np.zeros((1, columns), a.dtype), sums[:-1]])
        pipe[1:], tag[1:] = pipe[:-1].copy(), tag[:-1].copy()
        moving[:, 0], has[:, 0], swap[:, 0], tag[0] = 0, False, False, -1
        for f, (k0, n0) in enumerate(folds):
            for r in range(rows):
                i = t - starts[f] - r
                if 0 <= i < m:
                    moving[r, 0], has[r, 0], swap[r, 0] = (a[i, k0 + r] if k0 + r < k else 0), True, i == 0
            for c in range(columns):
                r = starts[f] + c - 1 - t  # the weight of the last row enters first; all of a column arrive together
                if 0 <= r < rows:
                    pipe[0, c], tag[0, c] = (b[k0 + r, n0 + c] if k0 + r < k and n0 + c < n else 0), r
        still = np.where(swap, shadow, still)
        shadow = np.where(tag == np.arange(rows)[:, None], pipe, shadow)
        sums = np.where(has, above + still * moving, 0)
        for f, (_, n0) in enumerate(folds):
            for c in range(columns):
                i = t - starts[f] - (rows - 1) - c
                if 0 <= i < m:
                    last = t
                    if n0 + c < n:
                        out[i, n0 + c] += sums[rows - 1, c]
    return Walk(out, last + 1)


def _output_stationary(a: np.ndarray, b: np.ndarray, array: Array, pitch: int | None) -> Walk:
    rows, columns, (m, k), n = array.rows, array.columns, a.shape, b.shape[1]
    folds = list(pairs(range(0, m, rows), range(0, n, columns)))
    leave = rows if array.drain else 0
    if pitch is None:
        pitch = max(k, leave) if array.preload_overlap else k + rows + columns - 2 + leave
    starts = [f * pitch for f in range(len(folds))]
    right, down = np.zeros((rows, columns), a.dtype), np.zeros((rows, columns), a.dtype)
    sums, held, chain = (np.zeros((rows, columns), a.dtype) for _ in range(3))
    out, last = np.zeros((m, n), a.dtype), 0
    for t in range(starts[-1] + k + rows + columns - 1 + leave):
        right[:, 1:], down[1:] = right[:, :-1].copy(), down[:-1].copy()
        right[:, 0], down[0] = 0, 0
        for f, (m0, n0) in enumerate(folds):
            for c in range(columns):  # the results of a column enter its chain together, once its last row has finished
                done = starts[f] + k - 1 + rows - 1 + c
                if array.drain and done < t <= done + rows:
                    if t == done + 1:
                        chain[:, c] = held[:, c]
                    i = m0 + rows - (t - done)
                    if i < m and n0 + c < n:
                        out[i, n0 + c] = chain[rows - 1, c]
                    chain[1:, c] = chain[:-1, c].copy()
                    last = max(last, t)
            for r in range(rows):
                i = t - starts[f] - r
                if 0 <= i < k and m0 + r < m:
                    right[r, 0] = a[m0 + r, i]
            for c in range(columns):
                i = t - starts[f] - c
                if 0 <= i < k and n0 + c < n:
                    down[0, c] = b[i, n0 + c]
        first = np.zeros((rows, columns), bool)
        finished: list[tuple[int, int, int, int]] = []
        for f, (m0, n0) in enumerate(folds):
            for r, c in pairs(range(rows), range(columns)):
                first[r, c] |= t == starts[f] + r + c
                if t == starts[f] + r + c + k - 1:
                    finished.append((r, c, m0, n0))
        sums = np.where(first, 0, sums) + right * down
        for r, c, m0, n0 in finished:
            held[r, c] = sums[r, c]
            if not array.drain:
                last = max(last, t)
                if m0 + r < m and n0 + c < n:
                    out[m0 + r, n0 + c] = sums[r, c]
    return Walk(out, last + 1)
