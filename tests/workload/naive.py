"""Counts by walking every loop: too simple to be wrong, too slow to be used."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from picojoule.workload.layer import Layer, Tensor


def points(layer: Layer) -> itertools.product[tuple[int, ...]]:
    return itertools.product(*(range(n) for _, n in layer.dims))


def elements_by_walking(layer: Layer, tensor: Tensor) -> int:
    """Distinct valid elements that the loop nest of the layer touches."""
    names = [d for d, _ in layer.dims]
    seen = set()
    for point in points(layer):
        at = dict(zip(names, point, strict=True))
        index = tuple(r.offset + sum(c * at[d] for c, d in r.terms) for r in tensor.ranks)
        if all(i >= 0 and (r.size is None or i < r.size) for i, r in zip(index, tensor.ranks, strict=True)):
            seen.add(index)
    return len(seen)


def conv_by_walking(
    image: Sequence[int],
    filters: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    begin: Sequence[int],
    end: Sequence[int],
    groups: int,
) -> tuple[int, int, int, int]:
    """(MACs, input, weight and output elements) of a convolution, output point by output point and tap by tap."""
    sizes = image[2:]
    spans = zip(sizes, kernel, stride, dilation, begin, end, strict=True)
    outs = [(h + b + e - d * (k - 1) - 1) // s + 1 for h, k, s, d, b, e in spans]
    macs, inputs, weights, outputs = 0, set(), set(), set()
    for n, f in itertools.product(range(image[0]), range(filters)):
        group = f // (filters // groups)
        for o in itertools.product(*map(range, outs)):
            outputs.add((n, f, o))
            for c in range(image[1] // groups):
                for t in itertools.product(*map(range, kernel)):
                    macs += 1
                    weights.add((f, c, t))
                    at = tuple(i * s + k * d - b for i, k, s, d, b in zip(o, t, stride, dilation, begin, strict=True))
                    if all(0 <= a < h for a, h in zip(at, sizes, strict=True)):
                        inputs.add((n, group * (image[1] // groups) + c, at))
    return macs, len(inputs), len(weights), len(outputs)


def transposed_by_walking(
    size: Sequence[int],
    output: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    begin: Sequence[int],
) -> tuple[int, int]:
    """(multiplications, outputs that none reaches) of a transposed convolution of one channel, scattered input by input."""
    reached, count = set(), 0
    for i in itertools.product(*map(range, size)):
        for t in itertools.product(*map(range, kernel)):
            o = tuple(a * s + k * d - b for a, k, s, d, b in zip(i, t, stride, dilation, begin, strict=True))
            if all(0 <= x < n for x, n in zip(o, output, strict=True)):
                reached.add(o)
                count += 1
    whole = 1
    for n in output:
        whole *= n
    return count, whole - len(reached)
