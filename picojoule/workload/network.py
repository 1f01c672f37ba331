"""A network: its operators in order, with where their data comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, cast

from picojoule.workload.layer import Layer
from picojoule.workload.op import Op

SomeOp = TypeVar("SomeOp", bound=Op, covariant=True)


@dataclass(frozen=True)
class Step(Generic[SomeOp]):
    """One operator of a network. `inputs` and `outputs` name activations (not weights); `count` equal repetitions."""

    layer: SomeOp
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    count: int = 1
    shares_weights: bool = False  # the repetitions use one set of weights (a recurrent cell over time)
    reuses: str = ""  # the step whose trained weights this one uses again: they count there


@dataclass(frozen=True)
class Network:
    """Steps in execution order. `activations` maps each activation name to (elements, bits).

    `outputs` are the activations that must outlive the run (results, a cache); when empty, those that nothing consumes.
    """

    name: str
    steps: tuple[Step[Op], ...]
    activations: tuple[tuple[str, int, float], ...] = ()  # (name, elements, bits)
    source: str = ""
    notes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

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
