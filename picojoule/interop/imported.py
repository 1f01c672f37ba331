"""What an import gives: chips, networks and mappings of ours, and what became of every field."""

from __future__ import annotations

from dataclasses import dataclass, field

from picojoule.hardware.chip import Chip
from picojoule.interop.names import refuse_huge
from picojoule.interop.report import Report
from picojoule.interop.timeloop.stats import Stats
from picojoule.machines.systolic.systolic import Array
from picojoule.mapping.mapping import Mapping
from picojoule.workload.access import Access
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step
from picojoule.workload.op import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A mapping with the layer and the chip it is for."""

    layer: Layer
    chip: Chip
    mapping: Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Systolic:
    """A systolic array with its dataflow, as a SCALE-Sim configuration states it."""

    name: str
    array: Array
    dataflow: str


@dataclass(slots=True, kw_only=True)
class Imported:
    """What the files of one import hold, as ours, and the report of every field."""

    chips: list[Chip] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    mappings: list[Placed] = field(default_factory=list)
    arrays: list[Systolic] = field(default_factory=list)
    as_the_tool: list[Layer] = field(default_factory=list)  # SCALE-Sim's layers with its own rounding of outputs
    stats: list[Stats] = field(default_factory=list)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)  # file -> (tool, kinds)
    nothing: list[tuple[str, str, str]] = field(default_factory=list)  # (kind, where, why): known, and nothing in it for us
    waiting: list[str] = field(default_factory=list)  # read, but of use only beside another file: prices, a lone mapping
    report: Report = field(default_factory=Report)

    @property
    def layers(self) -> list[Layer]:
        return [s.layer for n in self.networks for s in n.layers]


def network_of(name: str, layers: list[Layer], source: str) -> Network:
    """A network of layers whose connections the file does not tell: each stands alone, with tensors of its own."""
    steps: list[Step[Op]] = []
    tensors: list[NetworkTensor] = []
    taken: set[str] = set()
    for layer in layers:
        refuse_huge(layer)
        own = _free(layer.name, taken)
        steps.append(Step(layer, tuple(Access(operand=t.name, tensor=f"{own}.{t.name}") for t in layer.tensors)))
        for t in layer.tensors:
            kept = Persistence.OUTPUT if t.role == "output" else Persistence.PARAMETER if t.learned else Persistence.INPUT
            tensors.append(NetworkTensor(name=f"{own}.{t.name}", shape=layer.shape(t), bits=t.bits, persistence=kept))
    return Network(name, tuple(steps), tuple(tensors), source=source)


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free
