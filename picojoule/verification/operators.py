"""Checks the operators without MACs of a stored result: priced again from what each asks for, by the rules as they are stated.

Nothing of `cost/vector.py` is used. What the result does not hold cannot be checked: that the work is that of the network, and
that an operator done as results leave stands directly behind its layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from picojoule.hardware.chip import Chip, FanOut, Memory
from picojoule.verification.book import close
from picojoule.workload.primitives import operations

Say = Callable[[str, bool, str], bool]
HOWS = ("step", "drain", "in place", "folded", "move", "view")
_WHOLE = ("ops", "operand", "parameters", "result", "passes", "row")


def check_operators(result: dict[str, Any], chip: Chip, say: Say) -> tuple[float, float]:
    """(pJ, cycles) of all operators that the totals count; `say` gets a check for each, and one for what is counted."""
    totals, rows = result.get("totals"), result.get("vector_ops")
    counted = totals.get("operators", "macs") if isinstance(totals, dict) else "macs"
    if counted == "macs":
        return 0.0, 0.0
    if counted != "all" or not isinstance(rows, list):
        say("totals: operators", False, f"{counted!r}, and vector_ops is no list" if counted == "all" else f"{counted!r}")
        return 0.0, 0.0
    energy = cycles = 0.0
    least = False
    for row in rows:
        name = str(row.get("name")) if isinstance(row, dict) else repr(row)
        found = _operator(row, chip)
        if isinstance(found, str):
            say(f"operator {name}", False, found)
            continue
        pj, time, unknown = found
        say(f"operator {name}", *_differences(row, pj, time, unknown, chip))
        energy, cycles, least = energy + row["count"] * pj, cycles + row["count"] * time, least or unknown
    assert isinstance(totals, dict)
    stored = [totals.get(k) for k in ("operators_energy_pj", "operators_cycles", "at_least")]
    same = _close(stored[0], energy) and _close(stored[1], cycles) and stored[2] is least
    detail = f"{energy:.12g} pJ, {cycles:.12g} cycles{', at least' if least else ''}"
    say("totals: operators", same, detail if same else f"stored {stored}, found {detail}")
    about = result.get("certificate")
    claimed = about.get("operators") if isinstance(about, dict) else None
    if rows and isinstance(about, dict) and "objective" in about:
        kept = claimed if isinstance(claimed, dict) else {}
        same = _close(kept.get("energy_pj"), energy) and _close(kept.get("cycles"), cycles)
        say("certificate: operators", same, detail if same else f"stored {claimed}, found {detail}")
    return energy, cycles


def _close(stored: Any, found: float) -> bool:
    return isinstance(stored, int | float) and not isinstance(stored, bool) and close(float(stored), found)


def _operator(row: Any, chip: Chip) -> tuple[float, float, bool] | str:
    """(pJ, cycles, whether something is unknown) of one occurrence; or what is wrong with the row."""
    work = row.get("work") if isinstance(row, dict) else None
    if not isinstance(work, dict) or any(not _count(work.get(k)) for k in _WHOLE) or not _positive(work.get("bits")):
        return "its work is no block of counts and bits"
    if not isinstance(row.get("op"), str) or row["op"] != work.get("op") or not isinstance(work.get("known"), bool):
        return "its kind is not that of its work"
    if row.get("how") not in HOWS or not _count(row.get("count")) or not row["count"]:
        return f"done in an unknown way: {row.get('how')!r}, {row.get('count')!r} times"
    how = row["how"]
    if how == "folded" and row["op"] != "BatchNormalization":
        return "only a batch norm folds into a layer"
    if how == "drain" and not _drained(work["operand"]) & set(chip.vector.drain if chip.vector else ()):
        return "the chip does not apply it as results leave"
    return priced_again(work, how, chip)


def _drained(second_operand: int) -> set[str]:
    """What an operator of the drain path may be: with a second operand an addition, else a function of the results alone."""
    return {"residual"} if second_operand else {"activation", "scale"}


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def priced_again(work: dict[str, Any], how: str, chip: Chip) -> tuple[float, float, bool]:
    if how in ("folded", "view"):
        return 0.0, 0.0, False
    bits, unit = work["bits"], chip.vector
    kinds = operations(work["op"], work["ops"], work["result"]) if work["known"] else None
    pj = lanes = 0.0
    unknown = kinds is None or (bool(kinds) and (unit is None or unit.lanes is None))
    for kind, n in (kinds or {}).items():
        if unit is None:
            break
        each = unit.energy_pj(kind, bits)
        unknown = unknown or each is None
        pj += n * (each or 0.0)
        if unit.lanes is not None and kind in unit.does:
            lanes += n * unit.lane_cycles(kind, bits) / unit.lanes
    cycles = [lanes]
    for m in chip.memories:
        reads, writes = _words(work, how, chip, m)
        share = m.accesses_per_word(bits)
        pj += share * (reads * (m.read_pj or 0.0) + writes * (m.write_pj or 0.0))
        cycles += _port_times(m, reads * bits, writes * bits)
    return pj + _leak(chip) * max(cycles), max(cycles), unknown


def _words(work: dict[str, Any], how: str, chip: Chip, memory: Memory) -> tuple[int, int]:
    """(read, written) at one memory: as the unit's own, as the outermost, or as one that words cannot bypass on the way."""
    operand, parameters, unit = work["operand"], work["parameters"], chip.vector
    result = work["result"] if how in ("step", "move") else 0
    outside = {r: memory == chip.home(r) for r in ("input", "weight", "output")}
    at = chip.home("input").name if unit is None or how == "move" else unit.at
    holds = unit is not None and how != "move" and work["row"] * work["bits"] <= unit.holds_bits
    alone = unit is None or how == "move"
    again = 1 if alone or holds else work["passes"]
    room = chip.memory(at).usable_bits()
    arriving = operand * (1 if room is None or work["row"] * work["bits"] <= room else again)
    if chip.level_of(at) == 0:
        read = again * operand * outside["input"] + parameters * outside["weight"]
        return read, result * outside["output"]
    if memory.name == at:
        return again * operand + parameters + result, arriving + parameters + result
    if memory in chip.outermost:
        return arriving * outside["input"] + parameters * outside["weight"], result * outside["output"]
    passed = _cannot_bypass(chip, at)
    inward = arriving + parameters if (memory.name, "input") in passed else 0
    outward = result if (memory.name, "output") in passed else 0
    return inward + outward, inward + outward


