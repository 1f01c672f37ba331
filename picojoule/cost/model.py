"""What a mapping costs: traffic priced at every component, cycles by cause, area."""

from __future__ import annotations

import math
from collections.abc import Iterable

from picojoule.cost.cost import Contribution, Cost
from picojoule.cost.performance import peak_macs_per_cycle
from picojoule.cost.sparsity import Accesses, SparseTraffic, active, exploit, port_bits
from picojoule.cost.traffic import RULES, count
from picojoule.hardware.chip import Chip, FanOut, Memory, Port, tensor_word_pj, transfer_word_pj
from picojoule.mapping.mapping import Loop, Mapping
from picojoule.mapping.words import Flow, Traffic
from picojoule.workload.layer import Layer, Tensor

MILLIWATT_SECOND_PJ = 1e9  # 1 mW for 1 s is 1e-3 J = 1e9 pJ


def evaluate(layer: Layer, chip: Chip, mapping: Mapping, accounting: str = "default") -> Cost:
    """Energy by contribution (pJ), cycles by cause and area (um2) of one layer under one mapping.

    energy = words x pJ per word at each memory + words x transfer energy at each fan-out + MACs x pJ + leakage x latency
    cycles = the slowest of steps / MACs per cycle and, per memory port, bits / (bits per cycle x instances in use)
    """
    chip = chip.at(layer)
    chip.check_priced()
    traffic = count(layer, chip, mapping, accounting)
    used_by = None if RULES[accounting].idle_leaks else mapping
    if active(layer, chip):
        return _sparse(layer, chip, mapping, exploit(layer, chip, mapping, traffic, accounting), traffic.macs, used_by)
    cycles = _cycles(layer, chip, mapping, traffic)
    contributions = (
        *_memory_energy(layer, chip, traffic),
        *_transfer_energy(layer, chip, traffic),
        Contribution(chip.compute.name, "", "mac", traffic.macs, chip.compute.energy_pj(layer), chip.compute.source),
        *leakage(chip, max(c for _, c in cycles), used_by),
    )
    return Cost(
        contributions=contributions,
        cycles_by_cause=cycles,
        clock_hz=chip.clock_hz,
        macs=traffic.macs,
        done=traffic.macs,
        peak_macs_per_cycle=peak_macs_per_cycle(chip, layer),
        area_um2=_area_um2(chip),
    )


def _sparse(layer: Layer, chip: Chip, mapping: Mapping, s: SparseTraffic, macs: int, used_by: Mapping | None) -> Cost:
    """The same where zeros are exploited: accesses by what became of them, metadata and codecs apart."""
    cycles = [("compute", s.steps / chip.compute.per_cycle(layer))]
    for m in chip.memories:
        used = instances_in_use(chip, mapping, m)
        cycles += port_cycles(m, port_bits(layer, m, s.reads), port_bits(layer, m, s.writes), used)
    rows = [r for m in chip.memories for t in layer.tensors for r in _sparse_rows(layer, s, m, t)]
    for (name, tensor), a in s.crossings.items():
        fanout = next(f for f in chip.fanouts if f.name == name)
        pj, bits = transfer_word_pj(fanout, layer.tensor(tensor)), layer.tensor(tensor).bits
        rows += _accesses(name, tensor, "transfer", a, pj, pj / bits, fanout.source) if pj else []
    c = chip.compute
    rows.append(Contribution(c.name, "", "mac", s.macs.kept, c.energy_pj(layer), c.source))
    if s.macs.gated:
        rows.append(Contribution(c.name, "", "gated mac", s.macs.gated, c.gated_pj, c.source))
    if s.macs.skipped:
        rows.append(Contribution(c.name, "", "skipped mac", s.macs.skipped, 0.0, c.source))
    rows += leakage(chip, max(n for _, n in cycles), used_by)
    return Cost(
        contributions=tuple(rows),
        cycles_by_cause=tuple(cycles),
        clock_hz=chip.clock_hz,
        macs=macs,
        done=s.macs.kept + s.macs.gated,
        peak_macs_per_cycle=peak_macs_per_cycle(chip, layer),
        area_um2=_area_um2(chip),
        imbalance=s.imbalance,
    )


def _sparse_rows(layer: Layer, s: SparseTraffic, m: Memory, t: Tensor) -> list[Contribution]:
    out = []
    for action, table, pj_word in (("read", s.reads, m.read_pj), ("write", s.writes, m.write_pj)):
        if (a := table.get((m.name, t.name))) is not None:
            out += _accesses(m.name, t.name, action, a, tensor_word_pj(m, t, action), (pj_word or 0.0) / m.word_bits, m.source)
    if (m.name, t.name) in s.codecs:
        elements, pj = s.codecs[m.name, t.name]
        out.append(Contribution(m.name, t.name, "codec", elements, pj, m.source))
    return out


def _accesses(name: str, tensor: str, action: str, a: Accesses, pj: float, pj_bit: float, source: str) -> list[Contribution]:
    """Rows of one kind of access: words that took place, those left out, and bits of metadata."""
    out = [Contribution(name, tensor, action, a.kept, pj, source)]
    left_out = (("gated", a.gated, 0.0), ("skipped", a.skipped, 0.0), ("metadata", a.metadata_bits, pj_bit))
    return [*out, *(Contribution(name, tensor, f"{what} {action}", n, each, source) for what, n, each in left_out if n)]


