"""Without noise and with enough ADC bits an array computes the integer product, bit for bit, for each encoding."""

from __future__ import annotations

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Array, Cell
from picojoule.hardware.array.slices import Readout, cut_inputs, cut_weights, input_range, weight_range
from picojoule.neardata.noise import Noise, held, wire_loss
from picojoule.neardata.product import convert, load, multiply
from tests.neardata.arrays import array, every_kind


@pytest.mark.parametrize("signed", [False, True])
def test_every_encoding_gives_the_integer_product(signed: bool) -> None:
    rng, n = np.random.default_rng(0), 0
    for kind in every_kind():
        wb, xb = (int(b) for b in rng.integers(2, 9, 2))
        a = array(**kind, weight_bits=wb, input_bits=xb)
        depth = int(rng.integers(1, 50))
        low, high = weight_range(a, wb)
        w = rng.integers(low, high + 1, (depth, 5))
        low, high = input_range(a, xb, signed)
        x = rng.integers(low, high + 1, (7, depth))
        loaded = load(w, a, weight_bits=wb, input_bits=xb, signed=signed)
        assert np.array_equal(multiply(x, loaded), x @ w), (kind, wb, xb)
        n += 1
    assert n > 400


def test_extreme_integers_lose_nothing() -> None:
    for kind in every_kind():
        a = array(**kind, weight_bits=4, input_bits=4)
        (wl, wh), (xl, xh) = weight_range(a, 4), input_range(a, 4, True)
        for w, x in ((wl, xl), (wl, xh), (wh, xl), (wh, xh)):
            full = np.full((33, 2), w), np.full((3, 33), x)
            assert np.array_equal(multiply(full[1], load(full[0], a, signed=True)), full[1] @ full[0]), kind


def test_one_adc_bit_less_than_lossless_loses() -> None:
    rng = np.random.default_rng(1)
    bits = array(cell_bits=1).adc.bits
    w, x = rng.integers(-128, 128, (64, 8)), rng.integers(0, 256, (32, 64))
    exact = x @ w
    assert np.array_equal(multiply(x, load(w, array(cell_bits=1))), exact)
    errors = [np.abs(multiply(x, load(w, array(b, cell_bits=1))) - exact).mean() for b in (bits - 4, bits - 3, bits - 2)]
    assert errors[0] > errors[1] > errors[2] > 0
    full = np.full((16, 1), 127), np.full((1, 16), 255)  # the largest sums, 16 of 16: the code that is missing
    for b in (bits - 1, bits):
        assert np.array_equal(multiply(full[1], load(full[0], array(b, cell_bits=1))), full[1] @ full[0]) == (b == bits)


def test_slices_go_together_to_the_integers_they_were_cut_from() -> None:
    rng = np.random.default_rng(2)
    for kind in every_kind():
        a = array(**kind)
        w = rng.integers(*weight_range(a, 8), (20, 3), endpoint=True)
        cut = cut_weights(w, a, 8)
        assert np.array_equal((cut.cells * cut.scale[:, None, None]).sum(0) - cut.offset, w)
        assert np.abs(cut.cells).max() < 1 << a.cell.bits and (a.weights == "differential" or cut.cells.min() >= 0)
        x = rng.integers(*input_range(a, 8, True), (5, 20), endpoint=True)
        pieces = cut_inputs(x, a, 8, True)
        assert np.array_equal((pieces.values * pieces.scale[:, None, None]).sum(0) - pieces.offset, x)


def test_a_converter_rounds_and_saturates() -> None:
    r = Readout(0.0, 30.0, 4)
    assert (r.step, r.top, r.lossless) == (8.0, 24.0, False)
    assert convert(np.array([-5.0, 3.0, 5.0, 25.0, 99.0]), r).tolist() == [0.0, 0.0, 8.0, 24.0, 24.0]
    fine = Readout(0.0, 3.0, 16)  # sums are integers: finer steps tell nothing
    assert fine.step == 1.0 and fine.lossless and not Readout(0.0, 16.0, 16).lossless


def test_a_narrower_range_saturates_large_sums_and_resolves_small_ones() -> None:
    rng = np.random.default_rng(3)
    w, x = rng.integers(-3, 4, (16, 4)), rng.integers(0, 256, (64, 16))
    short = array(4, weights="differential", cell_bits=1)
    errors = {c: np.abs(multiply(x, load(w, short, clip=c)) - x @ w).mean() for c in (1.0, 0.5, 0.01)}
    assert errors[0.5] < errors[1.0] and errors[0.01] > errors[0.5]


