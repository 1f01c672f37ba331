"""A network: a graph of operators and the tensors between them, in an order in which they can run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar, cast

from picojoule.errors import SpecError, unknown_name
from picojoule.workload.access import Access
from picojoule.workload.layer import Layer
from picojoule.workload.op import Op

AnyOp = TypeVar("AnyOp", bound=Op)
SomeOp = TypeVar("SomeOp", bound=Op, covariant=True)  # a step of a layer is a step of an operator


class Persistence(StrEnum):
    """How long a tensor stays, beyond the steps that use it."""

    INPUT = "input"  # there before the first step
    OUTPUT = "output"  # outlives the run
    PARAMETER = "parameter"  # trained: there before the first step, the same in every run
    CACHE = "cache"  # keys and values of former tokens, there before the run, and of new ones, which outlive it
    ACTIVATION = "activation"  # from the step that makes it to the last that reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTensor:
    """A tensor of the network: what the operands of its operators are, or parts of it. `bits` per element, as stored."""

    name: str
    shape: tuple[int, ...]
    bits: float = 16
    persistence: Persistence = Persistence.ACTIVATION

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


class Lifetime(NamedTuple):
    """Places in the order of steps: the first and last step at which a tensor lies in memory.

    -1: it is there before the first step; the number of steps: it is there after the last.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Step(Generic[SomeOp]):
    """One operator at its place in a network; `accesses` say which tensor of the network each of its tensors is.

    `count` equal repetitions are one step: its operator describes one of them, and the tensors of the network hold what all of
    them read and write (`Access.repeats`). Blocks that only look alike are steps of their own.
    """

    layer: SomeOp
    accesses: tuple[Access, ...] = ()  # none: the step stands alone, and nothing is said of its tensors
    count: int = 1
    shares_weights: bool = False  # the repetitions use one set of weights (a recurrent cell over time)
    reuses: str = ""  # the step whose trained weights this one uses again: they count there

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the activations that it reads (not parameters), in the order of its operands."""
        read = {t.name for t in self.layer.operands if not t.learned}
        return tuple(dict.fromkeys(a.tensor for a in self.accesses if a.operand in read))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the activations that it writes; none where it works on its operand in passing."""
        written = {t.name for t in self.layer.results}
        return tuple(dict.fromkeys(a.tensor for a in self.accesses if a.operand in written))

    def named(self) -> tuple[Access, ...]:
        """Its accesses by name alone: what is kept of them where the shapes of the network are no longer known."""
        return tuple(replace(a, layout=None, at=()) for a in self.accesses)

    def accesses_of(self, operand: str) -> tuple[Access, ...]:
        """The accesses that make up one tensor of the operator."""
        return tuple(a for a in self.accesses if a.operand == operand)


def step_of(layer: AnyOp, inputs: Sequence[str] = (), outputs: Sequence[str] = (), **more: Any) -> Step[AnyOp]:
    """A step by the names of what it reads and writes, one for each operand that is not trained and each result, in order."""
    read = [t.name for t in layer.operands if not t.learned]
    pairs = [*_paired(read, inputs), *_paired([t.name for t in layer.results], outputs)]
    return Step(layer, tuple(Access(operand=t, tensor=name) for t, name in pairs), **more)


