"""Timeloop's problem: shape (dimensions, coefficients, data spaces with affine projections) and instance, as a layer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from picojoule.errors import SpecError, unknown_name
from picojoule.interop.names import letters, refuse_huge, roles_of
from picojoule.interop.report import Report
from picojoule.interop.trees import (
    Block,
    Items,
    Scalar,
    Tree,
    as_block,
    as_items,
    as_number,
    as_switch,
    as_text,
    as_texts,
    as_whole,
    refuse_leftover,
)
from picojoule.workload.layer import Layer, Rank, from_ranks

_CNN_COEFFICIENTS = {"Wstride": 1, "Hstride": 1, "Wdilation": 1, "Hdilation": 1}
_IGNORED = {
    "H": "the input's height follows from P, R and the stride",
    "W": "the input's width follows from Q, S and the stride",
    "Hpad": "that tool knows no padding: border elements count as data",
    "Wpad": "that tool knows no padding: border elements count as data",
    "G": "the shape has no groups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpace:
    """A tensor of a shape: each rank a sum of (coefficient: its name, or a number; dimension)."""

    name: str
    ranks: tuple[tuple[tuple[str | int, str], ...], ...]
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of problem without its sizes."""

    name: str
    dims: tuple[str, ...]
    coefficients: dict[str, int]
    spaces: tuple[DataSpace, ...]
    where: str

    @property
    def roles(self) -> dict[str, str]:
        """Role by data space."""
        written = [s.name for s in self.spaces if s.written]
        if len(written) != 1:
            raise SpecError(
                f"shape {self.name!r} writes {len(written)} data spaces", where=self.where, hint="exactly one is read_write: True"
            )
        return roles_of([s.name for s in self.spaces if not s.written], written[0], self.where)


def _cnn(dims: str, where: str) -> Shape:
    def one(*names: str) -> tuple[tuple[tuple[str | int, str], ...], ...]:
        return tuple(((1, d),) for d in names)

    k = "K" if "K" in dims else "M"
    rows: tuple[tuple[str | int, str], ...] = (("Wdilation", "R"), ("Wstride", "P"))
    columns: tuple[tuple[str | int, str], ...] = (("Hdilation", "S"), ("Hstride", "Q"))
    spaces = (
        DataSpace(name="Weights", ranks=one("C", k, "R", "S"), written=False),
        DataSpace(name="Inputs", ranks=(*one("N", "C"), rows, columns), written=False),
        DataSpace(name="Outputs", ranks=one("N", k, "Q", "P"), written=True),
    )
    return Shape(name="cnn-layer", dims=tuple(dims), coefficients=dict(_CNN_COEFFICIENTS), spaces=spaces, where=where)


def read_shape(tree: Tree, report: Report) -> Shape:
    """A shape, or the one that a name means."""
    if isinstance(tree, Scalar):
        name = as_text(tree, "shape").replace("_", "-").lower()
        if name not in ("cnn-layer", "cnn"):
            raise SpecError(
                f"shape {tree.text!r} is not known by name", where=tree.where, hint="cnn-layer, or write the shape out"
            )
        report.read(tree.where, "shape", tree.text)
        return _cnn("RSPQCKN", tree.where)
    block = as_block(tree, "shape")
    name = as_text(block.need("name", what="the shape"), "name") if block.has("name") else "problem"
    dims = tuple(_dimension_names(block.need("dimensions", what="the shape")))
    coefficients: dict[str, int] = {}
    if (listed := block.get("coefficients")) is not None:
        for item in as_items(listed, "coefficients"):
            c = as_block(item, "a coefficient")
            key = as_text(c.need("name"), "name")
            coefficients[key] = as_whole(c.need("default", what=f"coefficient {key!r}"), f"default of {key}", least=0)
            refuse_leftover(c, "coefficient")
    spaces = [_space(as_block(x, "a data space"), dims, coefficients) for x in as_items(
        block.need("data_spaces", "data-spaces", what="the shape"), "data_spaces")]  # fmt: skip
    block.get("name")
    refuse_leftover(block, "shape")
    report.read(block.where, "shape", f"{name}: {', '.join(dims)}")
    return Shape(name=name, dims=dims, coefficients=coefficients, spaces=tuple(spaces), where=block.where)


