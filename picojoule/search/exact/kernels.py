"""Compiled kernels of the optimal search: one stage of the dynamic programme.

Kernels see arrays only; `stages.py` packs layer, chip and spatial extents into `Stage`, `engine.py` drives them.
The plain twin is the second search of `reprove.py` (dictionaries of labels).
"""

from __future__ import annotations

import numpy as np

from picojoule.search.exact.compiled import inner, kernel, shared
from picojoule.search.exact.records import Action, GoalKind

INF = np.inf


@shared
def threshold(goal, cycles):  # noqa: ANN001, ANN201
    """Energies below this are worth finding at this many cycles."""
    if goal.kind == GoalKind.EDP:
        return goal.best[0] / cycles
    if goal.kind == GoalKind.ENERGY_WITHIN:
        return goal.best[0] if cycles <= goal.limit else -INF
    n = len(goal.cycles)
    if cycles >= goal.held[1]:
        held = goal.held[0]
    else:
        held = INF
    if goal.kind == GoalKind.WEIGHTED:
        return goal.best[0] - goal.steep * cycles
    if goal.kind == GoalKind.FRONT:
        for i in range(n):
            if goal.cycles[i] <= cycles:
                held = min(held, goal.energy[i])
        return held
    if n == 0:
        return held
    if cycles <= goal.cycles[0]:
        return min(held, goal.energy[0] + goal.steep * (goal.cycles[0] - cycles))
    for i in range(1, n):
        if cycles <= goal.cycles[i]:
            share = (cycles - goal.cycles[i - 1]) / (goal.cycles[i] - goal.cycles[i - 1])
            return min(held, goal.energy[i - 1] + share * (goal.energy[i] - goal.energy[i - 1]))
    return min(held, goal.energy[n - 1] - goal.flat * (cycles - goal.cycles[n - 1]))


@shared
def hopeless(goal, energy, cycles):  # noqa: ANN001, ANN201
    """Whether a mapping of at least this energy and at least this many cycles cannot improve the goal."""
    return (energy + goal.leak * cycles) * (1.0 + goal.rescale) >= threshold(goal, cycles)


@inner
def words(st, t, j, dig, sdim, sfrom, spassed):  # noqa: ANN001, ANN201
    """Words of tensor t for a node with this tile, after merging j fan-outs, with the sliding run's credit."""
    x = st.base[t]
    for d in range(dig.shape[0]):
        x *= st.factor[t, j, d, dig[d]]
    if t == st.slider:
        for k in range(st.rank_dims.shape[0]):
            p, r = st.rank_dims[k, 0], st.rank_dims[k, 1]
            if sdim == p:
                x *= st.slides[st.slide[spassed, j, k, 0], sfrom, dig[p], dig[r]]
            elif sdim == r:
                x *= st.slides[st.slide[spassed, j, k, 1], sfrom, dig[p], dig[r]]
            else:
                x *= st.plains[st.plain[j, k], dig[p], dig[r]]
    return x


@inner
def rest(st, tile, mask, top, owner, top_energy, run):  # noqa: ANN001, ANN201
    """A lower bound of what is still to come: tensors not yet placed in this group, and those of groups further in.

    A node further in sits at this tile or a smaller one, but for the owner of a run, which may keep the tile of its start.
    """
    total = st.tail
    if not st.last:
        for t in range(len(st.keeps)):
            if st.deeper_coef[t] > 0.0:
                at = run if t == owner else tile
                total += st.deeper_coef[t] * st.least[t, at]
    for t in range(len(st.keeps)):
        if st.keeps[t] and not (mask >> t) & 1:
            x = st.low_coef[t] * st.least[t, tile]
            if top and t == owner and top_energy < x:
                x = top_energy
            total += x
    return total


@inner
def beyond(st, goal, tile, energy, owner, run, waste):  # noqa: ANN001, ANN201
    """Whether no spatial extents and no tile further in make up for this energy (of this group and those outside).

    Padding multiplies the cycles, and with them lowers what the goal allows: for energy x cycles by that factor of all
    energy in the end (what is still to come may be negative), for a hull by at least its flattest slope times the added cycles.
    """
    if st.last:
        return False
    if waste > 1.0:
        if goal.kind == GoalKind.EDP:
            energy += (waste - 1.0) * max(0.0, energy + st.tail)
        elif goal.kind == GoalKind.HULL:
            energy += goal.flat * goal.base_cycles * (waste - 1.0)
        elif goal.kind == GoalKind.WEIGHTED:
            energy += goal.steep * goal.base_cycles * (waste - 1.0)
    if energy < st.allow[0, tile]:
        return False
    for t in range(len(st.keeps)):
        at = run if t == owner else tile
        if energy + st.top_coef[t] * st.least[t, at] < st.allow[1 + t, tile]:
            return False
    return True


