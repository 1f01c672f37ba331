"""Limits of `which`: ranges of power, latency, energy, throughput, area and traffic, read from text and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf

from picojoule.errors import SpecError
from picojoule.quantities.units import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a figure may be, from `low` to `high`, both included."""

    low: float = 0.0
    high: float = inf

    def misses(self, value: float) -> float:
        """How many times too high (above 1) or too low (below 1) the value is; 1 where it lies inside."""
        if value > self.high * (1 + 1e-12):
            return value / self.high
        return value / self.low if value < self.low * (1 - 1e-12) else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is asked. Power in W, latency in s of a batch, energy in J and traffic in B per inference, area in mm2."""

    power_w: Span = Span()
    latency_s: Span = Span()
    energy_j: Span = Span()
    inferences_per_s: Span = Span()
    area_mm2: Span = Span()
    offchip_bytes: Span = Span()

    def given(self) -> dict[str, Span]:
        """The limits that limit anything."""
        spans = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: s for k, s in spans.items() if (s.low, s.high) != (0.0, inf)}


UNITS = {"power_w": "W", "latency_s": "s", "energy_j": "J", "inferences_per_s": "1/s", "area_mm2": "mm2", "offchip_bytes": "B"}
OPTIONS = {"power_w": "--power", "latency_s": "--latency", "energy_j": "--energy", "inferences_per_s": "--throughput",
           "area_mm2": "--area", "offchip_bytes": "--traffic"}  # fmt: skip


def contradictions(limits: Limits, batch: int) -> None:
    """SpecError where nothing can meet the limits: an empty range, or ranges that exclude each other by their definitions.

    inferences/s = batch / latency, and energy of an inference = power x latency / batch.
    """
    given = limits.given()
    if not given:
        raise SpecError("no limit is given", where="pj which", hint="such as --power 1W --latency 33ms")
    for figure, span in given.items():
        if not 0 <= span.low <= span.high or span.high <= 0:
            raise SpecError(
                f"{span.low:g} to {span.high:g} {UNITS[figure]} is empty",
                where=OPTIONS[figure],
                hint="write LOW..HIGH, such as 1W..2W",
            )
    rate, latency = limits.inferences_per_s, limits.latency_s
    if batch < rate.low * latency.low * (1 - 1e-12) or (rate.high * latency.high < batch * (1 - 1e-12)):
        raise SpecError(
            f"the limits contradict each other: a batch of {batch} in {latency.low:g} to {latency.high:g} s is "
            f"{batch / latency.high:g} to {batch / latency.low if latency.low else inf:g} inferences/s, and {rate.low:g} to "
            f"{rate.high:g} are asked for",
            where="--latency, --throughput",
            hint="inferences/s = batch / latency: relax one of the two",
        )
    low, high = limits.power_w.low * latency.low / batch, limits.power_w.high * latency.high / batch
    if limits.energy_j.low > high * (1 + 1e-12) or limits.energy_j.high < low * (1 - 1e-12):
        raise SpecError(
            f"the limits contradict each other: that power over that latency is {low:g} to {high:g} J an inference, and "
            f"{limits.energy_j.low:g} to {limits.energy_j.high:g} J are asked for",
            where="--power, --latency, --energy",
            hint="energy = power x latency / batch: relax one of the three",
        )


def limits(texts: Mapping[str, str | None]) -> Limits:
    """Limits from text by figure: `33ms` (at most; of throughput, at least), `1W..2W`, `..2W` or `1W..`.

    >>> limits({"power_w": "1W", "latency_s": "10ms..33ms"}).latency_s
    Span(low=0.01, high=0.033)
    """
    return Limits(**{figure: _span(figure, text) for figure, text in texts.items() if text is not None})


def _span(figure: str, text: str) -> Span:
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots:
        value = _quantity(figure, text)
        return Span(low=value) if figure == "inferences_per_s" else Span(high=value)
    return Span(low=_quantity(figure, low) if low else 0.0, high=_quantity(figure, high) if high else inf)


_KINDS = {"power_w": ("power", 1e-3), "latency_s": ("duration", 1.0), "energy_j": ("energy", 1e-12), "area_mm2": ("area", 1e-6),
          "offchip_bytes": ("size", 0.125)}  # fmt: skip


def _quantity(figure: str, text: str) -> float:
    """The number in the unit of the figure; throughput is `30/s`, `30 fps` or `30`."""
    try:
        if figure == "inferences_per_s":
            return float(text.removesuffix("fps").removesuffix("/s"))
        kind, factor = _KINDS[figure]
        return parse(text, kind).value * factor
    except SpecError as e:
        raise SpecError(e.problem, where=OPTIONS[figure], hint=e.hint) from None
    except ValueError:
        raise SpecError(f"{text!r} is no throughput", where=OPTIONS[figure], hint="such as 30/s") from None
