"""All dataflows on one network at equal area: what each costs, by memory level and by data type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from picojoule.ask import Progress
from picojoule.cost.cost import Cost
from picojoule.errors import NoMapping, PicojouleError
from picojoule.explore.equal_area import SPLITS, equal_area_chip, split_chip
from picojoule.hardware.chip import Chip
from picojoule.hardware.dataflow import DATAFLOWS, Dataflow, dataflow
from picojoule.machines.row_stationary.best import best_on
from picojoule.mapping.dataflow import violations
from picojoule.mapping.mapping import Mapping
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """One layer under one dataflow. `obeys`: by the plain checker; `count`: how often the layer occurs."""

    layer: Layer
    count: int
    mapping: Mapping
    cost: Cost
    proved: bool
    gap: float
    obeys: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A network under one dataflow on its own chip. `reason` says why there is no mapping of some layer."""

    name: str
    title: str
    chip: Chip
    layers: tuple[Mapped, ...]
    reason: str = ""

    @property
    def macs(self) -> int:
        return sum(x.count * x.layer.macs for x in self.layers)

    @property
    def energy_pj(self) -> float:
        return sum(x.count * x.cost.energy_pj for x in self.layers)

    def by(self, what: str) -> dict[str, float]:
        """pJ by "level" (components) or "type" (weight, input, output, MAC)."""
        out: dict[str, float] = {}
        for x in self.layers:
            roles = {t.name: t.role for t in x.layer.tensors}
            for c in x.cost.contributions:
                level = "RF" if c.component not in ("DRAM", "GLB", "array", "MAC") else c.component
                key = level if what == "level" else roles.get(c.tensor, "MAC")
                out[key] = out.get(key, 0.0) + x.count * c.energy_pj
        return out

    @property
    def busy(self) -> float:
        """Share of the latency that the PEs would need for what they do, all of them busy."""
        cycles = sum(x.count * x.cost.cycles for x in self.layers)
        return sum(x.count * x.cost.busy_cycles for x in self.layers) / cycles if cycles else 0.0


def dataflows(
    network: Network,
    pes: int = 256,
    names: Sequence[str] = (),
    *,
    seconds: float = 10.0,
    space: str = "perfect",
    progress: Progress | None = None,
) -> tuple[Compared, ...]:
    """Every dataflow (or those named) at equal area, each layer mapped for least energy, and the free mapping last.

    `seconds`: CPU time that each search of a layer may take; what was not proved by then has its gap. Free is the best chip
    among the same splits with any mapping; it starts from what the dataflows found, so that it is never worse than they.
    """
    flows = [dataflow(n) for n in names] if names else list(DATAFLOWS.values())
    shapes = _shapes(network)
    bound = [f for f in flows if f.name != "free"]
    of = len(shapes) * (len(bound) + (len({SPLITS[f.name] for f in bound}) if len(bound) < len(flows) else 0))
    done = 0
    out: list[Compared] = []

    def tell(what: str) -> None:
        nonlocal done
        if progress:
            progress(done, of, what)
        done += 1

    out += [_under(flow, shapes, pes, seconds, space, tell) for flow in bound]
    if len(bound) < len(flows):
        out.append(_free(shapes, out, pes, seconds, space, tell))
    return tuple(out)


def under(flow: Dataflow, network: Network, pes: int = 256, *, seconds: float = 10.0, space: str = "perfect") -> Compared:
    """A network under one dataflow, one of one's own too, on the chip that its name has at equal area."""
    return _under(flow, _shapes(network), pes, seconds, space, lambda what: None)


def _under(
    flow: Dataflow, shapes: list[tuple[Layer, int]], pes: int, seconds: float, space: str, tell: Callable[[str], None]
) -> Compared:
    chip = equal_area_chip(flow, pes)
    found: list[Mapped] = []
    for layer, count in shapes:
        tell(f"{flow.name}: {layer.name}")
        seeds = _rows(layer, chip) if flow.name == "row-stationary" else ()
        try:
            found.append(_mapped(layer, count, chip, seeds, seconds, space))
        except NoMapping as e:
            return Compared(name=flow.name, title=flow.title, chip=chip, layers=(), reason=e.problem)
    return Compared(name=flow.name, title=flow.title, chip=chip, layers=tuple(found))


def _free(
    shapes: list[tuple[Layer, int]], known: list[Compared], pes: int, seconds: float, space: str, tell: Callable[[str], None]
) -> Compared:
    """The best split with any mapping, each search started from the dataflows' mappings on the same split."""
    best: Compared | None = None
    for split in dict.fromkeys(SPLITS[k.name] for k in known):
        chip = split_chip(split, pes)
        seeds = [k for k in known if SPLITS[k.name] == split and not k.reason]
        rows = []
        for i, (layer, count) in enumerate(shapes):
            tell(f"free, {split.name}: {layer.name}")
            rows.append(_mapped(layer, count, chip, tuple(k.layers[i].mapping for k in seeds), seconds, space))
        now = Compared(name="free", title=f"free ({split.name})", chip=chip, layers=tuple(rows))
        if best is None or now.energy_pj < best.energy_pj:
            best = now
    assert best is not None
    return best


def _mapped(layer: Layer, count: int, chip: Chip, seeds: tuple[Mapping, ...], seconds: float, space: str) -> Mapped:
    r = best_mapping(layer, chip, "energy", space=space, time_limit=seconds, seeds=seeds)
    return Mapped(
        layer=layer,
        count=count,
        mapping=r.mapping,
        cost=r.cost,
        proved=r.proved,
        gap=r.gap,
        obeys=not violations(r.mapping, layer, chip),
    )


def _rows(layer: Layer, chip: Chip) -> tuple[Mapping, ...]:
    """The physical row-stationary mapping of least energy as a first answer, where it can be written as a nest."""
    try:
        return (best_on(layer, chip).mapping(layer),)
    except PicojouleError:
        return ()


def _shapes(network: Network) -> list[tuple[Layer, int]]:
    """Distinct layers with how often they occur."""
    found: dict[object, tuple[Layer, int]] = {}
    for step in network.layers:
        layer = step.layer
        first, n = found.get(layer.shape_key, (layer, 0))
        found[layer.shape_key] = (first, n + step.count)
    return list(found.values())