@inner
def _here(st, tile, mask):  # noqa: ANN001, ANN202
    """A lower bound of what the tensors not yet placed in this group cost, for nodes below a loop."""
    total = 0.0
    for t in range(len(st.keeps)):
        if st.keeps[t] and not (mask >> t) & 1:
            total += st.low_coef[t] * st.least[t, tile]
    return total


@inner
def _run_covers(st, pool, a, b):  # noqa: ANN001, ANN202
    """Whether a's run keeps its owner's tile in place at least as long as b's, wherever it ends."""
    if pool.owner[a] != pool.owner[b] or pool.segment[a] != pool.segment[b]:
        return False
    if pool.run[a] == pool.run[b]:
        return True
    t = pool.owner[a]
    if st.perfect and t != st.slider:
        return st.least[t, pool.run[a]] <= st.least[t, pool.run[b]]
    return _wider(st.digits, pool.run[a], pool.run[b])


@inner
def _wider(digits, a, b):  # noqa: ANN001, ANN202
    for d in range(digits.shape[1]):
        if digits[a, d] > digits[b, d]:
            return False
    return True


@inner
def _dominates(st, pool, a, b):  # noqa: ANN001, ANN202
    """Whether label a is at least as good as b for every continuation (same tile and mask)."""
    last = st.last
    if pool.energy[a] > pool.energy[b] or pool.used[a] > pool.used[b] or pool.waste[a] > pool.waste[b]:
        return False
    for k in range(pool.load.shape[1]):
        if pool.load[a, k] > pool.load[b, k]:
            return False
    if pool.top[b] and pool.owner[b] >= 0 and not (pool.mask[b] >> pool.owner[b]) & 1:
        if not (pool.top[a] and pool.owner[a] == pool.owner[b] and pool.top_energy[a] <= pool.top_energy[b]):
            return False
        for k in range(pool.load.shape[1]):
            if pool.top_load[a, k] > pool.top_load[b, k]:
                return False
    if pool.top[b] and not pool.top[a]:
        return False
    if pool.sdim[b] >= 0:
        if pool.sdim[a] != pool.sdim[b] or pool.spassed[a] != pool.spassed[b] or pool.rested[a] > pool.rested[b]:
            return False
        if pool.sfrom[a] != pool.sfrom[b]:  # a longer run that contains the shorter one credits at least as much
            d = pool.sdim[a]
            if pool.sfrom[a] > pool.sfrom[b] or st.extent[d, pool.sfrom[a]] % st.extent[d, pool.sfrom[b]]:
                return False
    if not last and pool.owner[b] >= 0 and not _run_covers(st, pool, a, b):
        return _makes_up(st, pool, a, b)
    return True


@inner
def _makes_up(st, pool, a, b):  # noqa: ANN001, ANN202
    """Whether a's lower energy pays for the longest run that b has and a would have to begin here.

    Exact where nothing is ragged: below any boundary b's owner costs top x least words at the run's start, a's at most
    top x least words at this tile. Ports and the slider are left out: their words are not in proportion.
    """
    t = pool.owner[b]
    if t == st.slider or pool.top[b] or pool.load.shape[1] > 0 or pool.waste[a] > 1.0 or pool.waste[b] > 1.0:
        return False
    tile = pool.tile[b]
    return pool.energy[a] + st.top_most[t] * (st.least[t, tile] - st.least[t, pool.run[b]]) <= pool.energy[b]


@inner
def _insert(st, pool, n):  # noqa: ANN001, ANN202
    """Chain label n (its arrays are filled) unless dominated; drops those it dominates."""
    slot = pool.tile[n] * pool.head.shape[1] + pool.mask[n]
    head = pool.head.reshape(-1)
    energy = pool.energy[n]
    before = np.int64(-1)
    i = first = np.int64(head[slot])
    while i >= 0 and pool.energy[i] <= energy:  # lists ascend in energy: these may dominate the new label
        if _dominates(st, pool, i, n):
            return
        nxt = np.int64(pool.next[i])
        if pool.energy[i] < energy:
            before, first = i, nxt
        i = nxt
    i = first
    pool.next[n] = i
    if before < 0:
        head[slot] = n
        pool.busy[pool.tile[n]] = 1
    else:
        pool.next[before] = n
    before = n
    while i >= 0:  # and these may be dominated by it
        nxt = np.int64(pool.next[i])
        if _dominates(st, pool, n, i):
            pool.alive[i] = 0
            pool.next[before] = nxt
        else:
            before = i
        i = nxt
    pool.alive[n] = 1
    pool.total[0] = n + 1


