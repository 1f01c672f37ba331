"""Golden problems of the even-tile tool, written as Timeloop 0.4 and 0.2 files; small files of our own in its grammar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.golden.even_tile_tool import CNN

ARCH = """
architecture:
  version: 0.4
  nodes:
  - !Container
    name: tiny
    attributes: {technology: "45nm", global_cycle_seconds: 2e-9}
  - !Component
    name: DRAM
    class: DRAM
    attributes: {width: 32, datawidth: 8}
  - !Component
    name: Buffer
    class: SRAM
    attributes: {depth: 16*64, width: 32, datawidth: 8, read_bandwidth: 8, write_bandwidth: 4}
    constraints:
      dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}
  - !Container
    name: PE
    spatial: {meshX: 4, meshY: 2}
    constraints:
      spatial: {permutation: [K, C, P, R], factors: [R=1], split: 1}
  - !Parallel
    nodes:
    - !Component
      name: weights
      class: regfile
      attributes: {depth: 8, width: 8, datawidth: 8}
      constraints: {dataspace: {keep: [Weights]}}
    - !Component
      name: sums
      class: regfile
      attributes: {depth: 4, width: 16, datawidth: 16}
      constraints: {dataspace: {keep: [Outputs]}}
  - !Component
    name: mac
    class: intmac
    attributes: {width: 8}
"""
PROBLEM = """
problem:
  version: 0.4
  shape:
    name: conv1d
    dimensions: [K, C, P, R]
    coefficients:
    - {name: Wstride, default: 1}
    data_spaces:
    - name: Weights
      projection: [[[K]], [[C]], [[R]]]
    - name: Inputs
      projection: [[[C]], [[R], [P, Wstride]]]
    - name: Outputs
      projection: [[[K]], [[P]]]
      read_write: True
  instance: {K: 8, C: 4, P: 6, R: 3, Wstride: 2}
"""
MAP = """
mapping:
- {target: DRAM, type: temporal, factors: K=2 P=2, permutation: PKCR}
- {target: Buffer, type: temporal, factors: C=2 P=3, permutation: CPKR}
- {target: inter_PE_spatial, type: spatial, factors: K=4 C=2, permutation: KCPR, split: 1}
- {target: weights, type: temporal, factors: R=0, permutation: RKCP}
- {target: sums, type: temporal, factors: [K=1], permutation: KCPR}
"""
ERT = """
ERT:
  version: '0.4'
  tables:
  - name: tiny.DRAM[1..1]
    actions: [{name: read, energy: 200}, {name: write, energy: 220}, {name: update, energy: 220}, {name: leak, energy: 0}]
  - name: tiny.Buffer[1..1]
    actions: [{name: read, energy: 4}, {name: write, energy: 5}, {name: update, energy: 5}, {name: leak, energy: 0.5}]
  - name: tiny.weights[1..8]
    actions: [{name: read, energy: 0.25}, {name: write, energy: 0.5}, {name: leak, energy: 0}]
  - name: tiny.sums[1..8]
    actions: [{name: read, energy: 0.25}, {name: write, energy: 0.5}, {name: leak, energy: 0}]
  - name: tiny.mac[1..8]
    actions: [{name: compute, energy: 1}]
"""


def written(folder: Path, **texts: str) -> list[Path]:
    """Files of these names and texts."""
    out = []
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        out.append(path)
    return out


def files_of(golden: dict[str, Any], dialect: str) -> dict[str, Any]:
    """The golden problem as the sections of Timeloop files: architecture, problem, mapping, ERT."""
    return {
        "architecture": _nodes(golden) if dialect == "0.4" else _subtree(golden),
        "problem": _problem(golden["workload"]),
        "mapping": [dict(m) for m in golden["mapping"]],
        "ERT": _ert(golden),
    }


def _storages(golden: dict[str, Any]) -> list[dict[str, Any]]:
    arch = golden["architecture"]
    return [*reversed(arch["storage"]), arch["arithmetic"]]


def _attributes(s: dict[str, Any]) -> dict[str, Any]:
    out = {"datawidth": s["word_bits"], "width": s["word_bits"]}
    if "entries" in s:
        out["depth"] = s["entries"]
    return out | {k: s[k] for k in ("read_bandwidth", "write_bandwidth") if s.get(k)}


def _nodes(golden: dict[str, Any]) -> dict[str, Any]:
    nodes: list[Any] = []
    before = 1
    for s in _storages(golden):
        node: dict[str, Any] = {"name": s["name"], "class": s.get("technology", "intmac"), "attributes": _attributes(s)}
        if s["instances"] > before:
            nodes.append(
                {"!": "Container", "name": "array", "spatial": {"meshX": s["meshX"], "meshY": s["instances"] // s["meshX"]}}
            )
            before = s["instances"]
        nodes.append({"!": "Component", **node})
    return {"version": "0.4", "nodes": nodes}


def _subtree(golden: dict[str, Any]) -> dict[str, Any]:
    tree: list[Any] = []
    inner, before = tree, 1
    local: list[Any] = []
    for s in _storages(golden):
        if s["instances"] > before or not tree:
            count = s["instances"] // before
            local, below = [], []
            inner.append({"name": f"PE[0..{count - 1}]" if count > 1 else "system", "local": local, "subtree": below})
            inner, before = below, s["instances"]
        mesh = {"meshX": s["meshX"]} if s.get("meshX", 1) > 1 else {}
        local.append({"name": s["name"], "class": s.get("technology", "intmac"), "attributes": _attributes(s) | mesh})
    _drop_empty(tree)
    return {"version": 0.2, "subtree": tree}


def _drop_empty(nodes: list[Any]) -> None:
    for n in nodes:
        if n["subtree"]:
            _drop_empty(n["subtree"])
        else:
            del n["subtree"]


def _problem(w: dict[str, Any]) -> dict[str, Any]:
    if w["shape"] != "cnn_layer":
        return {"shape": w["shape"], "instance": w["instance"]}
    assert CNN
    return {"shape": "cnn-layer", "instance": {k: v for k, v in w.items() if k != "shape"}}


def _ert(golden: dict[str, Any]) -> dict[str, Any]:
    tables = [
        {"name": f"system.{name}[1..1]", "actions": [{"name": a, "energy": pj} for a, pj in actions.items()]}
        for name, actions in golden["energy_per_action_pJ"].items()
    ]
    return {"version": "0.4", "tables": tables}
