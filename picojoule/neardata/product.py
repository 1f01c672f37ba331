"""A matrix product through a compute-in-memory array: slices, groups of rows, conversions, shifts and additions.

`load` puts a matrix into cells, `multiply` multiplies by it. With noise off and an ADC of enough bits the result is the integer
product, bit for bit, for every encoding. The plain numpy form below says what happens; `torch_layers.py` runs whole networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.slices import Readout, Weights, cut_inputs, cut_weights, readout
from picojoule.neardata.noise import Noise, held, wire_loss


@dataclass(frozen=True)
class Loaded:
    """A weight matrix int[K, N] in an array: `cells` float[slices, K, N] as they came out, errors included."""

    array: Array
    weight_bits: int
    input_bits: int
    signed: bool
    noise: Noise
    planned: Weights
    cells: np.ndarray
    converter: Readout | None

    @property
    def outputs_per_input(self) -> tuple[int, int]:
        return self.cells.shape[1], self.cells.shape[2]


def load(
    w: np.ndarray,
    array: Array,
    *,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    signed: bool = False,
    noise: Noise | None = None,
    seed: int = 0,
    clip: float = 1.0,
) -> Loaded:
    """Program integers w[K, N] into the array. `signed`: inputs may be negative; `clip`: ADC range over the largest sum."""
    noise, bits, given = noise or Noise(), weight_bits or array.weight_bits, input_bits or array.input_bits
    array.check_fits(bits)
    planned = cut_weights(np.asarray(w, np.int64), array, bits)
    most = (1 << array.cell.bits) - 1
    rng = np.random.default_rng(seed)
    cells = planned.cells.astype(np.float64)
    if not noise.off and array.cell.kind != "digital":
        ratio = (array.cell.off_siemens or 0.0) / array.cell.on_siemens if array.cell.on_siemens else 0.0
        pair = bool((planned.cells < 0).any())
        cells = np.stack([held(c, most, noise, rng, ratio, pair) for c in planned.cells])
    return Loaded(array, bits, given, signed, noise, planned, cells, readout(array, bits, given, clip))


def multiply(x: np.ndarray, loaded: Loaded, seed: int = 0) -> np.ndarray:
    """x[B, K] @ w[K, N] as the array computes it: integers as float64 (exact below 2^53). `seed` draws the noise of reading.

    Inputs are rounded to nothing here: they have to be integers in range.
    """
    array, rng = loaded.array, np.random.default_rng(seed)
    cut = cut_inputs(np.asarray(x, np.int64), array, loaded.input_bits, loaded.signed)
    w, w_scale = merged(loaded)
    values, x_scale = joined(cut.values.astype(np.float64), cut.scale, array.analog_input_slices, array.dac_bits)
    out = np.zeros((x.shape[0], loaded.cells.shape[2]))
    rows = array.inputs_summed
    for start in range(0, x.shape[1], rows):
        part = slice(start, start + rows)
        for j, xs in enumerate(values):
            for i, cells in enumerate(w):
                out += x_scale[j] * w_scale[i] * _column(xs[:, part], cells[part], loaded, rng)
    total = np.asarray(x, np.float64).sum(axis=1, keepdims=True)
    if loaded.planned.offset:  # the array summed (x + a)(w + o)
        out -= loaded.planned.offset * (total + cut.offset * x.shape[1])
    if cut.offset:
        out -= cut.offset * column_integers(loaded)
    return out


def _column(x: np.ndarray, cells: np.ndarray, loaded: Loaded, rng: np.random.Generator) -> np.ndarray:
    """One conversion of each column: the analog sum, its losses and noise, then the code."""
    sums, array, noise = x @ cells, loaded.array, loaded.noise
    if loaded.converter is None:
        return sums
    if noise.wire_ratio:
        x_most, g_most = (1 << array.dac_bits) - 1, (1 << array.cell.bits) - 1
        loss = wire_loss(np.abs(x) / x_most, np.abs(cells) / g_most, noise.wire_ratio)
        sums = sums - np.sign(sums) * loss * x_most * g_most
    if noise.read_sigma:
        size = noise.read_sigma * ((1 << array.cell.bits) - 1) * ((1 << array.dac_bits) - 1) * np.sqrt(array.active_rows)
        sums = sums + rng.normal(0.0, size, sums.shape)
    return convert(sums, loaded.converter)


def convert(sums: np.ndarray, r: Readout) -> np.ndarray:
    """The sums as an ADC sees them: cut to its range, rounded to its step. Zero is a code."""
    codes = np.rint(np.clip(sums, r.low, r.top) / r.step)
    return codes * r.step


def merged(loaded: Loaded) -> tuple[np.ndarray, np.ndarray]:
    """(slices, scales): weight slices joined in the analog domain, all of one column of a pair, where the array does so."""
    cells, scale, array = loaded.cells, loaded.planned.scale, loaded.array
    if not array.merge_weight_slices:
        return cells, scale
    group = array.weight_slices(loaded.weight_bits)
    parts = [slice(i, i + group) for i in range(0, len(cells), group)]
    signs = np.array([np.sign(scale[p][0]) for p in parts])
    return np.stack([s * (cells[p] * scale[p][:, None, None]).sum(axis=0) for p, s in zip(parts, signs, strict=True)]), signs


def joined(values: np.ndarray, scale: np.ndarray, group: int, dac_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Input slices joined, `group` at a time, before a conversion."""
    if group == 1:
        return values, scale
    parts = [range(i, min(i + group, len(values))) for i in range(0, len(values), group)]
    sums = [np.asarray(sum(values[k] * 2.0 ** (dac_bits * (k - p[0])) for k in p)) for p in parts]
    return np.stack(sums), np.array([scale[p[0]] for p in parts])


def column_integers(loaded: Loaded) -> np.ndarray:
    """Column sums of the weights that were meant, [N]: known digitally."""
    w = (loaded.planned.cells * loaded.planned.scale[:, None, None]).sum(axis=0)
    return w.sum(axis=0) - loaded.planned.offset * w.shape[0]
