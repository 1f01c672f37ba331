"""AccelForge architectures (`arch: {nodes: [!Memory, !Container, !Compute]}`) as chips.

Energies there are J per action of `bits_per_action` bits (1 if not said), throughputs actions or bits per second. Tensors are
named by sets; here they are over the roles of a layer, where nothing is an intermediate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.interop.accelforge.sets import roles_in
from picojoule.interop.expressions import evaluate
from picojoule.interop.report import Report
from picojoule.interop.trees import Block, Scalar, Tree, as_block, as_items, as_text, as_whole, refuse_leftover

_UNBOUNDED_BITS = 2**60
_ALL = frozenset(ROLES)
_SEPARATE = "max(a.n_calls/a.throughputforainactions)"
_NAMED = {
    "All": _ALL, "Nothing": frozenset[str](), "Inputs": frozenset({"input", "weight"}), "Outputs": frozenset({"output"}),
    "Intermediates": frozenset[str](), "Tensors": _ALL, "input": frozenset({"input"}), "weight": frozenset({"weight"}),
    "output": frozenset({"output"}),
}  # fmt: skip
_Action = tuple[float | None, float, float]
_LIMITS = {
    "min_usage": "a least utilisation",
    "loop_bounds": "bounds of loops",
    "may_reuse": "which tensors may be shared along the axis",
    "usage_scale": "a scale of utilisation",
    "power_gateable": "power gating of idle instances",
}


def read_arch(block: Block, report: Report, name: str) -> Chip:
    """The chip of an architecture; what it does not price stays unknown."""
    run = _Arch(report)
    nodes = as_items(block.need("nodes", what="the architecture"), "nodes")
    for tree in nodes:
        run.node(as_block(tree, "a node"))
    for key in block.leftover():
        if not key.startswith("extra_attributes"):
            raise unknown_name("key of the architecture", key, ("nodes",), block.place(key))
        report.ignored(block.place(key), key, "only estimators read it; energies are unknown where no action states them")
    if run.compute is None:
        raise SpecError("there is no !Compute", where=block.where, hint="end with the MACs")
    if not run.memories:
        raise SpecError("there is no !Memory", where=block.where, hint="begin with the outermost memory")
    compute, clock = run.macs()
    levels = tuple(run.level(x, clock) for x in run.levels)
    plain = re.sub(r"[^\w.-]", "_", name)
    try:
        return Chip(
            plain if re.match("[A-Za-z_]", plain) else f"_{plain}", levels, compute, clock, source="AccelForge architecture"
        )
    except SpecError as e:
        raise e.located(block.where) from None


@dataclass(slots=True)
class _Arch:
    report: Report
    levels: list[Block | FanOut] = field(default_factory=list)
    memories: list[str] = field(default_factory=list)
    sets: dict[str, frozenset[str]] = field(default_factory=lambda: dict(_NAMED))
    compute: Block | None = None

    def node(self, node: Block) -> None:
        if (extra := node.get("extra_attributes_for_component_model")) is not None:
            self.report.ignored(extra.where, f"!{node.tag}.extra_attributes", "only estimators read it")
        if node.tag == "Fanout":  # what older versions call a container
            node.tag = "Container"
        if node.tag not in ("Memory", "Container", "Compute", "Toll", "Network", "Array", "Fork", "Hierarchical"):
            raise unknown_name("node", f"!{node.tag}", ["!Memory", "!Container", "!Compute"], node.where)
        name = as_text(node.need("name", what=f"!{node.tag}"), "name")
        if node.tag not in ("Memory", "Container", "Compute"):
            raise SpecError(
                f"!{node.tag} {name!r}",
                where=node.where,
                hint="read: !Memory, !Container and !Compute in one line from the outside in",
            )
        if (enabled := node.get("enabled")) is not None and not self.enabled(as_text(enabled, "enabled"), enabled.where):
            self.report.ignored(node.where, f"!{node.tag} {name}", "not enabled for layers of two operands")
            return
        self.spread(node, name)
        if node.tag == "Container":
            self.report.read(node.where, f"!Container {name}")
            refuse_leftover(node, f"!Container {name}")
        elif node.tag == "Compute":
            self.compute = node
        else:
            self.memories.append(name)
            self.levels.append(node)

    def enabled(self, text: str, where: str) -> bool:
        return bool(evaluate(re.sub(r"len\(\s*All\s*\)", "3", text), {"input": 1, "weight": 1, "output": 1}, where))

    def spread(self, node: Block, name: str) -> None:
        spatial = node.get("spatial")
        axes: list[Axis] = []
        for item in as_items(spatial, "spatial") if spatial is not None else ():
            axis = as_block(item, "a spatial axis")
            label = as_text(axis.need("name", what="a spatial axis"), "name")
            size = as_whole(axis.need("fanout", what=f"axis {label!r}"), f"fanout of {label}")
            reuse = axis.get("reuse")
            reuses = roles_in(as_text(reuse, "reuse"), self.sets, reuse.where) if reuse is not None else frozenset[str]()
            for key, what in _LIMITS.items():
                if (tree := axis.get(key)) is not None:
                    self.report.refused(tree.where, f"{name}.{label}.{key}", f"{what}: our search has no such limit")
            refuse_leftover(axis, f"axis {label!r}", ["name", "fanout", "reuse", *_LIMITS])
            self.report.read(
                axis.where, f"{name}.{label}", f"{size}" + (f", reuses {', '.join(sorted(reuses))}" if reuses else "")
            )
            axes.append(Axis(_word(label), size, reuses=tuple(r for r in ROLES if r in reuses)))
        axes = [a for a in axes if a.size > 1]
        if axes:
            assert spatial is not None
            self.report.default(spatial.where, f"{name}: transfer energy", "0 pJ: that tool prices no network without a !Network")
            self.levels.append(FanOut(f"{_word(name)}_array", tuple(axes), transfer_pj=0.0))

    def level(self, item: Block | FanOut, clock: float) -> Group | FanOut:
        return item if isinstance(item, FanOut) else Group((self.memory(item, clock),))

    def memory(self, node: Block, clock: float) -> Memory:
        name = as_text(node.need("name"), "name")
        outermost = name == self.memories[0]
        size = self.number(node.need("size", what=f"memory {name!r}"), f"size of {name}")
        keeps, may = self.kept(node, name, outermost)
        class_ = node.get("component_class")
        dummy = class_ is not None and as_text(class_, "component_class") == "Dummy"
        actions = self.actions(node, name, ("read", "write"))
        if not actions:
            if dummy:
                self.report.read(node.where, f"{name}: energies", "0 pJ: class Dummy takes none")
            else:
                self.report.default(node.where, f"{name}: energies", "unknown, never 0: the file leaves them to an estimator")
        widths = {bits for _, bits, _ in actions.values()}
        if len(widths) > 1:
            raise SpecError(
                f"reads and writes of {name!r} move {sorted(widths)} bits", where=node.where, hint="one width for both"
            )
        word = max(1, round(widths.pop())) if widths else 1
        pj = {k: None if energy is None else energy * 1e12 for k, (energy, _, _) in actions.items()}
        bits = self.capacity(node, name, size, outermost)
        leak, area = self.optional(node, "leak_power"), self.optional(node, "area")
        made = Memory(
            name=_word(name), capacity_bits=bits, word_bits=word, read_pj=pj.get("read", 0.0 if dummy else None),
            write_pj=pj.get("write", 0.0 if dummy else None), keeps=keeps, may_keep=may,
            ports=self.ports(node, name, actions, clock), leakage_mw=None if leak is None else leak * 1e3,
            area_um2=None if area is None else area * 1e12, technology="dram" if outermost else "sram",
            source="AccelForge architecture",
        )  # fmt: skip
        refuse_leftover(
            node, f"memory {name!r}", ["name", "size", "tensors", "actions", "total_latency", "leak_power", "area", "spatial"]
        )
        self.report.read(node.where, f"!Memory {name}")
        return made

    def capacity(self, node: Block, name: str, size: float, outermost: bool) -> int | None:
        if outermost:
            if size != float("inf"):
                self.report.ignored(
                    node.place("size"), f"{name}.size", f"{size:g} b: here the outermost memory holds whole tensors"
                )
            return None
        if size == float("inf"):
            self.report.read(node.place("size"), f"{name}.size", f"inf: {_UNBOUNDED_BITS:,} b here")
            return _UNBOUNDED_BITS
        if size != int(size) or size < 1:
            raise SpecError(f"memory {name!r} holds {size:g} bits", where=node.place("size"), hint="a whole number of bits")
        return int(size)

    def kept(self, node: Block, name: str, outermost: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        tensors = node.get("tensors")
        keep: frozenset[str] = frozenset()
        may = _ALL
        if tensors is not None:
            block = as_block(tensors, "tensors")
            sets = [(block.get(key), key) for key in ("keep", "may_keep")]
            found = [roles_in(as_text(t, k), self.sets, t.where) if t is not None else None for t, k in sets]
            keep = found[0] or frozenset()
            may = (found[1] if found[1] is not None else frozenset() if found[0] is not None else _ALL) - keep
            for key in block.leftover():
                self.report.refused(
                    block.place(key), f"{name}.tensors.{key}", "a limit of that tool's search; ours is free of it"
                )
        self.sets[name] = _ALL if outermost else keep
        if outermost:
            if keep | may != _ALL:
                raise SpecError(f"the outermost memory {name!r} does not keep every tensor", where=node.where, hint="keep: All")
            return ROLES, ()
        return tuple(r for r in ROLES if r in keep), tuple(r for r in ROLES if r in may)

    def actions(self, node: Block, name: str, known: tuple[str, ...]) -> dict[str, _Action]:
        """Action -> (J or None, bits per action, actions or bits per second)."""
        out: dict[str, _Action] = {}
        tree = node.get("actions")
        for item in as_items(tree, "actions") if tree is not None else ():
            action = as_block(item, "an action")
            kind = as_text(action.need("name", what="an action"), "name")
            if kind not in known:
                raise unknown_name("action", kind, known, action.place("name"))
            stated = action.get("energy")
            energy = self.number(stated, "energy") if stated is not None else None
            if stated is None:
                self.report.default(
                    action.where, f"{name}.{kind}: energy", "unknown, never 0: the file leaves it to an estimator"
                )
            width = self.number(t, "bits_per_action") if (t := action.get("bits_per_action")) is not None else 1
            rate = self.number(t, "throughput") if (t := action.get("throughput")) is not None else float("inf")
            if not 0 <= (energy or 0.0) < float("inf") or not 0 < width < 10**9 or rate <= 0:
                raise SpecError(
                    f"action {kind!r} of {name!r}: {energy or 0:g} J, {width:g} b, {rate:g}/s",
                    where=action.where,
                    hint="not negative",
                )
            refuse_leftover(action, f"action {kind!r}", ["name", "energy", "throughput", "bits_per_action"])
            out[kind] = (energy, width, rate)
        if out and set(out) != set(known):
            raise SpecError(
                f"{name!r} prices {', '.join(out)} alone", where=node.place("actions"), hint=f"give {' and '.join(known)}"
            )
        return out

    def ports(self, node: Block, name: str, actions: dict[str, _Action], clock: float) -> tuple[Port, ...]:
        latency = node.get("total_latency")
        separate = latency is not None and re.sub(r"\s", "", as_text(latency, "total_latency")) == _SEPARATE
        if latency is not None and not separate:
            self.report.refused(latency.where, f"{name}.total_latency", "a formula; here each port is as slow as its load")
        rates = {k: rate for k, (_, _, rate) in actions.items() if rate != float("inf")}
        if not rates:
            return ()
        if not separate and len(set(rates.values())) == 1 and len(rates) == 2:
            return (Port("shared", "readwrite", rates["read"] / clock),)
        if not separate:
            self.report.refused(
                node.where, f"{name}: latency", "reads and writes add up there at different rates; here they overlap"
            )
        return tuple(Port(k, k, r / clock) for k, r in rates.items())

    def macs(self) -> tuple[Compute, float]:
        """The MACs and the clock: one MAC a cycle."""
        node = self.compute
        assert node is not None
        name = as_text(node.need("name"), "name")
        actions = self.actions(node, name, ("compute",))
        leak, area = self.optional(node, "leak_power"), self.optional(node, "area")
        for key in ("component_class", "total_latency"):
            if (tree := node.get(key)) is not None:
                self.report.refused(tree.where, f"{name}.{key}", "left to that tool; energy and throughput stand in actions")
        refuse_leftover(node, f"!Compute {name}", ["name", "actions", "leak_power", "area", "enabled", "spatial"])
        if not actions:
            self.report.default(node.where, f"{name}: energy", "unknown, never 0: the file leaves it to an estimator")
        energy, _, rate = actions.get("compute", (None, 1.0, float("inf")))
        if rate == float("inf") or rate < 1e-3:
            rate = 1e9
            self.report.default(node.where, f"{name}.throughput", "1e9 MACs per second")
        self.report.read(node.where, f"!Compute {name}", f"{rate:g} MACs per second: one a cycle")
        return Compute(_word(name), None if energy is None else energy * 1e12, 8, leakage_mw=None if leak is None else leak * 1e3,
                       area_um2=None if area is None else area * 1e12, source="AccelForge architecture"), rate  # fmt: skip

    def optional(self, node: Block, key: str) -> float | None:
        tree = node.get(key)
        if tree is None:
            return None
        value = self.number(tree, key)
        if not 0 <= value < float("inf"):
            raise SpecError(f"{key} is {value:g}", where=tree.where, hint="not negative")
        return value

    def number(self, tree: Tree, what: str) -> float:
        """A number or arithmetic; a tensor's `bits_per_value` is 8 b where no workload says otherwise."""
        if not isinstance(tree, Scalar) or tree.kind in ("null", "bool"):
            raise SpecError(f"{what} is a number", where=tree.where, hint="such as 1024*8")
        text = tree.text.strip()
        if text in (".inf", "inf"):
            return float("inf")
        if "bits_per_value" in text:
            self.report.default(tree.where, what, f"{text}: 8 b a value")
            text = re.sub(r"\b(\w+)\.bits_per_value\b", "8", text)
        value = evaluate(text, {"input": 1, "weight": 1, "output": 1}, tree.where)
        if value < 0:
            raise SpecError(f"{what} is {value:g}", where=tree.where, hint="not negative")
        return float(value)


def _word(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
