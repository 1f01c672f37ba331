"""A chip drawn as text (for terminals) and as an SVG picture (for reports). Pure functions of the chip."""

from __future__ import annotations

import math
from html import escape

from picojoule.hardware.chip import Chip, Compute, FanOut, Group, Memory
from picojoule.hardware.vector_unit import KINDS, VectorUnit
from picojoule.quantities.units import show


def tree_text(chip: Chip) -> str:
    """The chip as an indented tree, outermost memory first; energies per access, sizes and fan-outs in their units."""
    lines = [f"{chip.name}: {_headline(chip)}"]
    indent = ""
    for level in chip.levels:
        if isinstance(level, FanOut):
            lines.append(f"{indent}└─ {_fanout_text(level)}")
            indent += "   "
        else:
            lines += [f"{indent}├─ {_memory_text(m)}" for m in level.memories[:-1]]
            lines.append(f"{indent}└─ {_memory_text(level.memories[-1])}")
            indent += "   "
            lines += [f"{indent}├─ {_vector_text(v)}" for v in _beside(chip, level)]
    lines.append(f"{indent}└─ {_compute_text(chip.compute)}")
    return "\n".join(lines)


def _headline(chip: Chip) -> str:
    parts = [f"{chip.pes:,} MAC units", _show(chip.clock_hz, "frequency")]
    if chip.technology_nm is not None:
        parts.append(show(chip.technology_nm, "length"))
    if chip.voltage_v is not None:
        parts.append(show(chip.voltage_v, "voltage"))
    if chip.static_mw:
        parts.append(f"{show(chip.static_mw, 'power')} static")
    return ", ".join(parts)


def _show(value: float | None, kind: str) -> str:
    """Four digits and a unit; `?` is unknown."""
    return "?" if value is None else show(float(f"{value:.4g}"), kind)


def _energies(m: Memory, brief: bool = False) -> str:
    if m.read_pj == m.write_pj:
        return f"{_show(m.read_pj, 'energy')} per {show(m.word_bits, 'size')}"
    if brief:
        return f"{_show(m.read_pj, 'energy')} / {_show(m.write_pj, 'energy')} per {show(m.word_bits, 'size')}"
    return f"read {_show(m.read_pj, 'energy')}, write {_show(m.write_pj, 'energy')} per {show(m.word_bits, 'size')}"


def _roles(m: Memory) -> str:
    initials = {"input": "I", "weight": "W", "output": "O"}
    must, may = "".join(initials[r] for r in m.keeps), "".join(initials[r] for r in m.may_keep)
    return f"keeps {must or '-'}" + (f", may keep {may}" if may else "")


def _size(m: Memory) -> str:
    return "unbounded" if m.capacity_bits is None else show(m.capacity_bits, "size")


def _ports(m: Memory) -> str:
    return ", ".join(f"{p.name} {_show(p.bits_per_cycle, 'bandwidth')}" for p in m.ports)


def _memory_text(m: Memory) -> str:
    parts = [_size(m), _energies(m), _roles(m), _serves(m), _ports(m), "double buffered" if m.double_buffered else ""]
    return f"{m.name} [{m.technology}]: {'; '.join(p for p in parts if p)}"


def _serves(m: Memory) -> str:
    return f"one for all of {' × '.join(m.serves)}" if m.serves else ""


def _axes(f: FanOut) -> str:
    return " × ".join(f"{a.name} {a.size}" for a in f.axes)


def _fanout_text(f: FanOut) -> str:
    limits = [f"{a.name} reuses {', '.join(a.reuses)}" for a in f.axes if a.reuses]
    limits += [f"{a.name} unrolls {', '.join(a.dims)}" for a in f.axes if a.dims is not None]
    limits += [f"{a.name} unrolls {', '.join(a.kinds)}" for a in f.axes if a.kinds is not None]
    off = [name for name, on in (("multicast", f.multicast), ("reduction", f.reduction)) if not on]
    parts = [
        _axes(f),
        f"{_show(f.transfer_pj, 'energy')} per {show(f.transfer_bits, 'size')} moved" + ("" if f.hops == 1 else " a hop"),
        "" if f.hops == 1 else f"{f.hops:g} hops",
        "" if f.bits_per_cycle is None else f"{_show(f.bits_per_cycle, 'bandwidth')} at its root",
        *limits,
        *(f"no {n}" for n in off),
        f"neighbours pass on {', '.join(f.links)}" if f.links else "",
    ]
    return f"{f.name} ×{f.size:,}: {'; '.join(p for p in parts if p)}"


def _compute_text(c: Compute) -> str:
    rate = "" if c.macs_per_cycle == 1 else f"; {c.macs_per_cycle:g} per cycle"
    return f"{c.name}: {_show(c.mac_pj, 'energy')} per {c.number or f'{c.bits} b'} MAC{rate}"


