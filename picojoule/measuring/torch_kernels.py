"""Kernels through PyTorch, on the processor or on a CUDA device: operands, the call, its result, and the same in fp64."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from picojoule.errors import SpecError, unknown_name
from picojoule.measuring import operands
from picojoule.measuring.work import Work

DTYPES = {"fp64": "float64", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel ready to run. `call()` computes, `exact()` gives the fp64 result, `values` turns a result into numpy."""

    call: Callable[[], Any]
    exact: Callable[[], np.ndarray]
    values: Callable[[Any], np.ndarray]


def load_torch(why: str = "running networks") -> Any:
    """torch, or an error that says how to get it."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        hint = "pip install 'picojoule[torch]'; ONNX files run with 'picojoule[onnxruntime]'"
        raise SpecError("torch is not installed", where=why, hint=hint) from None


def device(name: str) -> Any:
    """The torch device `cpu` or `cuda`; a device that is not there is an error that says what to do."""
    if name not in ("cpu", "cuda"):
        raise unknown_name("device", name, ("cpu", "cuda"), "--device")
    torch = load_torch(f"--device {name}")
    if name == "cuda" and not torch.cuda.is_available():
        cpu_build = "this torch is built for the CPU alone: install a CUDA build"
        hint = "torch sees no GPU: check the driver with nvidia-smi" if torch.version.cuda else cpu_build
        raise SpecError("there is no CUDA device", where="--device cuda", hint=hint)
    return torch.device(name)


def synchroniser(where: Any) -> Callable[[], None] | None:
    """What waits for the device; None for the processor, whose calls return when they are done."""
    torch = load_torch()
    return torch.cuda.synchronize if where.type == "cuda" else None


def kernel(work: Work, where: Any, seed: int = 0) -> Kernel:
    """The kernel on a device, with random operands that are checked to be so."""
    torch = load_torch()
    rng, kind = np.random.default_rng(seed), getattr(torch, DTYPES[work.dtype])
    there = torch.Generator(where).manual_seed(seed) if where.type == "cuda" else None

    def made(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Any:
        if there is not None:  # as many numbers as a GPU multiplies take the host long to draw
            return (torch.randn(shape, generator=there, device=where) * scale).to(kind)
        array = operands.check_random(name, operands.random(shape, rng) * np.float32(scale))
        return torch.from_numpy(array).to(where, kind)

    call, exact = {"gemm": _gemm, "conv": _conv, "vec": _vector}[work.family](torch, work, made)

    def guarded() -> Any:
        with torch.inference_mode():
            return call()

    def reference() -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(exact().cpu().numpy())

    return Kernel(guarded, reference, lambda y: np.asarray(y.double().cpu().numpy()))


Made = Callable[..., Any]


def _gemm(torch: Any, work: Work, made: Made) -> tuple[Callable[[], Any], Callable[[], Any]]:
    d = work.size
    scale = d["K"] ** -0.5
    if d["B"] == 1:
        a, w = made("A", (d["M"], d["K"])), made("B", (d["N"], d["K"]), scale)
        return lambda: torch.nn.functional.linear(a, w), lambda: a.double() @ w.double().T
    a, b = made("A", (d["B"], d["M"], d["K"])), made("B", (d["B"], d["K"], d["N"]), scale)
    return lambda: torch.bmm(a, b), lambda: a.double() @ b.double()


def _conv(torch: Any, work: Work, made: Made) -> tuple[Callable[[], Any], Callable[[], Any]]:
    s, f = work.shape, torch.nn.functional.conv2d
    x, w = made("input", s.input_shape), made("weight", s.weight_shape, (s.C // s.groups * s.R * s.S) ** -0.5)
    if work.size["layout"] == "nhwc":
        x, w = (t.contiguous(memory_format=torch.channels_last) for t in (x, w))
    settings = {"stride": s.stride, "padding": s.pad, "dilation": s.dilation, "groups": s.groups}
    return lambda: f(x, w, **settings), lambda: f(x.double(), w.double(), **settings)


def _vector(torch: Any, work: Work, made: Made) -> tuple[Callable[[], Any], Callable[[], Any]]:
    f = torch.nn.functional
    unary = {
        "Relu": f.relu,
        "Sigmoid": torch.sigmoid,
        "Tanh": torch.tanh,
        "Gelu": f.gelu,
        "Silu": f.silu,
        "Clip": lambda t: torch.clamp(t, 0, 6),
        "HardSwish": f.hardswish,
        "HardSigmoid": f.hardsigmoid,
        "Exp": torch.exp,
        "Sqrt": lambda t: torch.sqrt(torch.abs(t)),
        "Softmax": lambda t: torch.softmax(t, -1),
    }
    binary = {"Add": torch.add, "Mul": torch.mul, "Sub": torch.sub, "Div": torch.div, "Sum": torch.add}
    op, shape = work.size["op"], tuple(work.size["shape"])
    x = made("operand", shape)
    if op == "BatchNormalization":  # shape is (channels, pixels); at inference a scale and a shift for each channel
        image = x[None, :, :, None]
        image = image.contiguous(memory_format=torch.channels_last) if work.size["layout"] == "nhwc" else image
        given = [image, made("mean", shape[:1]), torch.square(made("deviation", shape[:1])) + 1]
        given += [made("scale", shape[:1]), made("shift", shape[:1])]
        return lambda: f.batch_norm(*given), lambda: f.batch_norm(*(g.double() for g in given))
    if op in unary:
        return lambda: unary[op](x), lambda: unary[op](x.double())
    y = made("second operand", shape)
    return lambda: binary[op](x, y), lambda: binary[op](x.double(), y.double())
