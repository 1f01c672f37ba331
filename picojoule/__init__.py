"""picojoule: what an inference costs in joules and seconds, what the best mapping is, with a proof.

    >>> import picojoule as pj
    >>> pj.load_model("gemm:M=64,N=64,K=64").macs
    262144

The names and their homes stand in `__init__.pyi`. Each is imported where it is first used, so that `import picojoule` takes no
time.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from picojoule import notebook


def _homes() -> dict[str, tuple[str, str]]:
    """Public name -> (module, name there), read from the stub that type checkers read."""
    stub = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    brought = {local: (module, name) for module, name, local in re.findall(r"(?m)^from ([\w.]+) import (\w+) as (\w+)$", stub)}
    renamed = {public: brought.pop(local) for public, local in re.findall(r"(?m)^(\w+) = (_\w+)$", stub)}
    return brought | renamed


_HOME = _homes()
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'picojoule' has no attribute {name!r}")
    module, attribute = _HOME[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def _fragment(result: object) -> str:
    """Pages are loaded when the first result is shown."""
    made: str = import_module("picojoule.report.pages.page").fragment(result)
    return made


notebook.shown_by(_fragment)


def __dir__() -> list[str]:
    return sorted(__all__)