def _memory_energy(layer: Layer, chip: Chip, traffic: Traffic) -> list[Contribution]:
    out = []
    for action, moved in (("read", traffic.reads()), ("write", traffic.writes())):
        for (name, tensor), n in moved.items():
            memory = chip.memory(name)
            out.append(Contribution(name, tensor, action, n, tensor_word_pj(memory, layer.tensor(tensor), action), memory.source))
    order = [m.name for m in chip.memories]
    return sorted(out, key=lambda c: order.index(c.component))


def _transfer_energy(layer: Layer, chip: Chip, traffic: Traffic) -> list[Contribution]:
    out = []
    for (name, tensor), n in traffic.crossings().items():
        fanout = next(f for f in chip.fanouts if f.name == name)
        pj = transfer_word_pj(fanout, layer.tensor(tensor))
        if pj:
            out.append(Contribution(name, tensor, "transfer", n, pj, fanout.source))
    return out


def leakage(chip: Chip, cycles: float, used_by: Mapping | None = None) -> list[Contribution]:
    """Leakage of every instance, used or not, and static power, over the latency: the count is in instance-cycles.

    `used_by`: only of the memories that the mapping uses, and not of MACs, as some tools count (`Rules.idle_leaks`).
    """
    parts = [
        (m.name, m.leakage_mw, chip.instances(m) if used_by is None else instances_in_use(chip, used_by, m), m.source)
        for m in chip.memories
    ]
    parts.append((chip.name, chip.static_mw, 1, chip.source))
    if used_by is None:
        parts.append((chip.compute.name, chip.compute.leakage_mw, chip.pes, chip.compute.source))
    return [
        Contribution(name, "", "leak", n * cycles, mw * MILLIWATT_SECOND_PJ / chip.clock_hz, source)
        for name, mw, n, source in parts
        if mw
    ]


def instances_in_use(chip: Chip, mapping: Mapping, memory: Memory) -> int:
    """How many instances of a memory the mapping uses: the product of what the fan-outs above unroll, along axes passed."""
    above = chip.passed(chip.outermost[0], memory)
    return math.prod(e.bound for e in mapping.entries if isinstance(e, Loop) and any(e.along(f) for f in above))


def _cycles(layer: Layer, chip: Chip, mapping: Mapping, traffic: Traffic) -> tuple[tuple[str, float], ...]:
    out = [("compute", traffic.steps / chip.compute.per_cycle(layer))]
    reads, writes = _bits(layer, traffic.reads()), _bits(layer, traffic.writes())
    for m in chip.memories:
        out += port_cycles(m, reads.get(m.name, 0), writes.get(m.name, 0), instances_in_use(chip, mapping, m))
    return (*out, *network_cycles(layer, chip, mapping, traffic.flows))


def network_cycles(layer: Layer, chip: Chip, mapping: Mapping, flows: Iterable[Flow]) -> list[tuple[str, float]]:
    """Cycles that the root of each fan-out's network needs, where it has a bandwidth: bits over all its instances in use."""
    out, flows = [], tuple(flows)
    for f in (f for f in chip.fanouts if f.bits_per_cycle is not None):
        bits = sum(root_words(chip, f, x) * layer.tensor(x.tensor).bits for x in flows)
        level = chip.level_of(f.name)
        used = math.prod(e.bound for e in mapping.entries if isinstance(e, Loop) and e.fanout and chip.level_of(e.fanout) < level)
        out.append((f"{f.name}.network", bits / ((f.bits_per_cycle or math.inf) * used)))
    return out


def root_words(chip: Chip, fanout: FanOut, flow: Flow) -> int:
    """Words of a flow that pass the root of a fan-out's network: those on its outer side. Words of a memory that serves axes of
    the fan-out begin inside of it."""
    inner, level = dict(flow.crossings), chip.level_of(fanout.name)
    if fanout.name not in inner or chip.level_of(flow.outer) > level:
        return 0
    further_out = [f.name for f in chip.fanouts if f.name in inner and chip.level_of(f.name) < level]
    return inner[further_out[-1]] if further_out else flow.outer_words


def port_cycles(memory: Memory, read_bits: float, write_bits: float, used: int) -> list[tuple[str, float]]:
    """Cycles that each kind of port alone needs. Ports of one kind share the load; a shared port serves the rest."""
    out = []
    for serves in ("read", "write", "readwrite"):
        ports = [p for p in memory.ports if p.serves == serves]
        if ports:
            bits = read_bits * _serves(memory.ports, serves, "read") + write_bits * _serves(memory.ports, serves, "write")
            name = "+".join(p.name for p in ports)
            out.append((f"{memory.name}.{name}", bits / (sum(p.bits_per_cycle for p in ports) * used)))
    return out


def _serves(ports: tuple[Port, ...], serves: str, action: str) -> bool:
    """Whether ports of kind `serves` carry the action: its own ports do where there are any, else the shared ones."""
    own = any(p.serves == action for p in ports)
    return serves == (action if own else "readwrite")


def _bits(layer: Layer, moved: dict[tuple[str, str], int]) -> dict[str, float]:
    out: dict[str, float] = {}
    for (memory, tensor), n in moved.items():
        out[memory] = out.get(memory, 0) + n * layer.tensor(tensor).bits
    return out


def _area_um2(chip: Chip) -> float | None:
    """Area of all memories and MACs in um2; None if any is unknown. DRAM is off chip and counts where it declares one."""
    parts = [(m.area_um2, chip.instances(m)) for m in chip.memories if m.technology != "dram" or m.area_um2 is not None]
    parts.append((chip.compute.area_um2, chip.pes))
    known = [a * n for a, n in parts if a is not None]
    return sum(known) if len(known) == len(parts) else None
