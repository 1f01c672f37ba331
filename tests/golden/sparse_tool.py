"""Reads the golden files of sparse designs (s01 to s04, s07), written down from the same even-tile tool.

Source of the files: Timeloop with its sparse extension (NVlabs/timeloop, snapshot 4cf6d4c, fixed energy table), data only.
Its stated quirk: gating at a storage drops cycles, which theory and this product do not.
"""

from __future__ import annotations

import re
from typing import Any

from picojoule.hardware.chip import Chip, Compute, Group, Memory
from picojoule.hardware.compression import Format, RankFormat
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer, Rank, Tensor
from tests.golden.even_tile_tool import ROLE

KINDS = {"UOP": "offset", "CP": "coordinate", "B": "bitmask", "RLE": "run_length"}


def layer_of(golden: dict[str, Any]) -> Layer:
    instance = dict(golden["workload"]["instance"])
    densities = {t: v["density"] for t, v in instance.pop("densities").items()}
    tensors = tuple(
        Tensor(
            t["name"],
            ROLE[t["name"]],
            tuple(Rank(((1, d),)) for rank in t["projection"] for (d,) in rank),
            16,
            densities.get(t["name"], 1.0),
        )
        for t in golden["workload"]["shape"]["data-spaces"]
    )
    return Layer(golden["id"], "golden", tuple(instance.items()), tensors)


def chip_of(golden: dict[str, Any]) -> Chip:
    """The memories from the outside in, with formats, skipping and gating of the design."""
    targets = {t["name"]: t for t in golden["sparse"]["targets"]}
    memories = []
    for s in reversed(golden["architecture"]["storage"]):
        design, pj = targets.get(s["name"], {}), golden["energy_per_action_pJ"][s["name"]]
        size = s["data_storage_depth"] * s["data_storage_width"] if "data_storage_depth" in s else None
        if size is not None:
            size += s["metadata_storage_depth"] * s["metadata_storage_width"]
        memories.append(
            Memory(
                s["name"],
                size,
                s["word_bits"],
                pj["read"],
                pj["write"],
                formats=_formats(design),
                skips=_conditions(design, "skipping"),
                gates=_conditions(design, "gating"),
            )
        )
    gated = any(o["type"] == "gating" for o in targets.get("MAC", {}).get("compute-optimization", []))
    compute = Compute("MAC", golden["energy_per_action_pJ"]["MAC"]["mac_random"], gates=("input", "weight") if gated else ())
    return Chip(golden["id"], tuple(Group((m,)) for m in memories), compute, clock_hz=1e9)


def _formats(design: dict[str, Any]) -> tuple[tuple[str, Format], ...]:
    out = []
    for t in design.get("representation-format", {}).get("data-spaces", []):
        bits = [None if r["format"] == "B" else r.get("payload-word-bits") or r["metadata-word-bits"] for r in t["ranks"]]
        ranks = [RankFormat(KINDS[r["format"]], n) for r, n in zip(t["ranks"], bits, strict=True)]
        if len(ranks) == 3:  # the outermost is a directory of the tiles that the memory passes on
            ranks[0] = RankFormat("offset", ranks[0].bits, ("tiles",))
        out.append((ROLE[t["name"]], Format(tuple(ranks), reverse=t["name"] == "B")))  # ranks follow the loops: N, then K
    return tuple(out)


def _conditions(design: dict[str, Any], kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    options = [o for a in design.get("action-optimization", []) if a["type"] == kind for o in a["options"]]
    return tuple((ROLE[o["target"]], tuple(ROLE[x] for x in o["condition-on"])) for o in options)


def mapping_of(golden: dict[str, Any], layer: Layer, chip: Chip) -> Mapping:
    entries: list[Loop | Node] = []
    for m in golden["mapping"]:
        entries += [Node(m["target"], t.name) for t in layer.tensors]
        bounds = dict(f.split("=") for f in m["factors"].split())
        entries += [Loop(d, int(bounds[d])) for d in reversed(m["permutation"]) if int(bounds[d]) > 1]
    mapping = Mapping(tuple(entries))
    check(mapping, layer, chip)
    return mapping


def fate_of(golden: dict[str, Any]) -> dict[tuple[str, str, str, str], float]:
    """(level, tensor, "reads", "fills" or "updates", "Actual", "Gated" or "Skipped") -> words."""
    return {
        (level["name"], tensor, what, fate): stats[f"{fate} scalar {what} (per-instance)"]
        for level in golden["expected"]["levels"]
        for tensor, stats in level["dataspaces"].items()
        for what in ("reads", "fills", "updates")
        for fate in ("Actual", "Gated", "Skipped")
    }


def metadata_of(golden: dict[str, Any]) -> dict[tuple[str, str, str], list[float]]:
    """(level, tensor, "reads" or "fills") -> units of metadata and payload of each rank, from the outside in."""
    out: dict[tuple[str, str, str], list[float]] = {}
    for level in golden["expected"]["levels"]:
        for tensor, stats in level["dataspaces"].items():
            what = ""
            for line in stats.get("_ranks", []):
                if found := re.match(r"(\w+) scalar format (\w+)", line):
                    what = found[2] if found[1] == "Actual" else ""
                elif what and (units := re.match(r"Rank \d+ \(metadata, payload\): \(([\d.]+),\s*([\d.]+)\)", line)):
                    out.setdefault((level["name"], tensor, what), []).append(float(units[1]) + float(units[2]))
    return out