@shared
def label_cycles(goal, waste, load, extra):  # noqa: ANN001, ANN202
    """Least cycles of a label: compute with its padding, and each port's words so far plus `extra`."""
    c = max(goal.base_cycles * waste, goal.least_cycles)
    for k in range(len(load)):
        c = max(c, load[k] + extra[k])
    return c


@inner
def _least_cycles(st, goal, pool, n):  # noqa: ANN001, ANN202
    """Least cycles of any mapping that label n can become: as `label_cycles`, with the words that must still come."""
    tile, mask, top = np.int64(pool.tile[n]), np.int64(pool.mask[n]), pool.top[n] != 0
    owner, run = np.int64(pool.owner[n]), np.int64(pool.run[n])
    c = max(goal.base_cycles * pool.waste[n], goal.least_cycles)
    for k in range(pool.load.shape[1]):
        x = pool.load[n, k] + st.tail_port[k]
        for t in range(len(st.keeps)):
            at = run if t == owner else tile
            if st.keeps[t] and not (mask >> t) & 1 and not (top and t == owner):
                x += st.low_port[k, t] * st.least[t, tile]
            x += st.deeper_port[k, t] * st.least[t, at]
        c = max(c, x)
    return c


@inner
def _promising(st, goal, pool, n):  # noqa: ANN001, ANN202
    """Whether label n (its arrays are filled) may still meet the goal."""
    tile, mask, top = np.int64(pool.tile[n]), np.int64(pool.mask[n]), pool.top[n] != 0
    owner, run, waste = np.int64(pool.owner[n]), np.int64(pool.run[n]), pool.waste[n]
    energy = pool.energy[n]
    bound = energy + rest(st, tile, mask, top, owner, pool.top_energy[n], run)
    if hopeless(goal, bound, _least_cycles(st, goal, pool, n)):
        return False
    return top or not beyond(st, goal, tile, energy + _here(st, tile, mask), owner, run, waste)


@inner
def _place(st, pool, i, t, n, dig):  # noqa: ANN001, ANN202
    """Try to place tensor t for label i; fills label n and returns whether there is room."""
    tile = np.int64(pool.tile[i])
    if st.foot[t, tile] > st.room[t]:
        return False
    used = pool.used[i]
    if st.shared[t]:
        used += st.foot[t, tile]
        if used > st.room[t]:
            return False
    energy = pool.energy[i]
    for k in range(st.port.shape[0]):
        pool.load[n, k] = pool.load[i, k]
    if pool.top[i] and pool.owner[i] == t:
        energy += pool.top_energy[i]
        for k in range(st.port.shape[0]):
            pool.load[n, k] += pool.top_load[i, k]
    else:
        sdim = pool.sdim[i] if (pool.top[i] or not pool.rested[i]) else -1
        for j in range(st.coef.shape[1]):
            w = words(st, t, j, dig, sdim if t == st.slider else -1, pool.sfrom[i], pool.spassed[i])
            if st.scaled:
                energy += st.coef[t, j] * w * st.scale[t, j, tile]
                for k in range(st.port.shape[0]):
                    pool.load[n, k] += st.port[k, t, j] * w * st.scale_port[k, t, j, tile]
                continue
            energy += st.coef[t, j] * w
            for k in range(st.port.shape[0]):
                pool.load[n, k] += st.port[k, t, j] * w
    if st.scaled:
        energy += st.extra[t, tile]
        for k in range(st.port.shape[0]):
            pool.load[n, k] += st.extra_port[k, t, tile]
    mask = pool.mask[i] | (1 << t)
    if mask == st.full:
        used = 0.0  # nothing more comes into this group
    pool.energy[n], pool.used[n], pool.waste[n], pool.mask[n], pool.tile[n] = energy, used, pool.waste[i], mask, tile
    pool.top[n], pool.owner[n], pool.top_energy[n] = pool.top[i], pool.owner[i], pool.top_energy[i]
    for k in range(st.port.shape[0]):
        pool.top_load[n, k] = pool.top_load[i, k]
    pool.run[n], pool.segment[n] = pool.run[i], pool.segment[i]
    pool.sdim[n], pool.sfrom[n], pool.spassed[n], pool.rested[n] = pool.sdim[i], pool.sfrom[i], pool.spassed[i], pool.rested[i]
    if st.last and t == st.slider:
        pool.sdim[n] = -1
    if st.last and t == pool.owner[i]:
        pool.owner[n] = -1
    pool.parent[n], pool.action[n] = i, Action.PLACE + t
    return True


