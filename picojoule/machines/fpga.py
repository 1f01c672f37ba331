"""An FPGA as an analytic platform: packing of multiplies into DSP blocks, tiling of block RAM, cycles, and the DRAM roofline.

One matrix-vector engine of PE rows x SIMD columns runs layer after layer, as FINN's MVAU does: a layer of MH outputs and MW
inputs a pixel takes `pixels * ceil(MH / PE) * ceil(MW / SIMD) * II` cycles. `predict_fpga` chooses PE and SIMD: the least latency
of a network among the engines that fit. Formulas: FINN (Blott et al., TRETS 2018, and its resource models), AMD WP486 for the
packing. LUTs are good to 30 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

Dsp = Literal["DSP48E1", "DSP48E2", "DSP58"]
PORTS = {"DSP48E1": (25, 18), "DSP48E2": (27, 18), "DSP58": (27, 24)}  # widths of the multiplier's operands
LUT_SHARE = 0.7  # of the device's LUTs; more does not route
BRAM18_BITS, URAM_BITS = 18 * 1024, 288 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fpga:
    """A board: its programmable logic and external memory. The clock is what such designs reach, not the DSP's limit."""

    name: str
    description: str
    dsp: int
    dsp_kind: Dsp
    bram36: int
    uram: int
    luts: int
    clock_hz: float
    dram_bytes_per_s: float
    source: str

    @property
    def onchip_bytes(self) -> float:
        """Block and ultra RAM, parity bits not counted."""
        return (self.bram36 * 32 * 1024 + self.uram * URAM_BITS * 64 / 72) / 8


FPGAS = {
    f.name: f
    for f in (
        Fpga(name="pynq-z2", description="PYNQ-Z2 (Zynq-7020) at 100 MHz", dsp=220, dsp_kind="DSP48E1", bram36=140, uram=0,
             luts=53_200, clock_hz=100e6, dram_bytes_per_s=4.2e9, source="AMD DS187, DS190"),
        Fpga(name="zcu102", description="ZCU102 (Zynq UltraScale+ ZU9EG) at 300 MHz", dsp=2520, dsp_kind="DSP48E2", bram36=912,
             uram=0, luts=274_080, clock_hz=300e6, dram_bytes_per_s=19.2e9, source="AMD DS891, UG1182"),
        Fpga(name="alveo-u250", description="Alveo U250 at 300 MHz", dsp=12_288, dsp_kind="DSP48E2", bram36=2688, uram=1280,
             luts=1_728_000, clock_hz=300e6, dram_bytes_per_s=77e9, source="AMD DS962"),
        Fpga(name="alveo-u280", description="Alveo U280 at 300 MHz", dsp=9024, dsp_kind="DSP48E2", bram36=2016, uram=960,
             luts=1_304_000, clock_hz=300e6, dram_bytes_per_s=460e9, source="AMD DS963"),
    )
}  # fmt: skip


def load_fpga(name: str) -> Fpga:
    if name not in FPGAS:
        raise unknown_name("FPGA", name, FPGAS, "--on")
    return FPGAS[name]


def macs_per_dsp(kind: Dsp, weight_bits: int, input_bits: int) -> float:
    """Multiply-accumulates that one DSP block does a cycle; below 1 where a multiply needs several.

    Two 8-bit products with a shared operand fit a 27 x 18 multiplier, four 4-bit ones (WP486); a DSP58 has three 8-bit products.
    The 25 x 18 of a DSP48E1 has no room for two 8-bit products with their guard bits, but for two of 4 bits.

    >>> [macs_per_dsp("DSP48E2", b, b) for b in (4, 8, 16, 32)]
    [4.0, 2.0, 1.0, 0.25]
    """
    widest, (long, short) = max(weight_bits, input_bits), PORTS[kind]
    if widest <= 4:
        return 2.0 if kind == "DSP48E1" else 4.0
    if widest <= 8 and kind != "DSP48E1":
        return 3.0 if kind == "DSP58" else 2.0
    return 1.0 / (math.ceil(min(weight_bits, input_bits) / short) * math.ceil(widest / long))


def bram18(width_bits: int, depth: int) -> int:
    """18-Kib block RAMs of a memory of so many words: blocks of 1, 2, 4, 9, 18 or 36 bits x 16384 to 512 words (FINN).

    >>> bram18(36, 512), bram18(8, 2048), bram18(1, 16384)
    (1, 1, 1)
    """
    shapes = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
    return min(math.ceil(width_bits / w) * math.ceil(depth / d) for w, d in shapes)


def uram(width_bits: int, depth: int) -> int:
    """Ultra RAM blocks, 72 bits x 4096 words each."""
    return math.ceil(width_bits / 72) * math.ceil(depth / 4096)


