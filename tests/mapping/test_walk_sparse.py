"""Expected sparse accesses against real zeros: every loop walked, every format encoded, every tile looked at.

300 random layers, chips, formats, densities and mappings (a part of them in the default suite). For each the accesses of
drawn tensors are counted; an expectation may be off by 5 standard errors of their mean and 2 %.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from picojoule.ask import ROLES
from picojoule.cost.sparsity import exploit
from picojoule.cost.traffic import count
from picojoule.hardware.chip import OPERANDS, Chip, Conditions, FanOut, Group
from picojoule.hardware.compression import NAMED, Format, RankFormat
from picojoule.mapping.footprint import tile_bits
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.mapping.walk import simulate
from picojoule.mapping.walk_sparse import Counted, SparseWalk, encode
from picojoule.workload.layer import Layer, Tensor
from tests.oracle.random_cases import cases

FORMATS = (
    NAMED["bitmask"],
    NAMED["rlc"],
    Format((RankFormat("run_length", 1),)),
    Format((RankFormat("offset", 6), RankFormat("coordinate", 5))),
    Format((RankFormat("coordinate", 4), RankFormat("bitmask"))),
)
Table = dict[tuple[str, ...], float]
Samples = dict[tuple[str, ...], np.ndarray]  # by count: one number a draw


def conditions(rng: random.Random) -> Conditions:
    out = []
    for t in ROLES:
        leaders = tuple(x for x in OPERANDS if x != t and rng.random() < 0.5)
        if leaders and rng.random() < 0.5:
            out.append((t, leaders))
    return tuple(out)


def exploiting(chip: Chip, rng: random.Random, windows: bool) -> Chip:
    """The chip with random formats, skipping and gating; formats with offsets only where no window slides."""
    known = [f for f in FORMATS if not windows or f in (NAMED["bitmask"],)]
    levels: list[Group | FanOut] = []
    for g in chip.levels:
        if isinstance(g, FanOut):
            levels.append(replace(g, waits="never"))
            continue
        memories = []
        for m in g.memories:
            kept = [r for r in OPERANDS if m.keeps_role(r) != "never" and rng.random() < 0.4]
            memories.append(
                replace(
                    m,
                    capacity_bits=None,
                    formats=tuple((r, rng.choice(known)) for r in kept),
                    skips=conditions(rng),
                    gates=conditions(rng),
                )
            )
        levels.append(Group(tuple(memories)))
    skips = tuple(x for x in OPERANDS if rng.random() < 0.3)
    gates = tuple(x for x in OPERANDS if x not in skips and rng.random() < 0.3)
    return replace(chip, levels=tuple(levels), compute=replace(chip.compute, skips=skips, gates=gates))


def draw(walk: SparseWalk, rng: np.random.Generator) -> dict[str, frozenset[tuple[int, ...]]]:
    """Non-zero elements of each operand, drawn from its density."""
    out = {}
    for t in walk.operands:
        elements = walk.roots[t.name].stage.elements((0,) * len(walk.roots[t.name].stage.own))
        axes = [sorted({e[i] for e in elements}) for i in range(len(t.ranks))]
        places = np.argwhere(walk.layer.zeros(t).sample(rng)).tolist()
        out[t.name] = frozenset(tuple(axes[i][x] for i, x in enumerate(p)) for p in places)
    return out


def flat(c: Counted) -> Table:
    out: Table = {("words", *k): v for k, v in c.words.items()}
    out |= {("metadata", *k): v for k, v in c.metadata_bits.items()}
    out |= {("crossing", *k): v for k, v in c.crossings.items()}
    return out | {("mac", k): v for k, v in c.macs.items()}


def expected(layer: Layer, chip: Chip, mapping: Mapping) -> Table:
    e = exploit(layer, chip, mapping, count(layer, chip, mapping))
    out: Table = {("mac", k): getattr(e.macs, k) for k in ("kept", "gated", "skipped")}
    for action, table in (("read", e.reads), ("write", e.writes)):
        for (m, t), a in table.items():
            out |= {("words", m, t, action, k): getattr(a, k) for k in ("kept", "gated", "skipped")}
            out["metadata", m, t, action] = a.metadata_bits
    return out | {("crossing", *k): a.kept for k, a in e.crossings.items()}


def outside(layer: Layer, chip: Chip, mapping: Mapping, key: tuple[str, ...]) -> bool:
    """Where the expectation is stated not to hold: partial sums that come back count as average visits, which they are not where
    the reduction is ragged; copies of a reduction that each need two operands count as independent, not so in tiny tensors."""
    out = layer.output
    if out.name not in key:
        return False
    for d, n in layer.dims:
        loops = [e for e in mapping.entries if isinstance(e, Loop) and e.dim == d]
        if d not in out.dims and (math.prod(e.bound for e in loops) != n or any(e.spatial for e in loops)):
            return True
    return False


def walked(walk: SparseWalk, seed: tuple[int, int], draws: int) -> Samples:
    """Every count of every draw of zeros."""
    samples: Samples = defaultdict(lambda: np.zeros(draws))
    for k in range(draws):
        for key, v in flat(walk.count(draw(walk, np.random.default_rng((*seed, k))))).items():
            samples[key][k] = v
    return samples


def differing(samples: Samples, table: Table, draws: int) -> list[str]:
    """Counts whose mean is not the expected one, by five standard errors and 2 %."""
    out = []
    for key, e in table.items():
        x = samples[key]
        error = max(x.std() / math.sqrt(draws - 1), math.sqrt(max(e, 0.0) * max(1.0, x.max() / 4) / draws) if e < 4 else 0.0)
        if abs(x.mean() - e) > 5 * error + 0.02 * max(1.0, abs(e)):
            out.append(f"{key}: walked {x.mean():.4g} +- {error:.2g}, expected {e:.4g}")
    return out


def compare(number: int, seed: int, kinds: tuple[str, ...], draws: int) -> int:
    """How many numbers were compared. Where one differs, many more draws decide: few may all miss what happens rarely."""
    rng, compared = random.Random(seed), 0
    windows = kinds != ("gemm",)
    found = cases(number, seed, kinds=kinds, links=0.0, points=100, padding=False, capacities=False)
    for i, (dense, plain, mapping) in enumerate(found):
        chip = exploiting(plain, rng, windows)
        layer = dense.with_density(**{r: rng.choice((0.1, 0.3, 0.5, 0.8)) for r in OPERANDS})
        walk = SparseWalk(layer, chip, mapping)
        everything = expected(layer, chip, mapping)
        table = {k: e for k, e in everything.items() if not outside(layer, chip, mapping, k)}
        samples = walked(walk, (seed, i), draws)
        if differing(samples, table, draws):
            samples = walked(walk, (seed + 1000, i), 25 * draws)
            told = differing(samples, table, 25 * draws)
            assert not told, f"case {i}: {told}\n{layer}\n{mapping}\n{chip}"
        compared += len(table)
        assert set(samples) - {k for k in samples if not samples[k].any()} <= set(everything)
    return compared


def test_expected_accesses_are_those_of_real_zeros_in_products() -> None:
    assert compare(20, 11, ("gemm",), 16) > 200


def test_expected_accesses_are_those_of_real_zeros_in_convolutions() -> None:
    assert compare(8, 12, ("conv1d", "conv2d", "depthwise", "grouped"), 16) > 80


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22])
def test_expected_accesses_are_those_of_real_zeros_in_many_cases(seed: int) -> None:
    compare(100, seed, ("gemm",), 40)
    compare(50, seed, ("conv1d", "conv2d", "depthwise", "grouped"), 40)


def test_without_zeros_the_walk_counts_what_the_dense_walk_counts() -> None:
    for layer, plain, mapping in cases(25, 5, links=0.0, points=120):
        walk = SparseWalk(layer, plain, mapping)
        every = {
            t.name: frozenset(walk.roots[t.name].stage.elements((0,) * len(walk.roots[t.name].stage.own))) for t in walk.operands
        }
        found, dense = walk.count(every), simulate(layer, plain, mapping)
        for action, table in (("read", dense.reads()), ("write", dense.writes())):
            for (m, t), n in table.items():
                assert found.words[m, t, action, "kept"] == n
        assert found.macs["kept"] == dense.macs
        assert {k: v for k, v in found.crossings.items() if v} == {k: v for k, v in dense.crossings().items() if v}


def test_no_real_tile_is_larger_than_what_its_memory_keeps_free_for_it() -> None:
    rng = random.Random(3)
    seen = 0
    for dense, plain, mapping in cases(40, 7, kinds=("gemm", "grouped"), links=0.0, points=120, padding=False):
        layer = dense.with_density(**{r: rng.choice((0.1, 0.3, 0.6)) for r in OPERANDS})
        chip = exploiting(plain, rng, windows=False)
        walk = SparseWalk(layer, chip, mapping)
        room: dict[tuple[str, str], int] = {}
        for i, e in enumerate(mapping.entries):
            if isinstance(e, Node):
                room[e.memory, e.tensor] = tile_bits(layer, layer.tensor(e.tensor), chip.memory(e.memory), mapping.tile(i, layer))
        for k in range(6):
            masks = draw(walk, np.random.default_rng(k))
            for stage in walk.nodes:
                t: Tensor = stage.tensor
                fmt = chip.memory(stage.memory).format_of(t.role)
                if t.role == "output" or not fmt.compressed:
                    continue
                for tile in {x for x in stage.cache.values() if x}:
                    words, bits = encode(t, fmt, tile, masks[t.name])
                    seen += 1
                    assert words * t.bits + bits <= room[stage.memory, t.name], (fmt, len(tile))
    assert seen > 500
