"""Zeros inside the search: proved answers are those of a complete enumeration, and no mapping lies below a reported bound."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from picojoule.ask import ROLES
from picojoule.cost.model import evaluate
from picojoule.errors import NoMapping
from picojoule.hardware.chip import OPERANDS, Chip, FanOut, Group, Memory
from picojoule.hardware.chipfile.read import load_chip
from picojoule.hardware.compression import DENSE, NAMED, Format, RankFormat
from picojoule.mapping.mapping import Mapping, check
from picojoule.report.to_json import layer_json
from picojoule.search.exact.lattice import outermost_tiles
from picojoule.search.optimal import best_mapping
from picojoule.workload.density import Actual
from picojoule.workload.layer import Layer, conv, gemm
from tests.oracle.enumerate import SAME, Tiny, all_mappings, tiny_chip
from tests.search.problems import small_layer

FORMATS = (
    NAMED["bitmask"],
    NAMED["csr"],
    NAMED["csc"],
    Format((RankFormat("run_length", 2),), codec_pj=0.2),
    Format((RankFormat("offset", 8), RankFormat("coordinate", 4)), sized_for="expected"),
    Format((RankFormat("offset", 8, ("tiles",)), RankFormat("coordinate", 4))),
)
KINDS = ("gemm", "batched", "conv", "strided", "depthwise", "grouped", "conv2d")
VALUES = {"energy": lambda e, c: e, "latency": lambda e, c: c, "edp": lambda e, c: e * c}


def exploiting(rng: random.Random, chip: Chip, own_tile: bool) -> Chip:
    """The chip with formats, skipping and gating. `own_tile`: only what depends on a node's own tile or on single elements."""
    waits = "never" if own_tile else rng.choice(("never", "tile", "layer", "step"))
    levels: list[Group | FanOut] = []
    innermost = max(i for i, g in enumerate(chip.levels) if isinstance(g, Group))
    for i, g in enumerate(chip.levels):
        if isinstance(g, FanOut):
            levels.append(replace(g, waits=waits))
            continue
        leaves_out = not own_tile and (i == innermost or rng.random() < 0.3)
        levels.append(Group(tuple(_memory(rng, m, i == 0, leaves_out) for m in g.memories)))
    skips = tuple(r for r in OPERANDS if rng.random() < 0.5)
    gates = tuple(r for r in OPERANDS if r not in skips and rng.random() < 0.5)
    return replace(chip, levels=tuple(levels), compute=replace(chip.compute, skips=skips, gates=gates, gated_pj=0.1))


def _memory(rng: random.Random, m: Memory, outermost: bool, leaves_out: bool) -> Memory:
    kept = [r for r in OPERANDS if m.keeps_role(r) != "never" and rng.random() < 0.6]
    formats = [(r, rng.choice(FORMATS)) for r in kept]
    if outermost and rng.random() < 0.5:
        formats.append(("output", NAMED["bitmask"]))
    pairs = [(t, tuple(x for x in OPERANDS if x != t)) for t in ROLES if rng.random() < 0.5] if leaves_out else []
    return replace(m, formats=tuple(formats), **{rng.choice(("skips", "gates")): tuple(pairs)})  # type: ignore[arg-type]


def real_zeros(rng: random.Random, layer: Layer) -> Layer:
    """The layer with operands of which each is one real array of a few zeros in a row."""
    arrays = {}
    for t in layer.tensors:
        if t.role in OPERANDS:
            flat = np.arange(math.prod(layer.shape(t)))
            arrays[t.role] = Actual.of((flat % rng.choice((3, 5, 7)) < rng.choice((1, 2, 4))).reshape(layer.shape(t)))
    return layer.with_density(**arrays)


def problems(n: int, seed: int, own_tile: bool, arrays: bool = False) -> Iterator[tuple[Layer, Chip, list[Mapping]]]:
    rng = random.Random(seed)
    while n:
        dense = small_layer(rng, rng.choice(KINDS))
        chip = exploiting(rng, tiny_chip(rng, dense, Tiny(links=False)), own_tile)
        layer = real_zeros(rng, dense) if arrays else dense.with_density(**{r: rng.choice((0.2, 0.5, 0.9)) for r in ROLES})
        roots = {d: outermost_tiles(b, True) for d, b in layer.dims}
        found = list(itertools.islice(all_mappings(layer, chip, roots, "two"), 301))
        if 2 <= len(found) <= 300:
            n -= 1
            yield layer, chip, found