def _beside(chip: Chip, group: Group) -> list[VectorUnit]:
    """The vector unit where it sits at a memory of the group."""
    return [chip.vector] if chip.vector is not None and chip.vector.at in [m.name for m in group.memories] else []


def _vector_text(v: VectorUnit) -> str:
    lanes = f"{v.lanes:g} operations a cycle" if v.lanes is not None else "rate unknown"
    priced = ", ".join(f"{k} {_show(pj, 'energy')}" for k, pj in v.energies)
    parts = [
        f"vector unit at {v.at}",
        f"{lanes} of {v.number or show(v.bits, 'size')}",
        priced or "energies unknown",
        f"does {', '.join(v.does)} only" if v.does != KINDS else "",
        f"drains {', '.join(v.drain)}" if v.drain else "",
        f"holds {show(v.holds_bits, 'size')}" if v.holds_bits else "",
    ]
    return f"{v.name}: {'; '.join(p for p in parts if p)}"


# The picture: one row a level; a fan-out opens a frame that holds everything inside it.
_WIDTH, _ROW, _GAP, _PAD, _HEAD = 640, 52, 14, 14, 26
_STYLE = ("font-family:system-ui,sans-serif;font-size:12px", "#1f2933", "#52606d")
_FILLS = {"dram": "#dbe7f5", "sram": "#d9efe4", "register_file": "#f6ecd2", "register": "#f6ecd2"}


def tree_svg(chip: Chip, width: int = _WIDTH) -> str:
    """The chip as an inline SVG: a box for each memory with capacity and energy, a frame for each fan-out, the MAC inside.

    `a / b pJ` is a read and a write. It needs no style sheet and no script; text is plain, so that it can be searched.
    """
    body: list[str] = []
    bottom = _draw(chip, 0, 1, 1 + _HEAD, width - 2, body)
    title = f"{chip.name}: {_headline(chip)}"
    height = f"{bottom + 2:g}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role'
        f'="img" aria-label="{escape(title)}" style="{_STYLE[0]};max-width:100%;height:auto">'
    )
    return "".join([head, f"<title>{escape(title)}</title>", _text(2, 16, title, bold=True), *body, "</svg>"])


def _draw(chip: Chip, i: int, x: float, y: float, width: float, body: list[str]) -> float:
    """Draws levels from i on into a column of this width; returns where it ends."""
    if i == len(chip.levels):
        return _box(x, y, width, chip.compute.name, _compute_text(chip.compute).split(": ", 1)[1], "", "#e9dcf2", body)
    level = chip.levels[i]
    if isinstance(level, Group):
        for j, m in enumerate(level.memories):
            share = (width - _GAP * (len(level.memories) - 1)) / len(level.memories)
            _box(
                x + j * (share + _GAP),
                y,
                share,
                f"{m.name} · {_size(m)}",
                _energies(m, brief=True),
                "; ".join(x for x in (_roles(m), _serves(m)) if x),
                _FILLS.get(m.technology, "#e4e7eb"),
                body,
            )
        y += _ROW + _GAP
        for v in _beside(chip, level):
            lanes, drain = _vector_text(v).split(": ", 1)[1], f"drains {', '.join(v.drain)}" if v.drain else ""
            body.append("<g>")
            y = _box(x + width / 2, y, width / 2, v.name, lanes, drain, "#f3dfe3", body) + _GAP
            body.append("</g>")
        return _draw(chip, i + 1, x, y, width, body)
    slot = len(body)
    bottom = _draw(chip, i + 1, x + _PAD, y + _HEAD, width - 2 * _PAD, body) + _PAD
    transfer = f"{_show(level.transfer_pj, 'energy')} per {show(level.transfer_bits, 'size')}"
    label = f"{level.name}: {_axes(level)} = {level.size:,} · {transfer}"
    body[slot:slot] = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{bottom - y:g}" rx="6" fill="none" stroke="#7b8794" '
        f'stroke-dasharray="5 3"/>',
        _text(x + 8, y + 17, label),
    ]
    return bottom


def _box(x: float, y: float, width: float, name: str, energy: str, keeps: str, fill: str, body: list[str]) -> float:
    body.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_ROW}" rx="5" fill="{fill}" stroke="#9aa5b1"/>')
    for line, text in enumerate((name, energy, keeps)):
        room = max(4, math.floor((width - 16) / (7.2 if line == 0 else 6.6)))  # characters, of about that many pixels each
        short = text if len(text) <= room else text[: room - 1] + "…"
        if text:
            body.append(_text(x + 8, y + 16 + 15 * line, short, bold=line == 0, full=text))
    return y + _ROW


def _text(x: float, y: float, text: str, bold: bool = False, full: str = "") -> str:
    weight = ' font-weight="600"' if bold else ""
    hover = f"<title>{escape(full)}</title>" if full and full != text else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{_STYLE[1] if bold else _STYLE[2]}"{weight}>{escape(text)}{hover}</text>'
