"""What a layer's own values do to an array's energy: the mean slice that drives the rows, and the mean value of a cell.

Histogram of an operand -> integers with probabilities -> the array's slices of them (`slices.py`) -> their mean as a fraction of
the largest slice, over the slices: sum_v p_v sum_s |slice_s(v)| / (slices (2^b - 1)), b bits a slice. A slice that is only partly
filled (the top one of 7 bits in cells of 2) is taken against the whole range of the cell, as the energies of `array_cost` are.

The energy of a cell is interpolated between its corners, linear in the input and in the weight (as in CiMLoop, ISPASS 2024).
Since every slice of the input meets every slice of the weight, means are then exact for independent operands. Error: correlated
operands, and energies that are not linear in the slice, such as the square of a voltage of many levels on a conductance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.array.in_memory import Array
from picojoule.hardware.array.slices import cut_inputs, cut_weights, input_range, weight_range
from picojoule.hardware.parts import OPERANDS
from picojoule.workload.layer import Layer
from picojoule.workload.network import Network
from picojoule.workload.values import HINT, Values, read_values

if TYPE_CHECKING:
    from picojoule.hardware.chip import Chip


def mean_cell(integers: np.ndarray, probabilities: np.ndarray, array: Array, bits: int) -> float:
    """Mean value of the cells of a weight, 0 to 1: of all its cells, or of those of a pair that its sign chooses.

    `integers` int[n] with `probabilities` float[n] are weights of `bits`. Raises SpecError for integers out of range.
    """
    cells = np.abs(cut_weights(integers, array, bits).cells).sum(axis=0)  # [n]; the second cells of a pair lie beside the first
    return float(cells @ probabilities) / (array.weight_slices(bits) * (array.cell.levels - 1))


def mean_slice(integers: np.ndarray, probabilities: np.ndarray, array: Array, bits: int, signed: bool) -> float:
    """Mean slice of an input, 0 to 1; as `mean_cell`. `signed`: inputs may be negative, so that an offset is added to them."""
    slices = np.abs(cut_inputs(integers, array, bits, signed).values)  # [slices, n]
    return float((slices @ probabilities).mean()) / ((1 << array.dac_bits) - 1)


@lru_cache(maxsize=4096)
def mean_of(role: str, values: Values, array: Array, bits: int) -> float:
    """The mean slice ("input") or cell ("weight") of the values, quantised to `bits`, in the array's own encoding."""
    if role == "weight":
        return mean_cell(*values.quantised(*weight_range(array, bits)), array, bits)
    return mean_slice(*values.quantised(*input_range(array, bits, values.signed)), array, bits, values.signed)


def for_operands(array: Array, layer: Layer) -> Array:
    """The array with the means of the layer's operands, as far as their values are known."""
    means = {
        t.role: mean_of(t.role, t.values, array, ceil(t.bits))
        for t in layer.tensors
        if t.role in OPERANDS and t.values is not None
    }
    if not means:
        return array
    return replace(array, input_mean=means.get("input", array.input_mean), weight_mean=means.get("weight", array.weight_mean))


@dataclass(frozen=True)
class WithStatistics:
    """The histograms of operands: `table` is what `pj statistics --json` prints (`workload/values.py`), `where` its name."""

    chip: Chip  # whose arrays they are for
    table: Any
    where: str = ""

    def __call__(self, network: Network, /) -> Network:
        """The same network, its operands with these values.

        Raises SpecError where nothing would follow from them (a chip without an array), for layers that the network does not
        have, and for tables of another form, with `where`.
        """
        tensors, where = self._checked(network), self.where

        def changed(layer: Layer) -> Layer:
            given = {
                r: read_values(v, f"{where}: {layer.name} {r}".removeprefix(": "))
                for r, v in tensors.get(layer.name, {}).items()
                if r in OPERANDS
            }
            return replace(layer, tensors=tuple(replace(t, values=given.get(t.role)) for t in layer.tensors))

        return network.with_layers(changed)

    def _checked(self, network: Network) -> Mapping[str, Any]:
        """The histograms by layer and role."""
        if self.chip.array is None:
            raise SpecError(
                f"the energies of chip {self.chip.name!r} do not depend on values: it has no compute-in-memory array",
                where=self.where,
                hint="zeros are given with --density",
            )
        tensors = self.table.get("tensors") if isinstance(self.table, Mapping) else None
        if not isinstance(tensors, Mapping):
            raise SpecError("these are no statistics", where=self.where, hint=HINT)
        known = [s.layer.name for s in network.layers]
        for name, roles in tensors.items():
            if name not in known:
                raise unknown_name("layer", str(name), known, self.where)
            if not isinstance(roles, Mapping):
                raise SpecError(f"{name}: no histograms by tensor", where=self.where, hint=HINT)
        return tensors
