"""Layers as plain JSON values and back, so that a result can be stored, sent to a worker and checked elsewhere."""

from __future__ import annotations

from typing import Any

from picojoule.errors import SpecError
from picojoule.workload.layer import Layer, Rank, Tensor


def layer_to_plain(layer: Layer) -> dict[str, Any]:
    """The layer as JSON values; `layer_from_plain` gives an equal layer back."""
    return {
        "name": layer.name,
        "op": layer.op,
        "note": layer.note,
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
            }
            for t in layer.tensors
        ],
    }


def layer_from_plain(value: Any, where: str = "") -> Layer:
    """The layer that `layer_to_plain` wrote; anything else is a SpecError that names the place."""
    try:
        tensors = tuple(
            Tensor(t["name"], t["role"], tuple(_rank(r) for r in t["ranks"]), t["bits"], t["density"], t["learned"],
                   t.get("number", ""))
            for t in value["tensors"]
        )
        dims = tuple((str(d), n) for d, n in value["dims"].items())
        return Layer(value["name"], value["op"], dims, tensors, value.get("note", ""))
    except SpecError as e:
        raise e.located(where) from None
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        problem = f"no key {e}" if isinstance(e, KeyError) else str(e)
        raise SpecError(
            f"a stored layer cannot be read: {problem}", where=where, hint="write results with `pj map --json`"
        ) from None


def _rank(value: Any) -> Rank:
    return Rank(tuple((int(c), str(d)) for c, d in value["terms"]), value["offset"], value["size"])
