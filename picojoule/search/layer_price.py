"""What a layer costs at its best mapping: the one door of the search for whoever prices layers one at a time.

`pj map` goes through `network.py`, which asks for whole networks at once; here layers come singly, most of them again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from picojoule.ask import SINGLE_BEST
from picojoule.cost.cost import Cost
from picojoule.errors import NoMapping, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.mapping.mapping import Mapping
from picojoule.search.cache import Cache
from picojoule.search.exact.goals import goal
from picojoule.search.exact.records import GoalKind
from picojoule.search.optimal import NAMED, LayerProblem, best_mapping, objective_value, simplified, solve
from picojoule.search.task import Task, work
from picojoule.search.warm import ensure_compiled
from picojoule.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedLayer:
    """The best mapping of a layer with its cost; `gap` is 0 where it is `proved` the best."""

    mapping: Mapping
    cost: Cost
    proved: bool
    gap: float


@dataclass(kw_only=True)
class LayerPricer:
    """Prices layers on one chip for one objective: each shape is searched once, and kept on disk beside the answers of `pj map`.

    `before` is called with the layer and the number of shapes searched so far, ahead of each search.
    """

    chip: Chip
    objective: str
    space: str = "default"
    cache: bool = True
    before: Callable[[Layer, int], None] = lambda layer, searched: None
    searched: int = 0  # shapes that were mapped and not looked up
    _known: dict[object, MappedLayer] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.objective not in SINGLE_BEST:
            raise unknown_name("objective", self.objective, SINGLE_BEST)
        if self.space not in NAMED:
            raise unknown_name("space", self.space, NAMED)
        self.chip.check_priced()
        self._seen = simplified(self.chip, NAMED[self.space])
        self._disk = Cache(self.cache)

    def price(self, layer: Layer, homes: tuple[tuple[str, str], ...] = ()) -> MappedLayer:
        """The layer's best mapping; searched only where no layer of its shape was met before. NoMapping where none fits.

        `homes`: (tensor, on-chip memory) of those that start, or of an output end, there and not outside.
        """
        key = layer.shape_key, homes
        if key not in self._known:
            task = Task(layer, self._seen, self.objective, self.space, homes=homes)
            answer = self._disk.get(task)
            if answer is None:
                self.before(layer, self.searched)
                answer = work(task)
                self._disk.put(task, answer)
                self.searched += 1
            mapping, cost = answer.points[0]
            self._known[key] = MappedLayer(mapping=mapping, cost=cost, proved=answer.proved, gap=answer.gap)
        return self._known[key]


def quick_cost(layer: Layer, chip: Chip, objective: str, space: str = "default") -> Cost | None:
    """The cost of the best mapping of the smallest space (no sliding windows, no tiles kept in place from above), or None.

    Two to eight times cheaper than the search, and never lower than what that finds.
    """
    ensure_compiled(best_mapping)
    problem = LayerProblem(layer, chip, space)
    small = problem.steps()[:1]
    try:
        points = solve(problem, goal(GoalKind.ENERGY_WITHIN if objective == "energy" else GoalKind.EDP), steps=small).points
        if objective == "latency" and points:
            slope = 1e3 * max(c.energy_pj for _, c in points)  # outweighs any energy
            points = solve(problem, goal(GoalKind.WEIGHTED, slope=slope), points, steps=small).points
    except NoMapping:
        return None
    return min((c for _, c in points), key=lambda c: objective_value(objective, c), default=None)
