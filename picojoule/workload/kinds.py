"""What a dimension of a layer is, whatever its letter: the words in which dataflows speak of loops.

kind           indexes                         convolution   matrix product
batch          input and output                N             M
row, column    the same, in a sliding window   P, Q          -
out-channel    weight and output               K             N
in-channel     weight and input                C             K
filter-row     the same, in a sliding window   R             -
filter-column                                  S             -
group          all three                       G             H
other          anything else
"""

from __future__ import annotations

from functools import lru_cache

from picojoule.workload.layer import Layer

KINDS = ("batch", "group", "out-channel", "in-channel", "row", "column", "filter-row", "filter-column", "other")
_BY_ROLES = {
    frozenset({"input", "output"}): "batch",
    frozenset({"weight", "output"}): "out-channel",
    frozenset({"weight", "input"}): "in-channel",
    frozenset({"weight", "input", "output"}): "group",
}
_WINDOW = {"batch": ("row", "column"), "in-channel": ("filter-row", "filter-column")}
_CONV_DIMS = frozenset("ZPQTRS")  # a convolution's own letters keep their meaning where its window is one wide


@lru_cache(maxsize=4096)
def kind(layer: Layer, dim: str) -> str:
    """The kind of a dimension of the layer, one of `KINDS`. The last axis of a window holds the columns, the others rows.

    A depthwise layer has its channels as groups; an operand without weights (pooling) has them as batch.
    """
    roles = frozenset(t.role for t in layer.tensors if dim in t.dims)
    plain = _BY_ROLES.get(roles, "other")
    slides = any(len(r.terms) == 2 and dim in [d for _, d in r.terms] for t in layer.tensors for r in t.ranks)
    if plain in _WINDOW and (slides or (dim in _CONV_DIMS and "Conv" in layer.op)):
        return _WINDOW[plain][dim in ("Q", "S")]
    return plain


def dims_of(layer: Layer, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The layer's dimensions of any of these kinds, in the layer's order."""
    return tuple(d for d, _ in layer.dims if kind(layer, d) in kinds)
