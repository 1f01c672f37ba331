"""Energy and cycles of very many mappings of one problem: the product's own counts, remembered tensor by tensor.

What a tensor moves depends on the loops and on its own nodes alone, so that mappings which differ in another tensor's
nodes share it. `test_oracle.py` checks that the sum is the cost model's.
"""

from __future__ import annotations

import math

from picojoule.cost.model import MILLIWATT_SECOND_PJ, instances_in_use, port_cycles, root_words, transfer_word_pj
from picojoule.cost.traffic import RULES, operand_flows, output_flows, places
from picojoule.hardware.chip import Chip, tensor_word_pj
from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.mapping.words import Traffic
from picojoule.workload.layer import Layer, Tensor

Share = tuple[float, tuple[tuple[str, float, float], ...]]  # pJ; per memory the bits read and written


class Pricer:
    """Energy (pJ) and cycles of the mappings of one layer on one chip."""

    def __init__(self, layer: Layer, chip: Chip, accounting: str = "default") -> None:
        self.layer, self.chip, self.rules = layer, chip, RULES[accounting]
        self.known: dict[tuple[str, tuple[Loop | Node, ...]], Share] = {}
        self.mac_pj = layer.macs * chip.compute.energy_pj(layer)
        leaking = [(m.leakage_mw, chip.instances(m)) for m in chip.memories] + [(chip.compute.leakage_mw, chip.pes)]
        self.leak = sum(mw * n for mw, n in leaking if mw) * MILLIWATT_SECOND_PJ / chip.clock_hz
        self.networks = [f for f in chip.fanouts if f.bits_per_cycle is not None]
        self.ports = [m for m in chip.memories if m.ports]

    def __call__(self, mapping: Mapping) -> tuple[float, float]:
        energy = self.mac_pj
        reads: dict[str, float] = {}
        writes: dict[str, float] = {}
        for t in self.layer.tensors:
            key = t.name, tuple(e for e in mapping.entries if isinstance(e, Loop) or e.tensor == t.name)
            if key not in self.known:
                self.known[key] = self._share(t, Mapping(key[1], mapping.homes))
            pj, bits = self.known[key]
            energy += pj
            for name, read, written in bits:
                reads[name] = reads.get(name, 0.0) + read
                writes[name] = writes.get(name, 0.0) + written
        steps = math.prod(e.bound for e in mapping.entries if isinstance(e, Loop) and e.fanout is None)
        cycles = steps / self.chip.compute.macs_per_cycle
        for m in self.ports:
            used = instances_in_use(self.chip, mapping, m)
            for _, c in port_cycles(m, reads.get(m.name, 0), writes.get(m.name, 0), used):  # type: ignore[arg-type]
                cycles = max(cycles, c)
        for f in self.networks:
            level = self.chip.level_of(f.name)
            outside = [x for x in mapping.entries if isinstance(x, Loop) and x.fanout and self.chip.level_of(x.fanout) < level]
            used = math.prod(x.bound for x in outside)
            cycles = max(cycles, reads.get(f.name, 0) / (f.bits_per_cycle or math.inf) / used)
        return energy + self.leak * cycles, cycles

    def _share(self, t: Tensor, mapping: Mapping) -> Share:
        line = places(self.layer, self.chip, mapping, t)
        flows = (output_flows if t.role == "output" else operand_flows)(self.chip, line, self.rules)
        traffic = Traffic(tuple(flows), 0, 0)
        energy, bits = 0.0, []
        reads, writes = traffic.reads(), traffic.writes()
        for m in self.chip.memories:
            read, written = reads.get((m.name, t.name), 0), writes.get((m.name, t.name), 0)
            energy += read * tensor_word_pj(m, t, "read") + written * tensor_word_pj(m, t, "write")
            bits.append((m.name, float(read * t.bits), float(written * t.bits)))
        for f in self.networks:
            bits.append((f.name, float(sum(root_words(self.chip, f, x) for x in flows) * t.bits), 0.0))
        for f in self.chip.fanouts:
            energy += traffic.crossings().get((f.name, t.name), 0) * transfer_word_pj(f, t)
        return energy, tuple(bits)
