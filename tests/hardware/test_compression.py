"""Formats: expected words and bits against tiles of drawn tensors, encoded bit by bit; and what is no format."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, Compute, Group, Memory
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.hardware.compression import NAMED, Format, RankFormat, fibres, stored
from picojoule.mapping.walk_sparse import encode_array
from picojoule.workload.density import Structured, Uniform, grid

RANKS = (frozenset("K"), frozenset("C"))
ROWS = (RankFormat("offset", 9), RankFormat("coordinate", 5))
FORMATS = (
    NAMED["bitmask"],
    NAMED["rlc"],
    Format((RankFormat("run_length", 3),)),
    Format(ROWS),
    Format(ROWS, reverse=True),
    Format((RankFormat("coordinate", 12),)),
    Format((RankFormat("bitmask"), RankFormat("run_length", 2))),
    Format((RankFormat("coordinate", 5), RankFormat("uncompressed"))),
)
PACKED_SUMS = Group((Memory("B", 64, 16, 1, 1, formats=(("output", NAMED["rlc"]),)),))


def test_expected_words_and_bits_are_those_of_drawn_tiles_within_one_percent_in_100_random_cases() -> None:
    rng = random.Random(4)
    for case in range(100):
        shape = (rng.choice((16, 32)), rng.choice((16, 64)))
        tile = (rng.choice((4, 8, 16)), rng.choice((8, 16)))
        zeros = Uniform(shape, rng.choice((0.05, 0.2, 0.4, 0.7, 1.0)))
        fmt = rng.choice(FORMATS)
        levels = fibres(fmt, RANKS)
        draws = [zeros.sample(np.random.default_rng((case, k))) for k in range(12)]
        found = np.array([[encode_array(fmt, d[at], RANKS) for at in grid(shape, tile)] for d in draws], float)
        expected, most = stored(fmt, levels, tile, zeros), stored(fmt, levels, tile, zeros, worst=True)
        for i, (e, worst) in enumerate(((expected.words, most.words), (expected.metadata_bits, most.metadata_bits))):
            means = found[..., i].mean(axis=1)
            error = 4 * means.std() / math.sqrt(len(means) - 1)
            assert abs(means.mean() - e) <= error + 0.01 * e, (fmt, shape, tile, zeros, means.mean(), e)
            assert found[..., i].max() <= worst + 1e-9


def test_structured_tensors_have_fixed_sizes() -> None:
    zeros = Structured((8, 16), 2, 4, 1)
    fmt = Format((RankFormat("coordinate", 2),))
    s = stored(fmt, fibres(fmt, RANKS), (4, 8), zeros)
    assert (s.words, s.metadata_bits) == (16, 32)
    assert stored(fmt, fibres(fmt, RANKS), (4, 8), zeros, worst=True) == s


def test_overflowing_runs_follow_the_closed_form_of_independent_zeros() -> None:
    """Stored zeros for each non-zero: q / (1 - q), q = (1 - d)^(2^bits), for long fibres."""
    d, bits = 0.05, 4
    zeros, fmt = Uniform((1000, 1000), d), Format((RankFormat("run_length", bits),))
    q = (1 - d) ** (1 << bits)
    s = stored(fmt, fibres(fmt, RANKS), (100, 1000), zeros)
    assert s.words / (d * 100_000) == pytest.approx(1 + q / (1 - q), rel=1e-3)


BAD = [
    (lambda: RankFormat("bitmap"), "unknown format 'bitmap'"),
    (lambda: Format((RankFormat("coordinate"), RankFormat("offset"))), "format offset stands on the innermost rank"),
    (lambda: Format((RankFormat("run_length", 4), RankFormat("bitmask"))), "format run_length stands on an outer rank"),
    (lambda: RankFormat("run_length"), "run_length needs the bits of a run"),
    (lambda: RankFormat("bitmask", 2), "format bitmask has no width of its own"),
    (lambda: Format((RankFormat("bitmask"), RankFormat("offset", None, ("tiles",)), RankFormat("bitmask"))), "tiles is no rank"),
    (lambda: Format((RankFormat("offset", None, ("K",)), RankFormat("bitmask", None, ("K",)))), "a format names a dimension"),
    (lambda: Format(()), "a format without a rank"),
    (lambda: Memory("M", None, 16, 1, 1, skips=(("weight", ("weight",)),)), "memory 'M': skips: 'weight' has to depend"),
    (lambda: Memory("M", None, 16, 1, 1, gates=(("weight", ("output",)),)), "unknown operand 'output'"),
    (lambda: Compute("MAC", 1.0, skips=("input",), gates=("input",)), "compute 'MAC' skips and gates 'input'"),
    (
        lambda: Chip("c", (Group((Memory("D", None, 16, 1, 1),)), PACKED_SUMS), Compute("MAC", 1.0), 1e9),
        "memory 'B' compresses outputs, and partial sums are no final values",
    ),
]


@pytest.mark.parametrize(("make", "problem"), BAD, ids=[b[1][:45] for b in BAD])
def test_what_is_no_format_is_one_clear_error(make, problem: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError) as e:
        make()
    assert e.value.problem.startswith(problem) and e.value.hint


YAML = """chip: c
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 16 b, read: 1 pJ, write: 1 pJ}
  - memory: {name: B, size: 1 KiB, word: 16 b, read: 1 pJ, write: 1 pJ, keeps: [input, weight], %s}
compute: {mac: 1 pJ}
"""
BAD_YAML = [
    ("formats: {input: bitmap}", "unknown format 'bitmap'"),
    ("formats: {inputt: rlc}", "unknown tensor 'inputt'"),
    ("formats: {output: rlc}", "memory 'B' never keeps 'output', whose format it states"),
    ("formats: {input: {ranks: [coordinate, offset]}}", "format offset stands on the innermost rank"),
    ("skips: {weight: weight}", "memory 'B': skips: 'weight' has to depend on another operand"),
    ("skips: {weight: output}", "unknown operand 'output'"),
]


@pytest.mark.parametrize(("line", "problem"), BAD_YAML, ids=[b[0] for b in BAD_YAML])
def test_a_wrong_format_in_a_chip_file_is_located(line: str, problem: str) -> None:
    with pytest.raises(SpecError) as e:
        chip_from_yaml(YAML % line, "c.yaml")
    assert problem in e.value.problem and e.value.where.startswith("c.yaml:5:")
