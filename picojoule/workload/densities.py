"""Densities of a network's tensors, by layer: `{"layers": {"conv1": {"input": 1.0, "weight": "2:4", "output": 0.6}}}`.

A value is a fraction of non-zeros from 0 to 1, an N:M structure, or a band (`band:8`). `"default"` holds for layers that
are not named; what neither names is dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network

EXAMPLE = '{"layers": {"conv1": {"input": 0.42, "weight": "2:4", "output": 0.6}}}'


@dataclass(frozen=True)
class WithDensities:
    """Zeros by layer. `table` is the JSON value above; `where` names it in errors."""

    table: Any
    where: str = ""

    def __call__(self, network: Network, /) -> Network:
        """The same network with zeros."""
        layers, default = check_table(self.table, self.where)
        known = [s.layer.name for s in network.layers]
        for name in layers:
            if name not in known:
                raise unknown_name("layer", name, known, self.where)

        def changed(layer: Layer) -> Layer:
            values = {**default, **layers.get(layer.name, {})}
            at = f"{self.where}: {layer.name}" if self.where else layer.name
            return layer.with_density(at, **values) if values else layer

        return network.with_layers(changed)


def check_table(table: Any, where: str = "") -> tuple[dict[str, dict[str, object]], dict[str, object]]:
    """(densities by layer, densities of all others) of a JSON value, or the error that says what is wrong with it."""
    if not isinstance(table, Mapping) or not set(table) & {"layers", "default"}:
        raise SpecError("these are no densities", where=where, hint=f"write {EXAMPLE}")
    for key in table:
        if key not in ("layers", "default", "source", "model", "data"):
            raise unknown_name("key", str(key), ("layers", "default", "source", "model", "data"), where)
    layers, default = table.get("layers", {}), table.get("default", {})
    if not isinstance(layers, Mapping):
        raise SpecError("layers is no table of densities by layer", where=where, hint=f"write {EXAMPLE}")
    for name, values in [*layers.items(), ("default", default)]:
        if not isinstance(values, Mapping):
            raise SpecError(f"{name}: {values!r} is no table of densities", where=where, hint=f"write {EXAMPLE}")
        for role in values:
            if role not in ROLES:
                raise unknown_name("tensor role", str(role), ROLES, f"{where}: {name}" if where else str(name))
    return {str(k): dict(v) for k, v in layers.items()}, dict(default)