def _dimension_names(tree: Tree) -> list[str]:
    names = as_texts(tree, "dimensions")
    if len(set(names)) != len(names) or not names:
        raise SpecError("dimensions are missing or given twice", where=tree.where, hint="such as [C, M, R, S, N, P, Q]")
    return names


def _space(block: Block, dims: tuple[str, ...], coefficients: Mapping[str, int]) -> DataSpace:
    name = as_text(block.need("name", what="a data space"), "name")
    projection = as_items(block.need("projection", what=f"data space {name!r}"), "projection")
    ranks: list[tuple[tuple[str | int, str], ...]] = []
    for rank in projection:
        terms: list[tuple[str | int, str]] = []
        for term in as_items(rank, "a rank"):
            parts = as_items(term, "a term")
            if not 1 <= len(parts) <= 2:
                raise SpecError(
                    f"a term of {len(parts)} parts", where=term.where, hint="write [dimension] or [dimension, coefficient]"
                )
            dim = as_text(parts[0], "a dimension")
            if dim not in dims:
                raise unknown_name("dimension", dim, dims, parts[0].where)
            coefficient: str | int = 1
            if len(parts) == 2:
                word = as_text(parts[1], "a coefficient")
                coefficient = int(as_number(parts[1], "a coefficient")) if word.isdigit() else word
                if isinstance(coefficient, str) and coefficient not in coefficients:
                    raise unknown_name("coefficient", coefficient, coefficients, parts[1].where)
            terms.append((coefficient, dim))
        if not 1 <= len(terms) <= 2:
            raise SpecError(
                f"a rank of {name!r} adds up {len(terms)} dimensions",
                where=rank.where,
                hint="ranks of one or two dimensions can be counted; write the problem with fewer",
            )
        ranks.append(tuple(terms))
    written = block.get("read_write", "read-write")
    refuse_leftover(block, f"data space {name!r}")
    return DataSpace(name=name, ranks=tuple(ranks), written=written is not None and as_switch(written, "read_write"))


def read_problem(block: Block, report: Report, bits: int, name: str = "") -> tuple[Layer | None, Shape]:
    """The layer of a `problem` (None where it states no sizes), and its shape. Elements have `bits`: that tool counts words."""
    if (version := block.get("version")) is not None:
        report.read(version.where, "version", as_text(version, "version"))
    has_instance = block.has("instance") or (not block.has("version", "name") and block.has("C", "R", "M", "K"))
    shape = read_shape(block.need("shape", what="the problem"), report)
    instance = block.get("instance")
    if instance is None:
        if has_instance:  # 0.2: sizes stand beside the shape
            instance = Block(
                {k: v for k, v in block.entries.items() if k not in ("shape", "version", "name")}, block.keys, block.where
            )
            block.asked.update(instance.entries)
        else:
            refuse_leftover(block, "problem")
            report.ignored(block.where, "problem", "a shape without sizes: give a problem with an instance to get a layer")
            return None, shape
    block.get("name")
    refuse_leftover(block, "problem")
    return _layer(shape, as_block(instance, "instance"), report, bits, name or shape.name), shape


