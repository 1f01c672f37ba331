"""The machines of the comparison, found by the files in `providers/`.

A provider is a module there with two functions: `names() -> dict[str, str]` (name -> a line about it) and
`machine(name) -> Machine`. Names are tried provider by provider: the mapper's chips first, published rooflines last, the others
between them; `PROVIDER:NAME` asks one provider alone. A path to a chip's YAML file is a machine of the mapper.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from picojoule.errors import SpecError, unknown_name
from picojoule.machines import providers as folder
from picojoule.machines.answer import Machine

ORDER = ("chips",)  # the mapper first; a published roofline is the last resort
LAST = ("published",)


@cache
def providers() -> dict[str, ModuleType]:
    """File name -> provider, in the order in which names are looked up."""
    found = {m.name: import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__)}
    return {k: found[k] for k in sorted(found, key=lambda k: (k in LAST, k not in ORDER, k))}


def machines() -> dict[str, dict[str, str]]:
    """Provider -> name -> a line about the machine."""
    return {p: dict(module.names()) for p, module in providers().items()}


def machine(name: str) -> Machine:
    """The machine of this name; an unknown one names the nearest."""
    known = machines()
    asked, colon, rest = name.partition(":")
    if colon and asked in known:
        if rest not in known[asked]:
            raise unknown_name(f"machine of {asked}", rest, known[asked])
        return providers()[asked].machine(rest)  # type: ignore[no-any-return]
    for provider, names in known.items():
        if name in names:
            return providers()[provider].machine(name)  # type: ignore[no-any-return]
    if name.endswith((".yaml", ".yml")):
        return providers()["chips"].machine(name)  # type: ignore[no-any-return]
    error = unknown_name("chip or platform", name, [n for names in known.values() for n in names])
    near = error.hint.partition("known:")[0]
    raise SpecError(error.problem, hint=f"{near}`pj platforms --machines` lists them all; or give the path of a chip's YAML")