@inner
def _shrink(st, pool, i, d, to, n, dig, rules):  # noqa: ANN001, ANN202
    """Put a loop over d around what follows label i, as label n: the tile's digit of d becomes `to`."""
    tile, mask = np.int64(pool.tile[i]), np.int64(pool.mask[i])
    pool.energy[n], pool.used[n], pool.mask[n] = pool.energy[i], pool.used[i], mask
    pool.waste[n] = pool.waste[i] * (st.waste[d, to] if dig[d] == 0 else 1.0)
    pool.tile[n] = tile + (to - dig[d]) * st.stride[d]
    for k in range(st.port.shape[0]):
        pool.load[n, k] = pool.load[i, k]
    pool.top[n], pool.top_energy[n] = 0, 0.0
    pool.owner[n], pool.run[n], pool.segment[n] = -1, 0, 0
    if rules.runs and not st.last:
        t = np.int64(st.owner[d])
        if t >= 0 and st.owner_useful[t]:
            if pool.owner[i] == t:
                pool.owner[n], pool.run[n], pool.segment[n] = t, pool.run[i], pool.segment[i]
            else:
                pool.owner[n], pool.run[n], pool.segment[n] = t, tile, rules.stage
    pool.sdim[n], pool.sfrom[n], pool.spassed[n], pool.rested[n] = -1, 0, 0, 0
    s = st.slider
    if rules.slides and s >= 0 and not (st.last and (mask >> s) & 1):
        if st.affine[d]:
            pool.sdim[n] = d
            if pool.sdim[i] == d and not pool.rested[i] and pool.spassed[i] == 0:
                pool.sfrom[n] = pool.sfrom[i]
            else:
                pool.sfrom[n] = dig[d]
        elif st.owner[d] == s and not st.last and pool.sdim[i] >= 0:
            pool.sdim[n], pool.sfrom[n], pool.spassed[n], pool.rested[n] = pool.sdim[i], pool.sfrom[i], pool.spassed[i], 1
    pool.parent[n], pool.action[n] = i, Action.SHRINK + d


@kernel
def advance(st, goal, pool, rules, ends, most):  # noqa: ANN001, ANN201
    """Expand every label of the stage, from large tiles to small. Returns the number of ends, or -1 if the pool is full.

    In the last stage a label with every tensor placed is an end; its id goes to `ends` and `goal.best` is lowered.
    Returns -2 once there are more than `most` labels.
    """
    full = 0
    for t in range(len(st.keeps)):
        if st.keeps[t]:
            full |= 1 << t
    masks = pool.head.shape[1]
    dims = st.digits.shape[1]
    found = 0
    for tile in range(st.digits.shape[0]):
        if not pool.busy[tile]:
            continue
        dig = st.digits[tile]
        for mask in range(masks):
            i = np.int64(pool.head[tile, mask])
            while i >= 0:
                if not pool.alive[i]:
                    i = np.int64(pool.next[i])
                    continue
                top, owner, run = pool.top[i] != 0, np.int64(pool.owner[i]), np.int64(pool.run[i])
                cycles = _least_cycles(st, goal, pool, i)
                bound = pool.energy[i] + rest(st, tile, mask, top, owner, pool.top_energy[i], run)
                if hopeless(goal, bound, cycles):
                    i = np.int64(pool.next[i])
                    continue
                if pool.total[0] + 64 >= len(pool.energy):
                    return -1
                if pool.total[0] > most:
                    return -2
                if mask == full and st.last:
                    if found < len(ends):
                        ends[found] = i
                        found += 1
                    total = bound + goal.leak * cycles
                    if goal.kind == GoalKind.EDP:
                        goal.best[0] = min(goal.best[0], total * cycles)
                    elif goal.kind == GoalKind.ENERGY_WITHIN:
                        if cycles <= goal.limit:
                            goal.best[0] = min(goal.best[0], total)
                    elif goal.kind == GoalKind.WEIGHTED:
                        goal.best[0] = min(goal.best[0], total + goal.steep * cycles)
                    elif cycles <= goal.held[1]:
                        goal.held[0], goal.held[1] = total, cycles
                    i = np.int64(pool.next[i])
                    continue
                for d in range(-1, dims):  # place a tensor, or put a loop over d around what follows
                    first, end = 0, len(st.keeps)
                    if d >= 0:
                        first, end = st.move_start[d, dig[d]], st.move_start[d, dig[d] + 1]
                    for m in range(first, end):
                        n = pool.total[0]
                        if n + 8 >= len(pool.energy):
                            return -1
                        if d >= 0:
                            _shrink(st, pool, i, d, st.move_to[d, m], n, dig, rules)
                        elif not st.keeps[m] or (mask >> m) & 1 or not _place(st, pool, i, m, n, dig):
                            continue
                        if _promising(st, goal, pool, n):
                            _insert(st, pool, n)
                i = np.int64(pool.next[i])
    return found


