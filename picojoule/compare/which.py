"""`which`: the machines that meet limits on power, latency, energy, throughput and area, and what the others lack.

A mapped chip qualifies if one of its mappings does: the one of least energy-delay product, then, where that misses a limit, the
one of least energy and the one of least latency. Before any search a bound that no mapping can beat (MACs at the peak, every
tensor moved once) rules out what cannot qualify. A roofline is itself such a bound: it may rule a platform out, never in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log
from typing import Literal

from picojoule.ask import SINGLE_BEST, Progress
from picojoule.compare.bench import Loader
from picojoule.compare.compare import loader, side_by_side
from picojoule.compare.limits import Limits, contradictions
from picojoule.cost.performance import peak_macs_per_s
from picojoule.machines.answer import Answer, Ask, Declined, Machine
from picojoule.machines.names import machine, machines
from picojoule.machines.providers.chips import NOT_REAL, MappedChip
from picojoule.machines.providers.published import compulsory_bytes, distinct
from picojoule.workload.bits import AtOwnWidth
from picojoule.workload.network import Network

Verdict = Literal["qualifies", "not ruled out", "unknown", "fails", "declines"]
ORDER: tuple[Verdict, ...] = ("qualifies", "not ruled out", "unknown", "fails", "declines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A limit that is not met: `value` beside it; None where the figure is not known."""

    figure: str
    value: float | None
    times: float  # how many times too high, or the share that is reached where too low; 1 where unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A machine with its verdict, the answer it rests on (None: ruled out by a bound, or declined) and what it misses."""

    machine: str
    kind: str
    verdict: Verdict
    answer: Answer | None
    objective: str
    misses: tuple[Miss, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All candidates: what qualifies first, then by how little they miss."""

    model: str
    limits: Limits
    batch: int
    bits: int | None
    candidates: tuple[Candidate, ...]

    @property
    def qualifies(self) -> tuple[str, ...]:
        return tuple(c.machine for c in self.candidates if c.verdict == "qualifies")


def which(
    model: str | Loader,
    limits: Limits,
    *,
    on: Sequence[str] | None = None,
    batch: int = 1,
    bits: int | None = None,
    ask: Ask | None = None,
    progress: Progress | None = None,
) -> Selection:
    """Which machines meet the limits for the network, and what is missing for those that do not.

    `on`: the machines asked (None: `everything()`). Raises SpecError where no limit is given, where the limits contradict each
    other, and for a macro beside something larger.
    """
    contradictions(limits, batch)
    load, ask = loader(model), replace(ask or Ask(), batch=batch, bits=bits)
    chosen = side_by_side(everything() if on is None else on)
    found = []
    for i, (name, m) in enumerate(chosen.items()):
        if progress:
            progress(i, len(chosen), name)
        found.append(_judge(name, m, load, limits, ask))
    found.sort(key=lambda c: (ORDER.index(c.verdict), max((_badness(m) for m in c.misses), default=0.0), c.machine))
    answered = next((c.answer for c in found if c.answer), None)
    name = answered.model if answered else str(model)
    return Selection(model=name, limits=limits, batch=batch, bits=bits, candidates=tuple(found))


def everything() -> list[str]:
    """All machines by the name that finds them, without macros and without those whose energies are chosen or normalised."""
    seen = dict.fromkeys(n for names in machines().values() for n in names if n not in NOT_REAL)
    return [n for n in seen if machine(n).scope != "macro"]


def figures(a: Answer) -> dict[str, float | None]:
    """What limits are about, in their units."""
    pj = a.per_inference_pj
    return {
        "power_w": a.power_w, "latency_s": a.latency_s, "energy_j": None if pj is None else pj * 1e-12,
        "inferences_per_s": a.inferences_per_s, "area_mm2": a.area_mm2, "offchip_bytes": a.offchip_bytes_per_inference,
    }  # fmt: skip


def missed(a: Answer, limits: Limits) -> tuple[Miss, ...]:
    """The limits that the answer does not meet, and those about figures it does not know."""
    known = figures(a)
    out = []
    for figure, span in limits.given().items():
        value = known[figure]
        times = 1.0 if value is None else span.misses(value)
        if value is None or times != 1.0:
            out.append(Miss(figure=figure, value=value, times=times))
    return tuple(out)


def _judge(name: str, m: Machine, load: Loader, limits: Limits, ask: Ask) -> Candidate:
    """The best verdict that one of the machine's answers reaches."""
    try:
        network = load(ask.batch, ask.bits)
        if isinstance(m, MappedChip):
            network = AtOwnWidth(m.native_bits)(network)
            out = _ruled_out(m, network, limits, ask.batch)
            if out:
                return Candidate(
                    machine=m.name,
                    kind="chip, mapped",
                    verdict="fails",
                    answer=None,
                    objective="",
                    misses=out,
                    reason="by a bound: no mapping can do better",
                )
        answers = []
        for objective in SINGLE_BEST if isinstance(m, MappedChip) else SINGLE_BEST[:1]:
            a = m.run(network, replace(ask, objective=objective))
            answers.append((a, objective, missed(a, limits)))
            if not answers[-1][2]:
                break
    except Declined as e:
        return Candidate(machine=name, kind="", verdict="declines", answer=None, objective="", misses=(), reason=e.problem)
    a, objective, misses = min(answers, key=lambda x: (len(x[2]), max((_badness(m) for m in x[2]), default=0.0)))
    return Candidate(machine=name, kind=a.kind, verdict=_verdict(a, misses), answer=a, objective=objective, misses=misses)


def _verdict(a: Answer, misses: Sequence[Miss]) -> Verdict:
    """A roofline rules out by its least latency, traffic and nominal power; its energy is no bound and decides nothing.

    Of a chip whose operators are partly unknown energy and latency are bounds; power, their ratio, is none.
    """
    open_ = "energy_j" if a.is_bound else "power_w" if a.at_least else ""
    if any(m.value is not None and m.figure != open_ for m in misses):
        return "fails"
    if misses:
        return "unknown"
    return "not ruled out" if a.is_bound or a.at_least else "qualifies"


def _ruled_out(m: MappedChip, network: Network, limits: Limits, batch: int) -> tuple[Miss, ...]:
    """Limits that no mapping on this chip can meet: latency by the peak and by the off-chip ports, energy by MACs and tensors."""
    chip = m.chip
    if chip.sparse:  # zeros may save what these bounds count
        return ()
    rate = sum(p.bits_per_cycle for m in chip.outermost for p in m.ports) / 8 * chip.clock_hz
    latency = energy = 0.0
    for layer, count in distinct(network):
        moved = compulsory_bytes(layer)
        latency += count * max(layer.macs / peak_macs_per_s(chip, layer), moved / rate if rate else 0.0)
        words = min(pj or 0.0 for m in chip.outermost for pj in (m.read_pj, m.write_pj))
        energy += count * (
            layer.macs * (chip.compute.energy_pj(layer))
            + words * sum(layer.elements(t) * chip.home(t.role).accesses_per_word(t.bits) for t in layer.tensors)
        )
    out = []
    if limits.latency_s.high < latency * (1 - 1e-9):
        out.append(Miss(figure="latency_s", value=latency, times=latency / limits.latency_s.high))
    least_j = energy * 1e-12 / batch
    if limits.energy_j.high < least_j * (1 - 1e-9):
        out.append(Miss(figure="energy_j", value=least_j, times=least_j / limits.energy_j.high))
    return tuple(out)


def _badness(m: Miss) -> float:
    """How far a limit is missed, in powers of e either way."""
    return abs(log(m.times)) if m.times > 0 else inf
