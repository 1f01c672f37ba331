"""A scheduled network in rows and words, for the terminal and the page."""

from __future__ import annotations

from picojoule.report import units
from picojoule.schedule.residence import Ran
from picojoule.search.result import claim
from picojoule.search.schedules.result import ScheduledNetwork


def rows(done: ScheduledNetwork) -> list[dict[str, str]]:
    """One row a happening: what runs or is copied, where its result goes, and what that costs."""
    outer = {m.name for m in done.chip.outermost}
    return [
        {
            "item": h.name,
            "result in": (done.memory if h.event.kept else outside(done)) if isinstance(h.event, Ran) else "",
            "times": str(h.event.times),
            "energy": units.energy(h.energy_pj),
            "latency": units.seconds(h.cycles / done.chip.clock_hz),
            "outside": units.count(sum(h.words(outer).values())) or "0",
            "held": units.bits(h.event.held_bits) if h.event.held_bits else "",
        }
        for h in done.happenings
    ]


def outside(done: ScheduledNetwork) -> str:
    """The outermost memories' names."""
    return " and ".join(m.name for m in done.chip.outermost)


def headline(done: ScheduledNetwork) -> list[str]:
    """The totals in words."""
    least = "at least " if done.at_least else ""
    name = f"{done.network.name} on {done.chip.name}"
    stays = f"{done.memory} holds up to {units.bits(done.peak_bits)} between jobs" if done.peak_bits else "nothing stays on chip"
    out = [
        f"{name}: {least}{units.energy(done.energy_pj)}, {least}{units.seconds(done.latency_s)}, {units.edp(done.edp_js)}",
        f"outside: {units.count(done.outside_words)} words, {units.bits(8 * done.outside_bytes)}; on chip: {stays}",
    ]
    if done.alone is not None:
        energy, cycles = done.alone
        gain = {"energy": done.energy_pj / energy, "latency": done.cycles / cycles}
        whole = gain.get(done.objective, done.value / (energy * cycles))
        less = f"{100 * (1 - whole):.1f} % less" if whole < 1 - 1e-9 else "the same"
        out.append(
            f"layer by layer: {units.energy(energy)}, {units.seconds(cycles / done.chip.clock_hz)}; "
            f"the {done.objective} of the schedule is {less}"
        )
    how = f"{done.searches} layer problems searched in {units.seconds(done.search_cpu_s)} of CPU time"
    return [*out, f"{claim(done.proved, done.gap)} for {done.objective}; {how}"]
