"""Runs machines under conditions, each once: what the rest of the comparison asks for its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from picojoule.ask import Progress
from picojoule.machines.answer import Answer, Ask, Declined, Machine
from picojoule.workload.network import Network

Loader = Callable[[int, int | None], Network]  # (batch, bits of every tensor or None: what the model states) -> the network


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How many inputs at once, and how wide. `bits` None: each machine at the width of its own MACs or units."""

    batch: int = 1
    bits: int | None = None

    def __str__(self) -> str:
        return f"batch {self.batch}, {'own precision' if self.bits is None else f'{self.bits} b'}"


@dataclass(kw_only=True)
class Bench:
    """Machines, and what they answered so far. `fresh` answers are computed again, past every cache."""

    machines: dict[str, Machine]
    load: Loader
    ask: Ask
    progress: Progress | None = None
    answers: dict[tuple[str, Condition, bool], Answer | Declined] = field(default_factory=dict)

    def answer(self, name: str, condition: Condition, *, fresh: bool = False) -> Answer | Declined:
        """What the machine says, or why it does not run this."""
        key = (name, condition, fresh)
        if key not in self.answers:
            self.answers[key] = self._run(self.machines[name], condition, fresh)
        return self.answers[key]

    def all(self, condition: Condition) -> dict[str, Answer]:
        """Every machine that answers under the condition."""
        found = {name: self._told(i, name, condition) for i, name in enumerate(self.machines)}
        return {name: a for name, a in found.items() if isinstance(a, Answer)}

    def declined(self, condition: Condition) -> dict[str, str]:
        """Machine -> why it does not answer under the condition."""
        found = {name: self.answer(name, condition) for name in self.machines}
        return {name: a.problem for name, a in found.items() if isinstance(a, Declined)}

    def _told(self, i: int, name: str, condition: Condition) -> Answer | Declined:
        if self.progress:
            self.progress(i, len(self.machines), f"{name}, {condition}")
        return self.answer(name, condition)

    def _run(self, machine: Machine, condition: Condition, fresh: bool) -> Answer | Declined:
        ask = replace(self.ask, batch=condition.batch, bits=condition.bits, cache=self.ask.cache and not fresh)
        try:
            return machine.run(self.load(condition.batch, condition.bits), ask)
        except Declined as e:
            return e
