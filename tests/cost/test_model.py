"""Prices, cycles, leakage and area of small chips by hand, and laws that every cost keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picojoule.cost.explain import explain
from picojoule.cost.model import evaluate, port_cycles
from picojoule.cost.traffic import count
from picojoule.errors import SpecError
from picojoule.hardware.chip import Chip, Compute, FanOut, Group, Memory, Port
from picojoule.mapping.mapping import parse
from picojoule.workload.layer import gemm
from tests.cost.small_chips import chip, fan
from tests.oracle.random_cases import cases

LAYER = gemm(M=4, N=6, K=8, bits=8)
TEXT = "DRAM{A,B,Z}; m2; buf{A,Z}; k2; X:n6; RF{Z}; m2 k4"


def changed(on: Chip, name: str, **about: object) -> Chip:
    """The chip with other values at one memory or fan-out."""
    levels = []
    for level in on.levels:
        if isinstance(level, FanOut):
            levels.append(replace(level, **about) if level.name == name else level)  # type: ignore[arg-type]
        else:
            levels.append(Group(tuple(replace(m, **about) if m.name == name else m for m in level.memories)))  # type: ignore[arg-type]
    return replace(on, levels=tuple(levels))


def words_pj(on: Chip, component: str, tensor: str, action: str) -> tuple[float, float]:
    """(words, pJ each) of one contribution."""
    found = [
        c
        for c in evaluate(LAYER, on, parse(TEXT, LAYER, on)).contributions
        if (c.component, c.tensor, c.action) == (component, tensor, action)
    ]
    return found[0].count, found[0].pj_each


def test_several_words_share_an_access_and_wide_words_take_several() -> None:
    on = chip("buf", fan(), "RF", buf=6.0)
    assert words_pj(on, "buf", "A", "write") == (32, 3.0)  # two 8-bit words in one of 16 bits
    assert words_pj(changed(on, "buf", word_bits=4), "buf", "A", "write") == (32, 12.0)
    assert words_pj(changed(on, "buf", word_bits=12), "buf", "A", "write") == (32, 6.0)


def test_a_transfer_costs_its_bits() -> None:
    on = chip("buf", fan(transfer_pj=4.0, transfer_bits=16, source="wires"), "RF")
    words, pj = words_pj(on, "F", "A", "transfer")
    assert (words, pj) == (4 * 6 * 8, 2.0)  # A reaches every MAC: one word on the inner side for each


@pytest.mark.parametrize(("scaling", "bits", "pj"), [("none", 8, 1.0), ("quadratic", 8, 0.25), ("quadratic", 4, 0.0625)])
def test_narrow_operands_cost_less_where_the_macs_say_so(scaling: str, bits: int, pj: float) -> None:
    on = replace(chip("buf", fan(), "RF"), compute=Compute("MAC", 1.0, bits=16, scaling=scaling))
    layer = LAYER.bits_of(weight=bits, input=bits)
    macs = next(c for c in evaluate(layer, on, parse(TEXT, layer, on)).contributions if c.action == "mac")
    assert (macs.count, macs.pj_each) == (LAYER.macs, pj)


def test_leakage_is_paid_by_every_instance_used_or_not() -> None:
    on = changed(chip("buf", fan(axes="X"), "RF"), "RF", leakage_mw=2.0)
    cost = evaluate(LAYER, on, parse(TEXT, LAYER, on))
    leak = [c for c in cost.contributions if c.action == "leak"]
    assert cost.cycles == 32
    assert [(c.component, c.count) for c in leak] == [("RF", 64 * 32)]
    assert leak[0].energy_pj == pytest.approx(64 * 2.0e-3 * 32e-9 * 1e12)  # watts x seconds, in pJ


def test_cycles_are_those_of_the_slowest_port_of_the_instances_in_use() -> None:
    on = changed(chip("buf", fan(), "RF"), "RF", ports=(Port("io", "readwrite", 2.0),))
    cost = evaluate(LAYER, on, parse(TEXT, LAYER, on))
    t = count(LAYER, on, parse(TEXT, LAYER, on))
    moved = t.reads()["RF", "Z"] + t.writes()["RF", "Z"]
    assert dict(cost.cycles_by_cause) == {"compute": 32, "RF.io": moved * 8 / (2.0 * 6)}
    assert (cost.bound_by, cost.cycles) == ("RF.io", moved * 8 / 12)


def test_ports_of_one_kind_share_and_a_shared_port_serves_the_rest() -> None:
    def cycles(*ports: Port) -> dict[str, float]:
        return dict(port_cycles(Memory("m", None, 16, 1.0, 1.0, ports=ports), 600, 400, used=2))

    assert cycles() == {}
    assert cycles(Port("r", "read", 10)) == {"m.r": 30}  # writes are free
    assert cycles(Port("io", "readwrite", 10)) == {"m.io": 50}
    assert cycles(Port("r", "read", 10), Port("w", "write", 20)) == {"m.r": 30, "m.w": 10}
    assert cycles(Port("a", "read", 10), Port("b", "read", 20), Port("io", "readwrite", 10)) == {"m.a+b": 10, "m.io": 20}


def test_area_is_known_only_if_every_part_is() -> None:
    on = changed(changed(chip("buf", fan(axes="X"), "RF"), "buf", area_um2=1000.0), "RF", area_um2=10.0)
    mapping = parse(TEXT, LAYER, on)
    assert evaluate(LAYER, on, mapping).area_um2 is None
    known = changed(replace(on, compute=replace(on.compute, area_um2=1.0)), "DRAM", area_um2=0.0)
    assert evaluate(LAYER, known, mapping).area_um2 == 1000 + 64 * 10 + 64


def test_an_unknown_energy_is_refused() -> None:
    on = changed(chip("buf", fan(), "RF"), "buf", read_pj=None)
    with pytest.raises(SpecError, match="memory 'buf' of chip 'small': the read energy is unknown"):
        evaluate(LAYER, on, parse(TEXT, LAYER, on))


def test_every_price_says_where_it_is_from() -> None:
    on = chip("buf", fan(), "RF")
    sources = {c.component: c.source for c in evaluate(LAYER, on, parse(TEXT, LAYER, on)).contributions}
    assert sources["buf"] == "price of buf"


def priced(on: Chip) -> Chip:
    """A random chip with a different price for everything."""
    levels = []
    for i, level in enumerate(on.levels):
        if isinstance(level, FanOut):
            levels.append(replace(level, transfer_pj=0.3 + i))
        else:
            levels.append(Group(tuple(replace(m, read_pj=1.0 + i, write_pj=2.5 + i, leakage_mw=0.1) for m in level.memories)))
    return replace(on, levels=tuple(levels))


@pytest.mark.parametrize("seed", range(4))
def test_laws_of_every_cost(seed: int) -> None:
    for layer, on, mapping in cases(60, seed=100 + seed):
        on = priced(on)
        cost, t = evaluate(layer, on, mapping), count(layer, on, mapping)
        rows = explain(layer, on, mapping)
        assert all(c.count >= 0 and c.energy_pj >= 0 for c in cost.contributions)
        assert all(f.inner_words >= 0 and f.outer_words >= 0 for f in t.flows)
        assert sum(r["energy_pj"] for r in rows) == pytest.approx(cost.energy_pj, rel=1e-12)
        assert sum(cost.by("component").values()) == pytest.approx(cost.energy_pj, rel=1e-12)
        assert cost.cycles >= layer.macs / max(1, on.pes)
        for tensor in layer.tensors:
            moved = t.writes() if tensor.role == "output" else t.reads()
            assert moved["DRAM", tensor.name] >= layer.elements(tensor), "less than the compulsory traffic"
        for f in t.flows:
            if f.kind in ("fill", "operand", "drain", "update"):
                assert f.outer_words <= f.inner_words
                chain = [f.outer_words, *(n for _, n in f.crossings), f.inner_words]
                assert chain == sorted(chain), "merging never adds words"


@pytest.mark.parametrize("seed", range(3))
def test_explained_rows_add_up_to_each_contribution(seed: int) -> None:
    for layer, on, mapping in cases(40, seed=200 + seed):
        on = priced(on)
        total: dict[tuple[str, str, str], float] = {}
        for r in explain(layer, on, mapping):
            assert r["formula"] and r["source"]
            key = r["component"], r["tensor"], r["action"]
            total[key] = total.get(key, 0) + r["energy_pj"]
        for c in evaluate(layer, on, mapping).contributions:
            assert total.get((c.component, c.tensor, c.action), 0) == pytest.approx(c.energy_pj, rel=1e-12)


def test_explain_shows_visits_stays_and_the_sharing_of_a_fanout() -> None:
    on = chip("buf", fan(), "RF")
    layer = gemm(M=4, N=6, K=8)
    rows = explain(layer, on, parse("DRAM{A,B,Z}; m2; buf{A,Z}; k2; X:n6; RF{A,Z}; m2 k4", layer, on))
    texts = {(r["component"], r["tensor"], r["action"], r["count"]): r["formula"] for r in rows}
    assert texts["buf", "A", "read", 32] == "192 words written at RF x 1/6 (F) = 32"
    assert texts["RF", "A", "write", 192] == "n 24 x f 8 / x 1 = 192"
    assert texts["RF", "Z", "read", 24] == "each visit ends with a drain: n 24 x f 2 / x 2 = 24"
    assert texts["MAC", "", "mac", 192] == "one for each point of the loops: M 4 x N 6 x K 8"
