"""From a label back to the mapping that it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from picojoule.mapping.mapping import Loop, Mapping, Node
from picojoule.search.exact.boundaries import Boundary
from picojoule.search.exact.problem import Problem
from picojoule.search.exact.records import Action, Pool
from picojoule.search.exact.spatial import ragged_first


def write_mapping(problem: Problem, pools: Sequence[Pool | None], stage: int, way: Sequence[Boundary], label: int) -> Mapping:
    """The loops and nodes of an end label of the last stage, below the boundaries `way`."""
    starts = [(t, problem.chip.home(t.role).name) for t, home in zip(problem.tensors, problem.home, strict=True) if home < 0]
    entries: list[Loop | Node] = [Node(memory, t.name) for t, memory in starts]
    lattice = problem.lattice
    now = [int(e[0]) for e in lattice.extents]
    for at, action, tile in _steps(pools, stage, label):
        if Action.PLACE <= action < Action.SHRINK:
            t = action - Action.PLACE
            entries.append(Node(problem.memory(at, t).name, problem.tensors[t].name))
            continue
        after = [int(lattice.extents[d][i]) for d, i in enumerate(lattice.digits[tile])]
        if action == Action.ENTER:
            entries += _unrolled(problem, at, way[at])
        else:
            d = action - Action.SHRINK
            entries.append(Loop(lattice.dims[d], -(-now[d] // after[d])))
        now = after
    entries += [Loop(lattice.dims[d], n) for d, n in enumerate(now) if n > 1]
    return Mapping(tuple(_joined(entries)), problem.homes)


def _steps(pools: Sequence[Pool | None], stage: int, label: int) -> list[tuple[int, int, int]]:
    """(stage, action, tile) from the outside in."""
    out: list[tuple[int, int, int]] = []
    while label >= 0 and stage >= 0:
        pool = pools[stage]
        assert pool is not None
        action = int(pool.action[label])
        out.append((stage, action, int(pool.tile[label])))
        label = int(pool.parent[label])
        if action == Action.ENTER:
            stage -= 1
    return out[::-1]


def _unrolled(problem: Problem, stage: int, boundary: Boundary) -> list[Loop | Node]:
    """The unrolled loops of a boundary; of a ragged dimension the loop that must be outermost comes first."""
    f = problem.stages[stage].fanout
    if f is None:
        return []
    first: list[Loop | Node] = []
    others: list[Loop | Node] = []
    for a, (axis, row) in enumerate(zip(f.axes, boundary.axes, strict=True)):
        for d, n in enumerate(row):
            if n > 1:
                outermost = ragged_first(problem.lattice.extents[d], boundary.axes[:, d], int(boundary.below[d])) == a
                (first if outermost else others).append(Loop(problem.lattice.dims[d], int(n), f.name, axis.name))
    return [*first, *others]


def _joined(entries: list[Loop | Node]) -> list[Loop | Node]:
    """Adjacent temporal loops over one dimension become one; loops of one pass go."""
    out: list[Loop | Node] = []
    for e in entries:
        if isinstance(e, Loop) and e.bound == 1:
            continue
        prior = out[-1] if out else None
        if isinstance(e, Loop) and isinstance(prior, Loop) and not e.spatial and not prior.spatial and e.dim == prior.dim:
            out[-1] = Loop(e.dim, prior.bound * e.bound)
        else:
            out.append(e)
    return out
