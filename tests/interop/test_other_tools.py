"""Files of ZigZag, AccelForge, SCALE-Sim, MAESTRO and Stream import as what they mean, or are refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import picojoule
from picojoule.errors import PicojouleError
from picojoule.hardware.chip import FanOut, Group
from picojoule.interop import scalesim
from picojoule.interop.imported import Imported
from picojoule.interop.load import import_files
from picojoule.machines.systolic.systolic import Array
from picojoule.reproduction.experiments import systolic_cycles
from picojoule.workload.layer import conv, gemm
from tests.commands.run import pj
from tests.interop import other_files
from tests.interop.timeloop_files import ARCH, ERT
from tests.interop.timeloop_files import written as timeloop_written
from tests.workload.test_einsum import same


def read(folder: Path, *names: str, **changed: str) -> Imported:
    """The files of these names, with some texts of our own in place of them."""
    texts = {n: changed.get(n.partition(".")[0], other_files.FILES[n]) for n in names}
    return import_files(written(folder, texts))


def written(folder: Path, texts: dict[str, str]) -> list[Path]:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / n for n in texts]


def test_zigzag_hardware_becomes_memories_around_an_array(tmp_path: Path) -> None:
    found = read(tmp_path, "zigzag_hardware.yaml", "zigzag_mapping.yaml")
    (chip,) = found.chips
    dram, sram, array, inside = chip.levels
    assert isinstance(array, FanOut) and isinstance(inside, Group) and isinstance(sram, Group) and isinstance(dram, Group)
    assert [(a.name, a.size, a.dims) for a in array.axes] == [("D1", 4, ("K",)), ("D2", 2, ("C",))]
    assert {m.name: m.serves for m in inside.memories} == {"rf_o": ("D2",), "rf_w": ()}
    assert {m.name: chip.instances(m) for m in chip.memories} == {"dram": 1, "sram": 1, "rf_o": 4, "rf_w": 8}
    (buffer,) = sram.memories
    assert (buffer.capacity_bits, buffer.word_bits, buffer.read_pj, buffer.double_buffered) == (8192, 64, 10, True)
    assert chip.compute.mac_pj == 0.5
    assert [x.field for x in found.report.of("refused") if "temporal" in x.field] == ["default.temporal_ordering"]


def test_a_zigzag_layer_has_its_stride_and_padding(tmp_path: Path) -> None:
    (step,) = read(tmp_path, "zigzag_workload.yaml").networks[0].layers
    expected = conv(K=8, C=4, P=5, Q=5, R=3, S=3, stride=2, pad=1, size=(10, 10), bits=8)
    assert step.layer.macs == expected.macs
    ours, theirs = ({t.role: t for t in x.tensors} for x in (step.layer, expected))
    for role in ("weight", "input", "output"):
        assert step.layer.elements(ours[role]) == expected.elements(theirs[role])
    assert ours["output"].bits == 16


def test_what_zigzag_leaves_to_its_own_models_stays_unknown(tmp_path: Path) -> None:
    text = other_files.ZIGZAG_HARDWARE.replace("unit_energy: 0.5", "is_imc: True, adc_resolution: 8")
    text = text.replace("r_cost: 10, w_cost: 12,", "r_cost: 10, w_cost: 12, auto_cost_extraction: True,")
    found = read(tmp_path, "zigzag_hardware.yaml", zigzag_hardware=text)
    (chip,) = found.chips
    assert chip.compute.mac_pj is None and chip.memory("sram").read_pj is None
    assert {"operational_array.is_imc", "operational_array.adc_resolution"} <= {x.field for x in found.report.of("refused")}


def test_zigzag_ports_of_older_files_are_read(tmp_path: Path) -> None:
    old = "{size: 8192, r_bw: 64, w_bw: 32, r_cost: 10, w_cost: 12, r_port: 2, w_port: 1, rw_port: 0, operands: [I1, O], "
    old += "served_dimensions: [D1, D2], ports: [{fh: w_port_1, tl: r_port_1}]}\n  dram:"
    text = re.sub(r"\{size: 8192.*?\n  dram:", old, other_files.ZIGZAG_HARDWARE, flags=re.DOTALL)
    (chip,) = read(tmp_path, "zigzag_hardware.yaml", zigzag_hardware=text).chips
    assert [(p.serves, p.bits_per_cycle) for p in chip.memory("sram").ports] == [("read", 64), ("read", 64), ("write", 32)]
    assert chip.memory("sram").word_bits == 32


def test_accelforge_einsums_as_text_name_roles_and_ranks(tmp_path: Path) -> None:
    text = """
