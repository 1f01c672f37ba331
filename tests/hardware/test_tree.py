"""A chip as a tree: each tensor's way from the outermost memory to the MACs, and where ways part."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from picojoule.ask import ROLES
from picojoule.hardware.chip import Compute, FanOut, Memory
from picojoule.hardware.chipfile.read import chips, load_chip
from picojoule.hardware.tree import Branch, Fork, Node, way

CHIPS = Path(__file__).parents[1] / "mapping" / "chips"
NAMES = [*chips(), *(str(CHIPS / f"{x}.yaml") for x in ("gemm_cores", "rows_and_columns", "eyeriss_registers"))]


def follow(node: Node, role: str) -> list[Memory | FanOut]:
    """The parts that a role passes in the tree; it ends in the MACs."""
    if isinstance(node, Compute):
        return []
    if isinstance(node, Branch):
        return [node.part, *follow(node.inside, role)]
    (one,) = [x for x in node.children if isinstance(x, Branch) and role in x.roles] or [
        x for x in node.children if isinstance(x, Compute)
    ]
    return follow(one, role)


@pytest.mark.parametrize("name", NAMES, ids=lambda x: Path(x).stem)
def test_each_tensor_finds_its_way_and_every_memory_as_often_as_it_exists(name: str) -> None:
    chip = load_chip(name)
    for role in ROLES:
        parts = follow(chip.root, role)
        assert tuple(parts) == way(chip.levels, role)
        assert [p for p in parts if isinstance(p, Memory)] == [m for m in chip.memories if m.keeps_role(role) != "never"]
        places = 1
        for p in parts:
            if isinstance(p, FanOut):
                places *= p.size
            else:
                assert places == chip.instances(p)
        assert places == chip.pes == math.prod(f.size for f in chip.fanouts)


def test_the_registers_of_rows_and_columns_part_the_ways() -> None:
    root = load_chip(str(CHIPS / "rows_and_columns.yaml")).root
    assert isinstance(root, Branch) and root.part.name == "dram" and root.roles == ROLES
    assert isinstance(root.inside, Fork)
    ways = [[(p.name, tuple(sorted(p.along)) if isinstance(p, FanOut) else ()) for p in follow(root.inside, r)] for r in ROLES]
    assert dict(zip(ROLES, ways, strict=True)) == {
        "weight": [("array", ("D1", "D2")), ("cells", ())],
        "input": [("sram", ()), ("array", ("D2",)), ("rf_1B", ()), ("array", ("D1",))],
        "output": [("sram", ()), ("array", ("D1",)), ("rf_2B", ()), ("array", ("D2",))],
    }
