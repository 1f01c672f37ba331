"""FPGAs as analytic platforms: packing, block RAM, cycles against walking the loops, and the DRAM roofline."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picojoule
from picojoule.errors import SpecError
from picojoule.machines.answer import Ask
from picojoule.machines.fpga import FPGAS, bram18, engine, fits, layer_cycles, load_fpga, macs_per_dsp, predict_fpga, run, uram
from picojoule.machines.names import machine
from picojoule.workload.layer import conv, gemm
from tests.commands.run import pj

ZCU = load_fpga("zcu102")


@pytest.mark.parametrize(
    ("kind", "bits", "macs"),
    [
        ("DSP48E2", 8, 2),
        ("DSP48E2", 4, 4),
        ("DSP48E2", 16, 1),
        ("DSP48E2", 18, 1),
        ("DSP48E1", 8, 1),
        ("DSP58", 8, 3),
        ("DSP48E2", 27, 0.5),
    ],
)
def test_products_of_a_dsp_block(kind: str, bits: int, macs: float) -> None:
    assert macs_per_dsp(kind, bits, bits) == macs  # type: ignore[arg-type]


@given(st.integers(1, 5000), st.integers(1, 40000))
def test_block_ram_holds_what_it_has_to_and_no_shape_wastes_less(width: int, depth: int) -> None:
    blocks = bram18(width, depth)
    assert blocks * 18 * 1024 >= width * depth
    assert blocks <= math.ceil(width / 36) * math.ceil(depth / 512)
    assert uram(width, depth) * 72 * 4096 >= width * depth


def walked(pixels: int, rows: int, columns: int, pe: int, simd: int) -> int:
    """Cycles by issuing one block of products after the other."""
    return sum(1 for _ in itertools.product(range(pixels), range(0, rows, pe), range(0, columns, simd)))


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(1, 16),
    st.integers(1, 16),
)
def test_cycles_are_those_of_walking_the_tiles(p: int, q: int, k: int, c: int, r: int, pe: int, simd: int) -> None:
    e = engine(ZCU, pe, simd, 8, 8)
    assert layer_cycles(conv(K=k, C=c, P=p, Q=q, R=r, S=r), e) == walked(p * q, k, c * r * r, pe, simd)
    assert layer_cycles(gemm(M=p, N=k, K=c), e) == walked(p, k, c, pe, simd)


def test_depthwise_layers_put_channels_on_the_rows() -> None:
    e = engine(ZCU, 16, 9, 8, 8)
    assert layer_cycles(conv(K=32, C=32, P=7, Q=7, R=3, S=3, groups=32), e) == 49 * 2


@pytest.mark.parametrize("board", sorted(FPGAS))
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_chosen_engine_fits_and_no_other_one_is_faster(board: str, bits: int) -> None:
    network = picojoule.load_model("resnet18", bits=bits)
    p = predict_fpga(network, board, bits=bits)
    assert fits(p.engine, p.fpga)
    assert p.macs == network.macs and p.macs / p.latency_s <= p.peak_macs_per_s
    for pe, simd in ((16, 16), (32, 9), (64, 3), (24, 32), (8, 64)):
        other = engine(p.fpga, pe, simd, bits, bits)
        assert not fits(other, p.fpga) or run(network, p.fpga, other).latency_s >= p.latency_s * (1 - 1e-12)


def test_fewer_bits_and_larger_boards_are_faster() -> None:
    time = {
        (b, bits): predict_fpga(picojoule.load_model("resnet50", bits=bits), b, bits=bits).latency_s
        for b in ("pynq-z2", "zcu102", "alveo-u250") for bits in (4, 8, 16)
    }  # fmt: skip
    assert time["pynq-z2", 8] > time["zcu102", 8] > time["alveo-u250", 8]
    assert time["zcu102", 16] > time["zcu102", 8] > time["zcu102", 4]


def test_a_fully_connected_layer_is_bound_by_dram() -> None:
    p = predict_fpga(picojoule.load_model("gemm:M=1,N=4096,K=4096,bits=8"), "zcu102")
    assert p.layers[0].bound == "DRAM"
    assert p.latency_s == pytest.approx((4096 * 4096 + 2 * 4096) / 19.2e9)


def test_boards_are_machines_without_energy() -> None:
    a = machine("zcu102").run(picojoule.load_model("resnet18", bits=8), Ask(bits=8))
    assert a.energy_pj is None and a.scope == "board" and a.precision == "int8"


def test_the_command_prints_the_design_and_names_unknown_boards() -> None:
    code, out, err = pj("fpga", "lenet5", "--on", "pynq-z2")
    assert code == 0 and err == "" and "DSP blocks" in out and "energy: unknown" in out
    assert pj("fpga", "lenet5", "--on", "zcu103")[0] == 2
    assert '"fpgas"' in pj("fpga", "--json")[1]
    with pytest.raises(SpecError, match="did you mean 'zcu102'"):
        load_fpga("zcu103")