def _paired(tensors: list[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Names for tensors in order; those that are left over are parts of the last one."""
    if names and not tensors:
        raise SpecError(f"the operator has no tensor for {', '.join(names)}", hint="give it an operand or a result for each")
    return [(tensors[min(i, len(tensors) - 1)], name) for i, name in enumerate(names)]


@dataclass(frozen=True)
class Network:
    """Steps in execution order, and the tensors that they access. A tensor is made before it is read.

    `stated`: whether the widths of its tensors were chosen, by the model or by whoever asks; where they were not, as in a float
    model, a machine runs it at a width of its own (`bits.AtOwnWidth`). `batch`: inferences that one run of it makes.
    """

    name: str
    steps: tuple[Step[Op], ...]
    tensors: tuple[NetworkTensor, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    stated: bool = True
    batch: int = 1

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(t.name for t in self.tensors).items() if n > 1]
        if twice:
            raise SpecError(f"network {self.name!r} names a tensor twice: {', '.join(twice)}", hint="give each a name of its own")
        known = {t.name for t in self.tensors}
        for step in self.steps if known else ():
            operands = {t.name for t in step.layer.tensors}
            for a in step.accesses:
                if a.tensor not in known:
                    raise unknown_name("tensor", a.tensor, known, where=step.layer.name)
                if a.operand not in operands:
                    raise unknown_name("operand", a.operand, operands, where=step.layer.name)
        for name in known & self._made.keys():
            first = self._places[name][0]
            if first not in self._made[name]:
                problem = f"network {self.name!r}: {self.steps[first].layer.name} reads {name} before it is made"
                raise SpecError(problem, hint="put the steps in an order in which they can run")

    # -- its operators ------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Step[Layer], ...]:
        """The steps whose operator is a MAC layer."""
        return tuple(found for s in self.steps if (found := mac_step(s)) is not None)

    @property
    def vector_ops(self) -> tuple[Step[Op], ...]:
        """The steps that are not MAC layers."""
        return tuple(s for s in self.steps if mac_step(s) is None)

    @property
    def macs(self) -> int:
        return sum(s.count * s.layer.macs for s in self.layers)

    @property
    def weights(self) -> int:
        """Multiplied weights, without biases and normalisation; the second operand of attention is no weight."""
        return sum(
            (1 if s.shares_weights else s.count) * sum(s.layer.elements(t) for t in s.layer.tensors if t.learned)
            for s in self.layers
            if not s.reuses
        )

    # -- its tensors --------------------------------------------------------------------------------------------------

    @property
    def activations(self) -> tuple[NetworkTensor, ...]:
        """The tensors that are no parameters."""
        return tuple(t for t in self.tensors if t.persistence is not Persistence.PARAMETER)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors that outlive the run: results, and a cache."""
        return tuple(t.name for t in self.tensors if t.persistence in (Persistence.OUTPUT, Persistence.CACHE))

    def tensor(self, name: str) -> NetworkTensor:
        """The tensor of this name."""
        if name not in self._by_name:
            raise unknown_name("tensor", name, self._by_name)
        return self._by_name[name]

    def producers(self, name: str) -> tuple[Step[Op], ...]:
        """The steps that write the tensor, in order. Several where each makes a part: phases of a transposed convolution."""
        return tuple(self.steps[i] for i in self._made.get(name, ()))

    def producer(self, name: str) -> Step[Op] | None:
        """The step that writes the tensor (the first, where several make parts); None where it is there before the first step."""
        return next(iter(self.producers(name)), None)

    def readers(self, name: str) -> tuple[Step[Op], ...]:
        """The steps that read the tensor, in order, those included that work on it in passing."""
        return tuple(self.steps[i] for i in self._read.get(name, ()))

    def lifetime(self, name: str) -> Lifetime | None:
        """When the tensor lies in memory; None for one that nothing uses and nothing keeps."""
        places, persistence, end = self._places.get(name, ()), self.tensor(name).persistence, len(self.steps)
        stays = persistence in (Persistence.OUTPUT, Persistence.CACHE, Persistence.PARAMETER)
        if not places:
            return Lifetime(-1, end) if stays else None
        return Lifetime(places[0] if name in self._made else -1, end if stays else places[-1])

    def density(self, name: str) -> float:
        """The fraction of non-zeros of the tensor, as the first MAC layer that reads it says, else as the one that makes it."""
        for step in (*self.readers(name), *self.producers(name)):
            if (mac := mac_step(step)) is not None:
                return next(mac.layer.tensor(a.operand).density for a in mac.accesses if a.tensor == name)
        return 1.0

    @cached_property
    def _by_name(self) -> dict[str, NetworkTensor]:
        return {t.name: t for t in self.tensors}

    @cached_property
    def _made(self) -> dict[str, tuple[int, ...]]:
        return self._indexed(lambda s: s.outputs)

    @cached_property
    def _read(self) -> dict[str, tuple[int, ...]]:
        return self._indexed(lambda s: tuple(a.tensor for a in s.accesses if s.layer.tensor(a.operand).role != "output"))

    @cached_property
    def _places(self) -> dict[str, tuple[int, ...]]:
        """For each tensor, the steps that read or write it."""
        return self._indexed(lambda s: tuple(a.tensor for a in s.accesses))

    def _indexed(self, names: Callable[[Step[Op]], Sequence[str]]) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for i, step in enumerate(self.steps):
            for name in dict.fromkeys(names(step)):
                found.setdefault(name, []).append(i)
        return {name: tuple(at) for name, at in found.items()}

    def part(self, keep: Callable[[Step[Op]], bool]) -> Network:
        """The steps that `keep` says, as a network: what they read of others is its input, what others read is its output."""
        steps = tuple(s for s in self.steps if keep(s))
        part = replace(self, steps=steps, tensors=())
        kept = tuple(self._in_part(t, part) for t in self.tensors if t.name in part._places)
        return replace(part, tensors=kept)

    def _in_part(self, tensor: NetworkTensor, part: Network) -> NetworkTensor:
        if tensor.persistence is not Persistence.ACTIVATION:
            return tensor
        if not part.producers(tensor.name):
            return replace(tensor, persistence=Persistence.INPUT)
        outside = len(self.readers(tensor.name)) > len(part.readers(tensor.name))
        return replace(tensor, persistence=Persistence.OUTPUT) if outside else tensor

    # -- the same network, changed ------------------------------------------------------------------------------------

    def with_layers(self, change: Callable[[Layer], Layer]) -> Network:
        """The same network with other MAC layers."""
        macs = ((s, mac_step(s)) for s in self.steps)
        return replace(self, steps=tuple(s if m is None else replace(m, layer=change(m.layer)) for s, m in macs))

    def with_others(self, change: Callable[[Op], Op]) -> Network:
        """The same network with other operators where these are no MAC layers."""
        return replace(self, steps=tuple(replace(s, layer=change(s.layer)) if mac_step(s) is None else s for s in self.steps))


def mac_step(step: Step[Op]) -> Step[Layer] | None:
    """The step, if its operator is a MAC layer: the one place that tells."""
    return cast("Step[Layer]", step) if isinstance(step.layer, Layer) else None
