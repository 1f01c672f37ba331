"""Counts worked out by hand, most of them cases where a simpler rule gives another number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.traffic import count, differences
from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import parse
from picojoule.mapping.words import Flow
from picojoule.workload.layer import Layer, Rank, Tensor, conv, gemm
from tests.cost.small_chips import chip, fan


def flow(layer: Layer, on: Chip, text: str, tensor: str, kind: str, inner: str = "MAC") -> Flow:
    """The only flow of the tensor with this kind and inner memory."""
    flows = count(layer, on, parse(text, layer, on)).flows
    return next(f for f in flows if (f.tensor, f.kind, f.inner) == (tensor, kind, inner))


def conv1d(P: int, R: int, K: int = 1, C: int = 1, stride: int = 1, groups: int = 1) -> Layer:
    return conv(K=K, C=C, P=P, Q=1, R=R, S=1, stride=stride, groups=groups)


def test_a_tile_changes_with_its_index_even_if_its_element_stays() -> None:
    f = flow(conv1d(P=2, R=3, stride=2), chip("RF"), "DRAM{I,W,O}; p2 r3; RF{I}", "I", "fill", "RF")
    assert f.inner_words == 6  # elements 0 1 2 | 2 3 4


def test_the_extent_below_a_fanout_decides_what_its_multicast_merges() -> None:
    text = "DRAM{I,W,O}; g4; X:p3, X:r2; r2; RF{I}"
    f = flow(conv1d(P=3, R=4, K=4, C=4, groups=4), chip(fan(), "RF"), text, "I", "fill", "RF")
    assert (f.inner_words, f.outer_words) == (48, 40)  # starts i + 2j: 5 of 6


def test_a_tile_stays_while_a_loop_of_an_outer_group_runs() -> None:
    text = "DRAM{A,B,Z}; n2; buf{Z}; n2; X:m3; RF{A}; k3"
    layer = gemm(M=3, N=4, K=3)
    assert flow(layer, chip("buf", fan(), "RF"), text, "A", "fill", "RF").inner_words == 9  # 12 visits x 3 words / 4


def test_an_unrolled_kernel_shares_inputs_along_the_diagonal() -> None:
    text = "DRAM{I,W,O}; p2; X:p2, X:r2, Y:r2; RF{W}"
    f = flow(conv1d(P=4, R=4), chip(fan(), "RF"), text, "I", "operand")
    assert (f.inner_words, f.outer_words) == (16, 10)  # 2 + 4 - 1 of 8


def test_every_cluster_starts_its_own_partial_sums_from_zero() -> None:
    layer = conv1d(P=2, R=3, K=4, C=4, groups=4)
    on = chip("buf", fan(), "clu", "RF")
    text = "DRAM{I,W,O}; buf{O}; X:r3; p2; clu{O}; g4; RF{O}"
    assert flow(layer, on, text, "O", "drain", "RF").inner_words == 24
    assert flow(layer, on, text, "O", "reload", "RF").inner_words == 0


def test_idle_visits_of_a_ragged_pass_are_walked() -> None:
    layer = conv1d(P=7, R=3)
    text = "DRAM{I,W,O}; p4 r3 p2; RF{O}"
    assert flow(layer, chip("RF"), text, "O", "drain", "RF").inner_words == 21
    assert count(layer, chip("RF"), parse(text, layer, chip("RF"))).steps == 24


def test_a_ragged_pass_leaves_its_last_copy_idle() -> None:
    f = flow(conv1d(P=5, R=5), chip(fan()), "DRAM{I,W,O}; p3; X:p2; r5", "W", "operand")
    assert (f.inner_words, f.outer_words) == (25, 15)


def test_no_element_is_kept_where_an_outer_loop_wraps() -> None:
    text = "DRAM{I,W,O}; r2 k2 r2; RF{I}; p2"
    assert flow(conv1d(P=2, R=4, K=2), chip("RF"), text, "I", "fill", "RF").inner_words == 4 * (2 + 1)
    text = "DRAM{I,W,O}; p2 r3 p2; RF{I}; r2"
    assert flow(conv1d(P=4, R=6), chip("RF"), text, "I", "fill", "RF").inner_words == 2 * 3 * (2 + 1)


def test_sliding_brings_only_the_new_rows() -> None:
    text = "DRAM{I,W,O}; p14; RF{I}; r3"
    assert flow(conv1d(P=14, R=3), chip("RF"), text, "I", "fill", "RF").inner_words == 16


def test_padding_is_moved_nowhere() -> None:
    layer = conv(K=1, C=1, P=4, Q=1, R=3, S=1, pad=(1, 0))
    f = flow(layer, chip("RF"), "DRAM{I,W,O}; p4; RF{I}; r3", "I", "fill", "RF")
    assert f.inner_words == 4  # of 6 positions, the first and the last are padding
    assert flow(layer, chip(), "DRAM{I,W,O}; p4 r3", "I", "operand").outer_words == 10
    assert flow(layer, chip(), "DRAM{I,W,O}; p4 r3", "W", "operand").outer_words == 12


def test_neighbour_links_read_each_row_once() -> None:
    layer = conv1d(P=14, R=3)
    text = "DRAM{I,W,O}; buf{I}; p14; X:r3; RF{I}"
    for links, reads, forwarded in (((), 42, None), (("R",), 16, 26)):
        on = chip("buf", fan(links=links), "RF")
        f = flow(layer, on, text, "I", "fill", "RF")
        assert (f.inner_words, f.outer_words, f.crossings) == (42, reads, (("F", 42),))
        passed = [f for f in count(layer, on, parse(text, layer, on)).flows if f.kind == "forward"]
        assert [f.outer_words for f in passed] == ([forwarded] if forwarded else [])


@pytest.mark.parametrize("merges", [True, False])
def test_switching_multicast_and_reduction_off_serves_each_copy_alone(merges: bool) -> None:
    layer = gemm(M=4, N=1, K=4)
    on = chip("buf", fan(multicast=merges, reduction=merges), "RF")
    text = "DRAM{A,B,Z}; buf{B,Z}; X:m4, Y:k4; RF{B,Z}"
    b, z = (flow(layer, on, text, t, k, "RF") for t, k in (("B", "fill"), ("Z", "drain")))
    assert (b.inner_words, b.outer_words) == (16, 4 if merges else 16)
    assert (z.inner_words, z.outer_words) == (16, 4 if merges else 16)
    assert flow(layer, on, text, "Z", "reload", "RF").inner_words == (0 if merges else 12)  # one after the other


def test_two_fanouts_merge_for_themselves() -> None:
    """Starts 0..1 (outer P2) + 0..1 (inner R2): the outer fan-out sees two columns, and 2 x 2 words pass it."""
    text = "DRAM{I,W,O}; X:p2; U:r2; RF{I}"
    f = flow(conv1d(P=2, R=2), chip(fan(), fan("G", "UV"), "RF"), text, "I", "fill", "RF")
    assert (f.inner_words, f.outer_words, f.crossings) == (4, 4, (("F", 4), ("G", 4)))
    text = "DRAM{I,W,O}; X:p2, Y:r2; RF{I}"
    assert flow(conv1d(P=2, R=2), chip(fan(), "RF"), text, "I", "fill", "RF").outer_words == 3


def test_an_output_whose_tiles_overlap_is_refused() -> None:
    ranks = (Rank(((1, "P"), (1, "R"))),)
    layer = Layer(
        "t",
        "ConvTranspose",
        (("P", 2), ("R", 2)),
        (Tensor("I", "input", (Rank(((1, "P"),)),)), Tensor("W", "weight", (Rank(((1, "R"),)),)), Tensor("O", "output", ranks)),
    )
    with pytest.raises(SpecError, match="has a rank of two dimensions, so that its tiles overlap\nhint: lower a transposed"):
        count(layer, chip(), parse("DRAM{I,W,O}; p2 r2", layer, chip()))


def test_an_unknown_accounting_names_the_known_ones() -> None:
    layer = gemm(M=2, N=2, K=2)
    with pytest.raises(SpecError, match="unknown accounting 'timelop'\nhint: did you mean 'timeloop'"):
        count(layer, chip(), parse("DRAM{A,B,Z}; m2 n2 k2", layer, chip()), "timelop")


def test_each_rule_of_the_other_accounting_can_be_seen_alone() -> None:
    layer, on = gemm(M=4, N=1, K=8), chip("buf", fan(), "RF")
    text = "DRAM{A,B,Z}; buf{Z}; k2 m2; X:k4; RF{Z}; m2"
    change = differences(layer, on, parse(text, layer, on))
    assert change["drain_reads"] == {("RF", "Z", "read"): -32, ("buf", "Z", "read"): -4}
    assert change["reload_every_copy"] == {("RF", "Z", "write"): 12, ("RF", "Z", "read"): 12}
    assert not change["bounding_box"] and not change["forward_reads"]


# Costs relative to a MAC of a value in DRAM, global buffer, array and register file: Sze et al. 2017, section 2.3 here
DRAM, GLB, ARRAY, RF = 200, 6, 2, 1


def test_the_survey_formula_of_an_input_gives_248() -> None:
    """Read once from DRAM, 2 times from the buffer, 3 PEs each time, 4 times from each register file."""
    layer, on = gemm(M=1, N=24, K=2), chip("buf", fan(), "RF")
    mapping = parse("DRAM{A,B,Z}; buf{A}; n2 k2; X:n3; RF{A}; n4", layer, on)
    t = count(layer, on, mapping)
    reads, passed = t.reads(), t.crossings()["F", "A"]
    assert DRAM * reads["DRAM", "A"] + GLB * reads["buf", "A"] + ARRAY * passed + RF * reads["RF", "A"] == 248 * layer.elements(
        layer.tensor("A")
    )


def test_the_survey_formula_of_a_partial_sum_gives_708() -> None:
    """It counts the accumulations of each level, twice where they read and write: 2 at DRAM, 3 at the buffer, 3 PEs, 2 in each.

    Our counts add what it leaves out: handing a sum to the next level (a drain's read, a reload's write).
    """
    layer, on = gemm(M=4, N=1, K=36), chip("buf", fan(), "RF")
    mapping = parse("DRAM{A,B,Z}; k2 m2; buf{Z}; k3 m2; X:k3; RF{Z}; k2", layer, on)
    z = {(f.kind, f.inner): f for f in count(layer, on, mapping).flows if f.tensor == "Z"}
    dram = z["drain", "buf"].outer_words + z["reload", "buf"].outer_words
    buffer = 2 * (z["reload", "RF"].outer_words - z["reload", "buf"].inner_words)
    array = z["drain", "RF"].inner_words - z["drain", "RF"].outer_words
    registers = 2 * (z["accumulate", "MAC"].outer_words - z["reload", "RF"].inner_words)
    assert DRAM * dram + GLB * buffer + ARRAY * array + RF * registers == 708 * 4


def test_renaming_and_reordering_dimensions_changes_nothing() -> None:
    layer, on = conv(K=2, C=3, P=5, Q=4, R=3, S=2, pad=(1, 0)), chip("buf", fan(), "RF")
    text = "DRAM{I,W,O}; c3 p3; buf{I,O}; q2 k2; X:r3, X:p2; RF{W,I}; s2 q2"
    names = dict(zip("KCPQRS", "ZYXWVU", strict=True))
    renamed = replace(
        layer,
        dims=tuple((names[d], n) for d, n in reversed(layer.dims)),
        tensors=tuple(
            replace(t, ranks=tuple(replace(r, terms=tuple((c, names[d]) for c, d in r.terms)) for r in t.ranks))
            for t in layer.tensors
        ),
    )
    table = str.maketrans({d.lower(): n.lower() for d, n in names.items()})
    pieces = [
        p if "{" in p else ", ".join(x[:2] + x[2:].translate(table) if ":" in x else x.translate(table) for x in p.split(", "))
        for p in text.split("; ")
    ]
    assert count(renamed, on, parse("; ".join(pieces), renamed, on)) == count(layer, on, parse(text, layer, on))
