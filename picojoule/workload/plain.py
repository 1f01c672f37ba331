"""Layers as plain JSON values and back, so that a result can be stored, sent to a worker and checked elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from picojoule.errors import SpecError
from picojoule.workload.density import Actual, Banded, Density, Structured, Uniform
from picojoule.workload.layer import Layer, Rank, Tensor
from picojoule.workload.values import read_values, values_to_plain


def layer_to_plain(layer: Layer) -> dict[str, Any]:
    """The layer as JSON values; `layer_from_plain` gives an equal layer back."""
    return {
        "name": layer.name,
        "op": layer.op,
        "note": layer.note,
        **({"resumes": True} if layer.resumes else {}),
        "dims": dict(layer.dims),
        "tensors": [
            {
                "name": t.name,
                "role": t.role,
                "bits": t.bits,
                "density": t.density,
                "learned": t.learned,
                **({"number": t.number} if t.number else {}),
                "ranks": [{"terms": [[c, d] for c, d in r.terms], "offset": r.offset, "size": r.size} for r in t.ranks],
                **({"zeros": _zeros_to_plain(t.zeros)} if t.zeros is not None else {}),
                **({"values": values_to_plain(t.values)} if t.values is not None else {}),
            }
            for t in layer.tensors
        ],
    }


def layer_from_plain(value: Any, where: str = "") -> Layer:
    """The layer that `layer_to_plain` wrote; anything else is a SpecError that names the place."""
    try:
        tensors = tuple(
            Tensor(
                name=t["name"],
                role=t["role"],
                ranks=tuple(_rank(r) for r in t["ranks"]),
                bits=t["bits"],
                density=t["density"],
                learned=t["learned"],
                number=t.get("number", ""),
                zeros=_zeros_from_plain(t["zeros"]) if "zeros" in t else None,
                values=read_values(t["values"]) if "values" in t else None,
            )
            for t in value["tensors"]
        )
        dims = tuple((str(d), n) for d, n in value["dims"].items())
        return Layer(value["name"], value["op"], dims, tensors, value.get("note", ""), resumes=bool(value.get("resumes")))
    except SpecError as e:
        raise e.located(where) from None
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as e:
        problem = f"no key {e}" if isinstance(e, KeyError) else str(e)
        raise SpecError(
            f"a stored layer cannot be read: {problem}", where=where, hint="write results with `pj map --json`"
        ) from None


def _rank(value: Any) -> Rank:
    return Rank(tuple((int(c), str(d)) for c, d in value["terms"]), value["offset"], value["size"])


def _zeros_to_plain(zeros: Density) -> dict[str, Any]:
    own = {k: getattr(zeros, k) for k in ("density", "n", "m", "rank", "half_width") if hasattr(zeros, k)}
    if isinstance(zeros, Actual):
        own = {"bits": base64.b64encode(zeros.bits).decode()}
    return {"model": type(zeros).__name__, "shape": list(zeros.shape), **own}


def _zeros_from_plain(value: Any) -> Density:
    shape = tuple(int(n) for n in value["shape"])
    models: dict[str, Callable[[], Density]] = {
        "Uniform": lambda: Uniform(shape, value["density"]),
        "Structured": lambda: Structured(shape, value["n"], value["m"], value["rank"]),
        "Banded": lambda: Banded(shape, value["half_width"]),
        "Actual": lambda: Actual(shape, base64.b64decode(value["bits"])),
    }
    return models[value["model"]]()