workload:
  rank_sizes: {B: 2, M: 8, P: 8, H: 2, E: 4, D: 8}
  einsums:
  - {einsum: "I(output)[b, m, d] = J(input)[b, m, d]", is_copy_operation: True}
  - K[b, m, h, e] = I[b, m, d] * WK[h, e, d]
  - QK[b, m, p, h] = Q(input)[b, m, h, e] * K(weight)[b, M=p, h, e]
"""
    found = read(tmp_path, "accelforge_workload.yaml", accelforge_workload=text)
    first, second = (s.layer for s in found.networks[0].layers)
    assert first.macs == 2 * 8 * 2 * 4 * 8 and second.macs == 2 * 8 * 8 * 2 * 4
    assert {t.name: t.role for t in second.tensors} == {"Q": "input", "K": "weight", "QK": "output"}
    assert second.shape(second.tensor("K")) == (2, 8, 2, 4)
    assert [x.field for x in found.report.of("ignored")] == ["I"]


def test_an_accelforge_architecture_has_energies_in_joules_per_bit(tmp_path: Path) -> None:
    found = read(tmp_path, "accelforge_arch.yaml")
    (chip,) = found.chips
    buffer, register = chip.memory("GlobalBuffer"), chip.memory("Register")
    assert (chip.dram.word_bits, chip.dram.read_pj, chip.clock_hz) == (1, pytest.approx(7.03), 1e9)
    assert (buffer.capacity_bits, buffer.keeps, buffer.may_keep) == (4 * 8192, ("input", "output"), ())
    assert (buffer.leakage_mw, buffer.area_um2) == (1, pytest.approx(2e6))
    assert [(p.serves, p.bits_per_cycle) for p in buffer.ports] == [("read", 64), ("write", 32)]
    assert [(p.serves, p.bits_per_cycle) for p in chip.dram.ports] == [("readwrite", 256)]
    assert (register.capacity_bits, register.read_pj, register.keeps) == (8, 0, ("weight",))
    assert [(a.size, a.reuses) for a in chip.fanouts[0].axes] == [(4, ("input",)), (2, ("output",))]
    assert [x.field for x in found.report.of("refused")] == ["PE.rows.min_usage"]


def test_an_accelforge_cascade_shares_its_tensors(tmp_path: Path) -> None:
    (network,) = read(tmp_path, "accelforge_workload.yaml").networks
    first, second, window = (s.layer for s in network.layers)
    assert first.macs == second.macs == 16 * 8 * 4
    assert {t.name: t.role for t in second.tensors} == {"T1": "input", "W1": "weight", "T2": "output"}
    assert network.producers("T1")[0].layer is first
    assert [s.layer for s in network.readers("T1")] == [second]
    assert window.elements(window.tensor("A")) == 6  # q + r reaches 6, and the rank has no more
    assert network.outputs == ("T2", "B")


def test_an_accelforge_mapping_of_one_einsum_has_its_tile_shapes(tmp_path: Path) -> None:
    workload = other_files.ACCELFORGE_WORKLOAD.partition("  - name: Second")[0]
    mapping = """
mapping:
  nodes:
  - !Storage {tensors: [T0, W0, T1], component: MainMemory}
  - !Temporal {rank_variable: m, tile_shape: 4}
  - !Storage {tensors: [T0, T1], component: GlobalBuffer}
  - !Temporal {rank_variable: n0, tile_shape: 1}
  - !Spatial {rank_variable: n1, tile_shape: 1, name: rows, component: Register}
  - !Storage {tensors: [W0], component: Register}
  - !Temporal {rank_variable: m, tile_shape: 1}
  - !Compute {einsum: First, component: MAC}