@kernel
def enter(st, goal, old, pool, ids, crossing, rules):  # noqa: ANN001, ANN201
    """Carry labels of the stage above (`ids`) across a boundary into this stage. Returns their number, or -1 without room."""
    for x in range(len(ids)):
        n = pool.total[0]
        if n + 8 >= len(pool.energy):
            return -1
        _enter_one(st, old, pool, ids[x], n, crossing, rules)
        if _promising(st, goal, pool, n):
            _insert(st, pool, n)
    return len(ids)


@inner
def _enter_one(st, old, pool, i, n, crossing, rules):  # noqa: ANN001, ANN202
    """Fill label n of this stage with label i of the stage above, its run and its sliding carried along."""
    above = st.digits[old.tile[i]]
    waste = 1.0
    at = np.int64(0)
    for d in range(st.digits.shape[1]):
        waste *= crossing.waste[d, above[d]]
        at += crossing.sub[d, above[d]] * st.stride[d]
    dig = st.digits[at]
    pool.energy[n], pool.used[n], pool.waste[n] = old.energy[i] + crossing.extra[0], 0.0, old.waste[i] * waste
    for k in range(st.port.shape[0]):
        pool.load[n, k] = old.load[i, k] + crossing.extra[1 + k]
    pool.tile[n], pool.mask[n], pool.top[n] = at, 0, 1
    pool.owner[n], pool.run[n], pool.segment[n] = -1, 0, 0
    pool.sdim[n], pool.sfrom[n], pool.spassed[n], pool.rested[n] = -1, 0, 0, 0
    s = st.slider
    if s >= 0 and old.sdim[i] >= 0:
        d = old.sdim[i]
        pool.sdim[n], pool.sfrom[n], pool.spassed[n], pool.rested[n] = d, old.sfrom[i], old.spassed[i], old.rested[i]
        if crossing.extents[d] > 1 and old.spassed[i] == 0:
            pool.spassed[n] = rules.stage
        if st.last and not st.keeps[s]:
            pool.sdim[n] = -1
    pool.top_energy[n] = 0.0
    for k in range(st.port.shape[0]):
        pool.top_load[n, k] = 0.0
    t = old.owner[i]
    if rules.runs and t >= 0:
        if st.keeps[t]:
            pool.owner[n] = t
            pool.run[n], pool.segment[n] = old.run[i], old.segment[i]
            start = st.digits[old.run[i]]
            for j in range(st.coef.shape[1]):
                w = st.base[t]
                for d in range(len(dig)):
                    if st.owner[d] == t:
                        w *= crossing.run_counts[old.segment[i], j, d, start[d], dig[d]]
                if t == s:
                    for k in range(st.rank_dims.shape[0]):
                        p, r = st.rank_dims[k, 0], st.rank_dims[k, 1]
                        if pool.sdim[n] == p:
                            w *= st.slides[st.slide[pool.spassed[n], j, k, 0], pool.sfrom[n], dig[p], dig[r]]
                        elif pool.sdim[n] == r:
                            w *= st.slides[st.slide[pool.spassed[n], j, k, 1], pool.sfrom[n], dig[p], dig[r]]
                        else:
                            w *= st.plains[st.plain[j, k], dig[p], dig[r]]
                if st.scaled:
                    pool.top_energy[n] += st.coef[t, j] * w * st.scale[t, j, at]
                    for k in range(st.port.shape[0]):
                        pool.top_load[n, k] += st.port[k, t, j] * w * st.scale_port[k, t, j, at]
                    continue
                pool.top_energy[n] += st.coef[t, j] * w
                for k in range(st.port.shape[0]):
                    pool.top_load[n, k] += st.port[k, t, j] * w
        elif not st.last and st.owner_useful[t]:
            pool.owner[n], pool.run[n], pool.segment[n] = t, old.run[i], old.segment[i]
    pool.parent[n], pool.action[n] = i, Action.ENTER
