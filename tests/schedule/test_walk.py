"""Schedules on real arrays: their numbers are those of the network, nothing dead is read, wrong programs are refused."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.schedule.jobs import JobGraph
from picojoule.schedule.program import parse
from picojoule.schedule.walk import Moved, Ran, Walked, walk
from picojoule.schedule.walk_values import PRIME, Elements, given, plain
from picojoule.workload.access import Digit
from picojoule.workload.building.builder import Builder
from picojoule.workload.building.products import LINEAR
from picojoule.workload.building.shapes import Product
from picojoule.workload.building.transformer import Transformer, build
from picojoule.workload.layer import gemm
from picojoule.workload.network import Network, Persistence
from tests.oracle.random_schedules import MEMORY, PLENTY, Case, Taps, cases, line, product, random_schedule, slide, small_chip

WORD = 16  # bits


def walked(network: Network, text: str, size_bits: int = PLENTY, drain: bool = False) -> Walked:
    """The run of the schedule; its numbers are checked."""
    graph = JobGraph(network, small_chip(drain))
    found = walk(graph, parse(text.replace(";", "\n")), MEMORY, size_bits)
    same_numbers(Case(network, graph, parse(text.replace(";", "\n")), size_bits), found)
    return found


def same_numbers(case: Case, found: Walked) -> None:
    wanted = plain(case.graph)
    assert wanted.keys() == found.numbers.keys()
    for name, numbers in wanted.items():
        mine = found.numbers[name]
        made = mine >= 0
        assert made.all() or "recompute" in str(case.schedule), name  # what nobody needs is not made again
        assert (mine[made] == numbers[made]).all(), f"{name} of\n{case.schedule}"
        assert made.all() or not case.graph.lasts(name)


def boxes(found: Walked, job: str, dim: str) -> list[tuple[int, int]]:
    return [e.box[dim] for e in found.events if isinstance(e, Ran) and e.job == job]


def moved(found: Walked, tensor: str) -> list[int]:
    return [e.elements for e in found.events if isinstance(e, Moved) and e.tensor == tensor]


# -- numbers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_any_schedule_gives_the_numbers_of_the_network_and_needs_its_capacity(seed: int) -> None:
    for case in cases(100, seed):
        found = walk(case.graph, case.schedule, MEMORY, case.capacity_bits)
        same_numbers(case, found)
        assert found.peak_bits == case.capacity_bits
        if case.capacity_bits:
            with pytest.raises(SpecError, match=f"which has {case.capacity_bits - 1} b"):
                walk(case.graph, case.schedule, MEMORY, case.capacity_bits - 1)


PLAIN_BLOCK = Transformer(
    name="block", layers=1, hidden=8, heads=2, kv_heads=2, head_size=4, feedforward=6, vocabulary=10, positions=8
)
LLAMA = replace(PLAIN_BLOCK, kv_heads=1, gated=True, positions=0, rotary=True, norm="RMSNormalization", activation="Silu")
BLOCKS = {
    "prefill": build(PLAIN_BLOCK, seq=4, phase="prefill"),
    "grouped": build(LLAMA, seq=4, phase="prefill"),
    "fused": build(replace(LLAMA, kv_heads=2, fused=True), seq=3, phase="prefill"),
    "decode": build(PLAIN_BLOCK, context=3, phase="decode"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_transformers_run_by_any_schedule(name: str) -> None:
    rng = random.Random(1)
    for drain in (False, True):
        graph = JobGraph(BLOCKS[name], small_chip(drain))
        schedules = [random_schedule(rng, graph) for _ in range(6)]
        for schedule in schedules:
            same_numbers(Case(graph.network, graph, schedule, PLENTY), walk(graph, schedule, MEMORY, PLENTY))
        assert sum(str(s).count("for ") for s in schedules) > 5


@pytest.mark.slow
def test_very_many_schedules_give_the_numbers_of_the_network() -> None:
    for case in cases(15_000, 1_000):
        same_numbers(case, walk(case.graph, case.schedule, MEMORY, case.capacity_bits))


def test_all_kinds_of_items_occur() -> None:
    texts = [str(c.schedule) for c in cases(200, 0)]
    for what in ("for ", "  for ", "recompute", "load ", "  load ", "store ", "free "):
        assert sum(what in t for t in texts) > 20, what


def test_without_loops_there_are_none() -> None:
    assert not any("for " in str(c.schedule) for c in cases(50, 3, loops=0.0))


def test_a_convolution_is_what_its_loops_say() -> None:
    stride, taps, dilation, offset = 2, 3, 2, -3
    graph = JobGraph(line(9, Taps(6, stride, taps, offset, dilation), channels=2), small_chip())
    elements = Elements(graph)
    values = given(graph, elements, 0)
    x, w = values[elements.of("x0")].reshape(2, 9), values[elements.of("x1.weight")].reshape(2, 2, 3)
    wanted = np.zeros((2, 6), object)
    for k, c, p, r in itertools.product(range(2), range(2), range(6), range(taps)):
        i = stride * p + dilation * r + offset
        if 0 <= i < 9:
            wanted[k, p] += int(x[c, i]) * int(w[k, c, r])
    assert (plain(graph)["x1"].reshape(2, 6) == wanted % PRIME).all()


def attention(tokens: int, size: int, former: int = 0) -> Network:
    """Two heads; queries, keys and values as they leave a projection, (tokens, heads * size)."""
    b = Builder("attention")
    q, k, v = (b.input(n, (tokens, 2 * size)).reshaped((tokens, 2, size)).permuted(1, 0, 2) for n in "QKV")
    keys, values = ([b.input(f"old{n}", (2, former, size)), new] if former else [new] for n, new in (("K", k), ("V", v)))
    scores = product(b, "hme,hse->hms", q, keys, "scores", "s" if former else "")
    weights = b.normalise("Softmax", scores, name="softmax")
    product(b, "hms,hse->hme", weights, values, "mix", "s" if former else "")
    return b.network()


def test_operands_are_views_and_put_together() -> None:
    graph = JobGraph(attention(3, 2, former=2), small_chip())
    elements = Elements(graph)
    values = given(graph, elements, 0).astype(object)
    q, k = (values[elements.of(n)].reshape(3, 2, 2) for n in "QK")
    old = values[elements.of("oldK")].reshape(2, 2, 2)
    wanted = [
        sum(q[m, h, e] * (old[h, s, e] if s < 2 else k[s - 2, h, e]) for e in range(2)) % PRIME
        for h, m, s in itertools.product(range(2), range(3), range(5))
    ]
    assert plain(graph)["scores"].tolist() == wanted


def test_repetitions_follow_each_other_in_their_tensors() -> None:
    b = Builder("twice")
    x, w, z = b.input("x", (3, 2, 2)), b.weight("w", (2, 4)), b.value("z", (3, 2, 4))
    layer = gemm("z", M=2, N=4, K=2)
    one_of = [v.sliced(0, 0, 1).access(layer.tensor(t), (1, 2)) for t, v in (("A", x), ("Z", z))]
    accesses = [replace(a, repeats=Digit(0, 1, 3)) for a in one_of]
    b.mac(layer, [*accesses, w.access(layer.tensor("B"), (0, 1))], count=3)
    graph = JobGraph(b.network(), small_chip())
    elements = Elements(graph)
    values = given(graph, elements, 0).astype(object)
    wanted = values[elements.of("x")].reshape(3, 2, 2) @ values[elements.of("w")].reshape(2, 4) % PRIME
    assert (plain(graph)["z"].reshape(3, 2, 4) == wanted).all()
    assert walked(graph.network, "for z.M by 1 { z; }").events[1].held_bits == 0


# -- chunks -----------------------------------------------------------------------------------------------------------------


def test_the_first_chunk_is_not_always_the_largest() -> None:
    found = walked(line(9, Taps(9, 1, 2, -1), Taps(3, 3, 2)), "for x2.P by 1 { x1 -> H; x2; }")
    assert boxes(found, "x1", "P") == [(0, 2), (2, 5), (5, 9)]


def test_the_last_chunk_may_be_empty() -> None:
    found = walked(line(8, Taps(7, 1, 2), Taps(9, 1, 4, -1)), "for x2.P by 3 { x1 -> H; x2; }")
    assert boxes(found, "x1", "P") == [(0, 5), (5, 7)]
    assert boxes(found, "x2", "P") == [(0, 3), (3, 6), (6, 9)]


def test_positions_that_nobody_reads_are_made_and_take_no_room() -> None:
    net = line(5, Taps(5), Taps(2, 3))
    found = walked(net, "for x2.P by 1 { x1 -> H; x2; }")
    assert boxes(found, "x1", "P") == [(0, 1), (1, 5)]
    assert found.peak_bits == WORD
    again = walked(net, "for x2.P by 1 recompute { x1 -> H; x2; }")
    assert boxes(again, "x1", "P") == [(0, 1), (3, 4)]


def test_equal_chunks_read_unequal_windows() -> None:
    found = walked(line(4, Taps(4, 1, 2, -1, 2)), "for x1.P by 1 { x1; }")
    assert [e.reads["x0"] for e in found.events if isinstance(e, Ran)] == [1, 2, 2, 1]


def test_a_chunk_may_see_nothing_but_padding() -> None:
    found = walked(line(3, Taps(3), Taps(7, 1, 2, -3, 3)), "for x2.P by 1 { x1 -> H; x2; }")
    assert [e.reads.get("x1", 0) for e in found.events if isinstance(e, Ran) and e.job == "x2"] == [1, 1, 1, 1, 1, 1, 0]


def test_nested_loops_keep_rows_at_full_width() -> None:
    b = Builder("nested")
    x1 = slide(b, b.input("x0", (1, 12, 7)), "x1", Taps(6, 2, 3, -1), Taps(7, 1, 2, -1))
    net = b.network(slide(b, x1, "x2", Taps(6), Taps(7, 1, 3, -2)))
    found = walked(net, "for x2.P by 1 { for x2.Q by 4 { load x0 -> H; x1 -> H; x2; }; }")
    assert found.peak_bits == 20 * WORD  # the product of both windows is 17
    assert sum(moved(found, "x0")) == 12 * 7


def test_attention_row_by_row_moves_everything_once() -> None:
    tokens, size, rows = 4, 6, 2
    text = """
    for mix.H by 1 { load K -> H; load V -> H
      for mix.M by 2 { load Q -> H; scores -> H; softmax -> H; mix; }
    }"""
    found = walked(attention(tokens, size), text)
    assert found.peak_bits == WORD * (2 * tokens * size + rows * size + rows * tokens)
    assert {n: sum(moved(found, n)) for n in "QKV"} == dict.fromkeys("QKV", tokens * size * 2)
    assert all(e.inside for e in found.events if isinstance(e, Ran))


def test_a_loop_that_computes_again_keeps_nothing() -> None:
    net = line(8, Taps(8, 1, 3, -1), Taps(8, 1, 3, -1))
    kept, again = (walked(net, f"for x2.P by 2 {how} {{ load x0 -> H; x1 -> H; x2; }}") for how in ("", "recompute"))
    assert boxes(kept, "x1", "P") == [(0, 3), (3, 5), (5, 7), (7, 8)]
    assert boxes(again, "x1", "P") == [(0, 3), (1, 5), (3, 7), (5, 8)]
    assert moved(kept, "x0") == [4, 2, 2]  # nothing is left for the last chunk
    assert moved(again, "x0") == [4, 6, 6, 4]


def test_two_results_may_end_a_loop_at_one_rate() -> None:
    b = Builder("two")
    x = slide(b, b.input("x0", (1, 6)), "x", Taps(6))
    ends = slide(b, x, "y", Taps(6, 1, 2)), slide(b, x, "z", Taps(6, 1, 3, -2))
    found = walked(b.network(*ends), "for y.P by 2 { x -> H; y; z; }")
    assert boxes(found, "y", "P") == boxes(found, "z", "P") == [(0, 2), (2, 4), (4, 6)]


def test_parts_of_an_operand_are_made_in_the_loop_that_reads_it() -> None:
    b = Builder("parts")
    x, y = (slide(b, b.input(f"{n}0", (1, 4)), n, Taps(4)) for n in "xy")
    along = b.network(slide(b, [x, y], "z", Taps(8, 1, 2), behind=1))
    found = walked(along, "for z.P by 2 { x -> H; y -> H; z; }")
    assert boxes(found, "x", "P") == [(0, 3), (3, 4)]
    assert boxes(found, "y", "P") == [(0, 1), (1, 3), (3, 4)]
    b = Builder("parts")
    x, y = (slide(b, b.input(f"{n}0", (1, 4)), n, Taps(4)) for n in "xy")
    across = b.network(slide(b, [x, y], "z", Taps(4, 1, 2, -1)))
    found = walked(across, "for z.P by 2 { x -> H; y -> H; z; }")
    assert boxes(found, "x", "P") == boxes(found, "y", "P") == [(0, 2), (2, 4)]


def test_what_is_loaded_later_in_the_body_is_read_outside() -> None:
    b = Builder("two")
    x = b.input("x0", (1, 4))
    y = slide(b, x, "y", Taps(4))
    net = b.network(b.elementwise("Add", x, y, name="z"))
    found = walked(net, "for z.a1 by 2 { y -> H; load x0 -> H; z; }")
    assert [sorted(e.inside) for e in found.events if isinstance(e, Ran)] == [[], ["x0", "y"]] * 2
    assert moved(found, "x0") == [2, 2]


# -- room -------------------------------------------------------------------------------------------------------------------


def test_what_is_needed_after_the_loop_has_its_room_from_the_start() -> None:
    b = Builder("residual")
    x = slide(b, b.input("x0", (1, 6)), "x", Taps(6))
    y = slide(b, x, "y", Taps(6, 1, 3, -1))
    b.elementwise("Add", x, y, name="z")
    found = walked(b.network(), "for y.P by 1 { x -> H; y; }; z")
    assert [e.held_bits for e in found.events] == [6 * WORD] * (len(found.events))


def test_what_an_inner_loop_makes_for_later_has_its_room_from_where_it_begins() -> None:
    b = Builder("rows")
    x = slide(b, b.input("x0", (1, 2, 4)), "x", Taps(2), Taps(4))
    net = b.network(slide(b, x, "y", Taps(2), Taps(4)))
    found = walked(net, "for y.P by 1 { for x.Q by 1 { x -> H; }; y; }")
    assert [e.held_bits for e in found.events] == [4 * WORD] * 10


def test_a_cache_is_written_outside_and_read_after_that() -> None:
    b = Builder("cached")
    cache = b.input("cache", (4, 2), persistence=Persistence.CACHE)
    new = cache.sliced(0, 3, 1)
    b.product(Product(1, 1, 2, 3), LINEAR, b.input("x", (1, 3)), b.weight("w", (3, 2)), new, name="new", op="Gemm")
    scores = product(b, "hme,hse->hms", b.input("q", (1, 2, 2)), cache.reshaped((1, 4, 2)), "scores")
    net = b.network(b.elementwise("Relu", scores, name="z"))
    walked(net, "new; load cache -> H; scores -> H; z")
    with pytest.raises(SpecError, match="new -> H: cache is a cache"):
        walked(net, "new -> H; scores; z")
    with pytest.raises(SpecError, match="load cache -> H: new has not made its part yet"):
        walked(net, "load cache -> H; new; scores; z")
    with pytest.raises(SpecError, match="scores: reads cache outside, where some of it is not"):
        walked(net, "scores; new; z")


def test_a_job_reads_in_memory_what_is_there_and_outside_what_is_not() -> None:
    net = line(4, Taps(4), Taps(4), Taps(4))
    found = walked(net, "x1; load x1 -> H; x2 -> H; free x1; x3")
    assert [sorted(e.inside) for e in found.events if isinstance(e, Ran)] == [[], ["x1"], ["x2"]]


def test_an_operand_in_parts_is_read_in_memory_only_whole() -> None:
    net, rest = attention(2, 2, former=1), "scores; softmax; mix"
    some = walked(net, f"load K -> H; {rest}").events[1]
    both = walked(net, f"load K -> H; load oldK -> H; {rest}").events[2]
    assert isinstance(some, Ran) and isinstance(both, Ran)
    assert (some.inside, both.inside) == (frozenset(), frozenset({"K", "oldK"}))


def test_what_is_done_in_passing_is_in_the_result() -> None:
    b = Builder("passing")
    x = b.conv(b.input("x0", (1, 1, 6)), 2, 3, name="x", pad=1)
    b.conv(b.elementwise("Relu", x, name="y"), 1, 3, name="z", pad=1)
    found = walked(b.network(), "for z.Q by 2 { x -> H; z; }", drain=True)
    assert {e.job for e in found.events if isinstance(e, Ran)} == {"x", "z"}
    assert boxes(found, "x", "Q") == [(0, 3), (3, 5), (5, 6)]
    assert set(found.numbers) == {"y", "z"}


# -- wrong programs ---------------------------------------------------------------------------------------------------------

TWO = line(8, Taps(8, 1, 3, -1), Taps(8, 1, 3, -1), channels=2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x1 -> H; x2; x2", "x2 runs twice"),
        ("x1 -> G; x2", "x1 -> G: 'G' is not the memory"),
        ("x2; x1", "x2: x1 is nowhere"),
        ("x1 -> H; free x1; x2", "free x1: x2 still reads it"),
        ("x1; x2 -> H; free x2", "free x2: it has to outlive the run"),
        ("x1; x2 -> H", "x2 has to be outside when the run ends"),
        ("x1; x2; store x0", "store x0: it is not in H"),
        ("load x0 -> H; x1; x2; store x0", "store x0: it is outside already"),
        ("x1 -> H; load x1 -> H; x2", "load x1 -> H: it is in H already"),
        ("load x1 -> H; x1; x2", "load x1 -> H: it is not outside"),
        ("x1; x2; free x1", "free x1: it is not in H"),
        ("load y -> H; x1; x2", "no job reads or writes y"),
        ("x1", "x2 never runs"),
        ("for x2.P by 2 { x1 -> H; store x1; x2; }", "store x1 stands inside"),
        ("for x1.P by 2 { x1 -> H; x2; }", "x1 is read by another job inside"),
        ("for x2.P by 2 { x1 -> H; }; x2", "unknown job 'x2'"),
        ("for x2.A by 2 { x1 -> H; x2; }", "unknown dimension 'A'"),
        ("for x2.K by 1 { x1 -> H; x2; }", "x1 has no dimension of its class"),
        ("for x2.C by 1 { x1 -> H; x2; }", "x2 sums over dimension C"),
        ("for x2.R by 1 { x1 -> H; x2; }", "x2 has several dimensions of its class: P, R"),
        ("for x2.P by 2 { load x2.weight -> H; x1 -> H; x2; }", "does not cut x2.weight"),
        ("for x2.P by 2 { load x1 -> H; x1; x2; }", "loads x1 and makes it"),
        ("for x2.P by 2 { load x0 -> H; load x0 -> H; x1; x2; }", "loads x0 twice"),
        ("load x0 -> H; for x2.P by 2 { load x0 -> H; x1; x2; }", "it is in H already"),
        ("for x2.P by 2 { x1 -> H; x1 -> H; x2; }", "runs x1 twice"),
        ("for x2.P by 2 { x2; x1 -> H; }", "reads x1 in H, where some of it is not"),
        ("for x2.P by 2 recompute { x1; x2; }", "recomputes, but x1 leaves its result outside"),
        ("for x2.P by 4 { for x2.P by 2 { x1 -> H; x2; }; }", "has the class of the loop around it"),
        ("for x2.P by 4 { for x2.K by 2 { for x2.K by 1 { x2; }; }; }", "third loop"),
    ],
)
def test_a_wrong_program_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        walked(TWO, text)


def test_what_an_operator_needs_whole_is_not_cut() -> None:
    b = Builder("row")
    b.normalise("Softmax", b.linear(b.input("x0", (3, 2)), 4, name="x", bias=False), name="y")
    net = b.network()
    with pytest.raises(SpecError, match="y needs dimension a1 whole"):
        walked(net, "for y.a1 by 1 { x -> H; y; }")
    assert walked(net, "for y.a0 by 1 { x -> H; y; }").peak_bits == 4 * WORD


def test_keys_are_not_made_in_a_loop_over_queries() -> None:
    b = Builder("self-attention")
    x = b.linear(b.input("x0", (4, 2)), 2, name="x", bias=False)
    q, k = (b.linear(x, 2, name=n, bias=False) for n in "qk")
    product(b, "hme,hse->hms", *(t.reshaped((4, 1, 2)).permuted(1, 0, 2) for t in (q, k)), "scores")
    net = b.network()
    with pytest.raises(SpecError, match="scores has several dimensions of its class: M, N"):
        walked(net, "for scores.M by 2 { x -> H; q -> H; k -> H; scores; }")
    walked(net, "x -> H; k -> H; for scores.M by 2 { q -> H; scores; }")


def test_a_second_result_at_another_rate_does_not_end_a_loop() -> None:
    b = Builder("two")
    x = slide(b, b.input("x0", (1, 6)), "x", Taps(6))
    ends = slide(b, x, "y", Taps(6)), slide(b, x, "z", Taps(3, 2))
    with pytest.raises(SpecError, match="6 positions, but z, which nothing inside reads, has 3"):
        walked(b.network(*ends), "for y.P by 2 { x -> H; y; z; }")


def test_recomputing_leaves_nothing_but_the_end() -> None:
    b = Builder("residual")
    x = slide(b, b.input("x0", (1, 6)), "x", Taps(6))
    b.elementwise("Add", x, slide(b, x, "y", Taps(6, 1, 3, -1)), name="z")
    with pytest.raises(SpecError, match="recomputes, but x leaves x"):
        walked(b.network(), "for y.P by 2 recompute { x -> H; y; }; z")


def test_part_of_an_operand_in_memory_alone_is_not_read() -> None:
    b = Builder("parts")
    k = b.linear(b.input("x0", (2, 2)), 2, name="k", bias=False).reshaped((2, 1, 2)).permuted(1, 0, 2)
    q, old = b.input("q", (1, 2, 2)), b.input("old", (1, 1, 2))
    product(b, "hme,hse->hms", q, [old, k], "scores", "s")
    with pytest.raises(SpecError, match="k is in H alone, and other parts of the operand are not"):
        walked(b.network(), "k -> H; scores")
    walked(b.network(), "k -> H; store k; scores")
