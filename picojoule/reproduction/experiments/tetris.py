"""TETRIS: an accelerator under stacked DRAM against its 2D baseline, AlexNet at batch 16; its design re-balanced by search."""

from __future__ import annotations

from dataclasses import replace

from picojoule.ask import ROLES, Progress
from picojoule.cost.cost import Cost
from picojoule.explore.rebalance import LPDDR, STACK, Design, rebalance
from picojoule.hardware.chip import Chip, FanOut, Group, Memory
from picojoule.interop.load import load_chip, load_model
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row
from picojoule.search.optimal import best_mapping
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

ENERGY, PERFORMANCE = 1.5, 4.1  # the abstract: less energy, more performance
ENERGY_BAR, TIME_BAR = 0.72, 1.2  # the nn_dataflow tests: energy ratio, and time against the ratio of the PEs
LAYER_S = 6.0  # CPU seconds a layer
# what vaults, rows and columns of PEs may unroll; of a matrix product N are the outputs and K is contracted
DATAFLOWS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"V": ("N",), "X": ("P", "N"), "Y": ("K",)},
    {"V": ("N",), "X": ("P",), "Y": ("C",)},
    {"V": ("N", "K"), "X": ("N", "K"), "Y": ("K",)},
)
NOTE = (
    "on the stack each layer takes the least EDP of three dataflows (batch or FC outputs over the vaults; P, outputs, K or C "
    "over the PEs; every tensor through the buffer): a part of the space, so the best of all mappings is no worse"
)


def restricted(chip: Chip, dims: dict[str, tuple[str, ...]]) -> Chip:
    """The chip with a stated dataflow, which keeps the search short."""

    def fanout(f: FanOut) -> FanOut:
        return replace(f, axes=tuple(replace(a, dims=dims[a.name]) for a in f.axes))

    def memory(m: Memory) -> Memory:
        return replace(m, keeps=ROLES, may_keep=())

    levels = tuple(fanout(x) if isinstance(x, FanOut) else Group(tuple(map(memory, x.memories))) for x in chip.levels)
    return replace(chip, levels=levels)


def _totals(network: Network, chips: tuple[Chip, ...], progress: Progress) -> tuple[float, float, float]:
    """pJ, cycles, and pJ at the DRAM; each layer on the chip of least EDP."""
    pj = cycles = dram = 0.0
    for n, s in enumerate(network.layers):
        progress(n, len(network.layers), f"{chips[0].name}: {s.layer.name}")
        cost = min((_cost(s.layer, chip) for chip in chips), key=lambda c: c.edp_js)
        pj, cycles = pj + s.count * cost.energy_pj, cycles + s.count * cost.cycles
        dram += s.count * sum(c.energy_pj for c in cost.contributions if c.component == chips[0].dram.name)
    return pj, cycles, dram


def _cost(layer: Layer, chip: Chip) -> Cost:
    """The least EDP found on the chip."""
    cost: Cost = best_mapping(layer, chip, "edp", time_limit=LAYER_S).cost
    return cost


def _run(progress: Progress) -> Outcome:
    network = load_model("alexnet", batch=16)
    flat, stack = load_chip("lpddr-baseline"), load_chip("tetris")
    flows = tuple(restricted(stack, d) for d in DATAFLOWS)
    (pj0, cycles0, dram0), (pj1, cycles1, dram1) = (_totals(network, c, progress) for c in ((flat,), flows))
    energy, proportional = pj1 / pj0, cycles1 / (cycles0 * flat.pes / stack.pes)
    rows = (
        Row(what="energy, baseline / TETRIS", unit="", reported=ENERGY, predicted=1 / energy),
        Row(what="performance, baseline / TETRIS", unit="", reported=PERFORMANCE, predicted=cycles0 / cycles1,
            note=f"{stack.pes} against {flat.pes} PEs: 12.25; the paper's baseline and workloads differ"),
    )  # fmt: skip
    checks = [
        Check(what=f"energy at most {ENERGY_BAR:g} of the baseline", holds=energy <= ENERGY_BAR, detail=f"{energy:.3f}"),
        Check(what=f"time at most {TIME_BAR:g} of the PE-proportional time", holds=proportional <= TIME_BAR,
              detail=f"{proportional:.3f}"),
    ]  # fmt: skip
    designs = {b.name: rebalance(network, b, 1.5, progress=progress) for b in (LPDDR, STACK)}
    flat_best, stack_best = (designs[b.name][0] for b in (LPDDR, STACK))
    checks.append(
        Check(
            what="cheaper DRAM moves logic area from the buffer to the PEs",
            holds=stack_best.pes >= flat_best.pes,
            detail=f"{flat_best.side}x{flat_best.side} to {stack_best.side}x{stack_best.side}",
        )
    )
    chips = [_about(c, pj, cycles, dram) for c, pj, cycles, dram in ((flat, pj0, cycles0, dram0), (stack, pj1, cycles1, dram1))]
    tables = {
        "the chips": chips,
        "one vault's logic area, split anew, best first": [_design(name, d) for name, ds in designs.items() for d in ds],
    }
    return Outcome(rows=rows, checks=tuple(checks), tables=tables, notes=(NOTE,))


def _about(chip: Chip, pj: float, cycles: float, dram: float) -> dict[str, object]:
    gbps = sum(p.bits_per_cycle for p in chip.dram.ports) * chip.clock_hz / 8e9
    return {
        "chip": chip.name,
        "PEs": str(chip.pes),
        "static [mW]": f"{chip.static_mw:g}",
        "DRAM [GB/s]": f"{gbps:g}",
        "energy [mJ]": f"{pj * 1e-9:.1f}",
        "DRAM share [%]": f"{100 * dram / pj:.0f}",
        "time [ms]": f"{cycles / chip.clock_hz * 1e3:.2f}",
    }


def _design(memory: str, d: Design) -> dict[str, object]:
    return {
        "memory": memory,
        "PEs": f"{d.side}x{d.side}",
        "buffer [KiB]": f"{d.buffer_bytes / 1024:.0f}",
        "energy [mJ]": f"{d.energy_pj * 1e-9:.1f}",
        "time [ms]": f"{d.cycles / 5e5:.1f}",
        "EDP [mJ s]": f"{d.edp_js * 1e3:.3f}",
    }


EXPERIMENT = Experiment(
    name="tetris",
    claim="TETRIS takes 1.5x less energy and is 4.1x faster than a 2D baseline with low-power DRAM",
    source="Gao et al., ASPLOS 2017, abstract; designs, energies and bars: nn_dataflow tests (L-1 and T-16)",
    run=_run,
    slow=True,
)
