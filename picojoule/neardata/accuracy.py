"""Accuracy of a network on a compute-in-memory array: Monte-Carlo over chips, with intervals, beside the digital integers.

A draw is one chip: its cells programmed once, with their errors. The interval is Student's, 95 %, over the draws' accuracies; it
says how chips differ, not how well 1,000 images stand for all images (`n` does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import nn

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Adc, Array
from picojoule.learning.accuracy import interval, percent_right
from picojoule.learning.labelled import Labelled
from picojoule.neardata.noise import Noise
from picojoule.neardata.torch_layers import to_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Mean accuracy over draws in percent, with its 95 % interval (None for one draw)."""

    mean: float
    interval: float | None
    draws: tuple[float, ...]
    n: int  # test images

    def __str__(self) -> str:
        return f"{self.mean:.2f} %" if self.interval is None else f"{self.mean:.2f} ± {self.interval:.2f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting of the array and its accuracy; `energy_pj` of one inference where it was asked for."""

    adc_bits: int | None
    noise: Noise
    accuracy: Accuracy
    energy_pj: float | None = None


def with_adc(array: Array, bits: int) -> Array:
    """The same array with converters of so many bits."""
    if array.adc is None:
        raise SpecError(f"array {array.name!r} is digital: it has no ADC", hint="leave out --adc-bits")
    adc: Adc = replace(array.adc, bits=bits)
    return replace(array, adc=adc)


def accuracy(
    module: nn.Module,
    data: Labelled,
    array: Array,
    *,
    noise: Noise | None = None,
    draws: int = 5,
    seed: int = 0,
    clip: float = 1.0,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    limit: int | None = None,
    digital: bool = False,
    progress: Progress = silent,
) -> Accuracy:
    """Accuracy of the module on the test images through the array. Without noise one draw is all there is."""
    if draws < 1:
        raise SpecError(f"{draws} draws", hint="one or more")
    noise = noise or Noise()
    images, labels = torch.from_numpy(data.test_images[:limit]), torch.from_numpy(data.test_labels[:limit])
    calibration = torch.from_numpy(data.train_images[:256])
    found = []
    needed = 1 if noise.off or digital or array.cell.kind == "digital" else draws
    for draw in range(needed):
        progress(draw, needed, "chips")
        made = to_array(
            module,
            array,
            calibration,
            weight_bits=weight_bits,
            input_bits=input_bits,
            noise=noise,
            seed=seed + draw,
            clip=clip,
            digital=digital,
        )
        found.append(percent_right(made, images, labels))
    return Accuracy(mean=fmean(found), interval=interval(found), draws=tuple(found), n=len(images))


def curve(
    module: nn.Module,
    data: Labelled,
    array: Array,
    *,
    adc_bits: Sequence[int | None] = (None,),
    noises: Sequence[Noise] = (Noise(),),
    energy: Callable[[Array], float] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> list[Point]:
    """Accuracy at every combination of ADC bits and noise; `energy` gives an inference's picojoules on an array."""
    points = []
    cases = [(b, n) for b in adc_bits for n in noises]
    for i, (bits, noise) in enumerate(cases):
        progress(i, len(cases), f"ADC {bits or 'as it is'}")
        one = array if bits is None else with_adc(array, bits)
        found = accuracy(module, data, one, noise=noise, **settings)
        points.append(
            Point(
                adc_bits=one.adc.bits if one.adc else None, noise=noise, accuracy=found, energy_pj=energy(one) if energy else None
            )
        )
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both accuracy and energy."""
    priced = [p for p in points if p.energy_pj is not None]
    return [
        p
        for p in priced
        if not any(
            q.accuracy.mean >= p.accuracy.mean
            and (q.energy_pj or 0) <= (p.energy_pj or 0)
            and (q.accuracy.mean, q.energy_pj) != (p.accuracy.mean, p.energy_pj)
            for q in priced
        )
    ]
