"""What the compiled kernels see: the prices of a stage, the labels of a pool, what is wanted. Arrays and numbers only."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class GoalKind(IntEnum):
    """What a search looks for; `kernels.threshold` says up to which energy something is wanted."""

    EDP = 0  # least energy x cycles
    ENERGY_WITHIN = 1  # least energy among those of at most `limit` cycles
    HULL = 2  # every vertex of the lower hull of (cycles, energy) between two slopes
    WEIGHTED = 3  # least energy + steep x cycles
    FRONT = 4  # every (cycles, energy) that no other is at least as good as


ONE_BEST = (GoalKind.EDP, GoalKind.ENERGY_WITHIN, GoalKind.WEIGHTED)  # kinds with a single value to lower


class Action(IntEnum):
    """How a label came from its parent: a tensor placed (PLACE + its number), a loop (SHRINK + its dimension), or ENTER."""

    ENTER = -1  # across the boundary above this stage
    PLACE = 0
    SHRINK = 16


class Stage(NamedTuple):
    """One memory group below given fan-outs, as prices. T tensors, J merge levels, D dimensions, R ranks, K ports."""

    digits: np.ndarray  # int16[tile, D]
    stride: np.ndarray  # int64[D]
    extent: np.ndarray  # int64[D, n]
    move_start: np.ndarray  # int32[D, n + 1]
    move_to: np.ndarray  # int16[D, m]
    waste: np.ndarray  # float64[D, n]
    keeps: np.ndarray  # bool[T]: is the tensor kept in this group?
    room: np.ndarray  # float64[T]: capacity in bits for the tensor's own memory
    shared: np.ndarray  # bool[T]: does its memory keep another tensor too? (at most one memory of a group does)
    foot: np.ndarray  # int64[T, tile]: bits of the tile
    base: np.ndarray  # float64[T]
    coef: np.ndarray  # float64[T, J]: pJ per word at each merge level (0: at the node, last: at the holder)
    port: np.ndarray  # float64[K, T, J]: cycles per word
    factor: np.ndarray  # float64[T, J, D, n]
    slider: int  # the tensor with two-term ranks, or -1
    rank_dims: np.ndarray  # int64[R, 2]
    plain: np.ndarray  # int64[J, R]: which of `plains`
    plains: np.ndarray  # float64[x, n, n]: words of a rank per tile
    slide: np.ndarray  # int64[V, J, R, 2]: which of `slides`; V = stage of the first fan-out that unrolls the run (0: none)
    slides: np.ndarray  # float64[x, n, n, n]: words of a rank per tile under a run from an extent
    least: np.ndarray  # float64[T, tile]: no node at this tile or a smaller one moves fewer words
    low_coef: np.ndarray  # float64[T]: least pJ per such word
    owner: np.ndarray  # int8[D]: the tensor that dimension d leaves in place (-1: none)
    owner_useful: np.ndarray  # bool[T]: is the tensor kept in a later group?
    affine: np.ndarray  # bool[D]: does d stand in a two-term rank of the slider?
    full: int  # mask of the tensors kept here
    last: bool
    perfect: bool  # every extent divides its bound
    tail: float  # least energy still to come after this group, whatever the tiles
    deeper_coef: np.ndarray  # float64[T]: least pJ per word of the tensor's next node further in (0: none)
    allow: np.ndarray  # float64[1 + T, tile]: most energy so far with which the goal can still be met (see `allowance`)
    top_coef: np.ndarray  # float64[T]: least pJ per word of a node that a run leaves in place
    top_most: np.ndarray  # float64[T]: most pJ per such word, over all spatial extents that can still meet the goal
    tail_port: np.ndarray  # float64[K]: what may still come off the loads (what outputs save is counted at the end)
    low_port: np.ndarray  # float64[K, T]: least load per least word of the tensor's node in this group
    deeper_port: np.ndarray  # float64[K, T]: the same for the tensor's next node further in
    scaled: bool  # do prices depend on the tile beyond its words (compressed tensors)?
    scale: np.ndarray  # float64[T, J, tile]: price of a tile's words over `coef`; [0, 0, 0] where not scaled
    scale_port: np.ndarray  # float64[K, T, J, tile]: the same for `port`
    extra: np.ndarray  # float64[T, tile]: what the MACs read beyond their words through the tensor's innermost tile
    extra_port: np.ndarray  # float64[K, T, tile]: the same on the ports


class Pool(NamedTuple):
    """Labels of one stage, as parallel arrays; `head` chains them by (tile, mask)."""

    energy: np.ndarray
    used: np.ndarray
    waste: np.ndarray
    load: np.ndarray  # [n, K]
    top_energy: np.ndarray
    top_load: np.ndarray  # [n, K]
    tile: np.ndarray
    mask: np.ndarray
    top: np.ndarray  # 1: no loop of this group above yet
    owner: np.ndarray
    run: np.ndarray  # tile at the start of the owner's run
    segment: np.ndarray  # stage where that run began
    sdim: np.ndarray
    sfrom: np.ndarray  # digit of sdim at the start of the sliding run
    spassed: np.ndarray  # V of Stage.slide
    rested: np.ndarray  # 1: loops irrelevant to the slider lie below the sliding run
    parent: np.ndarray
    action: np.ndarray  # see `Action`
    alive: np.ndarray
    next: np.ndarray
    head: np.ndarray  # int32[tile, masks]
    busy: np.ndarray  # int8[tile]: has the tile a label?
    total: np.ndarray  # int64[1]: labels in use


class Goal(NamedTuple):
    """Which (energy, cycles) are worth finding: those below a threshold that falls with the cycles.

    EDP: energy * cycles < best[0].  ENERGY_WITHIN: energy < best[0] where cycles <= limit.
    HULL: below the lower hull through (cycles[i], energy[i]), extended by the slopes -steep and -flat.
    WEIGHTED: energy + steep * cycles < best[0].  FRONT: below every (cycles[i], energy[i]) that is as fast.
    """

    kind: int  # a GoalKind
    best: np.ndarray
    limit: float
    cycles: np.ndarray
    energy: np.ndarray
    steep: float
    flat: float
    leak: float  # pJ per cycle, added to every energy
    base_cycles: float  # cycles of the spatial extents without waste
    least_cycles: float  # no mapping is faster (ports with compulsory words)
    rescale: float  # tolerance: prune what is not better by this relative amount
    held: np.ndarray  # float64[2]: (energy, cycles) of the best end of this call for a HULL


class Rules(NamedTuple):
    """Which moves a stage may make."""

    stage: int  # its number
    runs: bool  # nodes kept in place by loops of a stage above
    slides: bool  # sliding windows credited


class Crossing(NamedTuple):
    """A boundary with chosen spatial extents, and what lies fixed below it."""

    sub: np.ndarray  # int16[D, n]: digit below for a digit above (-1: does not divide)
    waste: np.ndarray  # float64[D, n]: padding of a ragged unrolled outermost loop
    extents: np.ndarray  # int64[D]
    run_counts: np.ndarray  # float64[segment, J, D, n, n]: positions of a run (digit at its start, digit below the boundary)
    extra: np.ndarray  # float64[1 + K]: energy and load of each port that all below has


class Least(NamedTuple):
    """Lower bounds below a boundary with chosen spatial extents. What a label at a tile costs there at least follows."""

    sub: np.ndarray  # int16[D, n]: digit below for a digit above
    waste: np.ndarray  # float64[D, n]
    low: np.ndarray  # float64[T]: pJ per least word of the tensor's node
    top: np.ndarray  # float64[T]: pJ per word of a run that leaves the node in place
    fixed: float
    ranks: float  # least words of the slider's ranks
    port_floor: np.ndarray  # float64[K]: what may still come off each load
    relaxed: np.ndarray  # float64[tile, mask]: see `boundary_kernels.relaxed`; without tiles where it was not asked for


class Grid(NamedTuple):
    """The tiles of a layer, and the words that each moves at least."""

    digits: np.ndarray  # int16[tile, D]
    stride: np.ndarray  # int64[D]
    move_start: np.ndarray  # int32[D, n + 1]
    move_to: np.ndarray  # int16[D, m]
    least: np.ndarray  # float64[T, tile]


class Choices(NamedTuple):
    """Lower bounds of a stage below some spatial extents s of its fan-out."""

    subs: np.ndarray  # int16[s, D, n]: digit below for a digit above
    low: np.ndarray  # float64[s, T]: pJ per least word
    top: np.ndarray  # float64[s, T]: pJ per word of a run
    fixed: np.ndarray  # float64[s]
    keeps: np.ndarray  # bool[T]

    def where(self, some: np.ndarray) -> Choices:
        """Those of some choices (bool[s])."""
        return Choices(self.subs[some], self.low[some], self.top[some], self.fixed[some], self.keeps)


class Summary(NamedTuple):
    """The finished labels above a boundary, by tile."""

    energy: np.ndarray  # float64[tile]: the least so far; infinite without a label
    runs: np.ndarray  # float64[T, tile]: the fewest positions of a run that leaves the tensor in place; infinite without one
    tiles: np.ndarray  # int64[m]: the tiles with a label, in the order of their energy
    run_floor: np.ndarray  # float64[T]: least of `runs`
