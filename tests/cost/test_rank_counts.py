"""The counts of one dimension or rank equal plain enumeration."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picojoule.cost.rank_counts import (
    AffineRank,
    Group,
    Run,
    Sharing,
    active_positions,
    affine_words,
    distinct_starts,
    distinct_sums,
    positions,
    sharing_groups,
    tile_size,
    valid_values,
)

few = st.integers(1, 7)


@given(few, few, few, few)
def test_distinct_sums_equal_a_set_of_sums(a: int, b: int, p: int, r: int) -> None:
    assert distinct_sums(a, b, p, r) == len({a * i + b * j for i in range(p) for j in range(r)})


def test_row_stationary_reads_51_tiles_for_121_copies_of_alexnet_conv1() -> None:
    assert distinct_starts(4, 1, (1, 1), (11, 11)) == 51


def test_the_extent_below_the_fanout_decides_which_copies_are_equal() -> None:
    assert distinct_starts(1, 1, (1, 2), (3, 2)) == 5
    assert distinct_starts(1, 1, (1, 1), (3, 2)) == 4


def test_a_bounding_box_counts_the_holes_of_a_strided_tile() -> None:
    assert (tile_size(2, 1, (14, 1)), tile_size(2, 1, (14, 1), box=True)) == (14, 27)


@given(few, st.integers(-5, 5), st.one_of(st.none(), st.integers(0, 20)), st.integers(1, 9))
def test_valid_values_are_those_that_are_no_padding(c: int, offset: int, size: int | None, n: int) -> None:
    values = (offset + c * i for i in range(n))
    assert valid_values(c, offset, size, n) == sum(v >= 0 and (size is None or v < size) for v in values)


@given(st.integers(0, 40), st.lists(st.tuples(few, few), max_size=3))
def test_active_positions_equal_walking_them(n: int, loops: list[tuple[int, int]]) -> None:
    walked = sum(position < n for position in positions(tuple(loops)))
    assert active_positions(n, tuple(loops)) == walked


@given(few, few, st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(-3, 2))
def test_words_of_ragged_padded_tiles_equal_walking_them(a: int, b: int, n: int, m: int, t: int, s: int, offset: int) -> None:
    """One tile after another along p, sliding, each copy of r for itself."""
    size = a * n + b * m - 2
    run = Run(0, t, -(-n // t))
    got = affine_words(AffineRank(a, b, (n, m), offset, size), (t, s), ((), ((s, -(-m // s)),)), (Group(),), run)

    def tile(p: int, r: int) -> set[int]:
        box = {offset + a * i + b * j for i in range(p, min(p + t, n)) for j in range(r, min(r + s, m))}
        return {v for v in box if 0 <= v < size}

    walked = sum(len(tile(p, r) - (tile(p - t, r) if p else set())) for r in range(0, m, s) for p in range(0, n, t))
    assert got == walked


def test_links_join_the_diagonal_into_one_union() -> None:
    """3 copies along p and 3 along r at stride 1 hold 5 different elements, one read each, with or without links."""
    loops = (((1, 3),), ((1, 3),))
    rank = AffineRank(1, 1, (3, 3))
    for links, groups in (((False, False), 5), ((False, True), 1), ((True, True), 1)):
        shared = sharing_groups(1, 1, (Sharing(loops, True, links, any(links)),))
        assert len(shared) == groups
        assert affine_words(rank, (1, 1), ((), ()), shared) == 5
    alone = sharing_groups(1, 1, (Sharing(loops, False),))
    assert affine_words(rank, (1, 1), ((), ()), alone) == 9
