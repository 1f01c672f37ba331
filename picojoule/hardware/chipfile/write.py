"""A chip as YAML text that reads back as an equal chip. Comments of the file it came from are not kept; sources are."""

from __future__ import annotations

from typing import Any

import yaml

from picojoule.ask import ROLES
from picojoule.hardware.array import cost as array_cost
from picojoule.hardware.array.spec import array_block
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port, Stay
from picojoule.hardware.compression import NAMED, Format
from picojoule.hardware.vector_unit import KINDS, VectorUnit
from picojoule.quantities.units import show


def chip_to_yaml(chip: Chip) -> str:
    """The chip as YAML. `chip_from_yaml(chip_to_yaml(chip)) == chip`; numbers of components are written out."""
    head = _drop_empty({
        "chip": chip.name, "description": chip.description, "source": chip.source,
        "technology": _show(chip.technology_nm, "length"), "voltage": _show(chip.voltage_v, "voltage"),
        "clock": show(chip.clock_hz, "frequency"), "static": _show(chip.static_mw, "power"), "dataflow": chip.dataflow,
        "scope": None if chip.scope == "system" else chip.scope,
        "inferences_per_load": None if chip.inferences_per_load == 1 else chip.inferences_per_load,
    })  # fmt: skip
    if chip.array is not None:
        levels = [_level(level, chip.source) for level in chip.levels[: -array_cost.LEVELS]]
        parts: list[dict[str, Any]] = [head, {"levels": [*levels, {"array": array_block(chip.array)}]}]
        return "\n".join(_dump(part) for part in (*parts, *_vector(chip)))
    levels = [_level(level, chip.source) for level in chip.levels]
    parts = [head, {"levels": levels}, {"compute": _compute(chip.compute, chip.source)}, *_vector(chip)]
    return "\n".join(_dump(part) for part in (*parts, *([{"stays": _stays(chip.stays)}] if chip.stays else [])))


def _stays(stays: tuple[Stay, ...]) -> list[dict[str, Any]]:
    return [_drop_empty({"memory": s.memory, "tensor": s.role, "whole": list(s.whole), "single": list(s.single)}) for s in stays]


class _Dumper(yaml.SafeDumper):
    """Blocks of text keys on lines of their own; lists of words and small blocks such as axes in one line."""


def _in_line(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
    small = not any(isinstance(v, dict | list) for v in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, dict):
        short = len(str(value)) < 60 and small and "name" not in value and "chip" not in value
        return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=short)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=small)


_Dumper.add_representer(dict, _in_line)
_Dumper.add_representer(list, _in_line)


