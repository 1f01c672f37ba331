"""`shrink`: a trained network made cheap on a chip within a budget of accuracy. Accuracies are measured, costs are mapped.

    1  the dense network is fine-tuned as long as any candidate will be: what is lost is counted from there
    2  each change alone: what it loses (`sensitivity`), what it saves on this chip (`pricing`)
    3  a search orders the changes into a way from INT8 to the smallest network (`search`)
    4  plans along the way are fine-tuned, shortly and then long, closing in on the cheapest that keeps the budget on the
       held-out images

Test images are looked at once, for the rows that are reported.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from picojoule.ask import Progress, silent
from picojoule.compress.plan import Plan
from picojoule.compress.shrink.pricing import Pricer
from picojoule.compress.shrink.search import Losses, Step, evolve, greedy, knapsack
from picojoule.compress.shrink.shrunk import Decision, Row, Shrunk
from picojoule.compress.shrink.space import TECHNIQUES, Choice, Space, space_of
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import load_chip

if TYPE_CHECKING:
    from picojoule.compress.shrink.measure import Bench, Effort
    from picojoule.compress.shrink.sensitivity import Sensitivity
    from picojoule.compress.shrink.subject import Subject

SEARCHES = ("greedy", "knapsack", "evolutionary")
TRIES = 4  # fine-tunings that close in on the budget, short ones and then long ones
HOPE = 1.5  # budgets that a short fine-tuning may lose
SHARES = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # of the loss that the budget stands for: what searches are asked for


class Shrinking:
    """The loop over one network, chip and budget."""

    def __init__(
        self,
        bench: Bench,
        pricer: Pricer,
        *,
        budget: float,
        long: Effort,
        short: Effort,
        methods: Sequence[str],
        search: str,
        tell: Progress = silent,
    ) -> None:
        if search not in SEARCHES:
            raise unknown_name("search", search, SEARCHES)
        self.bench, self.pricer, self.budget = bench, pricer, budget
        self.long, self.short, self.search, self.tell, self.methods = long, short, search, tell, tuple(methods)
        self.space = space_of(pricer.base, pricer.structure, pricer, methods)
        if not self.space.units:
            raise SpecError(
                f"{', '.join(methods)} changes nothing here",
                where=pricer.chip.name,
                hint="this chip makes no use of it, or the network offers no layer for it: add a method",
            )
        self.rows: dict[tuple[str, int], Row] = {}
        self.ways: dict[tuple[str, ...], list[Step]] = {}

    def measured(self, name: str, plan: Plan, effort: Effort) -> Row:
        """The plan fine-tuned and priced."""
        held_out = self.bench.tuned(plan, effort, name).held_out
        row = Row(name=name, plan=plan, price=self.pricer.price(plan), images=effort.images, held_out=held_out)
        return self.rows.setdefault((plan.key, effort.images), row)

    def lost(self, row: Row, effort: Effort) -> float:
        """Points of held-out accuracy below the dense network with the same effort."""
        dense = self.measured("dense, fine-tuned", Plan(), effort)
        assert dense.held_out and row.held_out
        return dense.held_out.percent - row.held_out.percent

    def run(self, alone: bool, began: float, subject: Subject) -> Shrunk:
        """Everything; an interrupt ends it with the best that is within the budget so far."""
        from picojoule.compress.shrink.sensitivity import sensitivities

        interrupted, others = False, []
        dense = self.measured("dense, fine-tuned", Plan(), self.long)
        found = sensitivities(self.space, self.bench, self.short, self.tell)
        try:
            chosen = self.best("joint", self.methods, found)
            for technique in self.methods if alone and len(self.methods) > 1 else ():
                row = self.best(f"{technique} alone", (technique,), found)
                others += [] if row is None else [replace(row, name=f"{technique} alone")]  # it may be one of the joint search's
        except KeyboardInterrupt:
            interrupted = True
            chosen = self._best_so_far()
            if chosen is None:
                raise
        if chosen is None:
            raise SpecError(
                f"not even INT8 stays within {self.budget:g} points of the fine-tuned dense network on the held-out images",
                where="--budget", hint="give a larger budget, or a longer fine-tuning (--images)",
            )  # fmt: skip
        return self._result(chosen, dense, others, found, interrupted, began, subject)

    def _best_so_far(self) -> Row | None:
        kept = [r for (_, n), r in self.rows.items() if n == self.long.images and self.lost(r, self.long) <= self.budget]
        return min((r for r in kept if r.plan != Plan()), key=lambda r: r.price.value, default=None)

    def _result(
        self, chosen: Row, dense: Row, others: list[Row], found: Sensitivity, interrupted: bool, began: float, subject: Subject
    ) -> Shrunk:
        names = self.space.layers
        uniform = []
        for bits in (16, 8):
            plan = Plan.uniform(names, weight_bits=bits, input_bits=bits)
            uniform.append(
                Row(name=f"INT{bits}", plan=plan, price=self.pricer.price(plan), images=0, test=self.bench.test(plan, None))
            )

        def tested(row: Row) -> Row:
            return replace(row, test=self.bench.test(row.plan, self.long))

        choice = self.space.choice(chosen.plan)
        offered = {u.technique for u in self.space.units}
        return Shrunk(
            model=subject.name, data=subject.data.name, chip=self.pricer.chip, objective=self.pricer.objective,
            budget_points=self.budget, seed=self.bench.seed, methods=self.methods, search=self.search, chosen=tested(chosen),
            dense=tested(dense), uniform=tuple(uniform), alone=tuple(tested(r) for r in others),
            measured=tuple(self.rows.values()), decisions=self.decisions(choice, found.losses),
            left_out=tuple(m for m in self.methods if m not in offered),
            way=tuple((s.loss, s.price.value) for s in self.ways[self.methods]), trainings=self.bench.trainings,
            searched=self.pricer.searched, cpu_s=time.process_time() - began, interrupted=interrupted,
        )  # fmt: skip

    def best(self, name: str, techniques: Sequence[str], found: Sensitivity) -> Row | None:
        """The cheapest network of these techniques that keeps the budget; None where none does."""
        space = self.space.only(techniques)
        losses = [row for unit, row in zip(self.space.units, found.losses, strict=True) if unit.technique in techniques]
        aim = found.nats_per_point * self.budget
        way = self.ways[tuple(techniques)] = self._way(space, losses, aim)
        hoped, _ = self._closing_in(f"{name}, on the way", space, way, self.short, aim)
        _, row = self._closing_in(name, space, way, self.long, hoped)
        if row is None:
            start = self.measured(name, space.plan(space.start), self.long)
            row = start if self.lost(start, self.long) <= self.budget else None
        return row

    def _way(self, space: Space, losses: Losses, aim: float) -> list[Step]:
        """Choices of ever less price and more predicted loss."""
        way = greedy(space, self.pricer.price, losses, until=SHARES[-1] * aim, tell=self.tell)
        if self.search == "greedy":
            return way
        steps = [way[0]]
        for budget in (share * aim for share in SHARES):
            if self.search == "knapsack":
                steps.append(knapsack(space, self.pricer.price, losses, budget))
            else:
                first = [s.choice for s in way if s.loss <= budget][-3:]
                steps.append(evolve(space, self.pricer.price, losses, budget, seed=self.bench.seed, first=first))
        return sorted(steps, key=lambda s: s.loss)

    def _closing_in(self, name: str, space: Space, way: list[Step], effort: Effort, aim: float) -> tuple[float, Row | None]:
        """Fine-tunes plans of the way, bisecting in the predicted loss from `aim`: the loss to go on from, the cheapest row.

        Short fine-tunings may lose half as much again, because long ones win some of it back.
        """
        allowed = self.budget * (1.0 if effort is self.long else HOPE)
        low, high, best = 0.0, float("inf"), None
        for _ in range(TRIES):
            i = max(k for k, s in enumerate(way) if s.loss <= max(aim, way[0].loss))
            row = self.measured(name, space.plan(way[i].choice), effort)
            if self.lost(row, effort) <= allowed:
                low = max(low, way[i].loss)
                best = row if best is None or row.price.value < best.price.value else best
            else:
                high = min(high, way[i].loss)
            if i == (0 if best is None else len(way) - 1) or not any(low < s.loss < high for s in way):
                break
            aim = 2 * aim if high == float("inf") else high / 2 if low == 0.0 else (low * high) ** 0.5
        return (low if best is not None else high / 2), best

    def decisions(self, plan_choice: Choice, losses: Losses) -> tuple[Decision, ...]:
        """Each unit of a choice, with what it saves and what the next level would."""
        now, out = self.pricer.price(self.space.plan(plan_choice)).value, []
        for u, unit in enumerate(self.space.units):
            level = plan_choice[u]
            undone = self._value(plan_choice, u, 0) if level else now
            last = level + 1 == len(unit.values)
            harder = level if last else level + 1
            out.append(Decision(
                unit=unit.label, technique=unit.technique, value=unit.value(level), level=level, saved_share=undone / now - 1,
                lost_nats=losses[u][level], next_value="" if last else unit.value(harder),
                next_saves_share=1 - self._value(plan_choice, u, harder) / now,
                next_loses_nats=losses[u][harder] - losses[u][level],
            ))  # fmt: skip
        return tuple(out)

    def _value(self, choice: Choice, u: int, level: int) -> float:
        return self.pricer.price(self.space.plan((*choice[:u], level, *choice[u + 1 :]))).value


def check_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """The techniques, each known and named once."""
    for m in methods:
        if m not in TECHNIQUES:
            raise unknown_name("method", m, TECHNIQUES, "--methods")
    if not methods or len(set(methods)) < len(methods):
        raise SpecError(f"methods {list(methods)}", where="--methods", hint=f"some of {', '.join(TECHNIQUES)}, each once")
    return tuple(methods)


def shrink(
    model: str,
    chip: Chip | str,
    data: str = "digits",
    *,
    budget: float = 1.0,
    objective: str = "energy",
    methods: Sequence[str] = TECHNIQUES,
    search: str = "greedy",
    alone: bool = False,
    images: int | None = None,
    held_out: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = silent,
) -> Shrunk:
    """The cheapest network found on the chip that loses at most `budget` percentage points, beside what it is compared with.

    `model`: a small net by name (trained once, on all training images), or module:callable of a trained module; `images` that a
    long fine-tuning sees; `alone`: also what each technique finds by itself; `out`: a folder for the network as torch and
    ONNX files, the plan, the result and a page. A stopped run goes on where it was. Needs torch and torch-pruning.
    """
    methods = check_methods(methods)
    if not 0 < budget < 100:
        raise SpecError(f"a budget of {budget:g} points", where="--budget", hint="above 0 %, such as 1%")
    target = load_chip(chip) if isinstance(chip, str) else chip
    try:
        from picojoule.compress.shrink.carried import check_folder, write
        from picojoule.compress.shrink.subject import subject
    except ImportError:
        raise SpecError("torch is not installed", where="shrink", hint="pip install 'picojoule[compress]'") from None
    if out is not None:
        check_folder(Path(out))
    began = time.process_time()
    found = subject(model, data, data_dir, held_out=held_out, seed=seed, progress=progress)
    pricer = Pricer(found.network, target, objective=objective, structure=found.structure, tell=progress)
    long, short = found.efforts(images)
    loop = Shrinking(
        found.bench(progress), pricer, budget=budget, long=long, short=short, methods=methods, search=search, tell=progress
    )
    done = loop.run(alone, began, found)
    if out is not None:
        write(Path(out), done, loop.bench, long)
    return done
