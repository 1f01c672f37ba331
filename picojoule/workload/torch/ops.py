"""What the operators of an exported torch graph do, in the words of `ops.py`, so that ONNX and torch count alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from string import ascii_letters
from typing import Any

from picojoule.errors import SpecError
from picojoule.workload import ops as table
from picojoule.workload.building import blocks
from picojoule.workload.building.builder import Value
from picojoule.workload.building.products import BATCH, Letters, matmul_letters
from picojoule.workload.building.shapes import Product, Shape, einsum, einsum_chain, matmul, window
from picojoule.workload.op import Mask
from picojoule.workload.torch.index import each, index_of, order_of, pool_index
from picojoule.workload.torch.reader import Reader

SAME = {  # torch name -> name in ops.py, where they differ by more than capitals
    "silu": "Silu",
    "hardswish": "HardSwish",
    "hardsigmoid": "HardSigmoid",
    "hardtanh": "Clip",
    "relu6": "Clip",
    "clamp": "Clip",
    "leaky_relu": "LeakyRelu",
    "prelu": "PRelu",
    "clamp_min": "Relu",
    "clamp_max": "Relu",
    "to": "Cast",
    "_to_copy": "Cast",
    "type_as": "Cast",
    "where": "Where",
    "masked_fill": "Where",
    "minimum": "Add",
    "maximum": "Add",
    "rsub": "Sub",
    "eq": "Equal",
    "ne": "Equal",
    "lt": "Less",
    "le": "Less",
    "gt": "Greater",
    "ge": "Greater",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_not": "Not",
    "bitwise_and": "And",
    "bitwise_or": "Or",
    "bitwise_not": "Not",
    "true_divide": "Div",
    "floor_divide": "Div",
    "remainder": "Mod",
    "square": "Square",
    "rsqrt": "Rsqrt",
    "isnan": "IsNaN",
    "log_sigmoid": "Softplus",
    "quick_gelu": "QuickGelu",
    "batch_norm": "BatchNormalization",
    "_native_batch_norm_legit_no_training": "BatchNormalization",
    "layer_norm": "LayerNormalization",
    "native_layer_norm": "LayerNormalization",
    "group_norm": "GroupNormalization",
    "native_group_norm": "GroupNormalization",
    "instance_norm": "InstanceNormalization",
    "rms_norm": "RMSNormalization",
    "softmax": "Softmax",
    "_softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "_log_softmax": "LogSoftmax",
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "amax": "ReduceMax",
    "amin": "ReduceMin",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "prod": "ReduceProd",
    "argmax": "ArgMax",
    "argmin": "ArgMin",
    "cumsum": "CumSum",
    "norm": "ReduceL2",
    "any": "ReduceMax",
    "linalg_vector_norm": "ReduceL2",
    "logsumexp": "ReduceLogSumExp",
    "var": "ReduceSumSquare",
    "std": "ReduceSumSquare",
    "adaptive_avg_pool1d": "GlobalAveragePool",
    "adaptive_avg_pool2d": "GlobalAveragePool",
    "adaptive_avg_pool3d": "GlobalAveragePool",
    "adaptive_max_pool2d": "GlobalMaxPool",
    "all": "ReduceMin",
    "permute": "Transpose",
    "transpose": "Transpose",
    "t": "Transpose",
    "cat": "Concat",
    "stack": "Concat",
    "split": "Split",
    "split_with_sizes": "Split",
    "chunk": "Split",
    "unbind": "Split",
    "slice": "Slice",
    "select": "Slice",
    "narrow": "Slice",
    "constant_pad_nd": "Pad",
    "pad": "Pad",
    "repeat": "Tile",
    "expand_as": "Expand",
    "embedding": "Gather",
    "index": "Gather",
    "index_select": "Gather",
    "gather": "GatherElements",
    "take_along_dim": "GatherElements",
    "pixel_shuffle": "DepthToSpace",
    "pixel_unshuffle": "SpaceToDepth",
    "tril": "Trilu",
    "triu": "Trilu",
    "flip": "ReverseSequence",
    "clone": "Concat",
    "repeat_interleave": "Tile",
    "copy": "Concat",
    "index_put": "ScatterND",
    "scatter": "Scatter",
    "channel_shuffle": "Transpose",
    "swapaxes": "Transpose",
    "movedim": "Transpose",
    "new_zeros": "ConstantOfShape",
    "zeros_like": "ConstantOfShape",
    "ones_like": "ConstantOfShape",
    "full_like": "ConstantOfShape",
    "one_hot": "OneHot",
}
VIEWS = frozenset(
    {
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "dropout",
        "contiguous",
        "detach",
        "alias",
        "identity",
        "_unsafe_view",
        "view_as",
        "reshape_as",
        "lift_fresh_copy",
        "feature_dropout",
        "alpha_dropout",
        "detach_",
        "unsafe_view",
    }
)
CAPITALS = {x.lower(): x for known in (table.PER_ELEMENT, table.REDUCTION, table.NORMALISATION, table.MOVES) for x in known}


def lower(reader: Reader, node: Any) -> None:
    """The step, or steps, of one call."""
    name = str(node.target.__name__).partition(".")[0]
    plain = name.rstrip("_") if not name.startswith("__") else name
    args = _bound(node)
    if plain in HANDLERS:
        HANDLERS[plain](reader, node, args)
    elif plain in VIEWS and _same_size(reader, node):
        _view(reader, node)
    elif plain in ("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices"):
        _pool(reader, node, args, "MaxPool" if plain.startswith("max") else "AveragePool")
    elif plain.startswith("upsample_"):
        _resize(reader, node, plain)
    else:
        _counted(reader, node, args, SAME.get(plain) or CAPITALS.get(plain.replace("_", "")), plain)


def _counted(reader: Reader, node: Any, args: dict[str, Any], op: str | None, plain: str) -> None:
    xs, parameters, outs = reader.activations(node), reader.parameters(node), reader.results(node)
    if op == "Transpose" and _keeps_order(xs[0].shape, plain, args):
        reader.values[node.name] = reader.build.view(xs[0], outs[0].shape, name=reader.label(node), op=op)
        return
    made, taken = sum(x.elements for x in outs), sum(x.elements for x in xs[:1])
    read: int | None = None
    if op in ("Gather", "GatherElements", "Slice"):
        indices = [x for x in xs if x.name != _name_of(reader, args.get("weight", args.get("self", args.get("input"))))]
        read, parameters = made + sum(x.elements for x in indices), 0  # only what is taken
    if op in table.PER_ELEMENT:
        op = "GeluTanh" if op == "Gelu" and args.get("approximate") == "tanh" else op
        ops = made * table.PER_ELEMENT[op]
    elif op in table.NORMALISATION or op in table.REDUCTION:
        ops = taken * (table.NORMALISATION | table.REDUCTION)[op]
    elif plain == "topk":
        ops = table.top_k_ops(taken, int(args["k"]))
    elif op in table.MOVES:
        ops = 0
    else:
        why = f"operator {plain} is not known"
        reader.build.vector(reader.label(node), plain, None, xs, outs, parameters=parameters, why=why)
        return
    index = index_of(plain, args, xs)
    reader.build.vector(reader.label(node), op or "TopK", ops, xs, outs, read=read, parameters=parameters, index=index)


def _conv(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    image, weight = _weight(reader, node, args["input"]), args["weight"]
    shape = reader.shape(weight) or ()
    axes, transposed = len(shape) - 2, "transpose" in node.target.__name__ or bool(args.get("transposed"))
    pads = args.get("padding", 0)
    stride, dilation = (each(args.get(k, 1), axes) for k in ("stride", "dilation"))
    if isinstance(pads, str):
        whole = [d * (k - 1) if pads == "same" else 0 for d, k in zip(dilation, shape[2:], strict=True)]
        begin, end = tuple(t // 2 for t in whole), tuple(t - t // 2 for t in whole)
    else:
        begin = end = each(pads, axes)
    win = window(shape[2:], stride=stride, dilation=dilation, pad=begin, end=end, axes=axes)
    bias, out = args.get("bias"), reader.result(node)
    image = image.reshaped((1, *image.shape)) if len(image.shape) == axes + 1 else image
    out4 = out.reshaped((1, *out.shape)) if len(out.shape) == axes + 1 else out
    reader.build.conv_window(
        image,
        _weight(reader, node, weight),
        win,
        out4,
        name=reader.label(node),
        op="ConvTranspose" if transposed else "Conv",
        groups=int(args.get("groups", 1)),
        bias=math.prod(reader.shape(bias) or (0,)) if bias is not None else 0,
        stored=_stored(reader, weight),
        transposed=transposed,
    )


def _linear(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    x, weight, bias = args["input"], args["weight"], args.get("bias")
    shape = reader.shape(x) or ()
    extents = Product(1, math.prod(shape[:-1]), (reader.shape(weight) or (1,))[0], shape[-1])
    lead = BATCH[: len(shape) - 1]
    _product(reader, node, x, weight, extents, Letters(left=f"{lead}k", right="nk", result=f"{lead}n"), "Gemm", bias)


def _addmm(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    first = "mat1" if "mat1" in args else "batch1"
    a, b = args[first], args[first[:-1] + "2"]
    left, right = reader.shape(a) or (), reader.shape(b) or ()
    extents, letters = matmul(left, right, node.name), matmul_letters(len(left), len(right))
    _product(reader, node, a, b, extents, letters, "Gemm", args.get("self"))


def _matmul(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    a, b = list(args.values())[:2]
    left, right = reader.shape(a) or (), reader.shape(b) or ()
    _product(reader, node, a, b, matmul(left, right, node.name), matmul_letters(len(left), len(right)), "MatMul")


def _einsum(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    operands, equation = args["tensors"], args["equation"]
    try:
        if len(operands) > 2:
            _chain(reader, node, equation, operands)
            return
        if len(operands) != 2:
            raise SpecError(f"einsum {equation!r} has {len(operands)} operands; two or more are understood")
        shapes = reader.shape(operands[0]) or (), reader.shape(operands[1]) or ()
        extents, letters = einsum(equation, *shapes, node.name), Letters.einsum(equation, *shapes, node.name)
    except SpecError as error:
        xs, outs, parameters = reader.activations(node), reader.results(node), reader.parameters(node)
        reader.build.vector(reader.label(node), "Einsum", None, xs, outs, parameters=parameters, why=error.problem)
        return
    _product(reader, node, operands[0], operands[1], extents, letters, "Einsum")


def _chain(reader: Reader, node: Any, equation: str, nodes: Sequence[Any]) -> None:
    """Einsum of three operands or more: products of two in the order with the fewest MACs."""
    label = reader.label(node)
    steps = einsum_chain(equation, [reader.shape(x) or () for x in nodes], label)
    operands = [_weight(reader, node, x) for x in nodes]
    for i, (pair, text, shape) in enumerate(steps):
        a, b = (operands[j] for j in pair)
        last = i == len(steps) - 1
        out = reader.result(node) if last else reader.build.value(f"{label}.part{i}", shape, a.bits)
        extents, letters = einsum(text, a.shape, b.shape, label), Letters.einsum(text, a.shape, b.shape, label)
        stored = b.name if b.trained else a.name if a.trained else ""
        reader.build.product(extents, letters, a, b, out, name=label if last else f"{label}.part{i}", op="Einsum", stored=stored)
        operands = [x for j, x in enumerate(operands) if j not in pair] + [out]


def _product(reader: Reader, node: Any, a: Any, b: Any, extents: Product, letters: Letters, op: str, bias: Any = None) -> None:
    """One product; a trained operand takes the place of the weights."""
    if a.name in reader.constant and b.name not in reader.constant:
        a, b, extents, letters = b, a, extents.swapped(), letters.swapped()
    y, out, label = _weight(reader, node, b), reader.result(node), reader.label(node)
    reader.build.product(extents, letters, reader.values[a.name], y, out, name=label, op=op, stored=_stored(reader, b))
    if bias is not None and bias.name in reader.constant:
        reader.build.bias(out, math.prod(reader.shape(bias) or (0,)), label)
    elif bias is not None:
        reader.build.vector(f"{label}.add", "Add", out.elements, [reader.values[bias.name], out], [])


def _weight(reader: Reader, node: Any, operand: Any) -> Value:
    """The second operand of a product or convolution: a trained parameter, or an activation."""
    if operand.name not in reader.constant:
        return reader.values[operand.name]
    return reader.build.weight(f"{reader.label(node)}.weight", reader.shape(operand) or (), stored=_stored(reader, operand))


def _stored(reader: Reader, operand: Any) -> str:
    """The parameter behind an operand, so that a second use of it is recognised."""
    return reader.origin.get(operand.name, "") if operand.name in reader.constant else ""


def _attention(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    q, k, v = (_four_axes(_weight(reader, node, args[x])) for x in ("query", "key", "value"))
    causal, given = bool(args.get("is_causal")), args.get("attn_mask") is not None
    mask = Mask(causal=causal) if causal or given else None
    out = reader.result(node)
    out = out.reshaped((*q.shape[:3], v.shape[3])) if len(out.shape) == 3 else out
    blocks.attention(reader.build, q, k, v, out, reader.label(node), mask=mask)


def _four_axes(x: Value) -> Value:
    """(batch..., tokens, size) seen as (batch, heads, tokens, size)."""
    shape = (1,) * (4 - len(x.shape)) + x.shape
    return x.reshaped((math.prod(shape[:-3]), *shape[-3:]))


def _recurrent(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    """lstm.input, gru.input, rnn_tanh.input and rnn_relu.input: layers one behind the other, each with its directions."""
    kind = {"l": "LSTM", "g": "GRU", "r": "RNN"}[node.target.__name__[0]]
    params, directions = args["params"], 2 if args["bidirectional"] else 1
    x = reader.values[args["input"].name]
    batch, steps = (x.shape[0], x.shape[1]) if args["batch_first"] else (x.shape[1], x.shape[0])
    each, outs, label = len(params) // int(args["num_layers"]), reader.results(node), reader.label(node)
    for i in range(int(args["num_layers"])):
        mine = params[i * each : (i + 1) * each]
        matrices = [p for p in mine if len(reader.shape(p) or ()) == 2]
        matrices = matrices[: len(matrices) // directions]  # the other direction has as many, of the same shapes
        bias = sum(math.prod(reader.shape(p) or ()) for p in mine if len(reader.shape(p) or ()) == 1)
        rows, features = reader.shape(matrices[0]) or (1, 1)
        hidden = rows // blocks.CELL_GATES[kind]
        projection = (reader.shape(matrices[2]) or (0,))[0] if len(matrices) > 2 else 0
        last = i == int(args["num_layers"]) - 1
        made = (
            outs if last else [reader.build.value(f"{node.name}.layer{i}", (*x.shape[:2], directions * (projection or hidden)))]
        )
        blocks.recurrent(
            reader.build,
            kind,
            x,
            made,
            name=f"{label}.layer{i}",
            op=kind,
            steps=steps,
            batch=batch,
            features=features,
            hidden=hidden,
            projection=projection,
            time=1 if args["batch_first"] else 0,
            directions=directions,
            weights=[m.name for m in matrices],
            bias=bias,
        )
        x = made[0]


def _cell(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    """One step of an LSTM, GRU or RNN: two products with trained weights, and the gates."""
    kind = {"l": "LSTM", "g": "GRU", "r": "RNN"}[node.target.__name__[0]]
    states = args["hx"] if isinstance(args["hx"], list | tuple) else [args["hx"]]
    label, found = reader.label(node), [reader.values[args["input"].name]]
    for i, h in enumerate(states):  # a first state of zeros is there before the run
        made = reader.values.get(h.name)
        found.append(made or reader.build.input(f"{label}.state{i}", reader.shape(h) or ()))
    parts = []
    for what, x, weight in (("input", found[0], args["w_ih"]), ("hidden", found[1], args["w_hh"])):
        width, depth = reader.shape(weight) or (1, 1)
        part = reader.build.value(f"{label}.{what}", (*x.shape[:-1], width), x.bits)
        lead = BATCH[: len(x.shape) - 1]
        extents, letters = Product(1, x.elements // depth, width, depth), Letters(left=f"{lead}k", right="nk", result=f"{lead}n")
        trained, stored = _weight(reader, node, weight), _stored(reader, weight)
        reader.build.product(extents, letters, x, trained, part, name=f"{label}.{what}", op=kind, stored=stored)
        parts.append(part)
    bias = sum(math.prod(reader.shape(b) or ()) for b in (args.get("b_ih"), args.get("b_hh")) if b is not None)
    ops = blocks.CELL_OPS[blocks.CELL_GATES[kind]] * found[1].elements
    reader.build.vector(f"{label}.gates", "Gates", ops, [*parts, *found[2:]], reader.results(node), parameters=bias)


def _tensordot(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    """The product over the named axes of both operands."""
    a, b = args["self"], args["other"]
    left, right = reader.shape(a) or (), reader.shape(b) or ()
    first, second = ascii_letters[: len(left)], list(ascii_letters[len(left) : len(left) + len(right)])
    for i, j in zip(args["dims_self"], args["dims_other"], strict=True):
        second[j] = first[i]
    summed = {first[i] for i in args["dims_self"]}
    equation = f"{first},{''.join(second)}->{''.join(c for c in [*first, *second] if c not in summed)}"
    _product(
        reader, node, a, b, einsum(equation, left, right, node.name), Letters.einsum(equation, left, right, node.name), "MatMul"
    )


def _multi_dot(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    """Matrices one behind the other, in the cheapest order; the first and the last may be vectors."""
    tensors = args["tensors"]
    pairs = [ascii_letters[i : i + 2] for i in range(len(tensors))]
    pairs[0] = pairs[0][-len(reader.shape(tensors[0]) or ()) :]
    pairs[-1] = pairs[-1][: len(reader.shape(tensors[-1]) or ())]
    ends = (pairs[0][:1] if len(pairs[0]) > 1 else "") + (pairs[-1][1:] if len(pairs[-1]) > 1 else "")
    _chain(reader, node, f"{','.join(pairs)}->{ends}", tensors)


def _bilinear(reader: Reader, node: Any, args: dict[str, Any]) -> None:
    """x1' W x2 for each output: a product with the trained weights, then one for each row with the second input."""
    x, y, w, label = args["input1"], args["input2"], args["weight"], reader.label(node)
    left, right, weight = (reader.shape(t) or () for t in (x, y, w))
    lead = BATCH[: len(left) - 1]
    first, second = f"{lead}x,wxy->{lead}wy", f"{lead}wy,{lead}y->{lead}w"
    middle = reader.build.value(f"{label}.first", (*left[:-1], weight[0], weight[2]))
    a, stored = _weight(reader, node, x), _stored(reader, w)
    extents, letters = einsum(first, left, weight, label), Letters.einsum(first, left, weight, label)
    trained = _weight(reader, node, w)
    reader.build.product(extents, letters, a, trained, middle, name=f"{label}.first", op="Gemm", stored=stored)
    extents, letters = einsum(second, middle.shape, right, label), Letters.einsum(second, middle.shape, right, label)
    out = reader.result(node)
    reader.build.product(extents, letters, middle, _weight(reader, node, y), out, name=label, op="MatMul")
    if args.get("bias") is not None:
        reader.build.bias(out, math.prod(reader.shape(args["bias"]) or (0,)), label)


