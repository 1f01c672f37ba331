"""The compiled counts equal their plain twins, and the tables of the search equal the word count of mappings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.cost.rank_counts import AffineRank, Run, Sharing, affine_words, sharing_groups
from picojoule.cost.traffic import places, words
from picojoule.hardware.chip import Chip, Compute, Group, Memory
from picojoule.mapping.footprint import tile_elements
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.search.exact.lattice import divisors
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.rank_kernels import Merge, merged, rank_peak, rank_words, rank_words_reference
from picojoule.workload.layer import Layer, conv

LEVELS = (Group((Memory("DRAM", None, 8, 1.0, 1.0),)), Group((Memory("M", None, 8, 1.0, 1.0),)))
CHIP = Chip("c", LEVELS, Compute("MAC", 1.0), 1e9)
few = st.integers(1, 4)


@st.composite
def rank_and_tile(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, int]]:
    """(a, b, n1, n2, offset, size) with padding at either end, and a tile of it."""
    a, b, n1, n2 = draw(few), draw(few), draw(st.integers(1, 9)), draw(st.integers(1, 6))
    offset = -draw(st.integers(0, 3))
    top = offset + a * (n1 - 1) + b * (n2 - 1) + 1
    size = max(1, top + draw(st.integers(-2, 2)))
    return (a, b, n1, n2, offset, size), (draw(st.integers(1, n1)), draw(st.integers(1, n2)))


def compiled(
    rank: tuple[int, ...], tile: tuple[int, int], slide: tuple[int, int, int], merges: tuple[Merge, ...], box: bool
) -> int:
    return int(rank_words(rank, tile, slide, merged(rank[0], rank[1], merges), box))


@settings(deadline=None, max_examples=400)
@given(rank_and_tile(), st.integers(-1, 1), few, st.integers(1, 5), st.booleans())
def test_words_of_a_rank_equal_those_of_sets(
    case: tuple[tuple[int, ...], tuple[int, int]], which: int, step: int, passes: int, box: bool
) -> None:
    rank, tile = case
    expected = rank_words_reference(rank, tile, (which, step, passes), (), box)
    assert compiled(rank, tile, (which, step, passes), (), box) == expected


@settings(deadline=None, max_examples=400)
@given(rank_and_tile(), st.integers(-1, 1), st.integers(2, 4), st.integers(2, 4), few, few, st.booleans())
def test_words_of_a_rank_unrolled_both_ways_equal_those_of_sets(
    case: tuple[tuple[int, ...], tuple[int, int]], which: int, s1: int, s2: int, m1: int, m2: int, box: bool
) -> None:
    """D is a multiple of the tile; a run below passes no copy, one above slides by all copies."""
    (a, b, _, _, offset, size), (t1, t2) = case
    d1, d2 = t1 * m1, t2 * m2
    rank = (a, b, min(9, s1 * d1), min(9, s2 * d2), offset, size)
    for step, passes in ((1, 2), ((s1 if which == 0 else s2), 3)):
        expected = rank_words_reference(rank, (t1, t2), (which, step, passes), ((s1, d1, s2, d2),), box)
        assert compiled(rank, (t1, t2), (which, step, passes), ((s1, d1, s2, d2),), box) == expected


two = st.tuples(*[st.integers(1, 3)] * 2)


@settings(deadline=None, max_examples=400)
@given(*[few] * 2, st.integers(-4, 0), st.integers(-2, 2), two, two, two, two, two, two, st.integers(-1, 2))
def test_words_under_two_fanouts_equal_the_word_count(
    a: int,
    b: int,
    offset: int,
    more: int,
    tile: tuple[int, int],
    inner: tuple[int, int],
    gap: tuple[int, int],
    outer: tuple[int, int],
    time: tuple[int, int],
    short: tuple[int, int],
    run: int,
) -> None:
    """From the tile outwards: `inner` copies, `gap` passes, `outer` copies, `time` passes (of `run` the last of which slide).

    The last of both dimensions is cut short. A run (0, 1) is of one dimension and stands above both fan-outs, if no pass
    lies between; else it is the gap itself and stands above the inner one.
    """
    inside = [t * s for t, s in zip(tile, inner, strict=True)]
    d = [x * g for x, g in zip(inside, gap, strict=True)]
    above = [x * s for x, s in zip(d, outer, strict=True)]
    n = tuple(max(x * t - c + 1, 1) if x * t - c + 1 > x * (t - 1) else x * t for x, t, c in zip(above, time, short, strict=True))
    top = offset + a * (n[0] - 1) + b * (n[1] - 1) + 1
    rank = AffineRank(a, b, n, offset, max(1, top + more))  # type: ignore[arg-type]
    merges = ((inner[0], tile[0], inner[1], tile[1]), (outer[0], d[0], outer[1], d[1]))
    shared = [Sharing((((x[1], x[0]),), ((x[3], x[2]),))) for x in merges[::-1]]
    slide, found, apart = (-1, 1, 1), None, []
    for k in (0, 1):
        loops = [] if k == run and gap[k] == 1 else [(above[k], -(-n[k] // above[k]))]
        if k == run and gap[k] == 1:
            step = inner[k] * outer[k]
            slide = (k, step, -(-n[k] // above[k]))
            found = Run(k, step * tile[k], slide[2])
        elif k == run:
            slide = (k, inner[k], gap[k])
            found = Run(k, inside[k], gap[k])
        else:
            loops.append((inside[k], gap[k]))
        apart.append(tuple(loops))
    words_counted = affine_words(rank, tile, (apart[0], apart[1]), sharing_groups(a, b, tuple(shared)), found)
    plain = (a, b, *n, offset, rank.size)
    assert compiled(plain, tile, slide, merges, False) == words_counted  # type: ignore[arg-type]
    assert rank_words_reference(plain, tile, slide, merges) == words_counted


@settings(deadline=None, max_examples=200)
@given(rank_and_tile())
def test_the_peak_of_a_rank_is_the_fullest_tile(case: tuple[tuple[int, ...], tuple[int, int]]) -> None:
    (a, b, n1, n2, offset, size), (t1, t2) = case
    peak = 0
    for p in range(0, n1, t1):
        for r in range(0, n2, t2):
            values = {offset + a * x + b * y for x in range(p, min(n1, p + t1)) for y in range(r, min(n2, r + t2))}
            peak = max(peak, sum(0 <= v < size for v in values))
    assert rank_peak((a, b, n1, n2, offset, size), t1, t2, False) == peak


TABLES = {
    "plain": conv(K=2, C=2, P=6, Q=1, R=3, S=1),
    "strided": conv(K=2, C=1, P=6, Q=1, R=3, S=1, stride=2),
    "dilated": conv(K=1, C=2, P=8, Q=1, R=4, S=1, dilation=3),
    "holes": conv(K=1, C=1, P=6, Q=1, R=2, S=1, stride=4),
    "padded": conv(K=2, C=1, P=6, Q=1, R=3, S=1, pad=(1, 0)),
    "two ranks": conv(K=1, C=1, P=4, Q=6, R=2, S=3, stride=(2, 1)),
}


def one_node(layer: Layer, tensor: str, tile: dict[str, int], order: list[str]) -> Mapping:
    """All loops above the node of one tensor in `order`, the rest of each dimension below it."""
    above = [Loop(d, layer.bounds[d] // tile[d]) for d in order]
    below = [Loop(d, tile[d]) for d in order]
    entries = [*(Node("DRAM", t.name) for t in layer.tensors), *above, Node("M", tensor), *below]
    return Mapping(tuple(e for e in entries if isinstance(e, Node) or e.bound > 1))


@pytest.mark.parametrize("name", TABLES)
def test_words_under_a_run_equal_the_word_count_of_a_mapping(name: str) -> None:
    """The loop of one dimension of the rank directly above the node: its run begins at the whole bound."""
    layer = TABLES[name]
    problem = Problem(layer, CHIP, imperfect=False)
    tensor, dims = layer.tensors[problem.slider], problem.names
    for k, (_, p, q) in enumerate(problem.ranks):
        rest = problem.base[problem.slider] * np.prod([problem.plain(m)[-1, -1] for m in range(len(problem.ranks)) if m != k])
        for i, tp in enumerate(problem.lattice.extents[p]):
            for j, tq in enumerate(problem.lattice.extents[q]):
                tile = {d: int(tp) if d == dims[p] else int(tq) if d == dims[q] else 1 for d in dims}
                for which, run in ((0, dims[p]), (1, dims[q])):
                    if layer.bounds[run] == tile[run]:
                        continue
                    idle = [d for d in dims if d not in tensor.dims]
                    order = [*idle, *(d for d in dims if d != run and d not in idle), run]
                    place = places(layer, CHIP, one_node(layer, tensor.name, tile, order), tensor)[1]
                    again = np.prod([layer.bounds[d] for d in idle])  # the loops outside bring every tile back
                    assert words(place) == problem.slides(k, which, 1)[0, i, j] * rest * again, (tile, run)


@pytest.mark.parametrize("name", TABLES)
def test_plain_words_and_footprints_of_the_tables_equal_their_definitions(name: str) -> None:
    layer = TABLES[name]
    problem = Problem(layer, CHIP, imperfect=True)
    for k, (rank, p, q) in enumerate(problem.ranks):
        for i, tp in enumerate(problem.lattice.extents[p]):
            for j, tq in enumerate(problem.lattice.extents[q]):
                expected = rank_words_reference(rank, (int(tp), int(tq)), (-1, 1, 1))
                assert problem.plain(k)[i, j] == expected
    for index in np.linspace(0, problem.lattice.size - 1, 60).astype(int):
        digits = problem.lattice.digits[index]
        tile = {d: int(problem.lattice.extents[x][digits[x]]) for x, d in enumerate(problem.names)}
        for x, some in enumerate(layer.tensors):
            assert problem.foot[x, index] == tile_elements(layer, some, tile) * some.bits


def test_divisors_are_those_of_trial_division() -> None:
    for n in range(1, 500):
        assert divisors(n) == [t for t in range(1, n + 1) if n % t == 0]
