"""Building a network operator by operator: every reader and the zoo say what happens, this file says what it amounts to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Sequence
from dataclasses import replace

from picojoule.errors import SpecError
from picojoule.workload import ops as table
from picojoule.workload.building.operators import PLAIN, Index, operator
from picojoule.workload.building.shapes import Product, Shape, Window, conv_layer, conv_transpose_layers, matmul, window
from picojoule.workload.building.value import BITS, Value, broadcast
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, Step
from picojoule.workload.op import Op

__all__ = ["BITS", "Builder", "Value"]


class Builder:
    """Collects steps and activations; `network()` gives the frozen result. Steps are named once: a second one gets `_2`."""

    def __init__(self, name: str, *, source: str = "") -> None:
        self.name, self.source = name, source
        self.notes: list[str] = []
        self._steps: list[Step[Op]] = []
        self._activations: dict[str, tuple[int, int]] = {}
        self._named: set[str] = set()
        self._weights: dict[str, str] = {}  # trained weights, and the step that used them first

    def input(self, name: str, shape: Sequence[int], bits: int = BITS) -> Value:
        """An activation that exists before the first step."""
        return self.value(name, shape, bits)

    def value(self, name: str, shape: Sequence[int], bits: int = BITS) -> Value:
        """A new activation; a name that is taken gets a number."""
        value = Value(_unique(name, self._activations), tuple(shape), bits)
        self._activations[value.name] = (value.elements, bits)
        return value

    def mac(
        self,
        layer: Layer,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        count: int = 1,
        shares_weights: bool = False,
        weight: str = "",
    ) -> None:
        """A MAC layer, done `count` times. `weight` names its trained weights, so that a second use is no second set."""
        layer = replace(layer, name=_unique(layer.name, self._named))
        self._named.add(layer.name)
        first = self._weights.setdefault(weight, layer.name) if weight else layer.name
        reuses = first if first != layer.name else ""
        self._steps.append(Step(layer, _names(inputs), _names(outputs), count, shares_weights, reuses))

    def vector(
        self,
        name: str,
        op: str,
        ops: int | None,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        parameters: int = 0,
        read: int | None = None,
        written: int | None = None,
        index: Index = PLAIN,
        why: str = "",
    ) -> None:
        """Any other operator. It reads its inputs and `parameters` (biases, tables) and writes its outputs, unless told less.

        `ops` None: it is not understood, and `why` says why. `index`: how it indexes its operands, where that is not its habit.
        """
        once = {v.name: v.elements for v in inputs}  # an operand that is used twice is read once
        reads = (sum(once.values()) if read is None else read) + parameters
        writes = sum(v.elements for v in outputs) if written is None else written
        label = _unique(name, self._named)
        self._named.add(label)
        found, _ = operator(label, op, ops, inputs, outputs, parameters=parameters, moved=(reads, writes), index=index, note=why)
        self._steps.append(Step(found, _names(inputs), _names(outputs)))

    # -- operators with MACs ------------------------------------------------------------------------------------------

    def conv(
        self,
        x: Value,
        filters: int,
        kernel: int | Sequence[int],
        *,
        name: str,
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> Value:
        """A convolution with trained weights, of as many axes as the image has."""
        win = window(kernel, stride=stride, dilation=dilation, pad=pad, axes=len(x.shape) - 2)
        weight = (filters, x.shape[1] // groups, *win.kernel)
        out = self.value(name, (x.shape[0], filters, *win.output(x.shape[2:])))
        self.conv_window(x, weight, win, out, name=name, groups=groups, bias=filters if bias else 0)
        return out

    def conv_window(
        self,
        x: Value,
        weight: Shape,
        win: Window,
        out: Value,
        *,
        name: str,
        op: str = "Conv",
        groups: int = 1,
        bias: int = 0,
        weight_bits: int = BITS,
        weight_name: str = "",
        others: Sequence[Value] = (),
        transposed: bool = False,
    ) -> None:
        """A (transposed) convolution whose window and result are settled; `others` are weights that are computed, not trained."""
        bits = {"weight": weight_bits, "input": x.bits, "output": out.bits}
        learned = not others
        if not transposed:
            layer = conv_layer(name, op, x.shape, weight, win, groups=groups, bits=bits, learned=learned)
            self.mac(layer, [x, *others], [out], weight=weight_name)
        else:
            layers, bare = conv_transpose_layers(
                name, op, x.shape, weight, win, out.shape[2:], groups=groups, bits=bits, learned=learned
            )
            for i, layer in enumerate(layers):
                self.mac(layer, [x, *others], [out], weight=f"{weight_name}.phase{i}" if weight_name else "")
            if bare:
                self.vector(f"{name}.bare", "Fill", 0, [], [out], written=bare, why="outputs that no tap of the kernel reaches")
        self.bias(out, bias, name, axis=1)

    def product(self, a: Value, b: Value, out: Shape, *, name: str, op: str = "MatMul", extents: Product | None = None) -> Value:
        """The product of two activations, as in attention: the second one is no weight."""
        extents = extents or matmul(a.shape, b.shape, name)
        z = self.value(name, out)
        self.mac(extents.layer(name, op, bits={"weight": b.bits, "input": a.bits, "output": z.bits}, learned=False), [a, b], [z])
        return z

    def linear(self, x: Value, features: int, *, name: str, bias: bool = True, op: str = "Gemm") -> Value:
        """x @ W + b over the last axis, with trained W."""
        out = self.value(name, (*x.shape[:-1], features))
        extents = Product(1, math.prod(x.shape[:-1]), features, x.shape[-1])
        self.mac(extents.layer(name, op), [x], [out])
        self.bias(out, features if bias else 0, name)
        return out

    def bias(self, out: Value, elements: int, name: str, *, axis: int = -1) -> None:
        """The additions of a bias of so many elements (0: none) along an axis, done as the results leave the accumulators."""
        if elements:
            why, along = "added as the results leave the accumulators: only the bias itself moves", Index(parameter_axes=(axis,))
            self.vector(f"{name}.bias", "Bias", out.elements, [out], [], read=0, parameters=elements, index=along, why=why)

    # -- operators without MACs ---------------------------------------------------------------------------------------

    def elementwise(self, op: str, *xs: Value, name: str, parameters: int = 0, shape: Shape | None = None) -> Value:
        """An element-wise operator of the table in `ops.py`, or a sum of several tensors; parameters lie along the last axes."""
        out = self.value(name, shape or broadcast(xs, name), max(x.bits for x in xs))
        each = max(1, len(xs) - 1) if op in table.VARIADIC else table.PER_ELEMENT[op]
        along = (-1,) if parameters == out.shape[-1] else (-2, -1)
        index = Index(parameter_axes=along) if parameters else PLAIN
        self.vector(name, op, each * out.elements, xs, [out], parameters=parameters, index=index)
        return out

    def normalise(self, op: str, x: Value, *, name: str, parameters: int = 0, axis: int = -1) -> Value:
        """Softmax or a normalisation with so many parameters (gains and shifts) along an axis."""
        out, index = self.value(name, x.shape, x.bits), Index(parameter_axes=(axis,))
        self.vector(name, op, table.NORMALISATION[op] * x.elements, [x], [out], parameters=parameters, index=index)
        return out

    def batch_norm(self, x: Value, *, name: str) -> Value:
        """Batch normalisation at inference: a scale and a shift for each channel."""
        return self.normalise("BatchNormalization", x, name=name, parameters=2 * x.shape[1], axis=1)

    def lrn(self, x: Value, size: int, *, name: str) -> Value:
        """Local response normalisation across `size` channels."""
        out = self.value(name, x.shape, x.bits)
        self.vector(name, "LRN", table.lrn_ops(size) * x.elements, [x], [out], index=Index(size=size))
        return out

    def pool(self, op: str, x: Value, kernel: int, *, name: str, stride: int = 1, pad: int = 0, ceil: bool = False) -> Value:
        """Pooling over the spatial axes: one op for each tap."""
        win = window(kernel, stride=stride, pad=pad, axes=len(x.shape) - 2)
        out = self.value(name, (*x.shape[:2], *win.output(x.shape[2:], ceil)), x.bits)
        self.vector(name, op, win.taps * out.elements, [x], [out], index=Index(window=win))
        return out

    def global_pool(self, x: Value, *, name: str) -> Value:
        """The mean over the spatial axes."""
        out = self.value(name, (*x.shape[:2], *(1 for _ in x.shape[2:])), x.bits)
        self.vector(name, "GlobalAveragePool", x.elements, [x], [out])
        return out

    def view(self, x: Value, shape: Sequence[int], *, name: str, op: str = "Reshape") -> Value:
        """The same data under another shape: nothing moves, and the step says so."""
        if math.prod(shape) != x.elements:
            wanted = "x".join(map(str, shape))
            raise SpecError(f"{name!r} reshapes {x.elements} elements to {wanted}", hint="check the batch size")
        self.vector(name, op, 0, [x], [], read=0, why="a view: no data moves")
        return Value(x.name, tuple(shape), x.bits)

    def move(
        self,
        op: str,
        *xs: Value,
        shape: Sequence[int],
        name: str,
        read: int | None = None,
        parameters: int = 0,
        index: Index = PLAIN,
    ) -> Value:
        """A copy to another arrangement, shape or place: bytes without ops."""
        out = self.value(name, shape, xs[0].bits if xs else BITS)
        self.vector(name, op, 0, xs, [out], read=read, parameters=parameters, index=index)
        return out

    def concat(self, xs: Sequence[Value], axis: int, *, name: str) -> Value:
        """Tensors one behind the other along an axis."""
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.move("Concat", *xs, shape=shape, name=name, index=Index(axes=(axis,)))

    def network(self, *outputs: Value) -> Network:
        """The network so far. `outputs` outlive the run; without them, what nothing consumes does."""
        found = tuple((name, elements, bits) for name, (elements, bits) in self._activations.items())
        return Network(self.name, tuple(self._steps), found, self.source, tuple(self.notes), _names(outputs))


def _unique(name: str, taken: Container[str]) -> str:
    numbered = (f"{name}_{n}" for n in itertools.count(2))
    return name if name not in taken else next(x for x in numbered if x not in taken)


def _names(values: Sequence[Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v.name for v in values))
