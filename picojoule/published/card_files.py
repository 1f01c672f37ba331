"""Metric cards of hardware that come along, one YAML file each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from picojoule.errors import unknown_name
from picojoule.published.card import HardwareCard, read_card

FOLDER = Path(__file__).parent / "cards"


@cache
def cards() -> dict[str, HardwareCard]:
    """Name -> card, in the order of names."""
    return {p.stem: read_card(p.read_text(encoding="utf-8"), p.name) for p in sorted(FOLDER.glob("*.yaml"))}


def card(name: str) -> HardwareCard:
    """The card of this name."""
    if name not in cards():
        raise unknown_name("card", name, cards())
    return cards()[name]