def compare(n: int, seed: int, own_tile: bool, arrays: bool = False) -> Counter[str]:
    """Every objective of every problem against all mappings; how many were proved."""
    tally: Counter[str] = Counter()
    for layer, chip, mappings in problems(n, seed, own_tile, arrays):
        costs = [evaluate(layer, chip, m) for m in mappings]
        for objective, value in VALUES.items():
            least = min(value(c.energy_pj, c.cycles) for c in costs)
            r = best_mapping(layer, chip, objective)
            told = f"{objective}\n{layer}\n{chip}\n{r.mapping}\n{r.certificate}"
            check(r.mapping, layer, chip)
            found = value(r.cost.energy_pj, r.cost.cycles)
            assert found >= least * (1 - SAME), told
            assert r.certificate["lower_bound"] <= least * (1 + SAME), told
            if r.proved:
                assert found <= least * (1 + SAME), told
            exact = own_tile and not reads_metadata_across_a_fanout(chip)
            tally["proved" if r.proved else "open, though every price is exact" if exact else "open"] += 1
    return tally


def reads_metadata_across_a_fanout(chip: Chip) -> bool:
    """Whether an operand's innermost memory may lie outside a fan-out and hold it compressed: MACs then read its metadata through
    a tile that the search does not know yet, and what it knows is a bound."""
    last = max((i for i, g in enumerate(chip.levels) if isinstance(g, FanOut)), default=-1)
    for role in OPERANDS:
        groups = [(i, g) for i, g in enumerate(chip.levels) if isinstance(g, Group)]
        keepers = [(i, m) for i, g in groups for m in g.memories if m.keeps_role(role) != "never"]
        certain = max((n for n, (_, m) in enumerate(keepers) if m.keeps_role(role) == "must"), default=0)
        if any(i < last and m.format_of(role) != DENSE for i, m in keepers[certain:]):
            return True
    return False


@pytest.mark.usefixtures("ragged_everywhere")
def test_what_depends_on_a_nodes_own_tile_is_proved_and_equals_the_enumeration() -> None:
    """Every answer but those about chips whose MACs may read metadata across a fan-out."""
    tally = compare(12, 1, own_tile=True)
    assert tally["open, though every price is exact"] == 0, tally
    assert tally["proved"] > tally["open"] > 0, tally


@pytest.mark.usefixtures("ragged_everywhere")
def test_no_mapping_lies_below_the_bound_where_tiles_skip_and_pes_wait() -> None:
    assert compare(10, 7, own_tile=False)["open"] > 0


@pytest.mark.usefixtures("ragged_everywhere")
def test_bounds_hold_for_the_zeros_of_real_arrays() -> None:
    assert compare(8, 3, own_tile=False, arrays=True)["proved"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("ragged_everywhere")
@pytest.mark.parametrize("own_tile", [True, False])
@pytest.mark.parametrize("arrays", [True, False])
def test_bounds_hold_on_many_problems(own_tile: bool, arrays: bool) -> None:
    compare(250, 7, own_tile, arrays)


def test_without_zeros_a_sparse_chip_gives_the_bytes_of_the_dense_one() -> None:
    """Density 1 and uncompressed formats: the same mapping, cost and certificate, whatever the chip could skip."""
    rng = random.Random(5)
    for layer in (gemm(M=6, N=8, K=10, bits=8), conv(K=4, C=4, P=5, Q=5, R=3, S=3, bits=8)):
        for name in ("simple3", "eyeriss"):
            dense = load_chip(name)
            sparse = exploiting(rng, dense, own_tile=False)
            groups = (
                g if isinstance(g, FanOut) else Group(tuple(replace(m, formats=()) for m in g.memories)) for g in sparse.levels
            )
            sparse = replace(sparse, levels=tuple(groups))
            assert sparse.sparse
            one, other = (layer_json(best_mapping(layer, c)) for c in (dense, sparse))
            del one["search_cpu_s"], other["search_cpu_s"]
            assert one == other


def test_a_tensor_that_is_compressed_fits_where_a_dense_one_does_not() -> None:
    chip = load_chip("simple3")
    buffer = chip.memories[1]
    formats = tuple((r, NAMED["bitmask"]) for r in OPERANDS)
    small = replace(buffer, capacity_bits=buffer.word_bits * 60, formats=formats)
    levels = tuple(Group((small,)) if isinstance(g, Group) and g.memories[0] == buffer else g for g in chip.levels)
    layer = gemm(M=8, N=8, K=8).with_density(input=0.1, weight=0.1)
    best = {}
    for which in ((), small.formats):
        made = replace(chip, levels=tuple(Group((replace(small, formats=which),)) if g == Group((small,)) else g for g in levels))
        try:
            best[bool(which)] = best_mapping(layer, made, "energy").cost.energy_pj
        except NoMapping:
            best[bool(which)] = float("inf")
    assert best[True] < best[False]
