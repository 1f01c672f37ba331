"""Three ways through a space of changes: greedy steps, a knapsack, and evolution. Losses are predicted, prices are exact.

The predicted loss of a choice is the sum over its units of what each loses at its level (measured one unit at a time, see
`sensitivity.py`). Interactions are left to the networks that are really trained along the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from picojoule.ask import Progress, silent
from picojoule.compress.plan import Plan
from picojoule.compress.shrink.integer import one_of_each
from picojoule.compress.shrink.pricing import Price
from picojoule.compress.shrink.space import Choice, Space

PriceOf = Callable[[Plan], Price]
Losses = Sequence[Sequence[float]]  # [unit][level], 0 at level 0, in nats of the validation loss
LOOK_AHEAD = 2  # levels that one greedy step may take: a first level that saves nothing must not end the way
LEAST_LOSS = 1e-5  # a level that loses nothing is taken for what it saves


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One choice on the way, and how it was reached: `unit` (index) went to its level; `runner_up` would have been next."""

    choice: Choice
    loss: float
    price: Price
    unit: int | None = None
    runner_up: int | None = None


def losses_of(choice: Choice, losses: Losses) -> float:
    """Predicted loss of a choice."""
    return float(sum(losses[u][level] for u, level in enumerate(choice)))


def greedy(space: Space, price: PriceOf, losses: Losses, *, until: float = np.inf, tell: Progress = silent) -> list[Step]:
    """Steps from the start, each the one that saves most for what it loses, to every unit's end or a loss of `until`.

    After NetAdapt (Yang et al., ECCV 2018), with the chip's own price in the place of a table and a predicted loss in the
    place of a short training per candidate. A unit's saving is priced again when it would be taken: what other units do in
    between changes it, mostly downwards.
    """
    way = [Step(choice=space.start, loss=0.0, price=price(space.plan(space.start)))]
    total = sum(len(u.values) - 1 for u in space.units)
    moves = {u: m for u in range(len(space.units)) if (m := _best_move(space, price, losses, way[0], u)) is not None}
    fresh = set(moves)
    while moves and way[-1].loss <= until:
        best = max(moves, key=lambda u: (moves[u][0], -u))
        if best not in fresh:  # priced some steps ago: priced again only now that it leads
            fresh.add(best)
            move = _best_move(space, price, losses, way[-1], best)
            moves.pop(best)
            moves |= {} if move is None else {best: move}
            continue
        level, runner_up = moves[best][1], max((u for u in moves if u != best), key=lambda u: (moves[u][0], -u), default=None)
        choice = _at(way[-1].choice, best, level)
        way.append(
            Step(choice=choice, loss=losses_of(choice, losses), price=price(space.plan(choice)), unit=best, runner_up=runner_up)
        )
        tell(sum(choice), total, "greedy search")
        moves.pop(best)
        move = _best_move(space, price, losses, way[-1], best)
        moves |= {} if move is None else {best: move}
        fresh = {best}
    return way


def _best_move(space: Space, price: PriceOf, losses: Losses, now: Step, u: int) -> tuple[float, int] | None:
    """(saved per lost, level) of the best of the next levels of a unit that saves anything."""
    best: tuple[float, int] | None = None
    level = now.choice[u]
    for to in range(level + 1, min(level + LOOK_AHEAD, len(space.units[u].values) - 1) + 1):
        saved = now.price.value - price(space.plan(_at(now.choice, u, to))).value
        lost = max(losses[u][to] - losses[u][level], LEAST_LOSS)
        if saved > 1e-9 * now.price.value and (best is None or saved / lost > best[0]):
            best = (saved / lost, to)
    return best


def _at(choice: Choice, u: int, level: int) -> Choice:
    """The choice with one unit at another level."""
    return (*choice[:u], level, *choice[u + 1 :])


def knapsack(space: Space, price: PriceOf, losses: Losses, budget: float, *, rounds: int = 6) -> Step:
    """The choice of least price within a predicted loss: a multiple-choice knapsack, solved exactly by `scipy.optimize.milp`.

    Savings of two units in one layer do not add, so the prices of all levels are taken beside the last answer and the knapsack is
    solved again, until it gives an answer that was met before; the cheapest exactly priced answer is returned. Not proved: only
    each knapsack is.
    """
    choice, seen, best = space.start, set[Choice](), None
    for _ in range(rounds):
        if choice in seen:
            break
        seen.add(choice)
        step = Step(choice=choice, loss=losses_of(choice, losses), price=price(space.plan(choice)))
        if best is None or step.price.value < best.price.value:
            best = step
        values = [
            [price(space.plan(_at(choice, u, level))).value / step.price.value for level in range(len(unit.values))]
            for u, unit in enumerate(space.units)
        ]
        picked = one_of_each(values, losses, budget)
        if picked is None:
            break
        choice = tuple(picked)
    assert best is not None
    return best


def evolve(
    space: Space,
    price: PriceOf,
    losses: Losses,
    budget: float,
    *,
    seed: int = 0,
    first: Sequence[Choice] = (),
    rounds: int = 20,
    population: int = 24,
) -> Step:
    """The cheapest choice within a predicted loss that differential evolution (`scipy.optimize`) finds from `first` on."""
    from scipy.optimize import differential_evolution

    top = np.array([len(u.values) - 1 for u in space.units])
    start = price(space.plan(space.start)).value
    rng = np.random.default_rng(seed)
    known = [np.array(c) for c in first] or [np.zeros(len(top), int)]
    crowd = [known[i % len(known)] + (rng.integers(-1, 2, len(top)) if i >= len(known) else 0) for i in range(population)]

    def fitness(x: np.ndarray) -> float:
        choice = tuple(int(v) for v in np.clip(np.rint(x), 0, top))
        over = losses_of(choice, losses) - budget
        return 1.0 + over if over > 0 else price(space.plan(choice)).value / start - 1.0

    found = differential_evolution(
        fitness, [(0, max(1, t)) for t in top], integrality=np.ones(len(top), bool), init=np.clip(crowd, 0, np.maximum(1, top)),
        maxiter=rounds, seed=seed, polish=False, mutation=(0.3, 0.9), recombination=0.4, tol=0,
    )  # fmt: skip
    choice = tuple(int(v) for v in np.clip(np.rint(found.x), 0, top))
    return Step(choice=choice, loss=losses_of(choice, losses), price=price(space.plan(choice)))
