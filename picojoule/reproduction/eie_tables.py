"""EIE's nine layers as published: densities, and microseconds on a CPU, a GPU and EIE.

Source: Han et al., EIE, ISCA 2016, Tables III to V. Times as in the public FODLAM repository (read there); sizes and densities
from memory of the paper, in agreement with its times.
"""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.machines.eie.eie import SparseLayer

SOURCE = "Han et al., EIE, ISCA 2016, Tables III to V (times as transcribed in the public FODLAM repository)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One layer with its times in us: [batch 1 dense, batch 1 sparse, batch 64 dense, batch 64 sparse], a frame."""

    layer: SparseLayer
    cpu_us: tuple[float, float, float, float]
    gpu_us: tuple[float, float, float, float]
    bound_us: float  # EIE, entries spread evenly
    eie_us: float  # EIE as simulated by its authors

    @property
    def is_vision(self) -> bool:
        """Of AlexNet or VGG-16."""
        return not self.layer.name.startswith("NT")


def _row(
    name: str,
    inputs: int,
    outputs: int,
    weights_percent: float,
    activations_percent: float,
    cpu: tuple[float, ...],
    gpu: tuple[float, ...],
    eie: tuple[float, float],
) -> Published:
    layer = SparseLayer(
        name=name,
        inputs=inputs,
        outputs=outputs,
        weight_density=weights_percent / 100,
        activation_density=activations_percent / 100,
    )
    return Published(
        layer=layer,
        cpu_us=(cpu[0], cpu[1], cpu[2], cpu[3]),
        gpu_us=(gpu[0], gpu[1], gpu[2], gpu[3]),
        bound_us=eie[0],
        eie_us=eie[1],
    )


LAYERS = (
    _row("Alex-6", 9216, 4096, 9, 35.1, (7516.2, 3066.5, 318.4, 1417.6), (541.5, 134.8, 19.8, 94.6), (28.1, 30.3)),
    _row("Alex-7", 4096, 4096, 9, 35.3, (6187.1, 1282.1, 188.9, 682.1), (243.0, 65.8, 8.9, 51.5), (11.7, 12.2)),
    _row("Alex-8", 4096, 1000, 25, 37.5, (1134.9, 890.5, 45.8, 407.7), (80.5, 54.6, 5.9, 23.2), (8.9, 9.9)),
    _row("VGG-6", 25088, 4096, 4, 18.3, (35022.8, 3774.3, 1056.0, 1780.3), (1467.8, 167.0, 53.6, 121.5), (28.1, 34.4)),
    _row("VGG-7", 4096, 4096, 4, 37.5, (5372.8, 545.1, 188.3, 274.9), (243.0, 39.8, 8.9, 24.4), (7.9, 8.7)),
    _row("VGG-8", 4096, 1000, 23, 41.1, (774.2, 777.3, 45.7, 363.1), (80.5, 48.0, 5.9, 22.0), (7.3, 8.4)),
    _row("NT-We", 4096, 600, 10, 100, (605.0, 261.2, 28.7, 117.7), (65.0, 17.7, 3.2, 10.9), (5.2, 8.0)),
    _row("NT-Wd", 600, 8791, 11, 100, (1361.4, 437.4, 69.0, 176.4), (90.1, 41.1, 2.3, 11.0), (13.0, 13.9)),
    _row("NT-LSTM", 1201, 2400, 10, 100, (470.5, 260.0, 28.8, 107.4), (51.9, 18.5, 2.5, 9.0), (6.5, 7.5)),
)
