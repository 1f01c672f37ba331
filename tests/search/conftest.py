"""Shared by the tests of the search."""

from __future__ import annotations

import pytest

from picojoule.search.exact import lattice
from tests.search.problems import wide_roots


@pytest.fixture
def ragged_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ragged outermost tiles in tiny problems too, where the space of record has none."""
    monkeypatch.setattr(lattice, "roots", wide_roots)
