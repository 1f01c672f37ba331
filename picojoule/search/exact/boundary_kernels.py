"""Compiled bounds at the fan-out between two stages: what finished labels and spatial extents may still come to.

numba keeps compiled code by the date of its own file: touch this one where `hopeless` or `label_cycles` change.
"""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.compiled import inner, kernel
from picojoule.search.exact.kernels import INF, hopeless, label_cycles, threshold


@kernel
def thresholds(goal, cycles, out):  # noqa: ANN001, ANN201
    """out[i]: energies below this are worth finding at cycles[i]."""
    for i in range(len(cycles)):
        out[i] = threshold(goal, cycles[i])


@kernel
def worthwhile(goal, energy, cycles, out):  # noqa: ANN001, ANN201
    """out[i]: whether a mapping of at least energy[i] (finite) and at least cycles[i] may improve the goal."""
    for i in range(len(cycles)):
        out[i] = energy[i] < INF and not hopeless(goal, energy[i], cycles[i])


@kernel
def allowance(grid, below, limit, out):  # noqa: ANN001, ANN201
    """out[0, T]: the most energy spent above a fan-out at tile T or a smaller one with which some spatial extents s still
    end below limit[s], every tensor at its least price further in; out[1 + t, T]: the same without t's price (a run
    leaves it in place, for which `beyond` charges the run's own words)."""
    tensors, dims = grid.least.shape[0], grid.digits.shape[1]
    for s in range(len(limit)):
        tile = np.int64(0)
        while tile < len(grid.digits):
            at = np.int64(0)
            after = tile + 1
            for d in range(dims):
                b = below.subs[s, d, grid.digits[tile, d]]
                if b < 0:  # nor can any other tile with these first digits be
                    at = np.int64(-1)
                    after = (tile // grid.stride[d] + 1) * grid.stride[d]
                    break
                at += b * grid.stride[d]
            if at >= 0:
                left = limit[s] - below.fixed[s]
                for t in range(tensors):
                    if below.keeps[t]:
                        left -= below.low[s, t] * grid.least[t, at]
                out[0, tile] = max(out[0, tile], left)
                for t in range(tensors):
                    if below.keeps[t]:
                        out[1 + t, tile] = max(out[1 + t, tile], left + below.low[s, t] * grid.least[t, at])
            tile = after
    for larger in range(len(grid.digits) - 1, -1, -1):
        for d in range(dims):
            a = grid.digits[larger, d]
            for m in range(grid.move_start[d, a], grid.move_start[d, a + 1]):
                smaller = larger + (grid.move_to[d, m] - a) * grid.stride[d]
                for k in range(1 + tensors):
                    out[k, larger] = max(out[k, larger], out[k, smaller])


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


@inner
def _run_words(st, old, i):  # noqa: ANN001, ANN202
    """Positions of the run of label i, all copies apart: the words of its owner's node, but for the slider's ranks."""
    t = old.owner[i]
    n = st.base[t]
    for d in range(st.digits.shape[1]):
        if st.owner[d] == t:
            n *= st.factor[t, 0, d, st.digits[old.run[i], d]]
    return n


@inner
def _still(st, old, i, at, below):  # noqa: ANN001, ANN202
    """Least energy of this stage's nodes for label i, which enters at tile `at`: as `relaxed` has it where that was asked
    for, else each at its own least; the owner of a run may keep its tile at the run's price."""
    t = np.int64(old.owner[i])
    runs = t >= 0 and st.keeps[t]
    kept = INF
    if runs:
        kept = below.top[t] * _run_words(st, old, i)
        if t == st.slider:
            kept *= below.ranks
    if len(below.relaxed):
        e = below.relaxed[at, 0]
        if runs:
            e = min(e, kept + below.relaxed[at, 1 << t])
        return e
    e = 0.0
    for x in range(len(st.keeps)):
        if st.keeps[x]:
            price = below.low[x] * st.least[x, at]
            e += min(price, kept) if x == t else price
    return e


@kernel
def relaxed(st, low, corner, out):  # noqa: ANN001, ANN201
    """out[tile, mask] for every tile within `corner`: no way to place the tensors kept in this stage that are not in `mask`,
    one after the other at this tile or smaller ones, costs less.

    The stage's own programme with everything left out that would ask for a label: a node costs `low` per least word, and the
    footprint of those in `mask` counts as if they had this tile. They have it or a larger one, whose footprint is no less, and
    no node costs less than `low` per least word of its tile. So it is a lower bound; and it sees that the tiles of the tensors
    form a chain within one capacity, which the sum of each tensor's own least does not.
    corner: int64[D], digits; a tile is within it where no digit is below these.
    """
    tile = np.int64(len(st.digits) - 1)
    while tile >= 0:
        after = tile - 1
        inside = True
        for d in range(st.digits.shape[1]):
            if st.digits[tile, d] < corner[d]:  # nor is any other tile with these first digits
                inside = False
                after = np.int64(-1) if d == 0 else tile // st.stride[d - 1] * st.stride[d - 1] - 1
                break
        if inside:
            _least_at(st, low, tile, out)
        tile = after


@inner
def _least_at(st, low, tile, out):  # noqa: ANN001, ANN202
    """The entries of `relaxed` at one tile, from those of smaller tiles: first a loop, then a tensor placed here.

    Of a single tensor left, any smaller tile costs no less: its own least does, whether there is room at this tile or not.
    """
    for mask in range(st.full + 1):
        out[tile, mask] = INF
    for d in range(st.digits.shape[1]):
        a = st.digits[tile, d]
        for m in range(st.move_start[d, a], st.move_start[d, a + 1]):
            after = tile + (st.move_to[d, m] - a) * st.stride[d]
            for mask in range(st.full + 1):
                out[tile, mask] = min(out[tile, mask], out[after, mask])
    for mask in range(st.full, -1, -1):
        left = st.full & ~mask
        if mask & st.full != mask:
            continue
        best = out[tile, mask] if left else 0.0
        beside = np.int64(0)
        for t in range(len(st.keeps)):
            if (mask >> t) & 1 and st.shared[t]:
                beside += st.foot[t, tile]
        for t in range(len(st.keeps)):
            if (left >> t) & 1:
                used = st.foot[t, tile] + (beside if st.shared[t] else 0)
                if left == 1 << t or used <= st.room[t]:
                    best = min(best, low[t] * st.least[t, tile] + out[tile, mask | (1 << t)])
        out[tile, mask] = best


@kernel
def entry_corner(old, ids, st, sub, out):  # noqa: ANN001, ANN201
    """Lower out[d] to the least digit at which labels of the stage above enter; returns how many tiles lie within."""
    dims = st.digits.shape[1]
    for x in range(len(ids)):
        ok = True
        for d in range(dims):
            ok = ok and sub[d, st.digits[old.tile[ids[x]], d]] >= 0
        if ok:
            for d in range(dims):
                out[d] = min(out[d], sub[d, st.digits[old.tile[ids[x]], d]])
    n = 1
    last = len(st.digits) - 1
    for d in range(dims):
        n *= max(0, st.digits[last, d] + 1 - out[d])
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
        e = old.energy[i] + below.fixed + _still(st, old, i, at, below)
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
def bound_spatial(grid, below, found, limit, out):  # noqa: ANN001, ANN201
    """out[s] = a lower bound of the energy with spatial extents s: fixed[s] + min over tiles above the fan-out of
    least energy so far + per tensor the cheaper of its least price below and a run from above. Infinite where that is not
    below limit[s].

    below: `Choices`.  found: `Summary`, its runs in words.
    """
    dims, tensors = grid.digits.shape[1], len(below.keeps)
    for s in range(len(out)):
        best = limit[s] - below.fixed[s]
        out[s] = INF
        floor = 0.0
        for t in range(tensors):
            if below.keeps[t]:
                floor += min(below.low[s, t] * grid.least[t, 0], below.top[s, t] * found.run_floor[t])
        for tile in found.tiles:
            e = found.energy[tile]
            if e + floor >= best:
                break
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
            for t in range(tensors):
                if below.keeps[t]:
                    e += min(below.low[s, t] * grid.least[t, at], below.top[s, t] * found.runs[t, tile])
            if e < best:
                best = e
                out[s] = e + below.fixed[s]
