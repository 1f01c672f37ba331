"""A predicted network beside the same network measured: the whole of it, and its layers one by one where the file has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule.errors import SpecError
from picojoule.machines.kernels.measurements import load_measurements
from picojoule.machines.kernels.predict import NetworkPrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One layer: seconds predicted and measured, of one occurrence."""

    name: str
    predicted_s: float
    measured_s: float

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.predicted_s / self.measured_s - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """`network` None where the file has layers alone."""

    source: str
    network: Pair | None
    layers: tuple[Pair, ...]

    @property
    def mean_error(self) -> float | None:
        """Mean absolute error over the layers, as a share."""
        return sum(abs(p.error) for p in self.layers) / len(self.layers) if self.layers else None


def beside(prediction: NetworkPrediction, path: str | Path) -> Beside:
    """The prediction beside what `pj measure --out` stored; layers are matched by name, equal ones stand once in the file."""
    measured = load_measurements(path)
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    seconds = {k.name: k.hot_s for k in measured.kernels}
    pairs = tuple(
        Pair(name=k.name, predicted_s=k.seconds, measured_s=seconds[k.name]) for k in prediction.kernels if k.name in seconds
    )
    whole = _whole(data.get("network"), busy=measured.meta.get("busy") is True)
    if not pairs and whole is None:
        hint = "give what `pj measure --out` wrote"
        raise SpecError(f"nothing of {prediction.model} is measured there", where=str(path), hint=hint)
    network = None if whole is None else Pair(name=prediction.model, predicted_s=prediction.latency_s, measured_s=whole)
    return Beside(source=measured.source, network=network, layers=pairs)


def _whole(network: Any, *, busy: bool) -> float | None:
    """Seconds of one inference of the whole network: of its graph where there is one; the fastest on a shared machine."""
    if not isinstance(network, Mapping):
        return None
    times = network.get("graph_s") or network.get("hot_s")
    value = times.get("min" if busy else "median") if isinstance(times, Mapping) else None
    return float(value) if isinstance(value, int | float) and value > 0 else None
