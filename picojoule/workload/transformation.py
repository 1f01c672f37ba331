"""From a network to the same network with something changed: other widths, zeros, values, or fewer weights.

A transformation is a frozen dataclass whose fields are its options, so that it can be stored, compared and put in a row with
others; calling it with a network gives the new one. There are `bits.WithBits`, `densities.WithDensities`,
`operand_means.WithStatistics` (what arrays need) and `plan.WithPlan` (what `pj shrink` does).
"""

from __future__ import annotations

from functools import reduce
from typing import Protocol

from picojoule.workload.network import Network


class Transformation(Protocol):
    """Network -> Network. Raises SpecError where the options do not suit the network."""

    def __call__(self, network: Network, /) -> Network:
        """The network with this changed; the one that was given stays as it is."""
        ...


def transformed(network: Network, *changes: Transformation) -> Network:
    """The network after all changes, the first one first."""
    return reduce(lambda n, change: change(n), changes, network)
