"""What a notebook shows of a result. Pages lie above results: who makes pages says here how, and results know none of them."""

from __future__ import annotations

from collections.abc import Callable

_makers: list[Callable[[object], str]] = []


def shown_by(maker: Callable[[object], str]) -> None:
    """From now on results are shown as the HTML that `maker` returns for them."""
    _makers[:] = [maker]


def html(result: object) -> str | None:
    """The HTML of the result; None, which a notebook reads as plain text, where nobody makes pages."""
    return _makers[0](result) if _makers else None
