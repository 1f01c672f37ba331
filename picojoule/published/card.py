"""The metric card of hardware (survey Section VIII, Table V): what a fair comparison needs, checked as a whole.

A card is refused with the list of everything that is missing. What is truly not known is written as `unknown: why`, where a card
may lack it at all; a figure that the others already determine (throughput, efficiency) has to agree with them, in operations or
in MACs, never in both mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.components.technology import scale_area, scale_energy
from picojoule.published.platform import EVIDENCE, SCOPES, Evidence, Scope
from picojoule.quantities.estimate import Estimate
from picojoule.quantities.located_yaml import Document, read
from picojoule.quantities.rates import Rate, rate
from picojoule.quantities.units import parse

NEEDED = {  # key -> what it says; in the order of the survey's Table V
    "design": "what it is called",
    "process": "process and operating point, such as 65 nm LP, 1.0 V",
    "technology": "node, such as 65 nm",
    "evidence": "measured, simulated or modelled",
    "scope": "what power covers: macro, chip, package, board or system",
    "dram_inside": "whether the energy of off-chip memory is inside: yes or no",
    "area": "core area, such as 12.25 mm2",
    "multipliers": "how many multipliers",
    "onchip_memory": "on-chip storage, such as 192 kB",
    "model": "the network",
    "layers": "which layers of it were run",
    "accuracy": "accuracy on which data",
    "weight_bits": "bits of a weight",
    "activation_bits": "bits of an activation",
    "batch": "inputs at once",
    "macs": "MACs of one inference of those layers",
    "runtime": "time for one batch, such as 115.3 ms",
    "power": "mean power during it, such as 278 mW",
    "offchip_access": "off-chip traffic of one inference, such as 3.85 MB",
    "inputs_tested": "how many inputs were run",
    "source": "the document",
}
MAY_BE_UNKNOWN = ("area", "multipliers", "onchip_memory", "accuracy", "inputs_tested", "offchip_access", "technology")
OPTIONAL = ("card", "simulation", "throughput", "efficiency", "peak")
AGREE = 0.05  # a stated throughput or efficiency may differ so much from the one the card determines


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareCard:
    """A design running a network, with everything that a comparison needs. Runtime and power are of one batch.

    `unknown`: field -> why it is not known. `simulation`: the stage and corner where `evidence` is simulated.
    """

    design: str
    process: str
    technology_nm: float | None
    evidence: Evidence
    simulation: str
    scope: Scope
    dram_inside: bool
    area_mm2: float | None
    multipliers: int | None
    onchip_bytes: float | None
    model: str
    layers: str
    accuracy: str | None
    weight_bits: int
    activation_bits: int
    batch: int
    macs: float
    runtime_s: float
    power_w: float
    offchip_bytes: float | None
    inputs_tested: int | None
    source: str
    unknown: tuple[tuple[str, str], ...] = ()
    scaled_from_nm: float | None = None  # set where energy and area were normalised to another node

    @property
    def area_per_multiplier_mm2(self) -> float | None:
        return None if self.area_mm2 is None or not self.multipliers else self.area_mm2 / self.multipliers

    @property
    def onchip_bytes_per_multiplier(self) -> float | None:
        return None if self.onchip_bytes is None or not self.multipliers else self.onchip_bytes / self.multipliers

    @property
    def inferences_per_s(self) -> float:
        return self.batch / self.runtime_s

    @property
    def energy_j(self) -> float:
        """Per inference, of what the scope covers."""
        return self.power_w * self.runtime_s / self.batch

    @property
    def throughput(self) -> Rate:
        """Delivered MACs a second."""
        return Rate(self.macs * self.batch / self.runtime_s, "MACs")

    @property
    def efficiency(self) -> Rate:
        """Delivered MACs a second and watt."""
        return Rate(self.throughput.value / self.power_w, "MACs", per_watt=True)


def hardware_card(data: Mapping[str, Any], document: Document | None = None) -> HardwareCard:
    """The card that `data` describes; SpecError lists all that is missing, or names the first wrong value and its place."""

    def at(key: str) -> str:
        return document.at((key,)) if document else key

    strange = [k for k in data if k not in NEEDED and k not in OPTIONAL and k not in ("tops_per_w", "gops_per_w")]
    if strange:
        raise unknown_name("key of a card", strange[0], [*NEEDED, *OPTIONAL], at(strange[0]))
    missing = [k for k in NEEDED if k not in data]
    if missing:
        raise _incomplete(data, missing, document)
    values, unknown = _values(data, at)
    card = HardwareCard(**values, unknown=unknown)
    _consistent(card, data, at)
    return card


def read_card(text: str, where: str) -> HardwareCard:
    """The card in a YAML text."""
    document = read(text, where)
    return hardware_card(document.data, document)


def _incomplete(data: Mapping[str, Any], missing: list[str], document: Document | None) -> SpecError:
    """Everything that is missing, at once; an efficiency alone is named as the reason it cannot stand."""
    alone = [k for k in ("tops_per_w", "gops_per_w", "efficiency", "peak") if k in data]
    what = f"{alone[0]} alone compares nothing: " if alone and len(missing) > len(NEEDED) // 2 else ""
    listed = "; ".join(f"{k}: {NEEDED[k]}" for k in missing)
    return SpecError(
        f"{what}the card lacks {len(missing)} of {len(NEEDED)} entries: {', '.join(missing)}",
        where=document.at(()) if document else "card",
        hint=f"add {listed}. What is not known may be written as `{{unknown: why}}` for {', '.join(MAY_BE_UNKNOWN)}",
    )


def _values(data: Mapping[str, Any], at: Any) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """Field -> value in its base unit, and what is unknown with its reason."""
    unknown = {}
    for key in NEEDED:
        if isinstance(data[key], Mapping):
            why = str(data[key].get("unknown", "")).strip()
            if key not in MAY_BE_UNKNOWN or not why or len(data[key]) != 1:
                may = f"may be unknown with a reason: {', '.join(MAY_BE_UNKNOWN)}"
                raise SpecError(f"{key} has to be given: {NEEDED[key]}", where=at(key), hint=may)
            unknown[key] = why

    def get(key: str, convert: Any) -> Any:
        if key in unknown:
            return None
        try:
            return convert(data[key])
        except SpecError as e:
            raise SpecError(f"{key}: {e.problem}", where=at(key), hint=e.hint) from None

    values = {
        "design": get("design", _text), "process": get("process", _text), "technology_nm": get("technology", _unit("length")),
        "evidence": get("evidence", _one_of(EVIDENCE)), "simulation": str(data.get("simulation", "")),
        "scope": get("scope", _one_of(SCOPES)), "dram_inside": get("dram_inside", _switch),
        "area_mm2": get("area", _unit("area", 1e-6)), "multipliers": get("multipliers", _whole),
        "onchip_bytes": get("onchip_memory", _unit("size", 1 / 8)), "model": get("model", _text), "layers": get("layers", _text),
        "accuracy": get("accuracy", _text), "weight_bits": get("weight_bits", _whole),
        "activation_bits": get("activation_bits", _whole), "batch": get("batch", _whole), "macs": get("macs", _positive),
        "runtime_s": get("runtime", _unit("time")), "power_w": get("power", _unit("power", 1e-3)),
        "offchip_bytes": get("offchip_access", _unit("size", 1 / 8)), "inputs_tested": get("inputs_tested", _whole),
        "source": get("source", _text),
    }  # fmt: skip
    if values["evidence"] == "simulated" and not values["simulation"].strip():
        raise SpecError(
            "a simulated card says of what stage and corner",
            where=at("evidence"),
            hint="simulation: post-layout, typical corner, 25 C",
        )
    return values, tuple(unknown.items())


def _consistent(card: HardwareCard, data: Mapping[str, Any], at: Any) -> None:
    """Stated throughput and efficiency agree with MACs, runtime and power, and count the same thing."""
    stated: dict[str, Rate] = {}
    for key in ("throughput", "efficiency", "peak"):
        if key in data:
            try:
                stated[key] = rate(data[key])
            except SpecError as e:
                raise SpecError(f"{key}: {e.problem}", where=at(key), hint=e.hint) from None
    kinds = {r.of for r in stated.values()}
    if len(kinds) > 1:
        listed = ", ".join(f"{k} {data[k]}" for k in stated)
        raise SpecError(
            f"operations and MACs are mixed: {listed}",
            where=at(next(iter(stated))),
            hint="one MAC is two operations; state all of them in one of the two",
        )
    for key, own in (("throughput", card.throughput), ("efficiency", card.efficiency)):
        if key not in stated:
            continue
        if stated[key].per_watt != (key == "efficiency"):
            raise SpecError(
                f"{key}: {data[key]!r} is {'' if stated[key].per_watt else 'not '}per watt",
                where=at(key),
                hint="throughput is a rate, efficiency a rate per watt",
            )
        ratio = stated[key].in_macs() / own
        if abs(ratio - 1) > AGREE:
            confused = 1.9 < ratio < 2.1 or 0.475 < ratio < 0.525
            twice = "; it looks like operations taken for MACs, or the reverse" if confused else ""
            raise SpecError(
                f"{key} {data[key]} is {ratio:.3g} times what MACs, runtime and power give, {own}{twice}",
                where=at(key),
                hint="leave it out, or correct what disagrees",
            )


def normalised(card: HardwareCard, to_nm: float) -> HardwareCard:
    """The card as if in another node: power and area by the scaling laws of `hardware.technology`, at nominal voltage.

    A thought experiment for orders of magnitude, labelled in `process` and `scaled_from_nm`: designs do not port this way,
    memories and links scale less than logic, and runtime is left as it is. Raises SpecError where the node is unknown.
    """
    if card.technology_nm is None:
        raise SpecError(f"{card.design}: no node, so it cannot be normalised", hint=dict(card.unknown).get("technology", ""))
    if card.dram_inside:
        raise SpecError(
            f"{card.design}: its power includes off-chip memory, which does not scale with the node",
            hint="normalise cards whose scope leaves DRAM out",
        )

    def one(value: float) -> Estimate:
        return Estimate(value, "", "", value, value)

    power = scale_energy(one(card.power_w), card.technology_nm, to_nm).value
    area = None if card.area_mm2 is None else scale_area(one(card.area_mm2), card.technology_nm, to_nm).value
    label = f"NORMALISED to {to_nm:g} nm from {card.process}"
    return replace(card, power_w=power, area_mm2=area, technology_nm=to_nm, process=label, scaled_from_nm=card.technology_nm)


def refuse_mixed(cards: list[HardwareCard]) -> tuple[str, ...]:
    """What keeps cards from being ranked against each other, in words; empty where nothing does."""
    out = []
    for what, values in (
        ("scope", {c.scope for c in cards}), ("DRAM inside", {c.dram_inside for c in cards}),
        ("network and layers", {(c.model, c.layers) for c in cards}), ("evidence", {c.evidence for c in cards}),
        ("precision", {(c.weight_bits, c.activation_bits) for c in cards}), ("batch", {c.batch for c in cards}),
        ("normalisation", {c.scaled_from_nm is None for c in cards}),
    ):  # fmt: skip
        if len(values) > 1:
            shown = ", ".join(sorted(" ".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values))
            out.append(f"{what} differs: {shown}")
    return tuple(out)


def _text(value: object) -> str:
    text = str(value).strip()
    if not text or isinstance(value, list | bool):
        raise SpecError(f"{value!r} is no text", hint="write it in words")
    return text


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"{value!r} is no whole number of 1 or more", hint="such as 16")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SpecError(f"{value!r} is no number", hint="such as 666e6")
    try:
        number = float(value)
    except ValueError:
        raise SpecError(f"{value!r} is no number", hint="such as 666e6, in MACs") from None
    if not 0 < number < float("inf"):
        raise SpecError(f"{value!r} is not positive", hint="such as 666e6")
    return number


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{value!r} is neither yes nor no", hint="write yes or no")
    return value


def _unit(kind: str, factor: float = 1.0) -> Any:
    def convert(value: object) -> float:
        number = parse(value, kind).value * factor
        if number <= 0 and kind != "size":
            raise SpecError(f"{value!r} is not positive", hint="give what was measured")
        return number

    return convert


def _one_of(known: tuple[str, ...]) -> Any:
    def convert(value: object) -> str:
        if value not in known:
            error = unknown_name("value", str(value), known)
            raise SpecError(error.problem, hint=error.hint)
        return str(value)

    return convert
