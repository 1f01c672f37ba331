"""What is known of each tensor of an ONNX graph: shape, type, and the value where it is small and constant.

Shapes are inferred node by node with concrete input sizes, and whatever depends on constants and shapes alone is
computed on the way, so that Shape, Gather, Concat, Reshape chains resolve as far as they can at all.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from picojoule.workload.onnx.contrib import Shape, result_shape, standard
from picojoule.workload.onnx.file import SMALL

# constants made by these hold the numbers of their first operand, every one of them
SAME_NUMBERS = frozenset(
    {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "DequantizeLinear", "QuantizeLinear"}
)


class Facts:
    """Facts about tensors by name. `learn(node)` adds those of a node's outputs; nodes come in execution order."""

    def __init__(self, model: onnx.ModelProto, inputs: Mapping[str, Shape]) -> None:
        self.opsets = list(model.opset_import)
        self.versions = {o.domain: o.version for o in self.opsets}
        self.shapes: dict[str, Shape] = {}
        self.types: dict[str, int] = {}
        self.values: dict[str, np.ndarray[Any, Any]] = {}
        self.constant: set[str] = set()
        self.origin: dict[str, str] = {}  # constant -> the constant whose numbers it holds
        self.reasons: dict[str, str] = {}  # tensor -> why its shape is not known
        self.contradicted: set[str] = set()  # results of operators whose operands do not fit together
        self.add_constants(model.graph)
        for item in model.graph.input:
            if item.name in inputs:
                self.shapes[item.name] = inputs[item.name]
                self.types[item.name] = item.type.tensor_type.elem_type
        self._told = _concrete(_inferred(model))

    def add_constants(self, graph: onnx.GraphProto) -> None:
        """The initializers of a graph."""
        for tensor in graph.initializer:
            self.shapes[tensor.name], self.types[tensor.name] = tuple(tensor.dims), tensor.data_type
            self.constant.add(tensor.name)
            if math.prod(tensor.dims) <= SMALL:
                with contextlib.suppress(Exception):  # its values lie in a file that is not there
                    self.values[tensor.name] = numpy_helper.to_array(tensor)
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            self.shapes[name], self.types[name] = tuple(sparse.dims), sparse.values.data_type
            self.constant.add(name)

    def learn(self, node: onnx.NodeProto) -> None:
        """Shapes, types and, where they follow from constants, values of the node's outputs."""
        inputs, outputs = [x for x in node.input if x], [x for x in node.output if x]
        fixed = all(x in self.constant for x in inputs) and node.op_type not in _RANDOM
        if node.op_type in ("Shape", "Size") and inputs[0] in self.shapes:
            fixed = True
            self._set(outputs[0], _shape_of(node, self.shapes[inputs[0]]))
        self._infer(node, outputs)
        if fixed:
            self.constant.update(outputs)
            if node.op_type in SAME_NUMBERS and inputs:
                self.origin[outputs[0]] = self.origin.get(inputs[0], inputs[0])
            small = all(math.prod(self.shapes.get(x, (0,))) <= SMALL for x in outputs)
            if small and not set(outputs) <= self.values.keys() and all(x in self.values for x in inputs):
                self._evaluate(node, outputs)

    def alias(self, name: str, same: str) -> None:
        """All that is known of one tensor holds for another name of it."""
        tables: tuple[dict[str, Any], ...] = (self.shapes, self.types, self.values, self.origin)
        for known in tables:
            if same in known:
                known[name] = known[same]
        if same in self.constant:
            self.constant.add(name)

    def fixed(self, name: str, value: np.ndarray[Any, Any]) -> None:
        """A tensor whose value is known before the inference."""
        self._set(name, value)
        self.constant.add(name)

    def _set(self, name: str, value: np.ndarray[Any, Any]) -> None:
        self.values[name], self.shapes[name] = value, value.shape
        self.types[name] = helper.np_dtype_to_tensor_dtype(value.dtype)

    def _infer(self, node: onnx.NodeProto, outputs: list[str]) -> None:
        found: Mapping[str, onnx.TypeProto] = {}
        try:
            twin = standard(node)
            version = self.versions.get(twin.domain, 1)
            version = version if twin is node else max(version, NARROW_QUANTISERS)
            schema = onnx.defs.get_schema(twin.op_type, version, twin.domain)
            types = {x: self._type(x) for x in twin.input if x}
            data = {x: numpy_helper.from_array(self.values[x], x) for x in twin.input if x in self.values}
            found = onnx.shape_inference.infer_node_outputs(schema, twin, types, data, None, self.opsets)
        except Exception as error:  # the library raises of many kinds; what it says becomes the reason
            for x in outputs:
                self.reasons[x] = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            if isinstance(error, onnx.shape_inference.InferenceError) and all(x in self.shapes for x in node.input if x):
                self.contradicted.update(outputs)
        for x, proto in found.items():
            self._take(x, proto)
        if outputs[0] not in self.shapes and (shape := result_shape(node, self.shapes, attributes(node))) is not None:
            self.shapes[outputs[0]], self.types[outputs[0]] = shape, self.types.get(node.input[0], 0)
        if node.op_type == "Loop":
            for x, inner in zip(node.output, attributes(node)["body"].output[1 : len(node.input) - 1], strict=False):
                self._take(x, inner.type)  # a carried value has the size that the body states
        for x in outputs:
            if x not in self.shapes and x in self._told:
                self._take(x, self._told[x])

    def _take(self, name: str, proto: onnx.TypeProto) -> None:
        if not proto.HasField("tensor_type"):
            return
        self.types.setdefault(name, proto.tensor_type.elem_type)
        if name not in self.shapes and _is_concrete(proto):
            self.shapes[name] = tuple(d.dim_value for d in proto.tensor_type.shape.dim)

    def _type(self, name: str) -> onnx.TypeProto:
        elem = self.types.get(name, onnx.TensorProto.FLOAT)
        return helper.make_tensor_type_proto(elem, list(self.shapes[name]) if name in self.shapes else None)

    def _evaluate(self, node: onnx.NodeProto, outputs: list[str]) -> None:
        """The values of a node of constants, by the reference implementation; a node it does not know stays unevaluated."""
        infos = [helper.make_empty_tensor_value_info(x) for x in outputs]
        feeds = {x: self.values[x] for x in node.input if x}
        given = [helper.make_tensor_value_info(x, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for x, v in feeds.items()]
        try:
            model = helper.make_model(helper.make_graph([node], "constants", given, infos), opset_imports=self.opsets)
            results = ReferenceEvaluator(model).run(None, feeds)
        except Exception as error:
            self.reasons.update((x, f"{node.op_type} of constants: {error}") for x in outputs)
            return
        for x, value in zip(outputs, results, strict=True):
            if isinstance(value, np.ndarray | np.generic):
                self._set(x, np.asarray(value))


NARROW_QUANTISERS = 21  # the opset from which the standard's quantisers know 4 and 16 bits, as onnxruntime's always did
_RANDOM = frozenset({"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"})


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node as plain Python values (strings decoded)."""
    plain = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else list(v) if _is_sequence(v) else v for k, v in plain.items()}


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes) and not hasattr(value, "DESCRIPTOR")


def _shape_of(node: onnx.NodeProto, shape: Shape) -> np.ndarray[Any, Any]:
    if node.op_type == "Size":
        return np.asarray(math.prod(shape), dtype=np.int64)
    a = attributes(node)
    return np.asarray(shape[a.get("start", 0) : a.get("end", len(shape))], dtype=np.int64)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes that inference over the whole graph finds; it sees into the bodies of control flow."""
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return model


def _concrete(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    items = (*model.graph.value_info, *model.graph.output)
    return {i.name: i.type for i in items if i.type.HasField("tensor_type")}


def _is_concrete(proto: onnx.TypeProto) -> bool:
    tensor = proto.tensor_type
    return tensor.HasField("shape") and all(d.HasField("dim_value") and d.dim_value >= 0 for d in tensor.shape.dim)
