"""The enumeration against a more naive one, and against random members of the mapspace."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest

from picojoule.ask import ROLES
from picojoule.cost.traffic import count
from picojoule.errors import MappingError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME, all_mappings, best, front, priced, thin, tiny_problems, tiny_roots


def chip(*levels: Group | FanOut) -> Chip:
    dram = Memory("DRAM", None, 16, 64.0, 64.0)
    return Chip("test", (Group((dram,)), *levels), Compute("MAC", 1.0), 1e9)


def memory(name: str, capacity: int | None = None, may: tuple[str, ...] = ROLES) -> Group:
    return Group((Memory(name, capacity, 16, 1.0, 1.0, keeps=tuple(r for r in ROLES if r not in may), may_keep=may),))


def signature(layer: Layer, on: Chip, mapping: Mapping) -> tuple[int, ...]:
    """Everything that a cost may depend on, in a fixed order."""
    t = count(layer, on, mapping)
    keys = [(x, tensor.name) for x in [m.name for m in on.memories] + [f.name for f in on.fanouts] for tensor in layer.tensors]
    tables = t.reads(), t.writes(), t.crossings()
    return (t.steps, *(table.get(k, 0) for table in tables for k in keys))


def naive_mappings(layer: Layer, on: Chip, roots: dict[str, list[int]] | None = None) -> Iterator[Mapping]:
    """Every sequence of loops and nodes whatsoever that passes the check of a mapping."""
    dram = [Node("DRAM", t.name) for t in layer.tensors]
    inner = [[(), (Node(m.name, t.name),)] for m in on.memories[1:] for t in layer.tensors]
    places = [(None, None), *((f.name, a.name) for f in on.fanouts for a in f.axes)]
    chains = [list(loop_chains(d, n, (roots or {}).get(d, []), places)) for d, n in layer.dims]
    for kept in itertools.product(*inner):
        nodes = [n for ns in kept for n in ns]
        for chosen in itertools.product(*chains):
            for order in merges([*map(list, chosen), *([n] for n in nodes)]):
                mapping = Mapping((*dram, *order))
                try:
                    check(mapping, layer, on)
                except MappingError:
                    continue
                if all(together(mapping, f) for f in on.fanouts):
                    yield mapping


def loop_chains(dim: str, n: int, roots: list[int], places: list[tuple]) -> Iterator[tuple[Loop, ...]]:
    def extents(t: int) -> Iterator[tuple[int, ...]]:
        if t == 1:
            yield ()
        for after in (x for x in range(1, t) if t % x == 0 or (t == n and any(root % x == 0 for root in roots))):
            for rest in extents(after):
                yield (-(-t // after), *rest)

    for bounds in extents(n):
        for where in itertools.product(places, repeat=len(bounds)):
            yield tuple(Loop(dim, b, *w) for b, w in zip(bounds, where, strict=True))


def merges(queues: list[list]) -> Iterator[tuple]:
    """All interleavings of the queues."""
    if not any(queues):
        yield ()
    for i, q in enumerate(queues):
        if q:
            for rest in merges([*queues[:i], q[1:], *queues[i + 1 :]]):
                yield (q[0], *rest)


def together(mapping: Mapping, fanout: FanOut) -> bool:
    at = [i for i, e in enumerate(mapping.entries) if isinstance(e, Loop) and e.fanout == fanout.name]
    return not at or at[-1] - at[0] + 1 == len(at)


PROBLEMS = {
    "a product with one buffer": (gemm(M=2, N=1, K=4), chip(memory("buf", 112))),
    "a product with a fan-out below its buffer": (gemm(M=2, N=1, K=4), chip(memory("buf", 96), FanOut("F", (Axis("X", 2),)))),
    "a fan-out above the buffers": (gemm(M=3, N=1, K=2), chip(FanOut("F", (Axis("X", 2), Axis("Y", 3))), memory("RF", 80))),
    "a window with peers": (
        conv(K=1, C=1, P=3, Q=1, R=2, S=1),
        chip(
            Group(
                (Memory("a", 48, 16, 1.0, 1.0, keeps=(), may_keep=("input",)), Memory("b", 48, 16, 1.0, 1.0, keeps=("output",)))
            )
        ),
    ),
    "two buffers around a fan-out": (
        conv(K=1, C=1, P=2, Q=1, R=2, S=1),
        chip(memory("buf", 80, may=("weight",)), FanOut("F", (Axis("X", 2),)), memory("RF", 48, may=("input", "weight"))),
    ),
    "two fan-outs in sequence": (
        conv(K=1, C=1, P=4, Q=1, R=2, S=1),
        chip(memory("buf", 96, may=("weight",)), FanOut("F", (Axis("X", 2),)), FanOut("G", (Axis("Y", 2),), links=("P",))),
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_pruned_twins_lose_no_traffic_that_a_naive_enumeration_has(name: str) -> None:
    layer, on = PROBLEMS[name]
    naive = {signature(layer, on, m) for m in naive_mappings(layer, on)}
    assert {signature(layer, on, m) for m in all_mappings(layer, on)} == naive
    assert len(naive) > 5


def test_ragged_chains_that_are_left_out_are_never_better() -> None:
    cases = [
        (gemm(M=3, N=1, K=2), chip(memory("buf", 96), FanOut("F", (Axis("X", 2),))), {"M": [2]}),
        (conv(K=1, C=1, P=5, Q=1, R=2, S=1), chip(memory("buf", 96)), {"P": [4]}),
        (gemm(M=5, N=1, K=2), chip(FanOut("F", (Axis("X", 2), Axis("Y", 2))), memory("RF", 64)), {"M": [4]}),
    ]
    for layer, on, roots in cases:
        ours = {signature(layer, on, m) for m in all_mappings(layer, on, roots)}
        naive = {signature(layer, on, m) for m in naive_mappings(layer, on, roots)}
        assert ours <= naive
        for other in naive - ours:
            assert any(all(a <= b for a, b in zip(own, other, strict=True)) for own in ours)


def test_every_mapping_of_a_tiny_problem_is_legal_and_comes_once() -> None:
    for layer, on in tiny_problems(8, seed=2, most=1_500, fanouts=2):
        found = list(all_mappings(layer, on, tiny_roots(layer, 1)))
        assert len(set(found)) == len(found)
        for m in found:
            check(m, layer, on)


def test_a_node_below_a_relevant_loop_or_on_top_of_its_group_is_enough() -> None:
    for layer, on in tiny_problems(25, seed=4, most=2_000):
        every, two = front(layer, on, priced), front(layer, on, priced, placements="two")
        assert [(pytest.approx(e, rel=SAME), c) for e, c, _ in every] == [(e, c) for e, c, _ in two]


def test_a_bigger_product_with_two_memories_and_a_fanout_takes_seconds() -> None:
    on = chip(memory("buf", 16 * 16), FanOut("F", (Axis("X", 4),)), memory("RF", 16 * 4))
    layer = gemm(M=4, N=4, K=2)
    assert sum(1 for _ in itertools.islice(all_mappings(layer, on), 50_000)) == 50_000


def test_the_front_holds_the_best_of_every_objective() -> None:
    for layer, on in tiny_problems(6, seed=9, most=2_000):
        points = front(layer, on, priced)
        energies, cycles = [e for e, _, _ in points], [c for _, c, _ in points]
        products = [e * c for e, c, _ in points]
        for objective, least in {"energy": min(energies), "latency": min(cycles), "edp": min(products)}.items():
            found = best(layer, on, objective, priced)
            assert found is not None and math.isclose(found[0], least, rel_tol=SAME)


def test_a_point_that_another_beats_is_no_part_of_a_front() -> None:
    m = Mapping(())
    assert thin([(5.0, 2.0, m), (4.0, 2.0, m), (4.0, 3.0, m), (3.0, 4.0, m), (9.0, 1.0, m)]) == [
        (9.0, 1.0, m),
        (4.0, 2.0, m),
        (3.0, 4.0, m),
    ]


def test_nothing_fits_a_buffer_smaller_than_one_element_of_what_it_must_keep() -> None:
    assert best(gemm(M=2, N=2, K=2), chip(memory("buf", 16, may=())), "energy", priced) is None
