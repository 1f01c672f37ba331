"""Break-even reuse, decoding crossovers, and designs at equal area."""

from __future__ import annotations

import json
import math

import pytest

import picojoule
from picojoule.explore import rebalance
from picojoule.neardata.decode import BankPim, Gpu, commands, crossover, step
from picojoule.neardata.reuse import Place, break_even, far_place, near_places, reuse
from tests.commands.run import pj


def test_at_the_break_even_reuse_both_places_take_the_same_energy() -> None:
    far, near = Place("far", 1.0, 10.0, True, ""), Place("near", 3.0, 2.0, True, "")
    edge = break_even(far, near)
    macs, moved = 1e6, 2 * 1e6 / edge
    assert macs * far.mac_pj + 8 * moved * far.pj_per_bit == pytest.approx(macs * near.mac_pj + 8 * moved * near.pj_per_bit)
    assert math.isinf(break_even(far, Place("near", 1.0, 2.0, True, "")))
    assert break_even(far, Place("near", 2.0, 20.0, True, "")) == 0


def test_layers_below_the_break_even_save_and_others_do_not() -> None:
    far, near = far_place("LPDDR4", 16), near_places(16)
    moving = [p for p in near if p.weights_move]
    for layer in reuse(picojoule.load_model("alexnet"), far, near):
        for p in moving:
            assert (layer.pj[p.name] < layer.pj[far.name]) == (layer.ops_per_byte < break_even(far, p))


def test_a_product_takes_a_command_for_32_bytes_of_each_unit() -> None:
    pim = BankPim(units=128)
    assert commands(pim, 128 * 16, 1).macs == 1  # 16 weights of 2 B each
    assert commands(pim, 4096 * 4096, 1).macs == 4096 * 4096 * 2 // (128 * 32)
    assert commands(pim, 4096 * 4096, 3).rows == 3 * 4096 * 4096 * 2 // (128 * 1024)


def test_the_units_have_the_published_peak_and_bandwidth() -> None:
    chip = picojoule.load_chip("hbm-pim")
    assert chip.pes * 2 * chip.clock_hz == pytest.approx(1.23e12, rel=0.01)
    assert chip.dram.ports[0].bits_per_cycle * chip.clock_hz / 8 == pytest.approx(4 * 256e9, rel=0.01)


def test_decoding_crosses_where_both_take_as_long() -> None:
    network, gpu, pim = picojoule.load_model("llama3-8b", phase="decode"), Gpu(), BankPim()
    batch = crossover(network, gpu, pim)["latency"]
    assert batch is not None and batch > 1
    before, after = step(network, batch - 1, gpu, pim), step(network, batch, gpu, pim)
    assert before.gpu_s > before.pim_s and after.gpu_s <= after.pim_s
    assert step(network, 8, gpu, pim).pim_s == pytest.approx(8 * step(network, 1, gpu, pim).pim_s, rel=1e-3)


def test_designs_share_one_area_and_a_walk_ends_where_no_neighbour_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    total = rebalance.VAULT[0] ** 2 * rebalance.pe_um2() + rebalance.VAULT[1] * rebalance.buffer_um2_per_byte()
    for side in rebalance.sides():
        used = side**2 * rebalance.pe_um2() + rebalance.buffer_bytes(side) * rebalance.buffer_um2_per_byte()
        assert 0 <= total - used < 1025 * rebalance.buffer_um2_per_byte()
    made = {s: rebalance.Design(s, 1024, (s - 9.9) ** 2 + 1, 1e9) for s in rebalance.sides()}
    monkeypatch.setattr(rebalance, "evaluate_design", lambda network, side, behind, seconds: made[side])
    found = rebalance.rebalance(picojoule.load_model("gemm:M=4,N=4,K=4"), rebalance.STACK)
    assert found[0].side == 10 and {8, 12} <= {d.side for d in found}


@pytest.mark.slow
def test_more_bandwidth_and_cheaper_access_never_cost_more() -> None:
    network = picojoule.load_model("gemm:M=16,N=256,K=256")
    a, b = (rebalance.evaluate_design(network, 14, behind, 20.0) for behind in (rebalance.STACK, rebalance.LPDDR))
    assert a.energy_pj < b.energy_pj and a.cycles <= b.cycles


def test_the_command_prints_tables_and_json() -> None:
    code, out, _ = pj("neardata", "llama3-8b", "--phase", "decode")
    assert code == 0 and "the GPU is as fast from batch 3 on" in out
    code, out, _ = pj("neardata", "alexnet", "--memory", "DDR4", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["decode"]["steps"] == [] and answer["far"]["name"].startswith("DDR4")
    assert answer["layers"][0]["ops_per_byte"] > answer["layers"][-1]["ops_per_byte"]
    code, out, err = pj("neardata", "alexnet", "--memory", "DDR9")
    assert (code, out) == (2, "") and "unknown memory technology 'DDR9'" in err
