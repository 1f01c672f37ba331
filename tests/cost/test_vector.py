"""Operators without MACs have a price: their words in DRAM, and their operations where the chip prices one."""

from dataclasses import replace

import pytest

from picojoule.cost.vector import vector_cost
from picojoule.hardware.chip import Chip, Group
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.workload.op import counted

CHIP = chip_from_yaml("""\
chip: tiny
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 64 b, read: 64 pJ, write: 128 pJ, keeps: all, bandwidth: 16 b/cycle}
compute: {mac: 1 pJ, vector: 0.5 pJ}
""")
POOL = counted("pool", "MaxPool", ops=1000, read=400, written=100, bits=16)


def test_words_share_an_access_of_a_wider_memory() -> None:
    assert vector_cost(POOL, CHIP).dram_pj == 400 * 64 / 4 + 100 * 128 / 4
    assert vector_cost(POOL.of(8), CHIP).dram_pj == 400 * 64 / 8 + 100 * 128 / 8


def test_operations_cost_what_the_chip_says_and_unknown_is_not_zero() -> None:
    assert vector_cost(POOL, CHIP).ops_pj == 500
    assert vector_cost(replace(POOL, ops=None), CHIP).ops_pj is None
    unpriced: Chip = replace(CHIP, compute=replace(CHIP.compute, vector_pj=None))
    assert vector_cost(POOL, unpriced).ops_pj is None


def test_the_shared_port_serves_reads_and_writes() -> None:
    assert vector_cost(POOL, CHIP).dram_cycles == pytest.approx(500 * 16 / 16)
    unbounded = replace(CHIP, levels=(Group((replace(CHIP.dram, ports=()),)), *CHIP.levels[1:]))
    assert vector_cost(POOL, unbounded).dram_cycles is None