def _pool(reader: Reader, node: Any, args: dict[str, Any], op: str) -> None:
    xs, outs = reader.activations(node), reader.results(node)
    axes = len(outs[0].shape) - 2
    taps = math.prod(each(args["kernel_size"], axes))
    reader.build.vector(reader.label(node), op, taps * outs[0].elements, xs, outs, index=pool_index(args, axes))


def _resize(reader: Reader, node: Any, name: str) -> None:
    x, out = reader.activations(node)[0], reader.result(node)
    mode = next((m for m in table.INTERPOLATION if m in name), "linear")
    axes = sum(a != b for a, b in zip(x.shape, out.shape, strict=True))
    reader.build.vector(reader.label(node), "Resize", out.elements * axes * table.INTERPOLATION[mode], [x], [out])


def _view(reader: Reader, node: Any) -> None:
    x = reader.activations(node)[0]
    reader.values[node.name] = reader.build.view(x, reader.shape(node) or (), name=reader.label(node))


def _name_of(reader: Reader, operand: Any) -> str:
    """The activation behind an operand, if it is one."""
    found = reader.values.get(getattr(operand, "name", ""))
    return found.name if found else ""


def _same_size(reader: Reader, node: Any) -> bool:
    xs = reader.activations(node)
    return bool(xs) and math.prod(reader.shape(node) or ()) == xs[0].elements


def _keeps_order(shape: Shape, plain: str, args: dict[str, Any]) -> bool:
    """Whether a transposition only moves axes of size 1, so that the data stay where they are."""
    moved = [axis for axis in order_of(plain, args, len(shape)) if shape[axis] != 1]
    return moved == sorted(moved)


def _bound(node: Any) -> dict[str, Any]:
    """The arguments of a call by name, defaults filled in."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return dict(node.kwargs)
    names = [a.name for a in schema.arguments]
    found = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    return found | dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


HANDLERS: dict[str, Callable[[Reader, Any, dict[str, Any]], None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv),
    "linear": _linear,
    **dict.fromkeys(("addmm", "baddbmm"), _addmm),
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot", "__matmul__"), _matmul),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), _cell),
    "tensordot": _tensordot,
    "linalg_multi_dot": _multi_dot,
    "bilinear": _bilinear,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
}
