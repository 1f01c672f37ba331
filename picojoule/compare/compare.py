"""`compare`: one network on many machines, side by side, with the flips of the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.compare import flips as flipping
from picojoule.compare.bench import Bench, Condition, Loader
from picojoule.compare.flips import FACTORS, Flip
from picojoule.errors import PicojouleError, SpecError, unknown_name
from picojoule.machines.answer import Answer, Ask, Machine
from picojoule.machines.names import machine
from picojoule.neardata.macro import macros_apart
from picojoule.workload.load import load_model
from picojoule.workload.network import Network

BATCHES, BITS = (16,), (8,)  # what the flips are looked for at, besides the base condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Answers in the order asked for, machines that declined with the reason, and the flips.

    `undominated`: machines that no other one of the same kind and scope beats in energy and in time per inference.
    """

    model: str
    condition: Condition
    ask: Ask
    answers: tuple[Answer, ...]
    declined: tuple[tuple[str, str], ...]
    flips: tuple[Flip, ...]
    tried: tuple[str, ...]  # what the flips were looked for under
    undominated: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    model: str | Loader,
    on: Sequence[str],
    *,
    batch: int = 1,
    bits: int | None = None,
    flips: Sequence[str] = FACTORS,
    batches: Sequence[int] = BATCHES,
    precisions: Sequence[int] = BITS,
    ask: Ask | None = None,
    confirm: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """The network on every machine of `on`, at this batch and precision (None: each machine's own), and where rankings flip.

    Flips are looked for between the base condition and one that differs in a single factor: DRAM energy left out, another batch
    size, another precision. Each is confirmed by fresh runs unless `confirm` is off. Raises SpecError for unknown machines, for
    a macro beside something larger, and where no machine can run the network.
    """
    for f in flips:
        if f not in FACTORS:
            raise unknown_name("factor", f, FACTORS)
    bench = prepared(model, on, ask or Ask(), progress)
    base = Condition(batch=batch, bits=bits)
    answers, declined = bench.all(base), bench.declined(base)
    if not answers:
        why = "; ".join(declined.values())
        raise SpecError(f"no machine can run it: {why}", hint="ask for another precision with --bits, or for other machines")
    factors, notes = _possible(bench, tuple(flips), batches)
    found = flipping.find(bench, base, tuple(batches), tuple(precisions), factors) if len(answers) > 1 else []
    if confirm:
        found = [flipping.confirm(bench, flipping.locate(bench, f) if f.factor == "batch" else f) for f in found]
    looked = {"batch": ", ".join(map(str, batches)), "precision": ", ".join(f"{x} b" for x in precisions)}
    tried = [f"{f}: {v}" for f, v in looked.items() if f in factors]
    return Comparison(
        model=next(iter(answers.values())).model, condition=base, ask=bench.ask, answers=tuple(answers.values()),
        declined=tuple(declined.items()), flips=tuple(found), undominated=undominated(tuple(answers.values())),
        tried=("DRAM energy: left out", *tried) if "dram" in factors else tuple(tried), notes=notes,
    )  # fmt: skip


def prepared(model: str | Loader, on: Sequence[str], ask: Ask, progress: Progress | None) -> Bench:
    """A bench with the machines that `on` names."""
    return Bench(machines=side_by_side(on), load=loader(model), ask=ask, progress=progress)


def side_by_side(on: Sequence[str]) -> dict[str, Machine]:
    """The machines of these names; SpecError for none, for one named twice, and for a macro beside something larger."""
    if not on:
        raise SpecError("no machine is named", where="--on", hint="such as eyeriss,tpu-v1,h100_sxm: `pj platforms --machines`")
    for name in on:
        if list(on).count(name) > 1:
            raise SpecError(f"{name!r} is named twice", where="--on", hint="name each machine once")
    machines = {n: machine(n) for n in on}
    try:
        macros_apart({n: m.scope for n, m in machines.items()})
    except PicojouleError as e:
        raise e.located("--on") from None
    return machines


def loader(model: str | Loader) -> Loader:
    """How to read a model at a batch size and a width; batch 1 and no width ask the reader for nothing."""
    if not isinstance(model, str):
        return model

    def load(batch: int, bits: int | None) -> Network:
        return load_model(model, batch=batch if batch != 1 else None, bits=bits)

    return load


def _possible(bench: Bench, factors: tuple[str, ...], batches: Sequence[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The factors that can be varied for this model, and a note for what cannot."""
    if "batch" in factors:
        if not batches:
            raise SpecError("no batch size is given", where="--batches", hint="such as 16; without flips by batch: --flips dram")
        try:
            bench.load(max(batches), 16)
        except SpecError as e:
            return tuple(f for f in factors if f != "batch"), (f"flips by batch were not looked for: {e.problem}",)
    return factors, ()


def undominated(answers: Sequence[Answer]) -> tuple[str, ...]:
    """Machines that no other of the same kind and scope beats in energy and time per inference, both."""
    points = {a.machine: (a.per_inference_pj, a.latency_s / a.batch) for a in answers}
    out = []
    for a in answers:
        pj, s = points[a.machine]
        alike = [b for b in answers if b is not a and b.kind == a.kind and flipping.comparable(a, b, "energy")]
        rivals = [points[b.machine] for b in alike if a.at_least or not b.at_least]  # a lower bound beats no whole figure
        if pj is not None and not any(e is not None and e <= pj and t <= s and (e, t) != (pj, s) for e, t in rivals):
            out.append(a.machine)
    return tuple(out)
