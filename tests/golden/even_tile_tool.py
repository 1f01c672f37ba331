"""Reads the golden files in data/: problem, architecture, mapping and counts written down from an even-tile tool.

Source of the files: Timeloop (NVlabs/timeloop, snapshot 4cf6d4c, model and mapper with a fixed energy table), data only.
Per instance they give reads, fills (writes from outside) and updates (writes from inside) of each level and tensor.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.mapping.words import Traffic
from picojoule.workload.layer import Layer, Rank, Tensor

DATA = Path(__file__).parent / "data"
CNN = {
    "Weights": [["C"], ["K"], ["R"], ["S"]],
    "Inputs": [["N"], ["C"], ["P", "R"], ["Q", "S"]],
    "Outputs": [["N"], ["K"], ["P"], ["Q"]],
}
ROLE = {"A": "input", "Inputs": "input", "B": "weight", "Weights": "weight", "Z": "output", "Outputs": "output"}


def load(name: str) -> dict[str, Any]:
    """The golden file whose name begins so."""
    (path,) = DATA.glob(f"{name}_*.json")
    return dict(json.loads(path.read_text()))


def layer_of(golden: dict[str, Any]) -> Layer:
    w, bits = golden["workload"], golden["architecture"]["arithmetic"]["word_bits"]
    if w["shape"] == "cnn_layer":
        strides = {"P": w["Wstride"], "Q": w["Hstride"], "R": w["Wdilation"], "S": w["Hdilation"]}
        tensors, bounds = CNN, {d: w[d] for d in "RSPQCKN"}
    else:
        strides, bounds = {}, w["instance"]
        tensors = {t["name"]: [[d for (d,) in rank] for rank in t["projection"]] for t in w["shape"]["data-spaces"]}
    ranks = {t: tuple(Rank(tuple((strides.get(d, 1), d) for d in rank)) for rank in r) for t, r in tensors.items()}
    used = tuple(Tensor(t, ROLE[t], r, bits) for t, r in ranks.items())
    return Layer(golden["id"], "golden", tuple(bounds.items()), used)


def chip_of(golden: dict[str, Any], links: tuple[str, ...] = ()) -> Chip:
    """Levels from the outside in; a fan-out wherever the number of instances grows."""
    arch, pj = golden["architecture"], golden["energy_per_action_pJ"]
    levels: list[Group | FanOut] = []
    before = 1
    for s in [*reversed(arch["storage"]), arch["arithmetic"]]:
        if s["instances"] > before:
            x = s["meshX"]
            axes = (Axis("X", x), Axis("Y", s["instances"] // x))
            levels.append(FanOut("array", axes, links=links, transfer_pj=0.0))
            before = s["instances"]
        if "entries" in s or s.get("technology") == "DRAM":
            widths = {kind: s.get(f"{kind}_bandwidth", 0) * s["word_bits"] for kind in ("read", "write")}
            ports = tuple(Port(kind, kind, bits) for kind, bits in widths.items() if bits)
            size = s["entries"] * s["word_bits"] if "entries" in s else None
            energy = pj[s["name"]]["read"], pj[s["name"]]["write"]
            keeps = tuple(ROLE[t] for t in _kept(golden, s["name"]))
            levels.append(Group((Memory(s["name"], size, s["word_bits"], *energy, keeps=keeps, ports=ports),)))
    return Chip(golden["id"], tuple(levels), Compute("MAC", pj["MAC"]["compute"]), clock_hz=1e9)


def mapping_of(golden: dict[str, Any], layer: Layer, chip: Chip) -> Mapping:
    """Nodes of each level, then its temporal loops, then those unrolled below it. Permutations are innermost first."""
    entries: list[Loop | Node] = []
    for memory in chip.memories:
        entries += [Node(memory.name, t) for t in _kept(golden, memory.name)]
        for kind in ("temporal", "spatial"):
            for m in golden["mapping"]:
                if (m["target"], m["type"]) != (memory.name, kind):
                    continue
                bounds = dict(f.split("=") for f in m["factors"].split())
                for i, d in reversed(list(enumerate(m["permutation"]))):
                    axis = {"fanout": "array", "axis": "X" if i < m["split"] else "Y"} if kind == "spatial" else {}
                    entries += [Loop(d, int(bounds[d]), **axis)] if int(bounds[d]) > 1 else []
    mapping = Mapping(tuple(entries))
    check(mapping, layer, chip)
    return mapping


def _kept(golden: dict[str, Any], memory: str) -> list[str]:
    kept = [m["keep"] for m in golden["mapping"] if m["type"] == "datatype" and m["target"] == memory]
    return kept[0] if kept else list(golden["expected"]["levels"][-1]["dataspaces"])


def expected(golden: dict[str, Any]) -> dict[tuple[str, str, str], tuple[float, int]]:
    """(level, tensor, "reads", "fills" or "updates") -> (words per instance, instances)."""
    out = {}
    for level in golden["expected"]["levels"]:
        for tensor, stats in level["dataspaces"].items():
            for what in ("reads", "fills", "updates"):
                n = stats["Utilized instances (max)"]
                out[level["name"], tensor, what] = (stats[f"Scalar {what} (per-instance)"], int(n))
    return out


def counted(traffic: Traffic) -> dict[tuple[str, str, str], int]:
    """The same table from our flows, over all instances."""
    out = {(memory, tensor, "reads"): n for (memory, tensor), n in traffic.reads().items()}
    for f in traffic.flows:
        for kinds, memory, words, what in (
            (("fill", "reload"), f.inner, f.inner_words, "fills"),
            (("drain", "update"), f.outer, f.outer_words, "updates"),
        ):
            if f.kind in kinds:
                out[memory, f.tensor, what] = out.get((memory, f.tensor, what), 0) + words
    return out


def instances(golden: dict[str, Any]) -> int:
    """MACs that the mapping uses."""
    factors = [f for m in golden["mapping"] if m["type"] == "spatial" for f in m["factors"].split()]
    return math.prod(int(f.split("=")[1]) for f in factors)


def found_mapping(case: dict[str, Any], architecture: dict[str, Any]) -> tuple[Layer, Chip, Mapping]:
    """Layer, chip and the mapping that the tool's search found and printed as a loop nest."""
    entries: list[Loop | Node] = []
    for line in case.get("best_mapping_text") or case["mapping_text"]:
        if level := re.match(r"(\w+) \[ (.*)\]", line):
            entries += [Node(level[1], t.split(":")[0]) for t in level[2].split() if ":" in t]
        elif loop := re.match(r"\|\s*for (\w) in \[0:(\d+)\)(?: \(Spatial-(\w)\))?", line):
            entries.append(Loop(loop[1], int(loop[2]), "array" if loop[3] else None, loop[3]))
    memories = dict.fromkeys(e.memory for e in entries if isinstance(e, Node))
    kept = {m: [e.tensor for e in entries if isinstance(e, Node) and e.memory == m] for m in memories}
    golden = {
        "id": case.get("layer") or case["id"],
        "workload": case["problem"],
        **architecture,
        "mapping": [{"type": "datatype", "target": m, "keep": tensors} for m, tensors in kept.items()],
    }
    layer, chip, mapping = layer_of(golden), chip_of(golden), Mapping(tuple(entries))
    check(mapping, layer, chip)
    return layer, chip, mapping