def test_noise_has_the_stated_size() -> None:
    rng = np.random.default_rng(4)
    cells = np.full((400, 100), 2)
    out = held(cells, 3, Noise(program_sigma=0.05), rng)
    assert out.mean() == pytest.approx(2.0, abs=0.005) and out.std() == pytest.approx(0.15, rel=0.02)
    stuck = held(cells, 3, Noise(stuck_on=0.1, stuck_off=0.2), rng)
    assert [(stuck == v).mean() for v in (3, 0, 2)] == pytest.approx([0.1, 0.2, 0.7], abs=0.01)
    drifted = held(cells, 3, Noise(drift_nu=0.05, hours=100.0), rng)
    assert np.allclose(drifted, 2 * 100**-0.05)
    pair = held(np.array([[3, -2]] * 4000), 3, Noise(program_sigma=0.02), rng, 0.1, pair=True)
    assert pair.mean(0) == pytest.approx([3, -2], abs=0.01)
    assert pair.std(0) == pytest.approx(np.sqrt(2) * 0.06, rel=0.05)  # both cells of a pair err


def test_reading_is_noisy_anew_each_time_and_seeds_repeat() -> None:
    rng = np.random.default_rng(5)
    w, x = rng.integers(-128, 128, (16, 4)), rng.integers(0, 256, (8, 16))
    loaded = load(w, array(), noise=Noise(read_sigma=0.05))
    assert np.array_equal(multiply(x, loaded, seed=1), multiply(x, loaded, seed=1))
    assert not np.array_equal(multiply(x, loaded, seed=1), multiply(x, loaded, seed=2))
    assert not np.array_equal(
        load(w, array(), noise=Noise(program_sigma=0.1), seed=1).cells,
        load(w, array(), noise=Noise(program_sigma=0.1), seed=2).cells,
    )


def exact_column(x: np.ndarray, g: np.ndarray, r: float) -> float:
    """The current of one column with a resistance r between cells, by solving the chain of nodes; in units of full cells."""
    n = len(g)
    a, b = np.zeros((n, n)), np.zeros(n)
    for k in range(n):  # node k: a cell of g_k to its input, wires of r to its neighbours, node 0 to ground
        a[k, k] = g[k] + (1 / r) + (1 / r if k + 1 < n else 0.0)
        if k + 1 < n:
            a[k, k + 1] = -1 / r
        if k:
            a[k, k - 1] = -1 / r
        b[k] = g[k] * x[k]
    v = np.linalg.solve(a, b)
    return float((g * (x - v)).sum())


def test_lost_current_in_the_wire_is_right_to_first_order() -> None:
    rng = np.random.default_rng(6)
    x, g = rng.random((1, 24)), rng.random((24, 1))
    for r in (1e-4, 1e-5):
        exact = float((x @ g)[0, 0]) - exact_column(x[0], g[:, 0], r)
        first = float(wire_loss(x, g, r)[0, 0])
        assert first == pytest.approx(exact, rel=300 * r)  # 24 * 25 / 2 * r, the size of the second order


def test_digital_arrays_have_no_noise_and_no_converter() -> None:
    digital = Array(name="d", rows=16, columns=64, cell=Cell(kind="digital", area_f2=100.0), weight_bits=8, input_bits=8)
    rng = np.random.default_rng(7)
    w, x = rng.integers(-128, 128, (40, 4)), rng.integers(0, 256, (8, 40))
    assert np.array_equal(multiply(x, load(w, digital, noise=Noise(program_sigma=0.5, read_sigma=0.5))), x @ w)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Noise(program_sigma=-0.1), "program_sigma"),
        (lambda: Noise(stuck_on=0.7, stuck_off=0.7), "stuck on"),
        (lambda: Noise(drift_nu=0.1, hours=0.5), "drift"),
        (lambda: Noise(read_sigma=float("nan")), "read_sigma"),
        (lambda: load(np.full((2, 2), 128), array()), "weights from 128"),
        (lambda: load(np.full((2, 2), -128), array(weights="differential")), "go from -127"),
        (lambda: multiply(np.full((1, 2), 256), load(np.zeros((2, 2)), array())), "inputs from 256"),
        (lambda: multiply(np.full((1, 2), -1), load(np.zeros((2, 2)), array())), "inputs from -1"),
        (lambda: load(np.zeros((2, 2)), array(), clip=0.0), "ADC range"),
        (lambda: load(np.zeros((2, 2)), array(), weight_bits=1000), "columns"),
    ],
)
def test_what_cannot_be_is_refused(act: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        act()  # type: ignore[operator]