def _cannot_bypass(chip: Chip, at: str) -> set[tuple[str, str]]:
    """(memory, role) that has to be kept there, between the outermost memory and the unit's."""
    out: set[tuple[str, str]] = set()
    for level in chip.levels[1:]:
        if isinstance(level, FanOut) or any(m.name == at for m in level.memories):
            break
        out |= {(m.name, r) for m in level.memories for r in ("input", "output") if r in m.keeps}
    return out


def _port_times(m: Memory, read: float, written: float) -> list[float]:
    """Cycles of each kind of port: reads and writes have their own where there are any, else they share."""
    rate = {s: sum(p.bits_per_cycle for p in m.ports if p.serves == s) for s in ("read", "write", "readwrite")}
    shared = (0.0 if rate["read"] else read) + (0.0 if rate["write"] else written)
    loads = {"read": read, "write": written, "readwrite": shared}
    return [loads[s] / r for s, r in rate.items() if r]


def _leak(chip: Chip) -> float:
    """pJ a cycle of everything that leaks."""
    parts = [((chip.static_mw or 0.0), 1), ((chip.compute.leakage_mw or 0.0), chip.pes)]
    parts += [((m.leakage_mw or 0.0), chip.instances(m)) for m in chip.memories]
    return sum(mw * n for mw, n in parts) * 1e9 / chip.clock_hz


def _differences(row: dict[str, Any], pj: float, cycles: float, unknown: bool, chip: Chip) -> tuple[bool, str]:
    """Whether the row says what was found, and what differs if not."""
    wrong = [
        f"{key}: stored {row.get(key)!r}, found {value:.12g}"
        for key, value in (("energy_pj", pj), ("cycles", cycles), ("latency_s", cycles / chip.clock_hz))
        if not _close(row.get(key), value)
    ]
    for key in ("contributions", "energy_pj_by_level"):
        part = row.get(key)
        values = [c.get("energy_pj") if isinstance(c, dict) else None for c in part] if isinstance(part, list) else None
        values = list(part.values()) if isinstance(part, dict) else values
        numbers = [v for v in values or () if isinstance(v, int | float)]
        if values is None or len(numbers) != len(values) or not _close(math.fsum(numbers), pj):
            wrong.append(f"{key} do not add up")
    if bool(row.get("at_least")) is not unknown:
        wrong.append(f"at_least: stored {row.get('at_least')!r}, {'something is' if unknown else 'nothing is'} unknown")
    names = row.get("names")
    if not isinstance(names, list) or not 1 <= len(names) <= row["count"]:
        wrong.append("names: one for each place, and no more than the count")
    return not wrong, "; ".join(wrong) or "priced again"
