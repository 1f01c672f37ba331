"""`array_accuracy`: train a small network, load it into the array of a chip, and say how accurate it is and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import load_chip
from picojoule.learning.labelled import labelled
from picojoule.neardata.noise import Noise
from picojoule.neardata.sensor import Frame, Sensor, compared
from picojoule.search.network import map_network
from picojoule.workload.bits import WithBits


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What was trained, on what, and how accurate it is: in fp32, as integers, and at every setting of the array."""

    chip: str
    array: Array
    data: str
    net: str
    epochs: int
    seed: int
    weight_bits: int
    input_bits: int
    lossless_adc_bits: int
    images: int
    fp32: float
    integers: float
    points: tuple[Any, ...]  # accuracy.Point
    tuned: tuple[Any, ...] = ()  # the same after noise-aware fine-tuning
    fine_tune_epochs: int = 0


def array_accuracy(
    on: str | Chip,
    data: str = "digits",
    *,
    net: str | None = None,
    epochs: int = 15,
    adc_bits: Sequence[int | None] = (None,),
    noises: Sequence[Mapping[str, float]] = ({},),
    weight_bits: int | None = None,
    input_bits: int | None = None,
    clip: float = 1.0,
    draws: int = 5,
    fine_tune_epochs: int = 0,
    limit: int | None = None,
    seed: int = 0,
    energy: bool = False,
    data_dir: str | Path | None = None,
    progress: Progress = silent,
) -> Study:
    """Accuracy of a small network on a chip's array, by Monte-Carlo over chips. Needs the torch extra."""
    chip = load_chip(on) if isinstance(on, str) else on
    if chip.array is None:
        raise SpecError(f"{chip.name} has no compute-in-memory array", where="--on", hint="`pj chips` names those that have")
    try:
        import torch

        from picojoule.learning.accuracy import percent_right
        from picojoule.learning.nets import network
        from picojoule.learning.train import train
        from picojoule.neardata import accuracy as measured
        from picojoule.neardata.training import fine_tune
    except ImportError:
        raise SpecError("torch is not installed", where="accuracy", hint="pip install 'picojoule[torch]'") from None
    known = labelled(data, data_dir)
    name = net or ("lenet5" if known.train_images.shape[-1] >= 20 else "small")
    wb, xb = weight_bits or min(8, chip.array.weight_bits), input_bits or min(8, chip.array.input_bits)
    settings: dict[str, Any] = {
        "weight_bits": wb,
        "input_bits": xb,
        "draws": draws,
        "seed": seed,
        "clip": clip,
        "limit": limit,
        "progress": progress,
    }
    given = [Noise(**n) for n in noises]
    for b in adc_bits:  # mistakes before minutes of training
        if b is not None:
            measured.with_adc(chip.array, b)
    module = train(network(name, known, seed), known, epochs=epochs, seed=seed, progress=progress)
    price = _price(chip, module, known.test_images.shape[1:], wb, xb) if energy else None
    points = measured.curve(module, known, chip.array, adc_bits=adc_bits, noises=given, energy=price, **settings)
    tuned = []
    if fine_tune_epochs:
        better = fine_tune(
            module, known, chip.array, given[0], epochs=fine_tune_epochs, seed=seed, weight_bits=wb, progress=progress
        )
        tuned = measured.curve(better, known, chip.array, adc_bits=adc_bits, noises=given, energy=price, **settings)
    images, labels = torch.from_numpy(known.test_images[:limit]), torch.from_numpy(known.test_labels[:limit])
    exact = measured.accuracy(module, known, chip.array, digital=True, **settings)
    return Study(
        chip=chip.name,
        array=chip.array,
        data=known.name,
        net=name,
        epochs=epochs,
        seed=seed,
        weight_bits=wb,
        input_bits=xb,
        lossless_adc_bits=chip.array.lossless_adc_bits(wb, xb),
        images=len(images),
        integers=exact.mean,
        fp32=percent_right(module, images, labels),
        points=tuple(points),
        tuned=tuple(tuned),
        fine_tune_epochs=fine_tune_epochs,
    )


def _price(chip: Chip, module: Any, shape: Sequence[int], weight_bits: int, input_bits: int) -> Callable[[Array], float]:
    """Picojoules of the MAC layers of one inference on the chip with another array, by the optimal mapping."""
    import torch

    from picojoule.workload.torch.read import export

    network = export(module, (torch.zeros(1, *shape),), name="net")
    network = WithBits({"weight": weight_bits, "input": input_bits, "output": input_bits})(network)
    return lambda array: map_network(network, replace(chip, array=array), "energy", jobs=1, operators="macs").energy_pj


def sensor_modes(**sizes: Any) -> list[tuple[str, Sensor, Frame]]:
    """A sensor in each of its modes, with each link."""
    return compared(Sensor(**sizes))
