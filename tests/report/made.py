"""A small mapped network made by hand: the mappings are written, their costs are computed, nothing is searched."""

from __future__ import annotations

from dataclasses import replace

from picojoule.cost.model import evaluate
from picojoule.cost.operators import network_operators
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.mapping.mapping import parse
from picojoule.search.result import FrontPoint, LayerResult, NetworkLayer, NetworkResult
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.network import Network, Step
from picojoule.workload.op import counted

CHIP = chip_from_yaml("""\
chip: handmade
description: a chip for tests
source: nobody's
technology: 65 nm
clock: 200 MHz
levels:
  - memory: {name: DRAM, word: 64 b, read: 8 pJ/b, write: 8 pJ/b, keeps: all, bandwidth: 64 b/cycle, source: "JEDEC, roughly"}
  - memory: {name: Buffer, size: 108 KiB, word: 16 b, read: 6 pJ, write: 6 pJ, keeps: [input, output], source: <CACTI> & co}
  - fanout: {name: array, axes: {X: 14, Y: 12}, transfer: 0.5 pJ}
  - memory: {name: RF, size: 512 B, word: 16 b, read: 1 pJ, write: 1 pJ, keeps: all}
compute: {mac: 1 pJ}
""")

CONV = conv("conv<1>/3x3", K=64, C=64, P=28, Q=28, R=3, S=3, pad=1)
FC = gemm("fc", M=1, N=10, K=64)
WRITTEN = {
    CONV.name: "DRAM{I,W,O}; k16 c64; Buffer{I,O}; p28; Y:k4, X:q14; RF{I,W,O}; q2 r3 s3",
    FC.name: "DRAM{A,B,Z}; Buffer{A,Z}; n10; RF{A,B,Z}; k64",
}


def layer_result(layer: Layer, proved: bool = True) -> LayerResult:
    mapping = parse(WRITTEN[layer.name], layer, CHIP)
    cost = evaluate(layer, CHIP, mapping)
    certificate = {"space": "written by hand", "borders": ["none"], "lower_bound": 0.9 * cost.energy_pj}
    front = (FrontPoint(cost.energy_pj, cost.cycles, mapping),)
    return LayerResult(layer, CHIP, "energy", mapping, cost, proved, 0.0 if proved else 0.1, certificate, 0.25, front)


def result() -> NetworkResult:
    layers = (
        NetworkLayer((CONV.name, "conv2"), 2, layer_result(CONV)),
        NetworkLayer((FC.name,), 1, layer_result(FC, proved=False)),
    )
    others = network_operators(network(), CHIP)
    about = {"space": "written by hand"}
    return NetworkResult(network(), CHIP, "energy", layers, False, 0.1, 0.5, 1.5, about, others)


def network() -> Network:
    pool = counted("pool", "MaxPool", ops=1000, read=4000, written=1000, note="comparisons")
    strange = counted("odd", "Frobnicate", ops=None, read=100, written=100, note="not understood")
    steps = (Step(CONV), Step(replace(CONV, name="conv2")), Step(pool), Step(strange, count=3), Step(FC))
    return Network("handmade net", steps, notes=("one operator is not understood",))
