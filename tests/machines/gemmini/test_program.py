"""The mapping strings, and what the accelerator is told to do for them, against counts made by hand and against the hardware."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.machines.gemmini.mapping_text import parse
from picojoule.machines.gemmini.program import REACHES, program
from picojoule.machines.gemmini.rows import Row, Shape, read_rows

ROWS = read_rows()
FIRST = "L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 S7 R7 Q4 P7 C3X - L0[W] P16"


def row(mapping: str, **shape: int) -> Row:
    whole = {"R": 1, "S": 1, "P": 1, "Q": 1, "C": 1, "K": 1, "stride_h": 1, "stride_w": 1, **shape}
    return Row(1, Shape(**whole), parse(mapping), None)


def test_every_mapping_that_comes_along_reads_and_writes_the_same_text() -> None:
    lines = [line for line in _csv().splitlines() if "L3[" in line]
    assert len(lines) == len(ROWS) == 1567
    assert all(str(r.mapping) == line.split(",")[8] for r, line in zip(ROWS, lines, strict=True))


def test_the_factors_of_every_mapping_multiply_to_its_bounds() -> None:
    assert len({r.shape.size for r in ROWS}) == 60
    for r in ROWS:
        assert all(r.mapping.trips(d) == getattr(r.shape, d) for d in "RSPQCK") and r.mapping.trips("N") == 1


def test_a_mapping_tells_loops_from_what_is_spread() -> None:
    mapping = parse(FIRST)
    assert mapping.levels[0].loops == (("K", 8), ("Q", 28)) and mapping.levels[1].loops == ()
    assert mapping.levels[2].spread == (("C", 3),) and mapping.lanes == 4
    assert (mapping.trips("K"), mapping.trips("P"), mapping.trips("P", (0,))) == (64, 112, 16)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("L3[WIO] K8", "the levels are L3"),
        (FIRST.replace("L2[WI]", "L2(WI)"), "is no level of a mapping"),
        (FIRST.replace("K8 ", "Y8 "), "'Y8' is no factor"),
        (FIRST.replace("K8 ", "K0 "), "'K0' is no factor"),
        (FIRST.replace("L1[O]", "L0[O]"), "the levels are L3, L2, L0, L0"),
    ],
)
def test_a_mapping_that_breaks_the_grammar_says_where(text: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "rows.csv:7")
    assert problem in str(caught.value) and "rows.csv:7" in str(caught.value) and "hint" in str(caught.value)


def test_a_convolution_counts_as_by_hand() -> None:
    """8 x 28 tiles of 8 filters, 3 channels and 4 x 112 outputs on a 4x4 array; the window is 7 x 7, the stride 2."""
    r = row(FIRST, R=7, S=7, P=112, Q=112, C=3, K=64, stride_h=2, stride_w=2)
    p = program(r)
    assert (p.array, p.is_product, p.tiles) == (4, False, 8 * 28)
    blocks = 2 * 1 * 49  # two groups of 4 filters, one of 3 channels, 49 positions
    assert p.instructions == p.tiles * blocks * 4 * 28 and p.streamed_rows == p.tiles * blocks * 4 * 112
    height, width = 3 * 2 + 7, 111 * 2 + 7
    assert p.input_requests == p.tiles * height * width and p.input_bytes == 3 * p.input_requests
    assert p.weight_requests == p.tiles * 49 * 3 and p.weight_bytes == 8 * p.weight_requests
    assert p.stored_bytes == 112 * 112 * 64 and p.stored_rows == p.stored_bytes / 4  # each output once, four filters a row


def test_the_array_is_the_next_power_of_two_from_four() -> None:
    for lanes, side in ((1, 4), (4, 4), (5, 8), (12, 16), (16, 16), (33, 64)):
        r = row(f"L3[WIO] N1 - L2[WI] N1 K{lanes}X - L1[O] N1 - L0[W] P8", K=lanes, P=8)
        assert program(r).array == side
    assert program(r, array=16).array == 16


def test_tiles_of_matrix_products_are_whole_blocks_that_were_written_down_for_16() -> None:
    text = "L3[WIO] C4 K4 - L2[WI] N1 K{0}X - L1[O] C{1} K{1} C{0}X - L0[W] P32"  # tiles of 32 x 64 by 64 x 64
    for side, of_p, of_c, of_k in ((4, 4, 16, 16), (16, 1, 4, 4), (64, 1, 1, 1)):  # array / 16 squeezes or stretches each of them
        p = program(row(text.format(side, 64 // side), P=32, C=256, K=256))
        assert p.is_product and p.tiles == of_p * of_c * of_k
        assert p.weight_bytes == 256 * 256 * of_p and p.input_bytes == 32 * 256 * of_k and p.stored_bytes == 32 * 256
    third = program(row("L3[WIO] K25 C4096 - L2[WI] N1 K4X - L1[O] K10 - L0[W] N1", C=4096, K=1000))
    assert third.tiles == 125 * 1024  # floor(40 / 16) = 2 blocks of 4 filters, one of 4 channels


def test_the_output_of_a_convolution_is_square_and_one_larger_for_even_windows() -> None:
    flat = row("L3[WIO] Q6 - L2[WI] N1 - L1[O] S3 R3 Q2 - L0[W] P120", R=3, S=3, P=120, Q=12)
    assert program(flat).tiles == 60  # ceil(120 / 2) strips, though the shape has 6
    even = program(row("L3[WIO] N1 - L2[WI] N1 - L1[O] S2 R2 Q7 - L0[W] P7", R=2, S=2, P=7, Q=7))
    assert even.tiles == 4 and even.streamed_rows == 4 * 64  # 8 x 8 outputs in tiles of 7 x 7; the window has 4 positions
    assert even.instructions == 4 * 8 * (2 + 1) and even.input_requests == (8 + 2) ** 2


def test_more_translations_never_miss_more_and_all_pages_are_walked_once() -> None:
    walks = np.array([program(r).page_walks for r in ROWS[::7]])
    assert walks.shape[1] == len(REACHES) and (np.diff(walks, axis=1) <= 1e-9).all()
    wide = program(row("L3[WIO] K2 C2 - L2[WI] N1 K16X - L1[O] K32 C32 C16X - L0[W] P16", C=1024, K=1024, P=16))
    assert wide.page_walks[-1] == 256 + 4  # 1 MiB of weights, 16 KiB of inputs, each page once
    assert wide.page_walks[0] >= 4 * 128  # 64 translations do not hold a tile: each half row touches its page again


def test_no_row_is_faster_than_its_operands_stream_and_the_fastest_are_not_slower() -> None:
    """The evidence for the size of the array: at half or twice that size this would fail by a factor of two."""
    least: dict[int, list[float]] = {}
    for r in ROWS:
        p = program(r)
        if not p.is_product:
            least.setdefault(p.array, []).append((r.cycles or 0.0) / p.streamed_rows)
    assert set(least) == {4, 8, 16, 32, 64}
    for side, ratios in least.items():
        assert min(ratios) >= 1.0
        assert side > 16 or sorted(ratios)[20] < 1.1  # large arrays are seldom busy


def test_strides_do_not_make_another_shape() -> None:
    one = Shape(3, 3, 7, 7, 32, 64, 1, 1)
    assert one.size == replace(one, stride_h=2, stride_w=2).size and one != replace(one, stride_h=2)


def _csv() -> str:
    from importlib.resources import files

    return files("picojoule.machines.gemmini").joinpath("data/rtl_cycles.csv").read_text(encoding="utf-8")
