"""A network: its MAC layers and its other operators, in order, with where their data comes from."""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.workload.layer import Layer


@dataclass(frozen=True)
class VectorOp:
    """An operator without MACs (pooling, softmax, normalisation, element-wise, data movement, or unknown).

    `ops` are scalar operations in total; elements are what it reads and writes, biases and tables included.
    `known` is False for operators the reader does not understand: their bytes are counted, their ops are not.
    """

    name: str
    op: str
    ops: int
    read_elements: int
    written_elements: int
    bits: float = 16
    known: bool = True
    why: str = ""  # why it is not known, or how its ops were counted


@dataclass(frozen=True)
class Step:
    """One operator of a network. `inputs` and `outputs` name activations (not weights); `count` equal repetitions."""

    layer: Layer | VectorOp
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
    steps: tuple[Step, ...]
    activations: tuple[tuple[str, int, float], ...] = ()  # (name, elements, bits)
    source: str = ""
    notes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[Step, ...]:
        """The steps that are MAC layers."""
        return tuple(s for s in self.steps if isinstance(s.layer, Layer))

    @property
    def vector_ops(self) -> tuple[Step, ...]:
        """The steps that are not MAC layers."""
        return tuple(s for s in self.steps if isinstance(s.layer, VectorOp))

    @property
    def macs(self) -> int:
        return sum(s.count * s.layer.macs for s in self.layers if isinstance(s.layer, Layer))

    @property
    def weights(self) -> int:
        """Multiplied weights, without biases and normalisation; the second operand of attention is no weight."""
        return sum(
            (1 if s.shares_weights else s.count) * sum(s.layer.elements(t) for t in s.layer.tensors if t.learned)
            for s in self.layers
            if isinstance(s.layer, Layer) and not s.reuses
        )