def _layer(shape: Shape, instance: Block, report: Report, bits: int, name: str) -> Layer:
    bounds: dict[str, int] = {}
    for d in shape.dims:
        tree = instance.get(d)
        if tree is None:
            raise SpecError(f"the instance gives no size for dimension {d!r}", where=instance.where, hint=f"add `{d}: 1`")
        bounds[d] = as_whole(tree, f"size of {d}")
        report.read(instance.place(d), f"instance.{d}", str(bounds[d]))
    values: dict[str, int] = {}
    for c, default in shape.coefficients.items():
        tree = instance.get(c)
        values[c] = default if tree is None else as_whole(tree, c)
        if tree is None:
            report.default(shape.where, c, f"{default}, the default that the shape states")
        else:
            report.read(instance.place(c), f"instance.{c}", str(values[c]))
    densities = instance.get("densities")
    _rest_of_instance(shape, instance, report)
    ours = letters(shape.dims)
    if any(k != v for k, v in ours.items()):
        report.read(shape.where, "dimensions", ", ".join(f"{k} is called {v} here" for k, v in ours.items() if k != v))
    roles = shape.roles
    tensors = {s.name: (roles[s.name], tuple(_rank(r, values, ours, s.name, shape.where) for r in s.ranks)) for s in shape.spaces}
    try:
        layer = from_ranks(name, "Timeloop problem", {ours[d]: n for d, n in bounds.items()}, tensors, bits)
    except SpecError as e:
        raise e.located(shape.where) from None
    refuse_huge(layer, instance.where)
    return layer if densities is None else with_densities(layer, as_block(densities, "densities"), report)


def _rank(
    terms: tuple[tuple[str | int, str], ...], values: Mapping[str, int], ours: Mapping[str, str], name: str, where: str
) -> Rank:
    try:
        return Rank(tuple((c if isinstance(c, int) else values[c], ours[d]) for c, d in terms))
    except SpecError as e:
        raise SpecError(f"data space {name!r}: {e.problem}", where=where, hint=e.hint) from None


def _rest_of_instance(shape: Shape, instance: Block, report: Report) -> None:
    """What is left: a misspelt name is refused, as that tool would silently take the default; facts that say nothing pass."""
    known = [*shape.dims, *shape.coefficients]
    for key in instance.leftover():
        place = instance.place(key)
        near = [
            k for k in known if len(k) > 1 and (k.lower() == key.lower() or difflib.SequenceMatcher(None, k, key).ratio() > 0.8)
        ]
        if near:
            raise SpecError(
                f"unknown key {key!r} of the instance: that tool ignores it and takes the default of {near[0]!r}",
                where=place,
                hint=f"write {near[0]}",
            )
        if key not in _IGNORED:
            raise unknown_name("key of the instance", key, known, place)
        report.ignored(place, f"instance.{key}", _IGNORED[key])


def with_densities(layer: Layer, block: Block, report: Report) -> Layer:
    """The layer with zeros at random places; other distributions are refused."""
    found: dict[str, float] = {}
    for name, tree in block.entries.items():
        role = next((t.role for t in layer.tensors if t.name == name), None)
        if role is None:
            raise unknown_name("data space", name, [t.name for t in layer.tensors], block.place(name))
        if isinstance(tree, Scalar):
            found[role] = as_amount_of_one(tree)
            report.read(tree.where, f"densities.{name}", tree.text)
            continue
        d = as_block(tree, "a density")
        kind = as_text(d.need("distribution", what="a density"), "distribution")
        if kind not in ("fixed_structured", "fixed-structured", "hypergeometric"):
            raise SpecError(
                f"density distribution {kind!r} of {name}",
                where=d.place("distribution"),
                hint="fixed_structured and hypergeometric are read; give bands and points in a density file of ours",
            )
        value = d.need("density", what="a density")
        found[role] = as_amount_of_one(value)
        if kind.startswith("fixed"):
            report.read(d.where, f"densities.{name}", "evenly spread zeros are taken as zeros at random places: equal on average")
        else:
            report.read(d.where, f"densities.{name}", str(found[role]))
        refuse_leftover(d, "density")
    return layer.with_density(block.where, **found)


def as_amount_of_one(tree: Tree) -> float:
    value = as_number(tree, "a density")
    if not 0 <= value <= 1:
        raise SpecError(f"a density of {value}", where=tree.where, hint="a fraction from 0 to 1")
    return float(value)


__all__ = ["DataSpace", "Items", "Shape", "read_problem", "read_shape"]
