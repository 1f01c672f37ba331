"""Shared by all tests: what a marked test needs, and why it is skipped where that is missing."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator

import pytest


def chromium() -> str | None:
    """A Chromium or Chrome on this machine, or None."""
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = {
        "torch": (importlib.util.find_spec("torch") is None, "PyTorch is not installed (pip install torch)"),
        "browser": (chromium() is None, "no Chromium on this machine"),
        "gpu": (shutil.which("nvidia-smi") is None, "no CUDA device on this machine"),
    }
    for item in items:
        for marker, (is_missing, why) in missing.items():
            if is_missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Searches of the tests are kept apart from the user's, and begin with nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PICOJOULE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
