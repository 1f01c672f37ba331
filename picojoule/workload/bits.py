"""Other widths of the elements: the same network with 8-bit weights, or in MXFP4."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from picojoule.ask import ROLES
from picojoule.formats.names import number_format
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, NetworkTensor, Persistence

UNSAID = 16  # bits that readers give where a model says nothing
Width = int | str  # bits of an element, or the name of a number format
Widths = Width | Mapping[str, Width]


@dataclass(frozen=True)
class WithBits:
    """One width for everything, or by role: {"weight": 4, "input": 8}; "input" is that of activations between layers."""

    bits: Widths

    def __call__(self, network: Network, /) -> Network:
        """The same network with these widths, where they say something."""
        changed = network.with_layers(self._layer)
        between = self._between
        if between is not None:
            changed = changed.with_others(lambda op: op.of(between))
        return replace(changed, tensors=tuple(self._tensor(changed, t) for t in changed.tensors), stated=True)

    @property
    def _roles(self) -> Mapping[str, Width]:
        return self.bits if isinstance(self.bits, Mapping) else dict.fromkeys(ROLES, self.bits)

    @property
    def _between(self) -> float | None:
        """Bits of an activation between layers."""
        named = self._roles.get("input", self._roles.get("output"))
        return number_format(named).bits if isinstance(named, str) else named

    def _layer(self, layer: Layer) -> Layer:
        """A second operand that is no trained weight, as in attention, is an activation and has the width of inputs."""
        roles, trained = self._roles, any(t.learned for t in layer.tensors)
        second = roles.get("weight") if trained else roles.get("input", roles.get("weight"))
        widths = {"weight": second, "input": roles.get("input"), "output": roles.get("output")}
        return layer.bits_of(**{role: n for role, n in widths.items() if n is not None})

    def _tensor(self, network: Network, tensor: NetworkTensor) -> NetworkTensor:
        """An activation has the width between layers; a parameter that of the operand that it is."""
        bits = self._between
        if tensor.persistence is Persistence.PARAMETER:
            users = ((s.layer, a) for s in network.readers(tensor.name) for a in s.accesses if a.tensor == tensor.name)
            bits = next((op.tensor(a.operand).bits for op, a in users), None)
        return tensor if bits is None else replace(tensor, bits=bits)


@dataclass(frozen=True)
class AtOwnWidth:
    """Every tensor as wide as the units of a machine, where the model states no widths; a network that states them stays."""

    bits: int

    def __call__(self, network: Network, /) -> Network:
        """The network at this width; it still states none itself."""
        return network if network.stated else replace(WithBits(self.bits)(network), stated=False)


def states_widths(network: Network) -> bool:
    """Whether a file or text says how wide its tensors are: a number format, or a width that is not the readers' 16 b."""
    operands = [t for s in network.steps for t in s.layer.tensors]
    return any(t.number or t.bits != UNSAID for t in (*operands,)) or any(t.bits != UNSAID for t in network.tensors)


def widest(network: Network) -> int:
    """Bits of the widest operand of a MAC, whole."""
    return max((math.ceil(t.bits) for s in network.layers for t in s.layer.tensors if t.role != "output"), default=UNSAID)