"""
    texts = {"a.yaml": other_files.ACCELFORGE_ARCH, "w.yaml": workload, "m.yaml": mapping}
    (placed,) = import_files(written(tmp_path, texts)).mappings
    expected = "MainMemory{T0,W0,T1}; m4; GlobalBuffer{T0,T1}; na8; rows:nb4; Register{W0}; m4"
    assert str(placed.mapping) == expected
    assert picojoule.parse_mapping(mapping, placed.layer, placed.chip) == placed.mapping


def test_files_of_one_chip_have_a_plus_between(tmp_path: Path) -> None:
    arch, ert = timeloop_written(tmp_path, arch=ARCH, ert=ERT)
    assert picojoule.load_chip(f"{arch}+{ert}").memory("Buffer").read_pj == 4
    plus = arch.rename(tmp_path / "a+b.yaml")
    assert picojoule.load_chip(f"{plus}+{ert}").memory("Buffer").read_pj == 4
    assert picojoule.load_chip(str(plus)).memory("Buffer").read_pj is None
    with pytest.raises(PicojouleError, match="0 chips stand here"):
        picojoule.load_chip(f"{ert}+{ert}")


def test_scalesim_cycles_come_out_of_its_own_files(tmp_path: Path) -> None:
    points = systolic_cycles.points()
    for i, point in enumerate(points):
        n = {k: v for k, v in point.items() if v.isdigit()}
        if point["kind"] == "gemm":
            table = f"Layer,M,N,K,\n{point['name']},{n['M']},{n['N']},{n['K']},\n"
        else:
            row = ",".join(n[k] for k in ("H", "W", "R", "S", "C", "K", "stride"))
            table = f"{other_files.SCALESIM_CSV.splitlines()[0]}\n{point['name']},{row},\n"
        cfg = other_files.SCALESIM_CFG.replace("ArrayHeight:    32", f"ArrayHeight: {n['rows']}")
        cfg = cfg.replace("ArrayWidth:     32", f"ArrayWidth: {n['columns']}").replace(": ws", f": {point['dataflow']}")
        found = import_files(written(tmp_path, {f"{i}.cfg": cfg, f"{i}.csv": table}))
        (array,), (layer,) = found.arrays, found.as_the_tool
        assert scalesim.cycles_of(layer, array.array, array.dataflow) == int(point["cycles"]), point
    assert len(points) == 78


def test_a_scalesim_configuration_is_a_chip_without_prices(tmp_path: Path) -> None:
    found = read(tmp_path, "scale.cfg", "layers.csv")
    (chip,), (network,) = found.chips, found.networks
    assert {m.name: m.capacity_bits for m in chip.memories}["ifmap_sram"] == 64 * 8192
    assert chip.dram.ports[0].bits_per_cycle == 80
    assert all(m.read_pj is None for m in chip.memories)
    conv1, conv2 = (s.layer for s in network.layers)
    assert same(conv1, conv(K=32, C=16, P=8, Q=8, R=3, S=3, stride=2, bits=8))
    assert same(conv2, conv(K=8, C=32, P=9, Q=9, R=1, S=1, bits=8))
    assert [x.bounds["P"] for x in found.as_the_tool] == [9, 9]  # the tool's own rounding of the strided one


def test_maestro_layers_are_those_of_its_input_sizes(tmp_path: Path) -> None:
    found = read(tmp_path, "network.m", "hardware.m")
    first, depth, product = (s.layer for s in found.networks[0].layers)
    assert same(first, conv(K=8, C=4, P=5, Q=5, R=3, S=3, stride=2, bits=8))
    assert same(depth, conv(K=8, C=8, P=3, Q=3, R=3, S=3, groups=8, bits=8))
    assert same(product, gemm(M=4, N=5, K=6, bits=8))
    batched = other_files.MAESTRO_NETWORK.replace("Type: GEMM; Dimensions { M: 4,", "Type: BMM; Dimensions { B: 3, M: 4,")
    assert same(read(tmp_path, "network.m", network=batched).layers[-1], gemm(M=4, N=5, K=6, batch=3, bits=8))
    assert [(m.name, m.capacity_bits) for m in found.chips[0].memories] == [("DRAM", None), ("L2", 24000), ("L1", 800)]
    assert [x.field for x in found.report.of("refused")] == ["CONV1.Dataflow"]


def test_a_peers_files_are_mapped_as_ours(tmp_path: Path) -> None:
    arch, workload = written(tmp_path, {"a.yaml": other_files.ZIGZAG_HARDWARE, "w.yaml": other_files.ZIGZAG_WORKLOAD})
    layer = picojoule.load_model(str(workload)).layers[0].layer
    assert picojoule.best_mapping(layer, picojoule.load_chip(str(arch)), "energy").cost.energy_pj > 0


FAULTS = {  # name -> (file, what to replace, by what, the message)
    "imc": ("zigzag_hardware", "unit_energy: 0.5", "is_imc: 3", "is_imc is true or false"),
    "misspelt cost": ("zigzag_hardware", "r_cost: 10", "r_cots: 10", "memory 'sram' has no 'r_cost'"),
    "unknown served": ("zigzag_hardware", "served_dimensions: [D2]", "served_dimensions: [D9]", "unknown dimension of the array"),
    "negative MAC": ("zigzag_hardware", "unit_energy: 0.5", "unit_energy: -1", "unit_energy is '-1'"),
    "size in words": ("zigzag_hardware", "size: 8192", "size: 8 KB", "cannot evaluate '8 KB'"),
    "pooling": ("zigzag_workload", "operator_type: Conv", "operator_type: Pooling", "operators of type 'Pooling'"),
    "loop sizes": ("zigzag_workload", "[1, 8, 4, 5, 5, 3, 3]", "[1, 8, 4, 5, 5, 3]", "7 loop_dims and 6 loop_sizes"),
    "unknown set": ("accelforge_arch", "keep: input | output", "keep: input | outptu", "unknown set 'outptu'"),
    "negative energy": ("accelforge_arch", "energy: 0.25e-12", "energy: -1", "energy is -1"),
    "toll": ("accelforge_arch", "!Container", "!Toll", "!Toll 'PE'"),
    "action": ("accelforge_arch", "name: write, energy: 0.5e-12", "name: wirte, energy: 0.5e-12", "unknown action 'wirte'"),
    "no output": ("accelforge_workload", "[m, n1], output: True", "[m, n1]", "no tensor of einsum"),
    "no bound": ("accelforge_workload", "N1: 4, ", "", "rank variable 'n1' of einsum 'First' has no bound"),
    "sparsity": ("scale", "[run_presets]", "[sparsity]\nSparsitySupport : true\n[run_presets]", "SparsitySupport"),
    "dataflow": ("scale", "Dataflow : ws", "Dataflow : wst", "unknown dataflow 'wst'"),
    "no array": ("scale", "ArrayHeight:    32", "ArrayHeigth:    32", "has no ArrayHeight"),
    "cells": ("layers", "32, 2,", "32,", "a row of 7 cells"),
    "no size": ("layers", "Conv1, 18", "Conv1, x", "'x' is no size"),
    "small input": ("layers", "Conv1, 18", "Conv1, 2", "a filter of 3x3 on an input of 2x18"),
    "layer type": ("network", "Type: GEMM", "Type: POOL", "layers of type 'POOL'"),
    "dimension": ("network", "M: 4, N: 5, K: 6", "M: 4, N: 5, K: 6, Z: 2", "unknown dimension 'Z'"),
    "ends early": ("network", "}\n}\n", "}\n", "'}' is needed, not ''"),
    "hardware key": ("hardware", "l2_size_cstr", "l3_size_cstr", "unknown key 'l3_size_cstr'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    stem, old, new, message = FAULTS[name]
    file = next(f for f in other_files.FILES if f.partition(".")[0] == stem)
    assert old in other_files.FILES[file]
    with pytest.raises(PicojouleError) as fault:
        read(tmp_path, file, **{stem: other_files.FILES[file].replace(old, new, 1)})
    assert message in str(fault.value)
    assert file in fault.value.where and fault.value.hint


@pytest.mark.parametrize(
    "text, feature",
    [(other_files.STREAM_SYSTEM, "a system of 2 cores"), (other_files.STREAM_MAPPING, "fused groups of layers"),
     ("mapping: {nodes: [!Sequential {nodes: []}]}", "!Sequential"), ("a: 1\nb: 2", "no tool's file that is known here")],
)  # fmt: skip
def test_what_we_cannot_say_is_refused_by_name(text: str, feature: str, tmp_path: Path) -> None:
    with pytest.raises(PicojouleError, match=feature):
        import_files(written(tmp_path, {"f.yaml": text}))


def test_a_configuration_is_an_array_for_pj_systolic(tmp_path: Path) -> None:
    cfg, table = written(tmp_path, {"scale.cfg": other_files.SCALESIM_CFG, "layers.csv": other_files.SCALESIM_CSV})
    code, out, err = pj("systolic", table, "--array", cfg, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["array"]["rows"], answer["dataflow"]) == (32, "ws")
    ours = [x["cycles"] for x in answer["layers"]]
    assert ours[1] == scalesim.cycles_of(import_files([cfg, table]).as_the_tool[1], Array(rows=32, columns=32), "ws") + 1
