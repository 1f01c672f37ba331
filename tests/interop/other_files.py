"""Small files of our own in the grammars of ZigZag, AccelForge, SCALE-Sim, MAESTRO and Stream."""

from __future__ import annotations

PORT = "{name: rw, type: read_write, bandwidth_min: %d, bandwidth_max: %d, allocation: [%s]}"
ALL = '"I1, fh", "I1, tl", "I2, fh", "I2, tl", "O, fh", "O, tl", "O, fl", "O, th"'
ZIGZAG_HARDWARE = f"""
name: tiny
memories:
  rf_w:
    {{size: 64, r_cost: 0.1, w_cost: 0.2, area: 0, latency: 1, operands: [I2], served_dimensions: [],
      ports: [{PORT % (8, 8, '"I2, fh", "I2, tl"')}]}}
  rf_o:
    {{size: 96, r_cost: 0.3, w_cost: 0.4, operands: [O], served_dimensions: [D2],
      ports: [{PORT % (24, 24, '"O, fh", "O, tl", "O, fl", "O, th"')}]}}
  sram:
    {{size: 8192, r_cost: 10, w_cost: 12, operands: [I1, O], served_dimensions: [D1, D2], force_double_buffering: True,
      ports: [{PORT % (64, 64, '"I1, fh", "I1, tl", "O, fh", "O, tl", "O, fl", "O, th"')}]}}
  dram:
    {{size: 10000000000, r_cost: 700, w_cost: 750, operands: [I1, I2, O], served_dimensions: [D1, D2],
      ports: [{PORT % (64, 64, ALL)}]}}
operational_array: {{unit_energy: 0.5, unit_area: 1, input_precision: [8, 8], dimensions: [D1, D2], sizes: [4, 2]}}
"""
ZIGZAG_MAPPING = """
- name: default
  spatial_mapping: {D1: ["K, 4"], D2: ["C, 2"]}
  memory_operand_links: {O: O, W: I2, I: I1}
  temporal_ordering: [[OX, "*"]]
"""
ZIGZAG_WORKLOAD = """
- id: 0
  operator_type: Conv
  equation: O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]
  dimension_relations: [ix=2*ox+1*fx, iy=2*oy+1*fy]
  loop_dims: [B, K, C, OY, OX, FY, FX]
  loop_sizes: [1, 8, 4, 5, 5, 3, 3]
  pr_loop_dims: [IX, IY]
  pr_loop_sizes: [10, 10]
  padding: [[1, 0], [1, 0]]
  operand_precision: {W: 8, I: 8, O: 16, O_final: 8}
  operand_source: {I: 0, W: 0}
"""
ACCELFORGE_ARCH = """
{% set Kilobytes = Kilobytes | default(4) %}
arch:
  nodes:
  - !Memory
    name: MainMemory
    size: inf
    leak_power: 0
    actions:
    - {name: read, energy: 7.03e-12, throughput: 8 * 32e9}
    - {name: write, energy: 7.03e-12, throughput: 8 * 32e9}
    tensors: {keep: ~Intermediates, may_keep: All}
  - !Memory
    name: GlobalBuffer
    size: 1024*{{Kilobytes}}*8 # comment
    total_latency: max(a.n_calls / a.throughput for a in actions)
    leak_power: 0.001
    area: 2e-6
    actions:
    - {name: read, energy: 0.25e-12, throughput: 64e9}
    - {name: write, energy: 0.5e-12, throughput: 32e9}
    tensors: {keep: input | output}
  - !Compute
    name: ScalarUnit
    actions: [{name: compute, energy: 0, throughput: 1e9}]
    enabled: len(All) == 2
  - !Container
    name: PE
    spatial:
    - {name: rows, fanout: 4, reuse: input, min_usage: 1}
    - {name: columns, fanout: 2, reuse: output}
  - !Memory
    name: Register
    size: weight.bits_per_value if weight else 1
    component_class: Dummy
    tensors: {keep: weight}
  - !Compute
    name: MAC
    actions: [{name: compute, energy: 0.084e-12, throughput: 1e9}]
"""
ACCELFORGE_WORKLOAD = """
workload:
  rank_sizes: {M: 16, N0: 8, N1: 4, P: 6, Q: 4}
  bits_per_value: {All: 8}
  einsums:
  - name: First
    tensor_accesses:
    - {name: T0, projection: [m, n0]}
    - {name: W0, projection: [n0, n1]}
    - {name: T1, projection: [m, n1], output: True}
    renames: {input: T0, weight: W0, output: T1}
  - name: Second
    tensor_accesses:
    - {name: T1, projection: [m, n1]}
    - {name: W1, projection: [n1, n0]}
    - {name: T2, projection: [m, n0], output: True}
  - name: Window
    tensor_accesses:
    - {name: A, projection: {P: q + r}}
    - {name: F, projection: [r]}
    - {name: B, projection: [q], output: True}
    iteration_space_shape: [0 <= r < 4]
"""
SCALESIM_CFG = """
[general]
run_name = tiny

[architecture_presets]
ArrayHeight:    32
ArrayWidth:     32
IfmapSramSzkB:   64
FilterSramSzkB:  64
OfmapSramSzkB:   64
IfmapOffset:    0
Bandwidth : 10
Dataflow : ws

[run_presets]
InterfaceBandwidth: USER
"""
SCALESIM_CSV = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 18, 18, 3, 3, 16, 32, 2,
Conv2, 9, 9, 1, 1, 32, 8, 1,
"""
MAESTRO_NETWORK = """
Constant Tile 2; // a comment
Network small {
  Layer CONV1 {
    Type: CONV
    Stride { X: 2, Y: 2 }
    Dimensions { K 8, C: 4, R: 3, S: 3, Y:11, X:11 }
    Dataflow { SpatialMap(1,1) K; TemporalMap(Tile,Tile) C; TemporalMap(Sz(R),1) Y'; Cluster(4, P); SpatialMap(1,1) C; }
  }
  Layer DEPTH { Type: DSCONV; Dimensions { K: 1, C: 8, R: 3, S: 3, Y: 5, X: 5 } }
  Layer FC { Type: GEMM; Dimensions { M: 4, N: 5, K: 6 } }
}
"""
MAESTRO_HARDWARE = "num_pes: 16\nl1_size_cstr: 100\nl2_size_cstr: 3000\nnoc_bw_cstr: 8\noffchip_bw_cstr: 4\n"
STREAM_SYSTEM = "name: two\ncores: {0: ./a.yaml, 1: ./b.yaml}\ncore_connectivity:\n- {type: link, cores: [0, 1], bandwidth: 32}\n"
STREAM_MAPPING = "layers:\n- {name: Conv, core_allocation: [[0, 1]]}\nfused_groups:\n- {name: g, layers: [Conv]}\n"
FILES = {
    "zigzag_hardware.yaml": ZIGZAG_HARDWARE,
    "zigzag_mapping.yaml": ZIGZAG_MAPPING,
    "zigzag_workload.yaml": ZIGZAG_WORKLOAD,
    "accelforge_arch.yaml": ACCELFORGE_ARCH,
    "accelforge_workload.yaml": ACCELFORGE_WORKLOAD,
    "scale.cfg": SCALESIM_CFG,
    "layers.csv": SCALESIM_CSV,
    "network.m": MAESTRO_NETWORK,
    "hardware.m": MAESTRO_HARDWARE,
}