def luts(pe: int, simd: int, weight_bits: int, input_bits: int, accumulator_bits: int = 32) -> float:
    """LUTs of an engine whose products are in DSP blocks: control, adder trees, accumulators. Error: about 30 % (FINN)."""
    return 300 + 1.1 * pe * ((weight_bits + input_bits) * (2 * simd - 1) + accumulator_bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """PE x SIMD multipliers and what they take of the device. `initiation`: cycles between two operands (II)."""

    pe: int
    simd: int
    weight_bits: int
    input_bits: int
    dsp: int
    luts: float
    bram18: int
    initiation: int = 1

    @property
    def macs_per_cycle(self) -> float:
        return self.pe * self.simd / self.initiation


def engine(fpga: Fpga, pe: int, simd: int, weight_bits: int, input_bits: int, initiation: int = 1) -> Engine:
    """The engine of this size. Its weight memory is read every cycle: PE * SIMD weights wide, two tiles of 256 words deep."""
    rate = macs_per_dsp(fpga.dsp_kind, weight_bits, input_bits)
    packed = math.ceil(pe / rate) * simd if rate >= 1 else math.ceil(pe * simd / rate)  # rows share the input, so they are packed
    return Engine(
        pe=pe, simd=simd, weight_bits=weight_bits, input_bits=input_bits, dsp=packed,
        luts=luts(pe, simd, weight_bits, input_bits), initiation=initiation,
        bram18=bram18(pe * simd * weight_bits, 2 * 256) + bram18(simd * input_bits, 4096),
    )  # fmt: skip


def fits(e: Engine, fpga: Fpga) -> bool:
    """Within all DSP blocks, three quarters of the block RAM (the rest holds activations), and `LUT_SHARE` of the LUTs."""
    return e.dsp <= fpga.dsp and e.bram18 <= 1.5 * fpga.bram36 and e.luts <= LUT_SHARE * fpga.luts


def layer_cycles(layer: Layer, e: Engine) -> int:
    """Cycles of a layer: pixels * groups * ceil(MH / PE) * ceil(MW / SIMD) * II; depthwise layers have channels on the rows."""
    n = layer.bounds
    z, operands = layer.output, [t for t in layer.tensors if t.role != "output"]
    weight = next((t for t in operands if t.role == "weight"), operands[-1])
    image = next((t for t in operands if t is not weight), operands[0])
    rows = columns = shared = pixels = 1
    for d, size in n.items():
        if d not in z.dims:
            columns *= size
        elif d in weight.dims and d in image.dims:
            shared *= size
        elif d in weight.dims:
            rows *= size
        else:
            pixels *= size
    if rows == 1:
        rows, shared = shared, 1  # depthwise: each row of the engine has a channel of its own
    return pixels * shared * math.ceil(rows / e.pe) * math.ceil(columns / e.simd) * e.initiation


def layer_bytes(layer: Layer, fpga: Fpga) -> float:
    """External traffic: every tensor once; where neither operand fits half of the chip, the weights pass again.

    They pass for each block of pixels whose inputs fit half of the on-chip memory.
    """
    by_role = {"weight": 0.0, "input": 0.0, "output": 0.0}
    for t in layer.tensors:
        by_role[t.role] += layer.elements(t) * t.bits / 8
    half = fpga.onchip_bytes / 2
    again = 1 if min(by_role["weight"], by_role["input"]) <= half else math.ceil(by_role["input"] / half)
    return by_role["weight"] * again + by_role["input"] + by_role["output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaLayer:
    """One layer on an engine: `count` times `seconds`, and what it waits for."""

    name: str
    count: int
    macs: int
    cycles: int
    bytes: float
    seconds: float
    bound: str
    utilization: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaPrediction:
    """A network on an FPGA. Operators without MACs are pipelined behind the engine and take no time of their own."""

    model: str
    fpga: Fpga
    engine: Engine
    layers: tuple[FpgaLayer, ...]

    @property
    def latency_s(self) -> float:
        return sum(x.count * x.seconds for x in self.layers)

    @property
    def macs(self) -> int:
        return sum(x.count * x.macs for x in self.layers)

    @property
    def bytes(self) -> float:
        return sum(x.count * x.bytes for x in self.layers)

    @property
    def peak_macs_per_s(self) -> float:
        """Of the device: every DSP block, at the design's clock."""
        each = macs_per_dsp(self.fpga.dsp_kind, self.engine.weight_bits, self.engine.input_bits)
        return self.fpga.dsp * each * self.fpga.clock_hz


def run(network: Network, fpga: Fpga, e: Engine) -> FpgaPrediction:
    """A network on a given engine; each layer takes the longer of its cycles and its traffic."""
    out = []
    for s in network.layers:
        cycles, moved = layer_cycles(s.layer, e), layer_bytes(s.layer, fpga)
        compute, memory = cycles / fpga.clock_hz, moved / fpga.dram_bytes_per_s
        seconds, bound = max((compute, "engine"), (memory, "DRAM"))
        used = s.layer.macs / (seconds * fpga.clock_hz * e.macs_per_cycle)
        layer = FpgaLayer(
            name=s.layer.name, count=s.count, macs=s.layer.macs, cycles=cycles, bytes=moved, seconds=seconds, bound=bound,
            utilization=used,
        )  # fmt: skip
        out.append(layer)
    if not out:
        raise SpecError(f"{network.name} has no layer with MACs", hint="give a network with layers")
    return FpgaPrediction(model=network.name, fpga=fpga, engine=e, layers=tuple(out))


SIZES = tuple(sorted({2**i for i in range(11)} | {3 * 2**i for i in range(9)}))


def predict_fpga(network: Network, fpga: Fpga | str, *, bits: int = 8) -> FpgaPrediction:
    """A network on the engine of PE x SIMD (powers of two, and three times those) that fits and has the least latency."""
    board = load_fpga(fpga) if isinstance(fpga, str) else fpga
    sized = tuple(e for pe in SIZES for simd in SIZES if fits(e := engine(board, pe, simd, bits, bits), board))
    if not sized:
        raise SpecError(f"no engine for {bits} b operands fits {board.name}", hint="ask for fewer bits")
    most = {(e.pe, e.simd): e for e in sized}
    useful = [e for e in sized if not any((a >= e.pe and b >= e.simd and (a, b) != (e.pe, e.simd)) for a, b in most)]
    return min((run(network, board, e) for e in useful), key=lambda p: (p.latency_s, p.engine.dsp))
