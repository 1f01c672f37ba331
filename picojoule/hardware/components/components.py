"""The component library: models that supply energies, leakage and area where a chip file names a `class`.

A component is a function with keyword parameters that returns estimates by number (`read`, `write`, `leakage`, `area`,
`transfer`, `mac`; `add`, `multiply`, ... of vector units). One decorator registers it, here or in a plug-in package (entry point
group `picojoule.components`):

    @component("my_sram")
    def my_sram(*, capacity_bits: int, word_bits: int, technology_nm: float) -> dict[str, Estimate]:
        '''What it models, with formula, source, range and error.'''

The end of a parameter's name is its unit: in YAML `capacity_bits` is `capacity: 4 KiB` and `technology_nm` is
`technology: 45 nm`. Capacity, word, operand width, node and voltage come from the chip unless the class states them.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from picojoule.errors import SpecError, unknown_name
from picojoule.quantities.estimate import Estimate
from picojoule.quantities.units import parse, size_bits

__all__ = ["Component", "Estimate", "component", "component_names", "evaluate", "get_component"]

Model = Callable[..., dict[str, Estimate]]
_SUFFIXES = {"_bits": "size", "_nm": "length", "_mm": "length", "_v": "voltage", "_hz": "frequency"}
_BUILT_IN = (
    *(f"picojoule.hardware.components.{room}" for room in ("storage", "logic", "mac", "vector", "wires", "dram")),
    "picojoule.hardware.array.converters",
)
_GROUP = "picojoule.components"


@dataclass(frozen=True)
class Component:
    """A registered model: its name, function and the YAML keys of its parameters."""

    name: str
    model: Model

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """YAML key -> parameter of the function."""
        return {_key(p.name): p for p in inspect.signature(self.model).parameters.values()}

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.model) or "").split("\n", 1)[0]


_registry: dict[str, Component] = {}
_plugins_loaded = False


def component(name: str) -> Callable[[Model], Model]:
    """Registers the function under the name; a name is taken once."""

    def register(model: Model) -> Model:
        known = _registry.get(name)
        if known is not None and known.model.__qualname__ != model.__qualname__:
            raise SpecError(f"component {name!r} is registered twice", hint="give the second one another name")
        _registry[name] = Component(name, model)
        return model

    return register


def component_names() -> tuple[str, ...]:
    """All components, plug-ins included."""
    _load_built_in()
    _load_plugins()
    return tuple(sorted(_registry))


def get_component(name: str) -> Component:
    """The component of this name; plug-ins are looked up only for names that are not built in."""
    _load_built_in()
    if name not in _registry:
        _load_plugins()
    if name not in _registry:
        raise unknown_name("component", name, _registry)
    return _registry[name]


def evaluate(name: str, context: Mapping[str, object], written: Mapping[str, object]) -> dict[str, Estimate]:
    """The estimates of a component. `written` holds the parameters of the file, `context` what the chip knows already."""
    entry = get_component(name)
    values: dict[str, Any] = {}
    for key, value in written.items():
        if key not in entry.parameters:
            raise unknown_name(f"parameter of {name}", key, entry.parameters)
        parameter = entry.parameters[key]
        values[parameter.name] = _read(key, parameter, value)
    for key, parameter in entry.parameters.items():
        if parameter.name not in values and context.get(parameter.name) is not None:
            values[parameter.name] = context[parameter.name]
        if parameter.name not in values and parameter.default is inspect.Parameter.empty:
            raise SpecError(f"component {name} needs {key!r}", hint=f"state it in the class, or {_where(key)}")
    return entry.model(**values)


def _where(key: str) -> str:
    return {
        "technology": "as the chip's technology",
        "voltage": "as the chip's voltage",
        "capacity": "as the memory's size",
        "word": "as the memory's word",
    }.get(key, "as a parameter there")


def _key(parameter: str) -> str:
    suffix = next((s for s in _SUFFIXES if parameter.endswith(s)), "")
    return parameter.removesuffix(suffix) or parameter


def _read(key: str, parameter: inspect.Parameter, value: object) -> Any:
    """The value of a parameter, as its name and annotation ask for it."""
    suffix = next((s for s in _SUFFIXES if parameter.name.endswith(s)), None)
    if suffix == "_bits":
        return size_bits(value)
    if suffix is not None:
        number = parse(value, _SUFFIXES[suffix]).value
        return number / 1e6 if suffix == "_mm" else number
    wanted = str(parameter.annotation)
    if "str" in wanted and isinstance(value, str):
        return value
    if "bool" not in wanted and isinstance(value, bool):
        raise SpecError(f"{key}: a number is needed here, not {value}", hint="such as 4")
    if ("int" in wanted and isinstance(value, int)) or ("float" in wanted and isinstance(value, int | float)):
        if value < 1 and "int" in wanted:
            raise SpecError(f"{key}: {value} is less than 1", hint="count from 1")
        return value
    raise SpecError(f"{key}: {value!r} is not what is needed", hint=f"{parameter.name}: {parameter.annotation}")


def _load_built_in() -> None:
    for module in _BUILT_IN:
        importlib.import_module(module)


def _load_plugins() -> None:
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    for point in entry_points(group=_GROUP):
        try:
            point.load()
        except Exception as e:
            raise SpecError(
                f"the component plug-in {point.name!r} ({point.value}) cannot be loaded: {e}",
                hint="repair or uninstall that package",
            ) from e
