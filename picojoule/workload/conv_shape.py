"""The shape of a 2-D convolution as kernels see it, and the plain convolution that every transform has to equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picojoule.errors import SpecError
from picojoule.workload.layer import Layer, Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvShape:
    """N images of C channels and H x W pixels, K filters of C/groups x R x S; zero padding on both sides of each axis."""

    N: int = 1
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        sizes = (self.N, self.C, self.H, self.W, self.K, self.R, self.S, self.groups, *self.stride, *self.dilation)
        if min(sizes) < 1 or min(self.pad) < 0:
            raise SpecError(f"{self} is no convolution", hint="sizes, strides and dilations are 1 or more, padding 0 or more")
        if self.C % self.groups or self.K % self.groups:
            raise SpecError(f"groups={self.groups} divides neither C={self.C} and K={self.K} evenly", hint="use a common divisor")
        if self.P < 1 or self.Q < 1:
            raise SpecError(f"a {self.R}x{self.S} kernel does not fit into {self.H}x{self.W} pixels", hint="pad the image")

    @property
    def P(self) -> int:
        """Rows of the output."""
        return (self.H + 2 * self.pad[0] - self.dilation[0] * (self.R - 1) - 1) // self.stride[0] + 1

    @property
    def Q(self) -> int:
        """Columns of the output."""
        return (self.W + 2 * self.pad[1] - self.dilation[1] * (self.S - 1) - 1) // self.stride[1] + 1

    @property
    def macs(self) -> int:
        """Multiplications of the plain convolution, padding included."""
        return self.N * self.K * (self.C // self.groups) * self.P * self.Q * self.R * self.S

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (self.N, self.C, self.H, self.W)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return (self.K, self.C // self.groups, self.R, self.S)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        return (self.N, self.K, self.P, self.Q)

    def __str__(self) -> str:
        more = "".join(f" {k}{v[0]}x{v[1]}" for k, v in (("/", self.stride), ("dil", self.dilation)) if v != (1, 1))
        grouped = f" g{self.groups}" if self.groups > 1 else ""
        return f"N{self.N} C{self.C} {self.H}x{self.W} K{self.K} {self.R}x{self.S}{more}{grouped}"


def conv_shape(layer: Layer) -> ConvShape:
    """The convolution that a layer is, with its padding read off the offsets of its ranks (the same on both sides).

    Raises SpecError where the layer is no 2-D convolution, or where input and output fit no symmetric padding.
    """
    image = next((t for t in layer.tensors if t.role == "input"), None)
    bounds = layer.bounds
    if layer.op not in ("Conv", "conv2d", "convolution") or image is None or not set(bounds) <= set("NGKCPQRS"):
        raise SpecError(f"layer {layer.name!r} is no 2-D convolution", hint="transforms apply to 2-D convolutions alone")
    rows, columns = (_axis(image.ranks, out, tap, bounds) for out, tap in (("P", "R"), ("Q", "S")))
    groups = bounds.get("G", 1)
    return ConvShape(
        N=bounds.get("N", 1),
        C=bounds.get("C", 1) * groups,
        K=bounds.get("K", 1) * groups,
        groups=groups,
        H=rows[0],
        W=columns[0],
        R=bounds.get("R", 1),
        S=bounds.get("S", 1),
        stride=(rows[1], columns[1]),
        dilation=(rows[2], columns[2]),
        pad=(rows[3], columns[3]),
    )


def _axis(ranks: tuple[Rank, ...], out: str, tap: str, bounds: dict[str, int]) -> tuple[int, int, int, int]:
    """(pixels, stride, dilation, padding) of one axis of the image."""
    for rank in ranks:
        step = {d: c for c, d in rank.terms}
        if out in step or tap in step:
            stride, dilation, pad = step.get(out, 1), step.get(tap, 1), -rank.offset
            reach = (bounds.get(out, 1) - 1) * stride + (bounds.get(tap, 1) - 1) * dilation + 1
            return (rank.size if rank.size is not None else reach - pad), stride, dilation, pad
    return 1, 1, 1, 0


def padded(x: np.ndarray, shape: ConvShape, below: int = 0, right: int = 0) -> np.ndarray:
    """The images with their zero padding, and with further rows and columns of zeros at the far ends."""
    (u, v) = shape.pad
    return np.pad(x, ((0, 0), (0, 0), (u, u + below), (v, v + right)))


def direct(x: np.ndarray, w: np.ndarray, shape: ConvShape) -> np.ndarray:
    """The plain convolution, tap by tap, in the arithmetic of the operands: the reference of every transform.

    x: [N, C, H, W].  w: [K, C/groups, R, S].  Returns [N, K, P, Q].
    """
    check_operands(x, w, shape)
    big, g = padded(x, shape), shape.groups
    xs = big.reshape(shape.N, g, shape.C // g, *big.shape[2:])
    ws = w.reshape(g, shape.K // g, shape.C // g, shape.R, shape.S)
    y = np.zeros((shape.N, g, shape.K // g, shape.P, shape.Q), dtype=np.result_type(x, w))
    for r in range(shape.R):
        for s in range(shape.S):
            i, j = r * shape.dilation[0], s * shape.dilation[1]
            rows = slice(i, i + (shape.P - 1) * shape.stride[0] + 1, shape.stride[0])
            columns = slice(j, j + (shape.Q - 1) * shape.stride[1] + 1, shape.stride[1])
            y += np.einsum("ngcpq,gkc->ngkpq", xs[:, :, :, rows, columns], ws[:, :, :, r, s])
    return y.reshape(shape.output_shape)


def check_operands(x: np.ndarray, w: np.ndarray, shape: ConvShape) -> None:
    """Operands that do not have the stated shape are an error of the caller's input."""
    for name, array, expected in (("input", x, shape.input_shape), ("weight", w, shape.weight_shape)):
        if array.shape != expected:
            raise SpecError(f"the {name} has shape {array.shape}, {shape} needs {expected}", hint="check the order N, C, H, W")
