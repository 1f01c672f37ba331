"""A plane with two logarithmic axes for charts: where a value lies, the grid of decades, the names of the axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from picojoule.report import units
from picojoule.report.charts.plots import WIDTH, line, text

Show = Callable[[float], str]  # writes the value of a tick


def decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of the whole powers of ten that enclose the values, at least one decade."""
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    return low, max(high, low + 1)


def plain(value: float) -> str:
    """A tick as a count with its prefix from 1 on, as a decimal below."""
    return units.count(value) if value >= 1 else f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLog:
    """The plane between powers of ten (`x` and `y` are exponents), inside margins in pixels."""

    x: tuple[int, int]
    y: tuple[int, int]
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def x_ends(self) -> tuple[float, float]:
        return 10.0 ** self.x[0], 10.0 ** self.x[1]

    @property
    def y_ends(self) -> tuple[float, float]:
        return 10.0 ** self.y[0], 10.0 ** self.y[1]

    def px(self, v: float) -> float:
        """Pixels from the left."""
        return self.left + (math.log10(v) - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - self.left - self.right)

    def py(self, v: float) -> float:
        """Pixels from the top."""
        low, high = self.y
        return self.height - self.bottom - (math.log10(v) - low) / (high - low) * (self.height - self.top - self.bottom)

    def line(self, x0: float, y0: float, x1: float, y1: float, css: str) -> str:
        """A straight line between two places of the plane."""
        return line(self.px(x0), self.py(y0), self.px(x1), self.py(y1), css)

    def polygon(self, corners: Sequence[tuple[float, float]], fill: str, opacity: float, title: str = "") -> str:
        """A filled area between places of the plane."""
        points = " ".join(f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in corners)
        tip = f"<title>{escape(title)}</title>" if title else ""
        return f'<polygon points="{points}" fill="{fill}" fill-opacity="{opacity:g}">{tip}</polygon>'

    def grid(self, show_x: Show = plain, show_y: Show = plain) -> list[str]:
        """A line with its value at every power of ten."""
        (x0, x1), (y0, y1) = self.x_ends, self.y_ends
        out = []
        for e in range(self.x[0], self.x[1] + 1):
            v = 10.0**e
            out.append(self.line(v, y0, v, y1, "grid") + text(self.px(v), self.height - self.bottom + 18, show_x(v), "middle"))
        for e in range(self.y[0], self.y[1] + 1):
            v = 10.0**e
            out.append(self.line(x0, v, x1, v, "grid") + text(self.left - 8, self.py(v) + 4, show_y(v), "end"))
        return out

    def names(self, x: str, y: str) -> list[str]:
        """What the axes are."""
        middle = f"translate(15 {(self.height - self.bottom + self.top) / 2:.0f}) rotate(-90)"
        return [
            text((self.left + WIDTH - self.right) / 2, self.height - 10, x, "middle", "axis"),
            f'<text class="axis" text-anchor="middle" transform="{middle}">{escape(y)}</text>',
        ]
