"""Two programs price operators alike: the cost model, and the verifier that shares none of it; on random chips and operators."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

import pytest

from picojoule.cost.vector import How, Work, price
from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.verification.operators import priced_again
from picojoule.workload.primitives import MIXES

HOWS: tuple[How, ...] = ("step", "drain", "in place", "folded", "move", "view")


def random_chip(rng: random.Random) -> Chip:
    """Up to three memories outside a fan-out, ports of every kind, leakage, and a vector unit at one of them or nowhere."""

    def memory(name: str, outermost: bool) -> str:
        ports = {
            "none": "",
            "shared": f", bandwidth: {rng.choice([8, 24, 64])} b/cycle",
            "apart": f", bandwidth: {{read: {rng.choice([8, 32])} b/cycle, write: {rng.choice([16, 64])} b/cycle}}",
            "one": f", bandwidth: {{read: {rng.choice([8, 32])} b/cycle, shared: 1 b/cycle}}".replace(", shared: 1 b/cycle", ""),
        }[rng.choice(["none", "shared", "apart", "one"])]
        keeps = (
            ""
            if outermost
            else rng.choice(["", ", keeps: [input, output]", ", keeps: input, may_keep: output", ", may_keep: all"])
        )
        size = "" if outermost else f", size: {rng.choice([8, 64, 4096])} B"
        energy = f"read: {rng.choice([1, 2.5, 7])} pJ, write: {rng.choice([0, 3, 9.5])} pJ"
        leak = rng.choice(["", ", leakage: 3 mW"])
        return f"  - memory: {{name: {name}, word: {rng.choice([8, 12, 64])} b, {energy}{size}{ports}{keeps}{leak}}}\n"

    names = ["m0", "m1", "m2"][: rng.randint(1, 3)]
    levels = "".join(memory(n, n == "m0") for n in names)
    levels += "  - fanout: {name: array, axes: {X: 4}, transfer: 0 pJ}\n" if rng.random() < 0.5 else ""
    text = f"chip: random\nclock: {rng.choice([1, 2.5])} GHz\nstatic: {rng.choice([0, 4])} mW\n"
    text += f"levels:\n{levels}compute: {{mac: 1 pJ}}\n"
    if rng.random() < 0.85:
        kinds = [k for k in ("add", "multiply", "compare", "divide", "sqrt", "exp") if rng.random() < 0.9]
        energies = "".join(f", {k}: {rng.choice([0.5, 2, 7])} pJ" for k in kinds)
        lanes = rng.choice(["", f", lanes: {rng.choice([1, 3, 16])}"])
        more = rng.choice(["", ", holds: 16 B", ", scaling: width", ", slots: {exp: 3, divide: 0.5}", ", does: [add, multiply]"])
        text += f"vector: {{at: {rng.choice(names)}, operands: {rng.choice([8, 16])} b{lanes}{energies}{more}}}\n"
    return chip_from_yaml(text)


def random_work(rng: random.Random) -> Work:
    op = rng.choice([*MIXES, "AveragePool", "LRN", "Concat", "Frobnicate"])
    result = rng.randint(1, 200)
    return Work(
        op=op, ops=0 if op == "Concat" else 12 * result, operand=rng.randint(0, 300), parameters=rng.choice([0, 0, 17]),
        result=result, bits=rng.choice([4, 8, 16, 24]), passes=rng.randint(1, 3), row=rng.choice([1, 7, 64, 300]),
        known=op != "Frobnicate", why="" if op != "Frobnicate" else "odd",
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_two_programs_give_the_same_energy_cycles_and_unknowns(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        chip, work, how = random_chip(rng), random_work(rng), rng.choice(HOWS)
        one = price(work, chip, how)
        plain: dict[str, Any] = asdict(work)
        pj, cycles, unknown = priced_again(plain, how, chip)
        assert one.cost.energy_pj == pytest.approx(pj, rel=1e-12), (work, how)
        assert one.cost.cycles == pytest.approx(cycles, rel=1e-12), (work, how)
        assert bool(one.unpriced) == unknown
