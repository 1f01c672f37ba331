"""Component library (registry)."""
from __future__ import annotations
from dataclasses import dataclass
from collections.abc import Mapping
from picojoule.errors import unknown_name

@dataclass(frozen=True)
class Estimate:
    value: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    note: str = ""
    def describe(self) -> str:
        return self.source

def evaluate(name: str, context: Mapping[str, object], parameters: Mapping[str, object]) -> dict[str, Estimate]:
    raise unknown_name("component", name, ["sram"])
