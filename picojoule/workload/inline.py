"""One layer written on the command line: `gemm:M=1024,N=1024,K=1024,bits=8` or `conv:K=128,C=128,P=28,Q=28,R=3,S=3`."""

from __future__ import annotations

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.formats.names import is_format_name
from picojoule.workload.access import Access, Layout
from picojoule.workload.einsum import parse_einsum
from picojoule.workload.layer import Layer, Tensor, conv, gemm
from picojoule.workload.network import Network, NetworkTensor, Persistence, Step

REQUIRED = {"gemm": ("M", "N", "K"), "conv": ("K", "C", "P", "Q", "R", "S")}
OPTIONAL = {"gemm": ("batch", "bits", "density"), "conv": ("batch", "bits", "stride", "dilation", "pad", "groups", "density")}
DENSITY = "density"  # of input, weight and output: density=0.4x2:4x0.6, or density=0.5 of both operands
PAIRS = ("stride", "dilation", "pad")  # may differ for rows and columns: stride=2x1
EXAMPLE = {"gemm": "gemm:M=1024,N=1024,K=1024,bits=8", "conv": "conv:K=128,C=128,P=28,Q=28,R=3,S=3,stride=1,batch=1"}


def is_inline(text: str) -> bool:
    """Whether the text is meant as an inline layer."""
    return text.partition(":")[0] in (*REQUIRED, "einsum") and ":" in text


def parse_layer(text: str) -> Layer:
    """The layer of an inline text; every key is checked, and a misspelt one gets the nearest known key."""
    kind, _, rest = text.partition(":")
    if kind == "einsum":
        return parse_einsum(text)
    if kind not in REQUIRED:
        raise unknown_name("inline layer", kind, (*REQUIRED, "einsum"), where=text)
    values: dict[str, int | tuple[int, int]] = {}
    densities: dict[str, object] = {}
    number = ""  # bits=mxfp4: a number format for every tensor
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, value = (x.strip() for x in part.partition("="))
        if key not in REQUIRED[kind] + OPTIONAL[kind]:
            raise unknown_name("key", key, REQUIRED[kind] + OPTIONAL[kind], where=text)
        if not equals or not value:
            raise SpecError(f"key {key!r} has no value", where=text, hint=f"write it like {EXAMPLE[kind]}")
        if key in values or (key == DENSITY and densities) or (key == "bits" and number):
            raise SpecError(f"key {key!r} is given twice", where=text, hint="give it once")
        if key == DENSITY:
            densities = _densities(value, text)
            continue
        if key == "bits" and is_format_name(value):
            number = value
            continue
        values[key] = _number(key, value, text)
    missing = [k for k in REQUIRED[kind] if k not in values]
    if missing:
        raise SpecError(f"{kind} lacks {', '.join(missing)}", where=text, hint=f"write it like {EXAMPLE[kind]}")
    try:
        layer = gemm(**values) if kind == "gemm" else conv(**values)  # type: ignore[arg-type]
        layer = layer.bits_of(**dict.fromkeys(ROLES, number)) if number else layer
        return layer.with_density(text, **densities) if densities else layer
    except SpecError as error:
        raise error.located(text) from None


def read_inline(text: str) -> Network:
    """A network of the one layer."""
    layer = parse_layer(text)
    kept = {"input": Persistence.INPUT, "weight": Persistence.PARAMETER, "output": Persistence.OUTPUT}
    tensors = tuple(
        NetworkTensor(name=t.role, shape=layer.shape(t), bits=t.bits, persistence=kept[t.role]) for t in layer.tensors
    )
    accesses = tuple(Access(operand=t.name, tensor=t.role, layout=_layout(layer, t)) for t in layer.tensors)
    return Network(text, (Step(layer, accesses),), tensors, source="inline layer")


def _layout(layer: Layer, tensor: Tensor) -> Layout | None:
    """The tensor as it lies; None where strides or padding leave elements out, which an inline layer does not place."""
    shape = layer.shape(tensor)
    whole = all(
        r.size in (None, n) and (len(r.terms) == 2 or r.terms[0][0] == 1) for r, n in zip(tensor.ranks, shape, strict=True)
    )
    return Layout.of(shape) if whole else None


def _densities(value: str, text: str) -> dict[str, object]:
    """`0.4x2:4x0.6` by role; one value is that of both operands."""
    parts = value.split("x")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise SpecError(f"density={value} is no density", where=text, hint="give input x weight x output, such as 0.4x2:4x0.6")
    parts = parts * 2 if len(parts) == 1 else parts
    return dict(zip(("input", "weight", "output"), parts, strict=False))


def _number(key: str, value: str, text: str) -> int | tuple[int, int]:
    parts = value.split("x") if key in PAIRS else [value]
    least = 0 if key == "pad" else 1
    try:
        numbers = [int(p) for p in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or min(numbers) < least:
        pair = ", or two like 2x1" if key in PAIRS else ""
        raise SpecError(f"{key}={value} is no size", where=text, hint=f"give a whole number, {least} or more{pair}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
