"""The loop walker on cases small enough to count by hand, and the counterexamples to tempting formulas."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from picojoule.ask import ROLES
from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import parse
from picojoule.mapping.walk import direct_result, simulate
from picojoule.mapping.words import Flow, Traffic
from picojoule.workload.layer import Layer, Rank, Tensor, conv, gemm
from tests.oracle.random_cases import cases


def chip(*levels: Group | FanOut | str) -> Chip:
    """DRAM, then the levels; a name stands for an unbounded memory that may keep everything."""
    built = [Group((memory(x),)) if isinstance(x, str) else x for x in ("DRAM", *levels)]
    return Chip("test", tuple(built), Compute("MAC", 1.0), 1e9)


def memory(name: str, roles: tuple[str, ...] = ROLES) -> Memory:
    must, may = (roles, ()) if name == "DRAM" else ((), roles)
    return Memory(name, None, 16, 1.0, 1.0, keeps=must, may_keep=may)


def fanout(name: str = "F", *sizes: int, axes: str = "XY", **switches: object) -> FanOut:
    return FanOut(name, tuple(Axis(a, n) for a, n in zip(axes, sizes or (64,), strict=False)), **switches)  # type: ignore[arg-type]


def walk(text: str, layer: Layer, on: Chip) -> Traffic:
    return simulate(layer, on, parse(text, layer, on))


def flow(traffic: Traffic, tensor: str, kind: str, inner: str) -> Flow:
    return next(f for f in traffic.flows if (f.tensor, f.kind, f.inner) == (tensor, kind, inner))


def moved(traffic: Traffic, tensor: str, kind: str, inner: str) -> tuple[int, int]:
    found = flow(traffic, tensor, kind, inner)
    return found.outer_words, found.inner_words


def line(P: int, R: int, **more: int) -> Layer:
    """A 1-D convolution."""
    return conv(**{"K": 1, "C": 1, "Q": 1, "S": 1, "P": P, "R": R, **more})


# ---- hand-countable


def test_a_product_straight_from_dram_reads_two_operands_and_updates_one_sum_per_mac():
    t = walk("DRAM{A,B,Z}; m2 n3 k4", gemm(M=2, N=3, K=4), chip())
    assert t.macs == t.steps == 24
    assert t.reads() == {("DRAM", "A"): 24, ("DRAM", "B"): 24, ("DRAM", "Z"): 24 - 6}
    assert t.writes() == {("DRAM", "Z"): 24}
    assert t.crossings() == {}


def test_a_tile_stays_while_irrelevant_loops_advance_and_returns_when_a_relevant_one_wraps():
    layer = gemm(M=2, N=3, K=4)
    assert moved(walk("DRAM{A,B,Z}; m2 n3; RF{A}; k4", layer, chip("RF")), "A", "fill", "RF") == (8, 8)
    assert moved(walk("DRAM{A,B,Z}; n3 m2; RF{A}; k4", layer, chip("RF")), "A", "fill", "RF") == (24, 24)


def test_output_tiles_drain_after_each_visit_and_are_reloaded_at_every_visit_but_the_first():
    t = walk("DRAM{A,B,Z}; k4 m2 n3; RF{Z}", gemm(M=2, N=3, K=4), chip("RF"))
    assert moved(t, "Z", "drain", "RF") == (24, 24)
    assert moved(t, "Z", "reload", "RF") == (18, 18)
    assert moved(t, "Z", "accumulate", "MAC") == (18, 18)  # those that started from zero read nothing


def test_multicast_reads_once_and_reduction_writes_once_unless_switched_off():
    layer = gemm(M=2, N=3, K=4)
    text = "DRAM{A,B,Z}; m2; X:n3, Y:k4; RF{A}"
    t = walk(text, layer, chip(fanout("F", 3, 4), "RF"))
    assert moved(t, "A", "fill", "RF") == (8, 24)
    assert moved(t, "B", "operand", "MAC") == (24, 24)
    assert moved(t, "Z", "update", "MAC") == (6, 24)
    off = walk(text, layer, chip(fanout("F", 3, 4, multicast=False, reduction=False), "RF"))
    assert moved(off, "A", "fill", "RF") == (24, 24)
    assert moved(off, "Z", "update", "MAC") == (24, 24)
    assert moved(off, "Z", "accumulate", "MAC") == (18, 18)
    assert t.crossings() == off.crossings() | {("F", "Z"): 24}


def test_a_reduction_group_is_reloaded_into_one_pe():
    t = walk("DRAM{A,B,Z}; k2 m2 n3; X:k2; RF{Z}", gemm(M=2, N=3, K=4), chip(fanout(), "RF"))
    assert moved(t, "Z", "drain", "RF") == (12, 24)
    assert moved(t, "Z", "reload", "RF") == (6, 6)
    assert moved(t, "Z", "accumulate", "MAC") == (6, 6)  # 24 MACs, of which 18 add to a zero
    assert t.crossings()["F", "Z"] == 24 + 6


def test_pes_that_nobody_reduces_bring_their_sums_one_after_the_other():
    t = walk("DRAM{A,B,Z}; m2 n3; X:k4; RF{Z}", gemm(M=2, N=3, K=4), chip(fanout("F", 4, reduction=False), "RF"))
    assert moved(t, "Z", "drain", "RF") == (24, 24)
    assert moved(t, "Z", "reload", "RF") == (18, 18)


def test_two_fanouts_in_sequence_count_crossings_each_on_its_inner_side():
    t = walk(
        "DRAM{A,B,Z}; X:n3; Y:n2, Y:k2; RF{A}; k2", gemm(M=1, N=6, K=4), chip(fanout("F", 3), fanout("G", 4, axes="Y"), "RF")
    )
    assert moved(t, "A", "fill", "RF") == (4, 24)
    assert t.crossings()["F", "A"] == 12
    assert t.crossings()["G", "A"] == 24


def test_a_window_that_slides_fetches_only_what_is_new():
    t = walk("DRAM{I,W,O}; p5; RF{I}; r3", line(P=5, R=3), chip("RF"))
    assert moved(t, "I", "fill", "RF") == (7, 7)
    strided = walk("DRAM{I,W,O}; p5; RF{I}; r3", line(P=5, R=3, stride=2), chip("RF"))
    assert moved(strided, "I", "fill", "RF") == (3 + 4 * 2,) * 2


def test_padding_moves_nowhere():
    t = walk("DRAM{I,W,O}; p5 r3", line(P=5, R=3, pad=1), chip())
    assert t.macs == 15
    assert t.reads()["DRAM", "I"] == 13
    assert t.reads()["DRAM", "W"] == 15


def test_the_sum_of_partial_sums_is_the_layer():
    layer = conv(K=2, C=2, P=3, Q=2, R=2, S=3, stride=2, pad=1)
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (2, 4, 3)), rng.integers(-9, 10, (2, 2, 2, 3))  # H = 2*2 + 2 - 2 = 4, W = 2 + 3 - 2 = 3
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    expected = {}
    for k, p, q in np.ndindex(2, 3, 2):
        expected[k, p, q] = int((padded[:, 2 * p : 2 * p + 2, 2 * q : 2 * q + 3] * w[k]).sum())
    values = {"I": dict(np.ndenumerate(x)), "W": dict(np.ndenumerate(w))}
    assert direct_result(layer, values) == expected


def test_a_hundred_random_mappings_compute_their_layer():
    for layer, on, mapping in cases(100, 7):
        t = simulate(layer, on, mapping)  # raises where a partial sum goes astray
        assert t.macs == layer.macs


def test_words_of_a_result_do_not_depend_on_the_values():
    for layer, on, mapping in cases(10, 8):
        assert simulate(layer, on, mapping, seed=1) == simulate(layer, on, mapping, seed=2)


def test_an_output_with_overlapping_tiles_is_refused():
    i, o = Tensor("I", "input", (Rank(((1, "P"),)),)), Tensor("O", "output", (Rank(((1, "P"), (1, "R"))),))
    layer = Layer("transposed", "ConvTranspose", (("P", 2), ("R", 2)), (i, o))
    on = chip()
    with pytest.raises(SpecError, match="an output element belongs to several tiles"):
        walk("DRAM{I,O}; p2 r2", layer, on)


# ---- counterexamples


def test_an_index_that_changes_fetches_even_where_the_element_is_the_same():
    t = walk("DRAM{I,W,O}; p2 r3; RF{I}", line(P=2, R=3, stride=2), chip("RF"))
    assert moved(t, "I", "fill", "RF") == (6, 6)  # not 5


def test_a_diagonal_is_merged_by_the_extents_below_the_fanout_and_not_by_the_tile():
    t = walk("DRAM{I,W,O}; c4; X:p3, Y:r2; r2; RF{I}", line(P=3, R=4, C=4), chip(fanout("F", 3, 2), "RF"))
    assert moved(t, "I", "fill", "RF") == (40, 48)  # 5 distinct of 6; with the tile's own extents it would be 32


def test_a_tile_stays_across_a_memory_boundary_where_another_node_sits_between():
    t = walk("DRAM{A,B,Z}; n2; buf{Z}; n2; X:m3; RF{A}; k3", gemm(M=3, N=4, K=3), chip("buf", fanout(), "RF"))
    assert moved(t, "A", "fill", "RF") == (9, 9)


def test_pushing_a_loop_below_a_fanout_destroys_the_diagonal_of_another_tensor():
    layer, on = line(P=4, R=4), chip(fanout("F", 2, 4), "RF")
    above = walk("DRAM{I,W,O}; p2; X:p2, Y:r2, Y:r2; RF{W}", layer, on)
    below = walk("DRAM{I,W,O}; X:p2, Y:r2, Y:r2; RF{W}; p2", layer, on)
    assert moved(above, "W", "fill", "RF") == moved(below, "W", "fill", "RF") == (4, 8)
    assert moved(above, "I", "operand", "MAC") == (10, 16)
    assert moved(below, "I", "operand", "MAC") == (12, 16)


def test_every_cluster_of_a_split_reduction_starts_its_own_zero():
    layer = conv(K=4, C=4, groups=4, P=2, Q=1, R=3, S=1)
    t = walk("DRAM{I,W,O}; buf{O}; X:r3; p2; clu{O}; g4; RF{O}", layer, chip("buf", fanout(), "clu", "RF"))
    assert moved(t, "O", "drain", "RF") == (24, 24)
    assert moved(t, "O", "reload", "RF") == (0, 0)  # not 24 - 8


def test_idle_visits_of_a_ragged_pass_are_walked():
    t = walk("DRAM{I,W,O}; p4 r3 p2; RF{O}", line(P=7, R=3), chip("RF"))
    assert moved(t, "O", "drain", "RF") == (21, 21)
    assert t.steps == 24
    assert t.macs == 21


def test_a_ragged_unrolled_dimension_reads_once_per_active_group():
    t = walk("DRAM{I,W,O}; p3; X:p2; r5", line(P=5, R=5), chip(fanout()))
    assert moved(t, "W", "operand", "MAC") == (15, 25)


def test_no_credit_at_the_wrap_of_a_loop_that_breaks_the_run():
    wrap_k = walk("DRAM{I,W,O}; r2 k2 r2; RF{I}; p3", line(P=3, R=4, K=2), chip("RF"))
    assert moved(wrap_k, "I", "fill", "RF") == (16, 16)  # four passes of 3 + 1
    wrap_p = walk("DRAM{I,W,O}; p2 r3 p2; RF{I}; r2", line(P=4, R=6), chip("RF"))
    assert moved(wrap_p, "I", "fill", "RF") == (18, 18)  # six passes of 2 + 1


def test_row_stationary_reads_51_distinct_inputs_of_121_in_alexnet_conv1():
    t = walk("DRAM{I,W,O}; X:p11, Y:r11", line(P=11, R=11, stride=4), chip(fanout("F", 11, 11)))
    assert moved(t, "I", "operand", "MAC") == (51, 121)


# ---- closed forms


def test_distinct_offsets_of_two_unrolled_terms_follow_the_closed_form():
    for a in range(1, 13):
        for b in range(1, 13):
            for p in range(1, 5):
                for r in range(1, 5):
                    g = math.gcd(a, b)
                    formula = p * r - max(0, p - b // g) * max(0, r - a // g)
                    assert formula == len({a * i + b * j for i in range(p) for j in range(r)})


def test_words_written_follow_the_closed_form_on_perfect_tiles():
    """n(T) * f(T) / x, with sliding n(T)/x * (f + (x-1)*g)/x, for one node of each operand and no fan-out."""
    rng = random.Random(3)
    for _ in range(60):
        P, R, K, stride = rng.choice((2, 4, 6)), rng.choice((2, 3, 4)), rng.choice((1, 2, 3)), rng.choice((1, 2, 3))
        tp = rng.choice([t for t in range(1, P) if P % t == 0])
        layer = line(P=P, R=R, K=K, stride=stride)
        outer = rng.choice(("k p r", "r p k", "p r k", "k r p"))
        loops = " ".join({"k": f"k{K}" if K > 1 else "", "p": f"p{P // tp}", "r": ""}[d] for d in outer.split())
        t = walk(f"DRAM{{I,W,O}}; {loops}; RF{{I}}; p{tp} r{R}", layer, chip("RF"))
        f = len({stride * i + j for i in range(tp) for j in range(R)})
        step = {stride * (i + tp) + j for i in range(tp) for j in range(R)}
        g = len(step - {stride * i + j for i in range(tp) for j in range(R)})
        wraps = K if outer.index("k") < outer.index("p") else 1
        assert moved(t, "I", "fill", "RF")[1] == wraps * (f + (P // tp - 1) * g)


def test_a_ragged_sliding_window_follows_the_closed_form():
    t = walk("DRAM{I,W,O}; p3; RF{I}; p2 r3", line(P=5, R=3), chip("RF"))
    assert moved(t, "I", "fill", "RF") == (4 + 2 + 1,) * 2


# ---- neighbour links


def test_neighbour_links_read_the_union_and_forward_the_rest():
    layer = line(P=4, R=3, C=2)
    plain = walk("DRAM{I,W,O}; c2; X:p4; RF{I}; r3", layer, chip(fanout(), "RF"))
    linked = walk("DRAM{I,W,O}; c2; X:p4; RF{I}; r3", layer, chip(fanout("F", 4, links=("P",)), "RF"))
    assert moved(plain, "I", "fill", "RF") == (24, 24)
    assert moved(linked, "I", "fill", "RF") == (12, 24)  # 6 distinct inputs of each channel


def test_neighbour_links_subtract_the_previous_union_when_the_window_slides():
    layer, on = line(P=8, R=3), chip(fanout("F", 2, links=("P",)), "RF")
    t = walk("DRAM{I,W,O}; p4; X:p2; RF{I}; r3", layer, on)
    assert moved(t, "I", "fill", "RF") == (4 + 3 * 2, 2 * (3 + 3 * 2))
    wrapped = walk("DRAM{I,W,O}; k2 p4; X:p2; RF{I}; r3", line(P=8, R=3, K=2), on)
    assert moved(wrapped, "I", "fill", "RF") == (20, 36)


def test_links_matter_only_to_operands_that_overlap_along_them():
    for layer, on, mapping in cases(60, 5, links=0.0):
        for d, _ in layer.dims:
            if any(len(r.terms) > 1 and d in (x for _, x in r.terms) for t in layer.tensors for r in t.ranks):
                continue
            levels = tuple(replace(f, links=(d,), multicast=True) if isinstance(f, FanOut) else f for f in on.levels)
            plain = tuple(replace(f, multicast=True) if isinstance(f, FanOut) else f for f in on.levels)
            walks = [simulate(layer, replace(on, levels=x), mapping) for x in (levels, plain)]
            assert walks[0].reads() == walks[1].reads()
