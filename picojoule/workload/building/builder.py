"""Building a network operator by operator: every reader and the zoo say what happens, this file says what it amounts to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from picojoule.errors import SpecError
from picojoule.workload import ops as table
from picojoule.workload.access import Access, Layout
from picojoule.workload.building.operators import PLAIN, Index, operator
from picojoule.workload.building.products import LINEAR, Letters, conv_accesses, product_accesses
from picojoule.workload.building.shapes import Product, Shape, Window, conv_layer, conv_transpose_layers, window
from picojoule.workload.building.value import BITS, Value, broadcast
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step
from picojoule.workload.op import Mask, Op

__all__ = ["BITS", "Builder", "Value"]


class Builder:
    """Collects steps and tensors; `network()` gives the frozen result. Steps are named once: a second one gets `_2`."""

    def __init__(self, name: str, *, source: str = "") -> None:
        self.name, self.source = name, source
        self.notes: list[str] = []
        self._steps: list[Step[Op]] = []
        self._tensors: dict[str, NetworkTensor] = {}
        self._named: set[str] = set()
        self._stored: dict[str, Value] = {}  # trained weights by the name that the model stores them under
        self._users: dict[str, str] = {}  # trained weights, and the step that used them first

    def input(self, name: str, shape: Sequence[int], bits: int = BITS, persistence: Persistence = Persistence.INPUT) -> Value:
        """A tensor that exists before the first step."""
        return self._tensor(name, shape, bits, persistence)

    def value(self, name: str, shape: Sequence[int], bits: int = BITS) -> Value:
        """A new activation; a name that is taken gets a number."""
        return self._tensor(name, shape, bits, Persistence.ACTIVATION)

    def weight(self, name: str, shape: Sequence[int], bits: int = BITS, stored: str = "") -> Value:
        """A trained parameter. `stored`: its name in the model, by which a second use is known to be the same tensor."""
        if stored not in self._stored:
            value = self._tensor(stored or name, shape, bits, Persistence.PARAMETER)
            if stored:
                self._stored[stored] = value
            return value
        first = self._stored[stored]
        return replace(first if first.shape == tuple(shape) else first.unordered(shape), bits=bits)

    def cached(self, *values: Value, former: Sequence[Value] = ()) -> None:
        """These keys and values are the cache: those that were there before the run, and those that it adds.

        `former` ones were the cache before the run; where the run makes a new one that holds them, they are inputs like others.
        """
        told = [*((v, Persistence.CACHE) for v in values), *((v, Persistence.INPUT) for v in former)]
        for v, persistence in told:
            self._tensors[v.name] = replace(self._tensors[v.name], persistence=persistence)

    def _tensor(self, name: str, shape: Sequence[int], bits: int, persistence: Persistence) -> Value:
        name = _unique(name, self._tensors)
        self._tensors[name] = NetworkTensor(name=name, shape=tuple(shape), bits=bits, persistence=persistence)
        return Value(name, tuple(shape), Layout.of(shape), bits, persistence is Persistence.PARAMETER)

    def mac(
        self, layer: Layer, accesses: Sequence[Access], *, count: int = 1, shares_weights: bool = False, stored: str = ""
    ) -> None:
        """A MAC layer, done `count` times. `stored` names its trained weights, so that a second use is no second set."""
        layer = replace(layer, name=_unique(layer.name, self._named))
        self._named.add(layer.name)
        first = self._users.setdefault(stored, layer.name) if stored else layer.name
        reuses = first if first != layer.name else ""
        self._steps.append(Step(layer, tuple(accesses), count, shares_weights, reuses))

    def vector(
        self,
        name: str,
        op: str,
        ops: int | None,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        parameters: int = 0,
        table: Value | None = None,
        read: int | None = None,
        written: int | None = None,
        index: Index = PLAIN,
        like: str = "",
        why: str = "",
        mask: Mask | None = None,
    ) -> None:
        """Any other operator. It reads inputs and `parameters` (biases, rows of a `table`) and writes outputs, unless told less.

        `ops` None: it is not understood, and `why` says why. `index`: how it indexes its operands, where that is not its habit.
        `like`: the operator of `ops.py` that does the same.
        """
        once = {v.name: v.elements for v in inputs}  # an operand that is used twice is read once
        reads = (sum(once.values()) if read is None else read) + parameters
        writes = sum(v.elements for v in outputs) if written is None else written
        label = _unique(name, self._named)
        self._named.add(label)
        found, accesses = operator(
            label, like or op, ops, inputs, outputs, parameters=parameters, moved=(reads, writes), index=index, note=why
        )
        if parameters:
            p = found.tensor("P")
            value = table.unordered(()) if table else self.weight(f"{label}.parameters", found.shape(p), round(p.bits))
            accesses = (*accesses, value.access(p, range(len(p.ranks))))
        self._steps.append(Step(replace(found, op=op, mask=mask), accesses))

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
        weight = self.weight(f"{name}.weight", (filters, x.shape[1] // groups, *win.kernel))
        out = self.value(name, (x.shape[0], filters, *win.output(x.shape[2:])))
        self.conv_window(x, weight, win, out, name=name, groups=groups, bias=filters if bias else 0)
        return out

    def conv_window(
        self,
        x: Value,
        weight: Value,
        win: Window,
        out: Value,
        *,
        name: str,
        op: str = "Conv",
        groups: int = 1,
        bias: int = 0,
        stored: str = "",
        transposed: bool = False,
    ) -> None:
        """A (transposed) convolution whose window and result are settled; its weights may be computed instead of trained."""
        bits = {"weight": weight.bits, "input": x.bits, "output": out.bits}
        how: dict[str, Any] = {"groups": groups, "bits": bits, "learned": weight.trained}
        if not transposed:
            layer = conv_layer(name, op, x.shape, weight.shape, win, **how)
            if x.trained:
                layer = replace(layer, tensors=tuple(replace(t, learned=t.learned or t.name == "I") for t in layer.tensors))
            self.mac(layer, conv_accesses(layer, x, weight, out, win, groups), stored=stored)
        else:
            layers, bare = conv_transpose_layers(name, op, x.shape, weight.shape, win, out.shape[2:], **how)
            for i, (layer, phase) in enumerate(layers):
                part = f"{stored}.phase{i}" if stored else ""
                self.mac(layer, conv_accesses(layer, x, weight, out, win, groups, phase), stored=part)
            if bare:
                rest, why = out.unordered((bare,)), "outputs that no tap of the kernel reaches"
                self.vector(f"{name}.bare", "Fill", 0, [], [rest], why=why)
        self.bias(out, bias, name, axis=1)

    def product(
        self,
        extents: Product,
        letters: Letters,
        a: Value,
        b: Value | Sequence[Value],
        z: Value,
        *,
        name: str,
        op: str,
        behind: str = "",
        stored: str = "",
        mask: Mask | None = None,
    ) -> None:
        """A product of two tensors; the second is trained, or an activation (as in attention), which may lie in parts."""
        parts = [b] if isinstance(b, Value) else list(b)
        if a.trained and len(parts) == 1 and not parts[0].trained:  # the trained operand takes the place of the weights
            a, parts, extents, letters, behind = parts[0], [a], extents.swapped(), letters.swapped(), ""
        learned, bits = parts[0].trained, {"weight": parts[0].bits, "input": a.bits, "output": z.bits}
        layer = replace(extents.layer(name, op, bits=bits, learned=learned), mask=mask)
        self.mac(layer, product_accesses(layer, letters, a, parts, z, behind), stored=stored if learned else "")

    def linear(self, x: Value, features: int, *, name: str, bias: bool = True, op: str = "Gemm") -> Value:
        """x @ W + b over the last axis, with trained W."""
        out = self.value(name, (*x.shape[:-1], features))
        rows, weight = math.prod(x.shape[:-1]), self.weight(f"{name}.weight", (x.shape[-1], features))
        flat, z = x.reshaped((rows, x.shape[-1])), out.reshaped((rows, features))
        self.product(Product(1, rows, features, x.shape[-1]), LINEAR, flat, weight, z, name=name, op=op)
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

    def normalise(self, op: str, x: Value, *, name: str, parameters: int = 0, axis: int = -1, mask: Mask | None = None) -> Value:
        """Softmax or a normalisation with so many parameters (gains and shifts) along an axis."""
        out, index = self.value(name, x.shape, x.bits), Index(parameter_axes=(axis,))
        ops = table.NORMALISATION[op] * x.elements
        self.vector(name, op, ops, [x], [out], parameters=parameters, index=index, mask=mask)
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
        return x.reshaped(shape)

    def move(
        self,
        op: str,
        *xs: Value,
        shape: Sequence[int],
        name: str,
        read: int | None = None,
        parameters: int = 0,
        table: Value | None = None,
        index: Index = PLAIN,
    ) -> Value:
        """A copy to another arrangement, shape or place: bytes without ops."""
        out = self.value(name, shape, xs[0].bits if xs else BITS)
        self.vector(name, op, 0, xs, [out], read=read, parameters=parameters, table=table, index=index)
        return out

    def concat(self, xs: Sequence[Value], axis: int, *, name: str) -> Value:
        """Tensors one behind the other along an axis."""
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.move("Concat", *xs, shape=shape, name=name, index=Index(axes=(axis,)))

    def network(self, *outputs: Value) -> Network:
        """The network so far. `outputs` outlive the run; without them, what nothing consumes does."""
        read = {name for s in self._steps for name in s.inputs}
        ends = {v.name for v in outputs} or {name for s in self._steps for name in s.outputs} - read
        passing = (Persistence.ACTIVATION, Persistence.INPUT)
        tensors = (
            replace(t, persistence=Persistence.OUTPUT) if t.name in ends and t.persistence in passing else t
            for t in self._tensors.values()
        )
        return Network(self.name, tuple(self._steps), tuple(tensors), self.source, tuple(self.notes))


def _unique(name: str, taken: Container[str]) -> str:
    numbered = (f"{name}_{n}" for n in itertools.count(2))
    return name if name not in taken else next(x for x in numbered if x not in taken)
