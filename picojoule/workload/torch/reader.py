"""One pass over an exported torch graph: which values are activations, which are parameters, and what each call becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from picojoule.errors import SpecError
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.network import Network

# calls that hand on all numbers of a parameter in another form
SAME_NUMBERS = frozenset({"t", "transpose", "permute", "view", "reshape", "to", "detach", "contiguous", "unsqueeze", "squeeze"})
COMPOUND = ("MultiheadAttention", "Layer", "Encoder", "Decoder", "Sequential")  # modules of several operators


class Reader:
    """One pass over an exported graph."""

    def __init__(self, program: Any, name: str, source: str, lower: Callable[[Reader, Any], None]) -> None:
        self.program, self.lower = program, lower
        self.build = Builder(name, source=source)
        self.values: dict[str, Value] = {}  # node -> activation
        self.parts: dict[str, list[Value | None]] = {}  # node with several results
        self.constant: set[str] = set()
        self.origin: dict[str, str] = {}  # constant -> the parameter whose numbers it holds

    def read(self) -> Network:
        """The network; operators of parameters alone are done beforehand."""
        given = set(self.program.graph_signature.user_inputs)
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if node.name in given and self.shape(node) is not None:
                    self.values[node.name] = self.build.input(node.name, self.shape(node) or ())
                else:
                    self.constant.add(node.name)
                    self.origin[node.name] = node.name
            elif node.op == "get_attr":
                self.constant.add(node.name)
            elif node.op == "call_function":
                self._call(node)
        results = next(n for n in self.program.graph.nodes if n.op == "output").args[0]
        flat = [x for x in flatten(results) if hasattr(x, "name") and x.name in self.values]
        return self.build.network(*(self.values[x.name] for x in flat))

    def _call(self, node: Any) -> None:
        sources = [x for x in flatten((node.args, node.kwargs)) if hasattr(x, "meta")]
        if node.target.__name__ == "getitem":
            self._part(node)
        elif all(x.name in self.constant for x in sources):
            self.constant.add(node.name)
            same = node.target.__name__.partition(".")[0] in SAME_NUMBERS
            self.origin[node.name] = self.origin.get(sources[0].name, sources[0].name) if sources and same else node.name
        elif self.shape(node) is not None or isinstance(node.meta.get("val"), list | tuple):
            self.lower(self, node)

    def _part(self, node: Any) -> None:
        """One of several results."""
        source, index = node.args
        parts = self.parts.get(source.name)
        if parts is not None and index < len(parts):
            part = parts[index]
            if part is not None:
                self.values[node.name] = part
        else:
            self.constant.add(node.name)

    # -- what lowering asks ---------------------------------------------------------------------------------------

    def shape(self, node: Any) -> tuple[int, ...] | None:
        """The shape of a node's result, if it is one tensor."""
        value: Any = node.meta.get("val") if hasattr(node, "meta") else None
        if value is None or not hasattr(value, "shape"):
            return None
        try:
            return tuple(int(n) for n in value.shape)
        except (TypeError, ValueError, RuntimeError):
            raise SpecError(f"{node.name!r} has a size that depends on data", hint="give example inputs of fixed size") from None

    def label(self, node: Any) -> str:
        """The path of the module that the call is; for a call inside a larger module, its path and the call's own name."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path, kind = (str(stack[-1][0]), str(stack[-1][1])) if stack else ("", "")
        small = "torch.nn.modules" in kind and not kind.endswith(COMPOUND)
        return path if path and small else ".".join(x for x in (path, str(node.name)) if x)

    def result(self, node: Any) -> Value:
        """The activation that a node makes."""
        self.values[node.name] = self.build.value(node.name, self.shape(node) or ())
        return self.values[node.name]

    def results(self, node: Any) -> list[Value]:
        """All activations of a node with one result or several."""
        value = node.meta.get("val")
        if not isinstance(value, list | tuple):
            return [self.result(node)]
        used = {n.args[1] for n in node.users if n.target.__name__ == "getitem"}
        parts: list[Value | None] = []
        for i, x in enumerate(value):
            keep = i in used and hasattr(x, "shape")
            parts.append(self.build.value(f"{node.name}.{i}", tuple(int(n) for n in x.shape)) if keep else None)
        self.parts[node.name] = parts
        return [p for p in parts if p is not None]

    def activations(self, node: Any) -> list[Value]:
        """The operands that are computed during the inference."""
        found = [x for x in flatten((node.args, node.kwargs)) if hasattr(x, "meta") and x.name in self.values]
        return [self.values[x.name] for x in found]

    def parameters(self, node: Any) -> int:
        """Elements of the operands that are constant."""
        total = 0
        for x in flatten((node.args, node.kwargs)):
            if hasattr(x, "meta") and x.name in self.constant:
                size = 1
                for n in self.shape(x) or (0,):
                    size *= n
                total += size
        return total


def flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for x in value:
            yield from flatten(x)
    else:
        yield value
