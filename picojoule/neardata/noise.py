"""What makes an analog sum differ from the integer: programming, drift, stuck cells, wires, reading. All off by default.

Sizes are fractions of the conductance window (on - off), so that they mean the same for any cell:

* `program_sigma`: each cell is programmed to its target plus a normal error of this standard deviation, once.
* `read_sigma`: each conversion adds a normal error of this standard deviation times sqrt(rows on), anew at every read.
* `drift_nu`, `drift_nu_sigma`, `hours`: conductance falls as (t / t0)^-nu with t0 = 1 h; nu varies from cell to cell.
* `stuck_on`, `stuck_off`: probabilities that a cell holds its largest or smallest value whatever was written.
* `wire_ratio`: resistance of a column's wire between two cells over that of a cell that is fully on; the voltage lost along the
  column is counted to first order in it.

Ranges that papers report: program_sigma 0.01 to 0.1 (ReRAM, PCM after write-verify), drift_nu 0.02 to 0.1 (PCM), stuck cells 0.1
to 10 %, wire_ratio 1e-5 to 1e-3. They are inputs here, not claims: see the survey, Section VI-C, for what limits arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from picojoule.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Sizes of the effects; see the module's text."""

    program_sigma: float = 0.0
    read_sigma: float = 0.0
    drift_nu: float = 0.0
    drift_nu_sigma: float = 0.0
    hours: float = 1.0
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    wire_ratio: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not (np.isfinite(value) and value >= 0):
                raise SpecError(f"{f.name} is {value}", hint="zero, or a positive number")
        if self.stuck_on + self.stuck_off > 1:
            raise SpecError(f"{self.stuck_on:g} of the cells stuck on and {self.stuck_off:g} off", hint="at most 1 together")
        if self.hours < 1 and self.drift_nu:
            raise SpecError(f"drift after {self.hours:g} h", hint="drift counts from 1 h on")

    @property
    def off(self) -> bool:
        """Nothing differs from the integers."""
        sizes = (self.program_sigma, self.read_sigma, self.stuck_on, self.stuck_off, self.wire_ratio)
        return (not any(sizes) and not (self.drift_nu or self.drift_nu_sigma)) or (not any(sizes) and self.hours == 1)


def held(
    cells: np.ndarray, most: int, noise: Noise, rng: np.random.Generator, off_ratio: float = 0.0, pair: bool = False
) -> np.ndarray:
    """What cells hold that were told to hold integers from 0 to `most` (-most to most for a pair of cells, one of them at 0).

    Returns float values in the same units. `off_ratio`: off over on conductance, which drift also moves. A value of a pair is
    the difference of its two cells, each with its own errors.
    """
    if pair:
        on, off = np.maximum(cells, 0), np.maximum(-cells, 0)
        return held(on, most, noise, rng, off_ratio) - held(off, most, noise, rng, off_ratio)
    window = most / (1 - off_ratio) if off_ratio < 1 else float(most)
    floor = window * off_ratio
    g = cells + floor  # conductance in units of one level
    if noise.program_sigma:
        g = g + rng.normal(0.0, noise.program_sigma * most, cells.shape)
    if noise.stuck_on or noise.stuck_off:
        draw = rng.random(cells.shape)
        g = np.where(draw < noise.stuck_on, most + floor, np.where(draw < noise.stuck_on + noise.stuck_off, floor, g))
    g = np.maximum(g, 0.0)  # no negative conductance
    if (noise.drift_nu or noise.drift_nu_sigma) and noise.hours > 1:
        nu = rng.normal(noise.drift_nu, noise.drift_nu_sigma, cells.shape) if noise.drift_nu_sigma else noise.drift_nu
        g = g * noise.hours ** -np.maximum(0.0, nu)
    return np.asarray(g - floor, dtype=np.float64)


def wire_loss(x: np.ndarray, g: np.ndarray, wire_ratio: float) -> np.ndarray:
    """How much of each column's current the wire's resistance takes, to first order, in units of the ideal sums.

    x: inputs [B, K] as fractions of the full voltage, g: conductances [K, N] as fractions of on. The column is read at its end
    behind cell 0, so that the voltage at cell k falls by r * sum over m of min(k + 1, m + 1) I_m. Returns [B, N], to take off.
    Checked against the exact solution of the resistor chain: the rest is of second order in r.
    """
    out = np.empty((len(x), g.shape[1]))
    step = max(1, (1 << 22) // max(1, g.size))
    for i in range(0, len(x), step):
        current = x[i : i + step, :, None] * g[None]  # [b, K, N]
        beyond = np.cumsum(current[:, ::-1], axis=1)[:, ::-1]  # current through the wire below each cell
        drop = np.cumsum(beyond, axis=1)
        out[i : i + step] = wire_ratio * (drop * g[None]).sum(axis=1)
    return out
