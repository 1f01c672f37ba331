"""Timeloop's mappings as ours: lists of directives by target (`map.yaml`, hand-written ones), for one layer and chip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from picojoule.errors import MappingError, SpecError, unknown_name
from picojoule.hardware.chip import Chip, FanOut
from picojoule.interop.names import letters
from picojoule.interop.report import Report
from picojoule.interop.timeloop.constraints import factors_of, permutation_of
from picojoule.interop.trees import Block, Tree, as_block, as_items, as_text, as_texts, as_whole, refuse_leftover
from picojoule.mapping.mapping import Loop, Mapping, Node, check
from picojoule.workload.layer import Layer

_TYPES = ("temporal", "spatial", "datatype", "dataspace", "bypass")


@dataclass(slots=True, kw_only=True)
class Nest:
    """Loops of one target: bounds by dimension, the order innermost first, how many of them go to X."""

    bounds: dict[str, int]
    order: list[str]
    split: int | None
    where: str


@dataclass(slots=True, kw_only=True)
class Directives:
    """A mapping before it meets a chip: by target, what is kept and which loops run."""

    keep: dict[str, list[str]] = field(default_factory=dict)
    bypass: dict[str, list[str]] = field(default_factory=dict)
    temporal: dict[str, Nest] = field(default_factory=dict)
    spatial: dict[str, Nest] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    where: str = ""


def read_directives(tree: Tree, report: Report) -> Directives:
    """The directives of a `mapping` list."""
    out = Directives(where=tree.where)
    for item in as_items(tree, "mapping"):
        block = as_block(item, "a directive")
        target = as_text(block.need("target", what="a directive"), "target")
        kind = as_text(block.need("type", what=f"the directive for {target!r}"), "type")
        out.places.setdefault(target, block.where)
        if kind not in _TYPES:
            raise unknown_name("type of directive", kind, _TYPES, block.where)
        if kind in ("temporal", "spatial"):
            table = out.temporal if kind == "temporal" else out.spatial
            if target in table:
                raise SpecError(f"{target!r} has two {kind} directives", where=block.where, hint="one of a kind for each target")
            table[target] = _nest(block)
        else:
            for key, kept in (("keep", out.keep), ("bypass", out.bypass)):
                if (names := block.get(key)) is not None:
                    kept.setdefault(target, []).extend(as_texts(names, key))
        refuse_leftover(block, f"directive for {target!r}")
        report.read(block.where, f"mapping.{target}.{kind}")
    return out


def _nest(block: Block) -> Nest:
    bounds: dict[str, int] = {}
    for dim, sign, n, where in factors_of(tree) if (tree := block.get("factors")) is not None else []:
        if sign != "=":
            raise SpecError(f"factor {dim}{sign}{n} is a limit, not a loop", where=where, hint=f"write {dim}={n}")
        if dim in bounds:
            raise SpecError(f"factor {dim} is given twice", where=where, hint="once for each target")
        bounds[dim] = n
    order = permutation_of(tree) if (tree := block.get("permutation")) is not None else []
    if len(set(order)) != len(order):
        raise SpecError("the permutation names a dimension twice", where=block.where, hint="each dimension once")
    split = as_whole(tree, "split", least=0) if (tree := block.get("split")) is not None else None
    return Nest(bounds=bounds, order=order, split=split, where=block.where)


def to_mapping(found: Directives, layer: Layer, chip: Chip, dims: dict[str, str] | None = None) -> Mapping:
    """The mapping of the layer on the chip, checked; `dims` are names of dimensions there as ours, where they differ."""
    return _Maker(found, layer, chip, dims or {}).mapping()


@dataclass(slots=True)
class _Maker:
    found: Directives
    layer: Layer
    chip: Chip
    dims: dict[str, str]
    entries: list[Loop | Node] = field(default_factory=list)

    def mapping(self) -> Mapping:
        self._targets_exist()
        self._rest()
        used: set[str] = set()
        for i, level in enumerate(self.chip.levels):
            names = [m.name for m in level.memories] if not isinstance(level, FanOut) else _fanout_names(level)
            used.update(names)
            for name in names:
                if not isinstance(level, FanOut):
                    self._nodes(name)
                if name in self.found.temporal:
                    self._loops(self.found.temporal[name], [])
                if name in self.found.spatial:
                    self._loops(self.found.spatial[name], self._fanouts(i))
        mapping = Mapping(tuple(e for e in self.entries if isinstance(e, Node) or e.bound > 1))
        check(mapping, self.layer, self.chip, self.found.where)
        return mapping

    def _targets_exist(self) -> None:
        known = [m.name for m in self.chip.memories] + [f"inter_{f.name}_spatial" for f in self.chip.fanouts]
        extra = [n for f in self.chip.fanouts for n in _fanout_names(f)]
        for target, where in self.found.places.items():
            if target not in known and target not in extra:
                raise unknown_name("target", target, known, where)

    def _fanouts(self, i: int) -> list[FanOut]:
        """The fan-outs that unrolled loops of this level go to: itself, or those right below."""
        level = self.chip.levels[i]
        if isinstance(level, FanOut):
            return [level]
        out: list[FanOut] = []
        for below in self.chip.levels[i + 1 :]:
            if not isinstance(below, FanOut):
                break
            out.append(below)
        return out

    def _nodes(self, memory: str) -> None:
        keep, bypass = self.found.keep.get(memory), self.found.bypass.get(memory, [])
        where = self.found.places.get(memory, self.found.where)
        for name in [*(keep or ()), *bypass]:
            if name not in [t.name for t in self.layer.tensors]:
                raise unknown_name("data space", name, [t.name for t in self.layer.tensors], where)
        for t in self.layer.tensors:
            allowed = self.chip.memory(memory).keeps_role(t.role) != "never"
            if t.name in (keep or ()) or (t.name not in bypass and allowed):
                self.entries.append(Node(memory, t.name))

    def _rest(self) -> None:
        """A factor of 0 stands for all that the others leave of a dimension."""
        nests = [*self.found.temporal.values(), *self.found.spatial.values()]
        for dim in {d for n in nests for d in n.bounds}:
            open_ = [n for n in nests if n.bounds.get(dim) == 0]
            if len(open_) > 1:
                raise MappingError(f"two factors of {dim} are 0, the rest", where=open_[1].where, hint="give one of them")
            if open_:
                others = math.prod(n.bounds[dim] for n in nests if n.bounds.get(dim, 0) > 0)
                open_[0].bounds[dim] = -(-self.layer.bounds.get(self._dim(dim, open_[0].where) or "", 1) // others)

    def _dim(self, name: str, where: str) -> str | None:
        """Our name of a dimension; None for one of bound 1, which a layer does not keep."""
        ours = self.dims.get(name) or next(iter(letters([name]).values()))
        return ours if ours in self.layer.bounds else None

    def _loops(self, nest: Nest, fanouts: list[FanOut]) -> None:
        order = list(nest.order)
        order = [d for d in nest.bounds if d not in order] + order  # dimensions that are not listed run innermost
        spatial = fanouts or None
        for position, dim in reversed(list(enumerate(order))):
            n = nest.bounds.get(dim, 1)
            if n == 1:
                continue
            ours = self._dim(dim, nest.where)
            if ours is None:
                known = [d for d, _ in self.layer.dims]
                raise unknown_name("dimension", dim, known, nest.where)
            if spatial is None:
                if nest.split is not None:
                    raise MappingError(f"no fan-out for the unrolled loops over {dim}", where=nest.where, hint="see the chip")
                self.entries.append(Loop(ours, n))
                continue
            self.entries.append(self._unrolled(ours, n, position, nest, fanouts))

    def _unrolled(self, dim: str, n: int, position: int, nest: Nest, fanouts: list[FanOut]) -> Loop:
        split = nest.split if nest.split is not None else len(nest.order)
        axis = "X" if position < split else "Y"
        for f in fanouts:
            if axis in f.along:
                return Loop(dim, n, f.name, axis)
        have = [f"{f.name}.{a.name}" for f in fanouts for a in f.axes]
        raise MappingError(
            f"split {split} puts the loop over {dim} on axis {axis}, which is not there",
            where=nest.where,
            hint=f"axes: {', '.join(have)}",
        )


def _fanout_names(fanout: FanOut) -> list[str]:
    return [fanout.name, f"inter_{fanout.name}_spatial"]
