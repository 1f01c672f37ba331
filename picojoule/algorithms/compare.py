"""Every algorithm for every convolution of a network: counted, its time predicted, and timed where asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from picojoule.algorithms import fft, im2col, library, selector, winograd
from picojoule.algorithms.cost import TransformCost
from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.workload.conv_shape import ConvShape, conv_shape
from picojoule.workload.network import Network

TILES = (2, 4, 6)  # of Winograd


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One convolution: the counts of the transforms that apply, predicted times, and measured ones (None: not asked for)."""

    name: str
    count: int
    shape: ConvShape
    costs: tuple[TransformCost, ...]
    choice: selector.Choice
    measured: library.Timed | None

    @property
    def loss_percent(self) -> float | None:
        """How much slower the choice was than the fastest measured algorithm; None where nothing was measured."""
        if self.measured is None or (chosen := self.measured.time(self.choice.best)) is None:
            return None
        return 100 * (chosen / min(s for _, s in self.measured.seconds) - 1)


@cache
def constants() -> dict[str, dict[str, float]]:
    """The constants that come along, of the processor and library that the file names."""
    text = resources.files("picojoule.algorithms").joinpath("data/convolution_constants.yaml").read_text(encoding="utf-8")
    return {name: dict(values) for name, values in yaml.safe_load(text)["algorithms"].items()}


def costs(shape: ConvShape) -> tuple[TransformCost, ...]:
    """The counts of every transform that applies to a shape, plain products first."""
    out = [im2col.cost(shape, implicit=True), im2col.cost(shape)]
    if not winograd.supports(shape) and (shape.R, shape.S) != (1, 1):
        out += [winograd.cost(shape, m) for m in TILES if m + max(shape.R, shape.S) - 1 <= winograd.LARGEST_TILE]
    if not fft.supports(shape):
        out.append(fft.cost(shape, fft.tile_for(shape)))
    return tuple(out)


def transforms(
    network: Network, *, measure: bool = False, budget_s: float = 0.3, progress: Progress = silent
) -> tuple[list[Compared], list[str]]:
    """(every 2-D convolution of the network with its algorithms, equal ones once; the layers that are none, with the reason)."""
    found: dict[ConvShape, tuple[str, int]] = {}
    left_out = []
    for step in network.layers:
        try:
            shape = conv_shape(step.layer)
        except SpecError as error:
            left_out.append(error.problem)
            continue
        name, count = found.get(shape, (step.layer.name, 0))
        found[shape] = (name, count + step.count)
    if not found:
        raise SpecError(f"{network.name} has no 2-D convolution", hint="transforms are other ways to compute convolutions")
    rows = []
    for i, (shape, (name, count)) in enumerate(found.items()):
        progress(i, len(found), name)
        taken = library.timed(shape, budget_s=budget_s) if measure else None
        choice = selector.choose(shape, constants())
        rows.append(Compared(name=name, count=count, shape=shape, costs=costs(shape), choice=choice, measured=taken))
    return rows, left_out
