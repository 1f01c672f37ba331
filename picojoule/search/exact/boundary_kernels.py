"""Compiled bounds at the fan-out between two stages: what finished labels and spatial extents may still come to.

numba keeps compiled code by the date of its own file: touch this one where `hopeless` or `label_cycles` change.
"""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.compiled import kernel
from picojoule.search.exact.kernels import INF, hopeless, label_cycles


@kernel
def allowance(grid, below, limit, out):  # noqa: ANN001, ANN201
    """out[0, T]: the most energy spent above a fan-out at tile T or a smaller one with which some spatial extents s still
    end below limit[s], every tensor at its least price further in; out[1 + t, T]: the same without t's price (a run
    leaves it in place, for which `beyond` charges the run's own words)."""
    tensors, dims = grid.least.shape[0], grid.digits.shape[1]
    for s in range(len(limit)):
        for tile in range(len(grid.digits)):
            at = 0
            ok = True
            for d in range(dims):
                b = below.subs[s, d, grid.digits[tile, d]]
                if b < 0:
                    ok = False
                    break
                at += b * grid.stride[d]
            if not ok:
                continue
            left = limit[s] - below.fixed[s]
            for t in range(tensors):
                if below.keeps[t]:
                    left -= below.low[s, t] * grid.least[t, at]
            out[0, tile] = max(out[0, tile], left)
            for t in range(tensors):
                if below.keeps[t]:
                    out[1 + t, tile] = max(out[1 + t, tile], left + below.low[s, t] * grid.least[t, at])
    for tile in range(len(grid.digits) - 1, -1, -1):
        for d in range(dims):
            a = grid.digits[tile, d]
            for m in range(grid.move_start[d, a], grid.move_start[d, a + 1]):
                after = tile + (grid.move_to[d, m] - a) * grid.stride[d]
                for k in range(1 + tensors):
                    out[k, tile] = max(out[k, tile], out[k, after])


@kernel
def finished(old, out):  # noqa: ANN001, ANN201
    """Ids of the labels with every tensor of their group placed, by tile; returns how many."""
    full = old.head.shape[1] - 1
    n = 0
    for tile in range(old.head.shape[0]):
        if not old.busy[tile]:
            continue
        i = old.head[tile, full]
        while i >= 0:
            if old.alive[i]:
                out[n] = i
                n += 1
            i = old.next[i]
    return n


@kernel
def select(st, goal, old, ids, below, out):  # noqa: ANN001, ANN201
    """Of the finished labels, those that may still meet the goal below these spatial extents (`Least`): a bound per label."""
    dims = st.digits.shape[1]
    found = 0
    barred = np.int64(-1)
    for x in range(len(ids)):
        i = ids[x]
        if old.tile[i] == barred:  # labels of a tile follow one another
            continue
        above = st.digits[old.tile[i]]
        at = 0
        waste = old.waste[i]
        ok = True
        for d in range(dims):
            b = below.sub[d, above[d]]
            if b < 0:
                ok = False
                break
            waste *= below.waste[d, above[d]]
            at += b * st.stride[d]
        if not ok:
            barred = np.int64(old.tile[i])
            continue
        e = old.energy[i] + below.fixed
        for t in range(len(st.keeps)):
            if st.keeps[t]:
                price = below.low[t] * st.least[t, at]
                if t == old.owner[i]:
                    start = st.digits[old.run[i]]
                    n = st.base[t]
                    for d in range(dims):
                        if st.owner[d] == t:
                            n *= st.factor[t, 0, d, start[d]]
                    if t == st.slider:
                        n *= below.ranks
                    price = min(price, below.top[t] * n)
                e += price
        if not hopeless(goal, e, label_cycles(goal, waste, old.load[i], below.port_floor)):
            out[found] = i
            found += 1
    return found


@kernel
def summarise(st, old, out):  # noqa: ANN001, ANN201
    """Lower the entries of a `Summary` to those of the finished labels."""
    full = old.head.shape[1] - 1
    for tile in range(st.digits.shape[0]):
        i = old.head[tile, full]
        while i >= 0:
            if old.alive[i]:
                out.energy[tile] = min(out.energy[tile], old.energy[i])
                t = old.owner[i]
                if t >= 0:
                    start = st.digits[old.run[i]]
                    n = 1.0
                    for d in range(st.digits.shape[1]):
                        if st.owner[d] == t:
                            n *= st.factor[t, 0, d, start[d]]
                    out.runs[t, tile] = min(out.runs[t, tile], n)
            i = old.next[i]


@kernel
def bound_spatial(grid, below, tiles, energy, run_least, out):  # noqa: ANN001, ANN201
    """out[s] = a lower bound of the energy with spatial extents s: fixed[s] + min over tiles above the fan-out of
    least energy so far + per tensor the cheaper of its least price below and a run from above.

    below: `Choices`.  tiles: the tiles with a finished label.  energy: float64[tile] so far.  run_least: float64[T, tile]
    words of a run.
    """
    dims = grid.digits.shape[1]
    for s in range(len(out)):
        best = INF
        for tile in tiles:
            e = energy[tile]
            if e >= best:
                continue
            at = 0
            ok = True
            for d in range(dims):
                b = below.subs[s, d, grid.digits[tile, d]]
                if b < 0:
                    ok = False
                    break
                at += b * grid.stride[d]
            if not ok:
                continue
            for t in range(len(below.keeps)):
                if below.keeps[t]:
                    e += min(below.low[s, t] * grid.least[t, at], below.top[s, t] * run_least[t, tile])
            best = min(best, e)
        out[s] = best + below.fixed[s]
