"""Chips, layers and mappings of ours as Timeloop 0.4 files, so that a doubter can run our answer in that tool.

`Exported.lost` names what the files cannot say; without `lossy` the first of them is an error. Reading the files back gives the
same chip and mapping (`tests/interop/test_export.py`), but for sources, descriptions and names of ports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from picojoule.errors import SpecError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.workload.layer import Layer

USUAL = {"weight": "Weights", "input": "Inputs", "output": "Outputs"}
_SAID = {
    "fanout": {"name", "axes", "transfer_bits", "source", "sources"},
    "compute": {"name", "mac_pj", "bits", "leakage_mw", "area_um2", "source", "sources"},
    "memory": {
        "name", "capacity_bits", "word_bits", "read_pj", "write_pj", "keeps", "may_keep", "ports", "double_buffered",
        "leakage_mw", "area_um2", "technology", "source", "sources",
    },
    "chip": {"name", "levels", "compute", "clock_hz", "technology_nm", "description", "source"},
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Exported:
    """File name -> text, and what the files do not say."""

    files: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


class _Tagged(yaml.SafeDumper):
    """Blocks with a key `!` are written with it as their tag; short lists and blocks in one line."""


def _block(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    tag = f"!{value['!']}" if "!" in value else "tag:yaml.org,2002:map"
    plain = {k: v for k, v in value.items() if k != "!"}
    return dumper.represent_mapping(tag, plain, flow_style="!" not in value and _small(plain.values()))


def _small(values: Any) -> bool:
    return len(str(list(values))) < 80 and not any(isinstance(v, dict) for v in values)


_Tagged.add_representer(dict, _block)
_Tagged.add_representer(list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=_small(v)))


def _dump(section: str, value: Any) -> str:
    return yaml.dump({section: value}, Dumper=_Tagged, sort_keys=False, allow_unicode=True, width=120)


def export_timeloop(
    chip: Chip,
    layer: Layer | None = None,
    mapping: Mapping | None = None,
    *,
    element_bits: int | None = None,
    lossy: bool = False,
) -> Exported:
    """Timeloop 0.4 files of the chip, with its energies (ERT) and areas (ART), and of a layer and its mapping.

    `element_bits` is the width of an element, which that tool counts in: by default that of the layer, else of the MACs.
    """
    chip = chip if layer is None else chip.at(layer)
    bits = element_bits or (math.ceil(layer.output.bits) if layer is not None else chip.compute.bits)
    run = _Export(chip, layer, bits)
    out = Exported(lost=run.lost)
    out.files["arch.yaml"] = _dump("architecture", run.architecture())
    tables = run.prices()
    if tables:
        out.files["ERT.yaml"] = _dump("ERT", {"version": "0.4", "tables": tables})
    if areas := run.areas():
        out.files["ART.yaml"] = _dump("ART", {"version": "0.4", "tables": areas})
    if layer is not None:
        out.files["problem.yaml"] = _dump("problem", run.problem(layer))
        if mapping is not None:
            out.files["map.yaml"] = _dump("mapping", run.mapping(mapping, layer))
    if out.lost and not lossy:
        raise SpecError(
            f"Timeloop files cannot say: {out.lost[0]}",
            hint="--lossy writes the files without it; the other tool then answers for less",
        )
    return out


@dataclass(slots=True)
class _Export:
    chip: Chip
    layer: Layer | None
    bits: int
    lost: list[str] = field(default_factory=list)

    def beyond(self, kind: str, part: Memory | FanOut | Compute | Chip) -> None:
        """Notes every property that differs from its default and has no place in the files."""
        for f in fields(part):
            if f.name not in _SAID[kind] and getattr(part, f.name) != f.default:
                self.lost.append(f"{kind} {part.name!r}: {f.name}")

    def name_of(self, role: str) -> str:
        found = next((t.name for t in self.layer.tensors if t.role == role), None) if self.layer is not None else None
        return found or USUAL[role]

    def architecture(self) -> dict[str, Any]:
        chip = self.chip
        self.beyond("chip", chip)
        top: dict[str, Any] = {"global_cycle_seconds": 1 / chip.clock_hz}
        if chip.technology_nm is not None:
            top["technology"] = f"{chip.technology_nm:g}nm"
        nodes: list[dict[str, Any]] = [{"!": "Container", "name": chip.name, "attributes": top}]
        for level in chip.levels:
            if isinstance(level, FanOut):
                nodes.append(self.container(level))
            elif len(level.memories) == 1:
                nodes.append(self.storage(level.memories[0], peers=False))
            else:
                nodes.append({"!": "Parallel", "nodes": [self.storage(m, peers=True) for m in level.memories]})
        self.beyond("compute", chip.compute)
        nodes.append(
            {"!": "Component", "name": chip.compute.name, "class": "intmac", "attributes": {"datawidth": chip.compute.bits}}
        )
        return {"version": "0.4", "nodes": nodes}

    def container(self, f: FanOut) -> dict[str, Any]:
        self.beyond("fanout", f)
        if len(f.axes) > 2 or any(a.size > 1 for a in f.axes[2:]):
            raise SpecError(f"fan-out {f.name!r} has {len(f.axes)} axes", hint="Timeloop has meshX and meshY")
        if [a.name for a in f.axes] not in (["X"], ["Y"], ["X", "Y"]):
            self.lost.append(f"fan-out {f.name!r}: names of axes {', '.join(a.name for a in f.axes)}")
        sizes = [a.size for a in f.axes]
        names = ["meshY"] if [a.name for a in f.axes] == ["Y"] else ["meshX", "meshY"]
        node: dict[str, Any] = {"!": "Container", "name": f.name, "spatial": dict(zip(names, sizes, strict=False))}
        limits = self.unrolled(f)
        return node | ({"constraints": {"spatial": limits}} if limits else {})

    def unrolled(self, f: FanOut) -> dict[str, Any]:
        """Constraints that leave to each axis the dimensions it may unroll."""
        dims = [self.axis_dims(f, a) for a in f.axes]
        if all(d is None for d in dims):
            return {}
        every = [d for d, _ in self.layer.dims] if self.layer is not None else list("NGHKMCPQRS")
        every += [d for x in dims for d in x or () if d not in every]
        some = [tuple(every) if d is None else d for d in dims]
        both = dict.fromkeys(d for x in some for d in x)
        fixed = [d for d in every if d not in both]
        split = None if len(some) < 2 or some[0] == some[1] else len(some[0])
        if split is not None and set(some[0]) & set(some[1]):
            self.lost.append(f"fan-out {f.name!r}: dimensions that may go to either axis, and others to one")
            return {}
        if not fixed and split is None:
            return {}
        out: dict[str, Any] = {"permutation": [*both, *fixed], **({"factors": [f"{d}=1" for d in fixed]} if fixed else {})}
        return out | ({} if split is None else {"split": split})

    def axis_dims(self, f: FanOut, a: Axis) -> tuple[str, ...] | None:
        if not a.reuses and a.kinds is None:
            return a.dims
        if self.layer is None:
            self.lost.append(f"fan-out {f.name!r}: kinds or reuse of axis {a.name!r}, which need a layer")
            return a.dims
        return tuple(d for d, _ in self.layer.dims if a.allows(self.layer, d))

    def storage(self, m: Memory, peers: bool) -> dict[str, Any]:
        self.beyond("memory", m)
        if m.word_bits % self.bits:
            raise SpecError(
                f"memory {m.name!r}: a word of {m.word_bits} b is no whole number of {self.bits}-bit elements",
                hint="Timeloop reads whole elements: choose their width with --bits",
            )
        attributes: dict[str, Any] = {"datawidth": self.bits, "width": m.word_bits}
        if m.capacity_bits is not None:
            if m.capacity_bits % m.word_bits == 0:
                attributes["depth"] = m.capacity_bits // m.word_bits
            elif m.capacity_bits % self.bits == 0:
                attributes["entries"] = m.capacity_bits // self.bits
            else:
                raise SpecError(
                    f"memory {m.name!r}: {m.capacity_bits} b are no whole number of {self.bits}-bit elements",
                    hint="choose --bits",
                )
        if m.double_buffered:
            attributes["multiple_buffering"] = 2
        attributes |= self.bandwidths(m)
        limits: dict[str, Any] = {}
        if m.keeps:
            limits["keep"] = [self.name_of(r) for r in m.keeps]
        never = [r for r in USUAL if m.keeps_role(r) == "never"]
        if peers and m.may_keep:
            self.lost.append(f"memory {m.name!r}: a peer that may keep {', '.join(m.may_keep)}")
        if never and not peers:
            limits["bypass"] = [self.name_of(r) for r in never]
        node: dict[str, Any] = {"!": "Component", "name": m.name, "class": _class(m), "attributes": attributes}
        return node | ({"constraints": {"dataspace": limits}} if limits else {})

    def bandwidths(self, m: Memory) -> dict[str, float]:
        out: dict[str, float] = {}
        keys = {"read": "read_bandwidth", "write": "write_bandwidth", "readwrite": "shared_bandwidth"}
        for serves, key in keys.items():
            rate = sum(p.bits_per_cycle for p in m.ports if p.serves == serves)
            if rate:
                out[key] = rate / self.bits
        if len(out) == 3:
            self.lost.append(f"memory {m.name!r}: a shared port beside ports of its own")
        return out

    def prices(self) -> list[dict[str, Any]]:
        chip, tables = self.chip, []
        for m in chip.memories:
            if m.read_pj is None or m.write_pj is None:
                if m.leakage_mw is not None:
                    self.lost.append(f"memory {m.name!r}: leakage without prices")
                continue
            actions = {"read": m.read_pj, "write": m.write_pj, "update": m.write_pj, **self.leak(m.leakage_mw)}
            tables.append(self.table(m.name, chip.instances(m), actions))
        c = chip.compute
        if c.mac_pj is not None:
            tables.append(self.table(c.name, chip.pes, {"compute": c.mac_pj, **self.leak(c.leakage_mw)}))
        return tables

    def leak(self, milliwatts: float | None) -> dict[str, float]:
        return {} if milliwatts is None else {"leak": milliwatts * 1e9 / self.chip.clock_hz}

    def table(self, name: str, instances: int, actions: dict[str, float]) -> dict[str, Any]:
        rows = [
            {"name": a, "arguments": {"global_cycle_seconds": 1 / self.chip.clock_hz}, "energy": pj} for a, pj in actions.items()
        ]
        return {"name": f"{self.chip.name}_top_level.{name}[1..{instances}]", "actions": rows}

    def areas(self) -> list[dict[str, Any]]:
        parts = [*((m.name, self.chip.instances(m), m.area_um2) for m in self.chip.memories)]
        parts.append((self.chip.compute.name, self.chip.pes, self.chip.compute.area_um2))
        return [{"name": f"{self.chip.name}_top_level.{n}[1..{k}]", "area": a} for n, k, a in parts if a is not None]

    def problem(self, layer: Layer) -> dict[str, Any]:
        widths = {math.ceil(t.bits) for t in layer.tensors}
        if widths != {self.bits}:
            self.lost.append(f"layer {layer.name!r}: tensors of {sorted(widths)} b; all elements count alike, as {self.bits} b")
        spaces, coefficients = [], {}
        for t in layer.tensors:
            if t.density != 1 or t.zeros is not None:
                self.lost.append(f"layer {layer.name!r}: zeros of {t.name}")
            ranks = []
            for r in t.ranks:
                if r.offset or r.size is not None:
                    self.lost.append(f"layer {layer.name!r}: padding of {t.name}, which Timeloop counts as data")
                terms = []
                for c, d in r.terms:
                    if c != 1:
                        coefficients[f"{d}coefficient"] = c
                    terms.append([d] if c == 1 else [d, f"{d}coefficient"])
                ranks.append(terms)
            space: dict[str, Any] = {"name": t.name, "projection": ranks}
            spaces.append(space | ({"read_write": True} if t.role == "output" else {}))
        shape: dict[str, Any] = {"name": _word(layer.name), "dimensions": [d for d, _ in layer.dims]}
        if coefficients:
            shape["coefficients"] = [{"name": n, "default": c} for n, c in coefficients.items()]
        return {"version": "0.4", "shape": shape | {"data_spaces": spaces}, "instance": dict(layer.dims) | coefficients}

    def mapping(self, mapping: Mapping, layer: Layer) -> list[dict[str, Any]]:
        return [*_kept(mapping, layer, self.chip), *_loops(mapping, layer, self.chip)]


def _kept(mapping: Mapping, layer: Layer, chip: Chip) -> list[dict[str, Any]]:
    """What each memory keeps; all nodes of one memory stand together, as a level of Timeloop holds all its tiles at once."""
    if mapping.homes:
        raise SpecError("tensors that start or end on the chip", hint="in Timeloop every tensor starts in the outermost memory")
    out = []
    for m in chip.memories:
        at = [i for i, e in enumerate(mapping.entries) if isinstance(e, Node) and e.memory == m.name]
        if at and any(isinstance(e, Loop) for e in mapping.entries[at[0] : at[-1] + 1]):
            raise SpecError(
                f"{m.name} keeps its tensors below different loops",
                hint="a level of Timeloop holds all its tiles below the same loops: this mapping has no form there",
            )
        kept = [e.tensor for e in mapping.entries if isinstance(e, Node) and e.memory == m.name]
        names = [t.name for t in layer.tensors]
        out.append(
            {
                "target": m.name,
                "type": "dataspace",
                "keep": [n for n in names if n in kept],
                "bypass": [n for n in names if n not in kept],
            }
        )
    return out


def _loops(mapping: Mapping, layer: Layer, chip: Chip) -> list[dict[str, Any]]:
    """The loops of each level, as directives; what comes right below a fan-out belongs to the memory inside it."""
    targets = [(m.name, False) if kind == 0 else (f"inter_{m.name}_spatial", True) for kind, m in _sequence(chip)]
    found: dict[str, list[Loop]] = {t: [] for t, _ in targets}
    order = [t for t, _ in targets]
    held = {e.memory for e in mapping.entries if isinstance(e, Node)}
    now = order[0]
    for i, e in enumerate(mapping.entries):
        target = _target(e, now)
        if order.index(target) < order.index(now):
            raise SpecError(
                f"{target} comes after {now} in the mapping", hint="peers follow in the order in which the chip lists them"
            )
        if isinstance(e, Loop) and not e.spatial and (now.startswith("inter_") or e.dim in [x.dim for x in found[now]]):
            after = next(
                (order.index(_target(x, now)) for x in mapping.entries[i:] if isinstance(x, Node) or x.spatial), len(order)
            )
            empty = [t for t in order[order.index(now) + 1 : after] if not t.startswith("inter_") and t not in held]
            if not empty:
                raise SpecError(
                    f"a second loop over {e.dim} at {now}, or one right below a fan-out",
                    hint="a level of Timeloop has one loop of a dimension, above what it holds: this mapping has no form there",
                )
            target = empty[0]
        now = target
        if isinstance(e, Loop):
            found[now].append(e)
    for d, n in layer.dims:
        if math.prod(e.bound for e in mapping.entries if isinstance(e, Loop) and e.dim == d) != n:
            raise SpecError(f"the loops over {d} are ragged", hint="factors of Timeloop multiply to the bound")
    return [_directive(t, spatial, found[t], layer) for t, spatial in targets if found[t] or not spatial]


def _target(entry: Loop | Node, now: str) -> str:
    return entry.memory if isinstance(entry, Node) else f"inter_{entry.fanout}_spatial" if entry.spatial else now


def _sequence(chip: Chip) -> list[tuple[int, Memory | FanOut]]:
    out: list[tuple[int, Memory | FanOut]] = []
    for level in chip.levels:
        out += [(0, m) for m in level.memories] if isinstance(level, Group) else [(1, level)]
    return out


def _directive(target: str, spatial: bool, loops: list[Loop], layer: Layer) -> dict[str, Any]:
    inner_first = list(reversed(loops))
    if spatial:  # the loops on X come first
        inner_first.sort(key=lambda e: e.axis == "Y")
        if len({e.dim for e in loops}) != len(loops):
            raise SpecError(
                f"one dimension on both axes at {target}", hint="a level of Timeloop has one unrolled loop of a dimension"
            )
    bounds = {e.dim: e.bound for e in loops}
    order = [e.dim for e in inner_first]
    rest = [d for d, _ in layer.dims if d not in bounds]
    out: dict[str, Any] = {"target": target, "type": "spatial" if spatial else "temporal"}
    out["factors"] = [f"{d}={bounds.get(d, 1)}" for d in (*order, *rest)]
    out["permutation"] = [*order, *rest]
    return out | ({"split": sum(e.axis != "Y" for e in loops)} if spatial else {})


def _class(m: Memory) -> str:
    return {"dram": "DRAM", "register_file": "regfile"}.get(m.technology, "SRAM")


def _word(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-." else "_" for c in name) or "layer"
