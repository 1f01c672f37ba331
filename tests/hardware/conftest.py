"""Tests of the library see what comes with the package, whatever pages or plug-ins registered before."""

from __future__ import annotations

import pytest

from picojoule.hardware.components import components


@pytest.fixture(autouse=True)
def only_built_in_components(monkeypatch: pytest.MonkeyPatch) -> None:
    components._load_built_in()
    own = {n: c for n, c in components._registry.items() if (c.model.__module__ or "").startswith("picojoule.")}
    monkeypatch.setattr(components, "_registry", own)
