"""The price of a mapping from the words that it moves: energy by part and cycles by cause.

Written apart from `cost/model.py`; only where a tensor has zeros are the expectations of that model evaluated again.
"""

from __future__ import annotations

import math

from picojoule.cost.model import evaluate as price
from picojoule.cost.sparsity import active
from picojoule.hardware.chip import Chip, FanOut, Group, tensor_word_pj, transfer_word_pj
from picojoule.mapping.mapping import Loop, Mapping
from picojoule.mapping.words import Traffic
from picojoule.workload.layer import Layer


def worth_of(objective: str, energy: float, cycles: float) -> float:
    """The number that an objective minimises."""
    return {"energy": energy, "latency": cycles}.get(objective, energy * cycles)


def done_macs(layer: Layer, chip: Chip, mapping: Mapping, accounting: str) -> float:
    """MACs that take a unit's time: all but those that zeros let it skip."""
    if not active(layer, chip):
        return layer.macs
    rows = price(layer, chip, mapping, accounting).contributions
    return math.fsum(c.count for c in rows if c.component == chip.compute.name and c.action in ("mac", "gated mac"))


def costs(
    layer: Layer, chip: Chip, mapping: Mapping, traffic: Traffic, accounting: str = "default"
) -> tuple[dict[tuple[str, str, str], float], dict[str, float]]:
    """pJ by (component, tensor, action), and cycles by cause, from the words moved."""
    if active(layer, chip):  # zeros: the expectations of the cost model, evaluated again
        again = price(layer, chip, mapping, accounting)
        return {(c.component, c.tensor, c.action): c.energy_pj for c in again.contributions}, dict(again.cycles_by_cause)
    pj: dict[tuple[str, str, str], float] = {}
    bits: dict[tuple[str, str], float] = {}
    for action, table in (("read", traffic.reads()), ("write", traffic.writes())):
        for (name, tensor), n in table.items():
            t = layer.tensor(tensor)
            pj[name, tensor, action] = n * tensor_word_pj(chip.memory(name), t, action)
            bits[name, action] = bits.get((name, action), 0.0) + n * t.bits
    for (name, tensor), n in traffic.crossings().items():
        f = next(f for f in chip.fanouts if f.name == name)
        pj[name, tensor, "transfer"] = n * transfer_word_pj(f, layer.tensor(tensor))
    pj[chip.compute.name, "", "mac"] = layer.macs * chip.compute.energy_pj(layer)
    causes = {"compute": traffic.steps / chip.compute.per_cycle(layer)}
    used, exist = 1, 1
    leaks: list[tuple[str, float | None, int]] = []
    unrolled: dict[str, int] = {}  # along each axis of the last fan-out
    sizes: dict[str, int] = {}
    for level in chip.levels:
        if isinstance(level, FanOut):
            sizes = {a.name: a.size for a in level.axes}
            loops = [e for e in mapping.entries if isinstance(e, Loop) and e.fanout == level.name]
            unrolled = {a: math.prod(e.bound for e in loops if e.axis == a) for a in sizes}
            if level.bits_per_cycle is not None:
                load = sum(n * layer.tensor(t).bits for t, n in _through(chip, level, traffic))
                causes[f"{level.name}.network"] = load / level.bits_per_cycle / used
            used, exist = used * math.prod(unrolled.values()), exist * level.size
        elif isinstance(level, Group):
            for m in level.memories:
                leaks.append((m.name, m.leakage_mw, exist // math.prod(sizes[a] for a in m.serves)))
                own_places = used // math.prod(unrolled[a] for a in m.serves)
                for kind in dict.fromkeys(p.serves for p in m.ports):
                    ports = [p for p in m.ports if p.serves == kind]
                    load = 0.0
                    for action in ("read", "write"):
                        own = any(p.serves == action for p in m.ports)
                        load += bits.get((m.name, action), 0.0) if kind == (action if own else "readwrite") else 0.0
                    causes[f"{m.name}.{'+'.join(p.name for p in ports)}"] = (
                        load / sum(p.bits_per_cycle for p in ports) / own_places
                    )
    leaks += [(chip.name, chip.static_mw, 1), (chip.compute.name, chip.compute.leakage_mw, exist)]
    for name, mw, n in leaks:
        if mw:
            pj[name, "", "leak"] = mw * 1e9 / chip.clock_hz * n * max(causes.values())
    return pj, causes


def _through(chip: Chip, fanout: FanOut, traffic: Traffic) -> list[tuple[str, int]]:
    """(tensor, words) of each flow that passes the root of a fan-out's network, merged by it and all further in."""
    order = [f.name for f in chip.fanouts]
    out = []
    for x in traffic.flows:
        words = sorted(x.crossings, key=lambda c: order.index(c[0]))
        names = [name for name, _ in words]
        if fanout.name in names and fanout.name not in [f.name for f in chip.shared_by(chip.memory(x.outer))]:
            at = names.index(fanout.name)
            out.append((x.tensor, x.outer_words if at == 0 else words[at - 1][1]))
    return out
