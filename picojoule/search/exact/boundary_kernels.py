"""Compiled bounds at the fan-out between two stages: what finished labels and spatial extents may still come to.

numba keeps compiled code by the date of its own file: touch this one where `hopeless` or `label_cycles` change.
"""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.compiled import kernel
from picojoule.search.exact.kernels import INF, hopeless, label_cycles


@kernel
def allowance(subs, digits, stride, move_start, move_to, least, low, fixed, limit, keeps, out):  # noqa: ANN001, ANN201
    """out[0, T]: the most energy spent above a fan-out at tile T or a smaller one with which some spatial extents s still
    end below limit[s], every tensor at its least price further in; out[1 + t, T]: the same without t's price (a run
    leaves it in place, for which `beyond` charges the run's own words)."""
    tensors, dims = least.shape[0], digits.shape[1]
    for s in range(len(limit)):
        for tile in range(len(digits)):
            at = 0
            ok = True
            for d in range(dims):
                b = subs[s, d, digits[tile, d]]
                if b < 0:
                    ok = False
                    break
                at += b * stride[d]
            if not ok:
                continue
            left = limit[s] - fixed[s]
            for t in range(tensors):
                if keeps[t]:
                    left -= low[s, t] * least[t, at]
            out[0, tile] = max(out[0, tile], left)
            for t in range(tensors):
                if keeps[t]:
                    out[1 + t, tile] = max(out[1 + t, tile], left + low[s, t] * least[t, at])
    for tile in range(len(digits) - 1, -1, -1):
        for d in range(dims):
            a = digits[tile, d]
            for m in range(move_start[d, a], move_start[d, a + 1]):
                after = tile + (move_to[d, m] - a) * stride[d]
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
def select(st, goal, old, ids, sub, crossed, low, top, least_rank, fixed, port_floor, out):  # noqa: ANN001, ANN201
    """Of the finished labels, those that may still meet the goal below these spatial extents: a bound per label.

    low, top: float64[T] pJ per least word below, and per word of a run.  least_rank: least words of the slider's ranks.
    """
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
            b = sub[d, above[d]]
            if b < 0:
                ok = False
                break
            waste *= crossed[d, above[d]]
            at += b * st.stride[d]
        if not ok:
            barred = np.int64(old.tile[i])
            continue
        e = old.energy[i] + fixed
        for t in range(len(st.keeps)):
            if st.keeps[t]:
                price = low[t] * st.least[t, at]
                if t == old.owner[i]:
                    start = st.digits[old.run[i]]
                    n = st.base[t]
                    for d in range(dims):
                        if st.owner[d] == t:
                            n *= st.factor[t, 0, d, start[d]]
                    if t == st.slider:
                        n *= least_rank
                    price = min(price, top[t] * n)
                e += price
        if not hopeless(goal, e, label_cycles(goal, waste, old.load[i], port_floor)):
            out[found] = i
            found += 1
    return found


@kernel
def summarise(st, old, least_energy, least_waste, run_words):  # noqa: ANN001, ANN201
    """Per tile above a boundary: least energy and padding of its finished labels, and per tensor the fewest positions
    of a run that leaves it in place (run_words[t, tile]; infinite where there is none)."""
    full = old.head.shape[1] - 1
    for tile in range(st.digits.shape[0]):
        i = old.head[tile, full]
        while i >= 0:
            if old.alive[i]:
                least_energy[tile] = min(least_energy[tile], old.energy[i])
                least_waste[tile] = min(least_waste[tile], old.waste[i])
                t = old.owner[i]
                if t >= 0:
                    start = st.digits[old.run[i]]
                    n = 1.0
                    for d in range(st.digits.shape[1]):
                        if st.owner[d] == t:
                            n *= st.factor[t, 0, d, start[d]]
                    run_words[t, tile] = min(run_words[t, tile], n)
            i = old.next[i]


@kernel
def bound_spatial(subs, tiles, digits, stride, least_energy, least, run_least, low_coef, top_coef, keeps, fixed, out):  # noqa: ANN001, ANN201
    """out[s] = a lower bound of the energy with spatial extents s: fixed[s] + min over tiles above the fan-out of
    least energy so far + per tensor the cheaper of its least price below and a run from above.

    subs: int16[s, D, n].  tiles: the tiles with a finished label.  low_coef, top_coef: float64[s, T] pJ per least word.
    """
    dims = digits.shape[1]
    for s in range(len(out)):
        best = INF
        for tile in tiles:
            e = least_energy[tile]
            if e >= best:
                continue
            at = 0
            ok = True
            for d in range(dims):
                b = subs[s, d, digits[tile, d]]
                if b < 0:
                    ok = False
                    break
                at += b * stride[d]
            if not ok:
                continue
            for t in range(len(keeps)):
                if keeps[t]:
                    e += min(low_coef[s, t] * least[t, at], top_coef[s, t] * run_least[t, tile])
            best = min(best, e)
        out[s] = best + fixed[s]
