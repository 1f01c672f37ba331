"""A camera in front of the network: pixels, converters, column wires, link; and what computing inside the sensor saves and costs.

Per frame:  E = conversions * FoM * 2^bits + pixels * column wire + bytes * link, and the products of an analog layer. Pixel ADC:
FoM 100 fJ a step; column wire C = 9 fF/px * (node / 130 nm) * (pitch / 5 um) * rows, charged to the pixel's swing; link: about
100 pJ a byte over MIPI CSI-2, 1 pJ a byte through the micro vias of a stack. Source of all three: CamJ, ISCA 2023, validated
there on nine chips with each chip's own constants; with these defaults the result is an estimate, a factor of two at best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from picojoule.errors import SpecError, unknown_name

LINKS_PJ_PER_BYTE = {"mipi-csi2": 100.0, "stacked": 1.0}
MODES = ("pixels", "analog-layer", "gradients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A sensor of rows x columns pixels with one converter a column; every frame is read whole.

    mode "pixels": every pixel is converted and sent. "analog-layer": the first convolution (`filters` of kernel x kernel at a
    stride, weights of `analog_weight_bits`) is computed before the converters, and its outputs are converted at `output_bits`.
    "gradients": pixels send a log-gradient of `output_bits` each, where it is not zero (a share of `kept`), and 1 b to say where.
    """

    rows: int
    columns: int
    bits: int = 10
    mode: str = "pixels"
    link: str = "mipi-csi2"
    fom_fj: float = 100.0
    node_nm: float = 130.0
    pitch_um: float = 5.0
    swing_v: float = 1.0
    channels: int = 1
    filters: int = 8
    kernel: int = 3
    stride: int = 2
    analog_weight_bits: int = 3
    output_bits: int = 6
    kept: float = 0.25
    mac_fj: float = 10.0  # one analog multiply-accumulate on a capacitor

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise unknown_name("sensor mode", self.mode, MODES)
        if self.link not in LINKS_PJ_PER_BYTE:
            raise unknown_name("link", self.link, LINKS_PJ_PER_BYTE)
        for name in ("rows", "columns", "bits", "channels", "filters", "kernel", "stride", "analog_weight_bits", "output_bits"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}", hint="one or more")
        if self.bits > 16 or self.output_bits > 16:
            raise SpecError(f"a pixel converter of {max(self.bits, self.output_bits)} bits", hint="16 at most")
        if not 0 <= self.kept <= 1:
            raise SpecError(f"{self.kept:g} of the gradients kept", hint="a fraction from 0 to 1")
        if self.kernel > min(self.rows, self.columns):
            raise SpecError(f"a {self.kernel}x{self.kernel} kernel on {self.rows}x{self.columns} pixels", hint="a smaller kernel")

    @property
    def pixels(self) -> int:
        return self.rows * self.columns * self.channels

    @property
    def outputs(self) -> int:
        """Values that leave the sensor's analog part in a frame."""
        if self.mode != "analog-layer":
            return self.pixels
        p, q = ((n - self.kernel) // self.stride + 1 for n in (self.rows, self.columns))
        return p * q * self.filters

    @property
    def converted_bits(self) -> int:
        return self.bits if self.mode == "pixels" else self.output_bits

    @property
    def macs(self) -> int:
        """Analog products of a frame."""
        return self.outputs * self.kernel**2 * self.channels if self.mode == "analog-layer" else 0

    @property
    def sent_bits(self) -> float:
        """Bits over the link in a frame."""
        if self.mode == "gradients":
            return self.pixels * (1 + self.kept * self.output_bits)
        return float(self.outputs * self.converted_bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Picojoules of one frame by cause."""

    converters_pj: float
    columns_pj: float
    link_pj: float
    analog_pj: float
    conversions: float
    sent_bytes: float

    @property
    def energy_pj(self) -> float:
        return self.converters_pj + self.columns_pj + self.link_pj + self.analog_pj


def frame(s: Sensor) -> Frame:
    """Energy of one frame.

    >>> round(frame(Sensor(rows=1, columns=1, bits=8, kernel=1)).converters_pj, 1)  # 100 fJ * 2^8
    25.6
    """
    conversions = s.kept * s.pixels if s.mode == "gradients" else float(s.outputs)
    wire_ff = 9.0 * (s.node_nm / 130) * (s.pitch_um / 5) * s.rows
    return Frame(
        converters_pj=conversions * s.fom_fj * 2**s.converted_bits * 1e-3,
        columns_pj=s.pixels * wire_ff * s.swing_v**2 * 1e-3,
        link_pj=s.sent_bits / 8 * LINKS_PJ_PER_BYTE[s.link],
        analog_pj=s.macs * s.mac_fj * 1e-3,
        conversions=conversions,
        sent_bytes=s.sent_bits / 8,
    )


def compared(s: Sensor) -> list[tuple[str, Sensor, Frame]]:
    """The sensor in each mode and with each link: (what, sensor, frame), plain pixels over MIPI first."""
    out = []
    for mode in MODES:
        for link in LINKS_PJ_PER_BYTE:
            one = replace(s, mode=mode, link=link)
            out.append((f"{mode}, {link}", one, frame(one)))
    return out
