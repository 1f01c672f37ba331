"""What the arguments of a torch call say about how it indexes its operand: axes, windows, orders, places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from picojoule.workload.building.operators import PLAIN, Index
from picojoule.workload.building.shapes import Shape, window
from picojoule.workload.building.value import Value

CUT = frozenset({"split", "split_with_sizes", "chunk"})


def index_of(plain: str, args: dict[str, Any], xs: Sequence[Value]) -> Index:
    """How the call indexes its first operand; `PLAIN` where nothing but its name and shapes says it."""
    if not xs:
        return PLAIN
    shape = xs[0].shape
    if plain in ("permute", "transpose", "t", "swapaxes"):
        return Index(order=order_of(plain, args, len(shape)))
    if plain in ("cat", *CUT):
        return Index(axes=(int(args.get("dim", 0)),))
    if plain in ("slice", "narrow"):
        return _slice(args, shape)
    if plain in ("layer_norm", "native_layer_norm", "rms_norm"):
        width = len(args["normalized_shape"])
        axes = tuple(range(len(shape) - width, len(shape)))
        return Index(axes=axes, parameter_axes=axes)
    if plain in ("batch_norm", "_native_batch_norm_legit_no_training", "instance_norm", "group_norm", "native_group_norm"):
        return Index(parameter_axes=(1,))
    dim = args.get("dim")
    if isinstance(dim, int) and not isinstance(dim, bool):
        return Index(axes=(dim,))
    return Index(axes=tuple(int(d) for d in dim)) if isinstance(dim, list | tuple) and dim else PLAIN


def order_of(plain: str, args: dict[str, Any], axes: int) -> Shape:
    """The axis of the operand for each axis of the result of a transposition."""
    order = list(range(axes))
    if plain == "permute":
        return tuple(int(d) % axes for d in args["dims"])
    names = (("axis0", "dim0"), ("axis1", "dim1"))
    a, b = (int(next((args[n] for n in pair if n in args), i)) % axes for i, pair in enumerate(names))
    order[a], order[b] = order[b], order[a]
    return tuple(order)


def pool_index(args: dict[str, Any], axes: int) -> Index:
    """The window of a pooling over the last axes; without a stride it moves by its own size."""
    kernel = each(args["kernel_size"], axes)
    stride = each(args.get("stride") or kernel, axes)
    pad, dilation = each(args.get("padding", 0), axes), each(args.get("dilation", 1), axes)
    return Index(window=window(kernel, stride=stride, dilation=dilation, pad=pad, axes=axes))


def _slice(args: dict[str, Any], shape: Shape) -> Index:
    axis = int(args.get("dim", 0)) % len(shape)
    start, step = args.get("start") or 0, args.get("step", 1)
    if not isinstance(start, int) or not isinstance(step, int):
        return PLAIN
    n = shape[axis]
    place = min(max(start + n if start < 0 else start, 0), n)
    begin, steps = [0] * len(shape), [1] * len(shape)
    begin[axis], steps[axis] = place, step
    return Index(begin=tuple(begin), step=tuple(steps))


def each(value: Any, axes: int) -> Shape:
    """One number for all axes, or one for each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * axes if len(numbers) == 1 else numbers
