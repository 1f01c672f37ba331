"""What Chen et al. report of the Eyeriss chip (JSSC 2017, Tables III, V and VI), as data.

Cleaned with the public FODLAM repository (cucapra/fodlam). 1 V, 200 MHz core, 60 MHz link, 16-bit words, MB = 1e6 bytes;
times and traffic are of the whole batch. The table's buffer and DRAM columns are accesses; power is that of the chip alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from picojoule.machines.row_stationary.rows import Parameters

SOURCE = "Chen, Krishna, Emer, Sze, JSSC 52(1), 2017, Tables III, V and VI (cleaned by cucapra/fodlam)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One layer as the chip ran it. `zeros_percent`: zeros among the inputs."""

    layer: str
    power_mw: float
    total_ms: float
    processing_ms: float
    active_pes: int
    zeros_percent: float
    buffer_mb: float
    dram_mb: float


def _rows(text: str) -> tuple[Measured, ...]:
    out = []
    for line in text.strip().splitlines():
        name, *numbers = line.split()
        p, total, proc, pes, zeros, buffer, dram = map(float, numbers)
        out.append(
            Measured(
                layer=name,
                power_mw=p,
                total_ms=total,
                processing_ms=proc,
                active_pes=int(pes),
                zeros_percent=zeros,
                buffer_mb=buffer,
                dram_mb=dram,
            )
        )
    return tuple(out)


ALEXNET_BATCH, VGG16_BATCH = 4, 3
ALEXNET = _rows("""
conv1 332  20.9  16.5 154  0.01  18.5  5.0
conv2 288  41.9  39.2 135 38.7   77.6  4.0
conv3 266  23.6  21.8 156 72.5   50.2  3.0
conv4 235  18.4  16.0 156 79.3   37.4  2.1
conv5 236  10.5  10.0 156 77.6   24.9  1.3
""")
VGG16 = _rows("""
conv1_1 247  76.2  38.0 156  1.6  112.6 15.4
conv1_2 218 910.3 810.6 156 47.7 2402.8 54.0
conv2_1 242 470.3 405.3 156 24.8 1201.4 33.4
conv2_2 231 894.3 810.8 156 38.7 2402.8 48.5
conv3_1 254 241.1 204.0 156 39.7  607.4 20.2
conv3_2 235 460.9 408.1 156 58.1 1214.8 32.2
conv3_3 233 457.7 408.1 156 58.7 1214.8 30.8
conv4_1 278 135.8 105.1 168 64.3  321.8 17.8
conv4_2 261 254.8 210.0 168 74.7  643.7 28.6
conv4_3 240 246.3 210.0 168 85.4  643.7 22.8
conv5_1 258  54.3  48.3 168 79.4   90.0  6.3
conv5_2 236  53.7  48.5 168 87.4   90.0  5.7
conv5_3 230  53.7  48.5 168 88.5   90.0  5.6
""")  # 5_1: 163 in the cleaned file, "163 (100 %)" in print, so 168

# mapping parameters of AlexNet (Table III), and the buffer allocations that it prints in KiB (inputs, partial sums)
PARAMETERS = {
    "conv1": Parameters(m=96, n=1, e=7, p=16, q=1, r=1, t=2),
    "conv2": Parameters(m=64, n=1, e=27, p=16, q=2, r=1, t=1),
    "conv3": Parameters(m=64, n=4, e=13, p=16, q=4, r=1, t=4),
    "conv4": Parameters(m=64, n=4, e=13, p=16, q=3, r=2, t=2),
    "conv5": Parameters(m=64, n=4, e=13, p=16, q=3, r=2, t=2),
}
ALLOCATIONS_KIB = {
    "conv1": (15.5, 72.2),
    "conv2": (3.8, 91.1),
    "conv3": (7.0, 84.5),
    "conv4": (10.5, 84.5),
    "conv5": (10.5, 84.5),
}
# DRAM accesses without run-length coding over those with it (ISSCC 2016 slides, recalled)
DRAM_REDUCTION = {"conv1": 1.2, "conv2": 1.4, "conv3": 1.7, "conv4": 1.8, "conv5": 1.9}