def _dump(part: dict[str, Any]) -> str:
    return yaml.dump(part, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _show(value: float | None, kind: str) -> str | None:
    return None if value is None else show(value, kind)


def _drop_empty(block: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in block.items() if v is not None and v != "" and v != {} and v != []}


def _source(part: Memory | FanOut | Compute | VectorUnit, chip_source: str) -> dict[str, str]:
    """The source of a part is written where it is not the chip's, which the reader takes by itself."""
    return {} if part.source == chip_source else {"source": part.source}


def _level(level: Group | FanOut, source: str) -> dict[str, Any]:
    if isinstance(level, FanOut):
        return {"fanout": _fanout(level) | _source(level, source)}
    memories = [_memory(m) | _source(m, source) for m in level.memories]
    return {"memory": memories[0]} if len(memories) == 1 else {"peers": memories}


def _memory(m: Memory) -> dict[str, Any]:
    return _drop_empty({
        "name": m.name, "type": m.technology, "size": _show(m.capacity_bits, "size"), "word": show(m.word_bits, "size"),
        "read": _show(m.read_pj, "energy"), "write": _show(m.write_pj, "energy"),
        "keeps": _roles(m.keeps), "may_keep": _roles(m.may_keep) if m.may_keep else None,
        **_ports(m.ports), "formats": {r: _format(f) for r, f in m.formats},
        "serves": list(m.serves), "skips": {r: list(x) for r, x in m.skips}, "gates": {r: list(x) for r, x in m.gates},
        "double_buffered": m.double_buffered or None,
        "leakage": _show(m.leakage_mw, "power"), "area": _show(m.area_um2, "area"),
        "sources": dict(m.sources),
    })  # fmt: skip


def _format(f: Format) -> str | dict[str, Any]:
    for name, known in NAMED.items():
        if f == known:
            return name
    ranks = [
        r.kind
        if r.bits is None and r.dims is None
        else _drop_empty({"format": r.kind, "bits": _show(r.bits, "size"), "dims": list(r.dims) if r.dims else None})
        for r in f.ranks
    ]
    return _drop_empty(
        {
            "ranks": ranks,
            "codec": _show(f.codec_pj, "energy") if f.codec_pj else None,
            "sized_for": f.sized_for if f.sized_for != "worst" else None,
            "columns_first": f.reverse or None,
        }
    )


def _roles(roles: tuple[str, ...]) -> str | list[str]:
    return "all" if roles == ROLES else list(roles) if roles else "none"


def _ports(ports: tuple[Port, ...]) -> dict[str, Any]:
    """`bandwidth` where it says everything, else named `ports`."""
    usual = [("read", "read"), ("write", "write"), ("shared", "readwrite")]
    named = [(p.name, p.serves) for p in ports]
    if named == [("shared", "readwrite")]:
        return {"bandwidth": show(ports[0].bits_per_cycle, "bandwidth")}
    if named in (usual[:2], usual[:1], usual[1:2]):
        return {"bandwidth": {p.name: show(p.bits_per_cycle, "bandwidth") for p in ports}}
    return {"ports": [{"name": p.name, "serves": p.serves, "rate": show(p.bits_per_cycle, "bandwidth")} for p in ports]}


def _fanout(f: FanOut) -> dict[str, Any]:
    return _drop_empty({
        "name": f.name, "axes": {a.name: _axis(a) for a in f.axes}, "multicast": f.multicast, "reduction": f.reduction,
        "links": list(f.links), "transfer": _show(f.transfer_pj, "energy"), "word": show(f.transfer_bits, "size"),
        "hops": f.hops if f.hops != 1 else None, "bandwidth": _show(f.bits_per_cycle, "bandwidth"),
        "waits": f.waits if f.waits != "tile" else None, "sources": dict(f.sources),
    })  # fmt: skip


def _axis(a: Axis) -> int | dict[str, Any]:
    if a.dims is None and not a.reuses and a.kinds is None:
        return a.size
    block: dict[str, Any] = {"size": a.size}
    if a.dims is not None:
        block["dims"] = list(a.dims)
    if a.reuses:
        block["reuses"] = list(a.reuses)
    if a.kinds is not None:
        block["kinds"] = list(a.kinds)
    return block


def _compute(c: Compute, source: str) -> dict[str, Any]:
    return _drop_empty({
        "name": c.name, "mac": _show(c.mac_pj, "energy"), "operands": c.number or show(c.bits, "size"), "scaling": c.scaling,
        "per_cycle": c.macs_per_cycle, "skips": list(c.skips), "gates": list(c.gates),
        "gated": _show(c.gated_pj, "energy") if c.gated_pj else None, "speed": c.speed if c.speed != "fixed" else None,
        "narrowest": show(c.narrowest, "size") if c.narrowest != 1 else None,
        "leakage": _show(c.leakage_mw, "power"),
        "area": _show(c.area_um2, "area"), "sources": dict(c.sources),
    }) | _source(c, source)  # fmt: skip


def _vector(chip: Chip) -> list[dict[str, Any]]:
    """The block of the vector unit, if there is one."""
    v = chip.vector
    if v is None:
        return []
    block = _drop_empty({
        "name": v.name, "at": v.at, "lanes": v.lanes, "operands": v.number or show(v.bits, "size"),
        "does": list(v.does) if v.does != KINDS else None, "slots": dict(v.slots), "drain": list(v.drain),
        "holds": show(v.holds_bits, "size") if v.holds_bits else None, "scaling": v.scaling if v.scaling != "none" else None,
        **{k: show(pj, "energy") for k, pj in v.energies}, "sources": dict(v.sources),
    })  # fmt: skip
    return [{"vector": block | _source(v, chip.source)}]
