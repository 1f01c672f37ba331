"""Every operator is in the totals: contributions add up, objectives hold them, and a small net comes out as on paper."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from picojoule.cost.operators import network_operators
from picojoule.errors import NoMapping, SpecError
from picojoule.hardware.chipfile.read import chip_from_yaml, chips, load_chip
from picojoule.report.to_json import network_json
from picojoule.search.hull import least_edp
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping
from picojoule.search.result import NetworkResult
from picojoule.verification.verify import verify
from picojoule.workload.building.blocks import attention
from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.building.products import LINEAR
from picojoule.workload.building.shapes import Product
from picojoule.workload.network import Network

PAPER = chip_from_yaml("""\
chip: paper
clock: 1 GHz
static: 1 mW
levels:
  - memory: {name: DRAM, word: 8 b, read: 10 pJ, write: 20 pJ, bandwidth: {read: 8 b/cycle, write: 8 b/cycle}}
compute: {mac: 1 pJ, operands: 8 b}
vector: {lanes: 2, operands: 8 b, add: 1 pJ, multiply: 2 pJ, compare: 0.5 pJ, divide: 6 pJ, exp: 7 pJ, drain: activation}
""")


def on_paper() -> Network:
    """y = relu(x W): x of 1 x 2, W of 2 x 4; p = softmax(y); z = p + b, at 8 bits."""
    b = Builder("paper")
    x = b.input("x", (1, 2), 8)
    y = b.value("y", (1, 4), 8)
    b.product(Product(1, 1, 4, 2), LINEAR, x, b.weight("w", (2, 4), 8), y, name="fc", op="Gemm")
    p = b.normalise("Softmax", b.elementwise("Relu", y, name="relu"), name="softmax")
    return b.network(b.elementwise("Add", p, name="shift", parameters=4))


def test_a_small_net_comes_out_as_on_paper() -> None:
    """fc:      nothing is kept on chip: 8 of x, 8 of W and 4 partial sums read, 8 sums written, 8 MACs; 20 reads: 20 cycles.
    relu:    as results leave: 4 comparisons; 4 / 2 lanes: 2 cycles.
    softmax: 4 read three times, 4 written; 4 x (compare + 2 add + exp + divide); lanes 20 / 2, reads 12, writes 4: 12 cycles.
    shift:   4 + 4 read, 4 written; 4 additions; lanes 2, reads 8, writes 4: 8 cycles.
    Static power: 1 mW for 1 ns is 1 pJ a cycle.
    """
    result = map_network(on_paper(), PAPER, "energy", jobs=1, cache=False)
    fc = 20 * 10 + 8 * 20 + 8 * 1 + 20 * 1.0
    relu = 4 * 0.5 + 2 * 1.0
    softmax = 12 * 10 + 4 * 20 + 4 * (0.5 + 2 * 1 + 7 + 6) + 12 * 1.0
    shift = 8 * 10 + 4 * 20 + 4 * 1 + 8 * 1.0
    assert [(x.names, x.energy_pj, x.cycles) for x in result.operators] == [
        (("relu",), relu, 2),
        (("softmax",), softmax, 12),
        (("shift",), shift, 8),
    ]
    assert (result.layers_pj, result.layers_cycles) == (fc, 20)
    assert (fc, relu, softmax, shift) == (388, 4, 274, 172)
    assert result.energy_pj == 388 + 4 + 274 + 172 == 838
    assert result.cycles == 20 + 2 + 12 + 8 == 42 and result.latency_s == 42e-9
    assert not result.at_least and result.proved


def random_net(seed: int) -> Network:
    """A few layers and operators of every sort, by chance."""
    rng = random.Random(seed)
    b = Builder(f"net{seed}")
    x = b.input("x", (1, rng.choice([2, 4]), rng.choice([4, 6]), 4), 8)
    for i in range(rng.randint(1, 3)):
        y = b.conv(x, x.shape[1], rng.choice([1, 3]), pad=1, name=f"conv{i}", bias=rng.random() < 0.5)
        y = b.batch_norm(y, name=f"norm{i}") if rng.random() < 0.5 else y
        y = b.elementwise("Add", y, x, name=f"add{i}") if y.shape == x.shape and rng.random() < 0.7 else y
        y = b.elementwise(rng.choice(["Relu", "Gelu", "Sigmoid"]), y, name=f"act{i}")
        x = b.pool(rng.choice(["MaxPool", "AveragePool"]), y, 2, stride=2, name=f"pool{i}") if min(y.shape[2:]) > 3 else y
    flat = b.view(x, (1, x.elements), name="flat")
    y = b.normalise(rng.choice(["LayerNormalization", "RMSNormalization"]), b.linear(flat, 6, name="fc"), name="rows")
    return b.network(_heads(b, y) if seed % 2 else b.normalise("Softmax", y, name="out"))


def _heads(b: Builder, x: Value) -> Value:
    heads = b.view(x, (1, 2, 3, 1), name="heads")
    out = b.value("out", heads.shape)
    attention(b, heads, heads, heads, out, "attention")
    return out


def adds_up(result: NetworkResult) -> None:
    """Totals are the sums of layers and operators, and these of their contributions."""
    costs = [(x.count, x.result.cost) for x in result.layers] + [(x.count, x.priced.cost) for x in result.operators]
    rows = [n * c.energy_pj for n, cost in costs for c in cost.contributions]
    assert sum(rows) == pytest.approx(result.energy_pj, rel=1e-12)
    assert sum(n * cost.cycles for n, cost in costs) == pytest.approx(result.cycles, rel=1e-12)
    assert sum(x.count for x in result.operators) == sum(s.count for s in result.network.vector_ops)
    assert all(c.energy_pj >= 0 and c.count > 0 for x in result.operators for c in x.priced.cost.contributions)
    assert result.at_least == any(x.priced.unpriced for x in result.operators)
    names = [n for x in result.operators for n in x.names]
    assert sorted(names) == sorted(s.layer.name for s in result.network.vector_ops)


@pytest.mark.parametrize("name", chips())
def test_totals_are_layers_and_operators_on_every_preset(name: str) -> None:
    network, chip = on_paper(), load_chip(name)
    try:
        result = map_network(network, chip, "energy", jobs=1, space="prototype", time_limit=2)
    except (NoMapping, SpecError):
        pytest.skip("8 b operands or two columns do not fit")
    adds_up(result)
    assert result.at_least == (chip.vector is None or not set(chip.vector.does) >= {"exp", "divide"})


@pytest.mark.parametrize("seed", range(6))
def test_totals_are_layers_and_operators_of_random_nets(seed: int) -> None:
    network = random_net(seed)
    for name in ("edge-npu", "eyeriss"):
        chip = load_chip(name)
        result = map_network(network, chip, "energy", jobs=1, space="prototype")
        adds_up(result)
        alone = map_network(network, chip, "energy", jobs=1, space="prototype", operators="macs")
        assert alone.energy_pj == result.layers_pj and alone.cycles == result.layers_cycles and not alone.operators
        assert verify(json.loads(json.dumps(network_json(result))), 0.1)["ok"]


def trading() -> tuple[Network, Any]:
    """A net whose layers trade energy against time on eyeriss, with operators that weigh as much as the layers."""
    b = Builder("trade")
    x = b.input("x", (1, 8, 14, 14))
    y = b.pool("MaxPool", b.conv(x, 16, 3, pad=1, name="a", bias=False), 2, stride=2, name="pool")
    y = b.elementwise("Sigmoid", b.conv(y, 16, 1, name="b", bias=False), name="act")
    return b.network(y), load_chip("eyeriss")


def test_the_least_product_of_energy_and_latency_holds_the_operators() -> None:
    network, chip = trading()
    result = map_network(network, chip, "edp", jobs=1, cache=False)
    fronts = [best_mapping(x.result.layer, chip, "front").front for x in result.layers]
    others = network_operators(network, chip)
    e0, l0 = sum(x.energy_pj for x in others), sum(x.cycles for x in others)
    assert e0 > 0 and l0 > 0
    every = [(e0 + sum(p.energy_pj for p in picks)) * (l0 + sum(p.cycles for p in picks)) for picks in itertools.product(*fronts)]
    assert result.proved and result.energy_pj * result.cycles == pytest.approx(min(every), rel=1e-9)
    assert result.certificate["operators"] == {"energy_pj": e0, "cycles": l0, "inside": "totals and objective"}
    assert result.certificate["energy_pj"] == pytest.approx(result.energy_pj)
    stopped = map_network(network, chip, "edp", jobs=1, cache=False, time_limit=0.02)
    bound, value = stopped.certificate["lower_bound"], stopped.energy_pj * stopped.cycles
    assert bound <= min(every) * (1 + 1e-9) and bound <= value == pytest.approx(stopped.certificate["value"])


@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "front"])
def test_a_network_with_operators_is_verified(objective: str) -> None:
    network, chip = trading()
    result = map_network(network, chip, objective, jobs=1)
    report = verify(json.loads(json.dumps(network_json(result))), 0.1)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]


def test_what_operators_take_may_decide_which_mappings_win() -> None:
    layer = [[(10.0, 1.0), (4.0, 2.0)]]  # (pJ, cycles)
    alone, slow, dear = (least_edp([*layer, [fixed]], [1, 1]).picks[0] for fixed in ((0.0, 0.0), (0.0, 100.0), (100.0, 0.0)))
    assert (alone, slow, dear) == (1, 1, 0)


def test_a_latency_limit_holds_for_layers_and_operators_together() -> None:
    network, chip = trading()
    fast = map_network(network, chip, "latency", jobs=1)
    free = map_network(network, chip, "energy", jobs=1)
    limit = (fast.latency_s + free.latency_s) / 2
    within = map_network(network, chip, "energy", latency_s=limit, jobs=1)
    assert within.latency_s <= limit and within.operators_cycles > 0
    with pytest.raises(NoMapping, match="no mapping within"):
        map_network(network, chip, "energy", latency_s=fast.layers_cycles / chip.clock_hz, jobs=1)


def test_points_of_a_front_hold_the_operators() -> None:
    network, chip = trading()
    result = map_network(network, chip, "front", jobs=1)
    best = min(p["energy_pj"] * p["cycles"] for p in result.certificate["front"])
    assert result.energy_pj * result.cycles == pytest.approx(best)
    assert min(p["cycles"] for p in result.certificate["front"]) > result.operators_cycles


def test_what_is_counted_has_two_names() -> None:
    with pytest.raises(SpecError, match="unknown choice of operators 'mac'"):
        map_network(on_paper(), PAPER, operators="mac")


def stored() -> dict[str, Any]:
    return dict(json.loads(json.dumps(network_json(map_network(on_paper(), PAPER, "energy", jobs=1)))))


def _first(result: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(result, "vector_ops")[1]  # type: ignore[no-any-return]


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "energy": lambda r: _first(r).update(energy_pj=1.0),
    "cycles": lambda r: _first(r).update(cycles=1.0),
    "count": lambda r: _first(r).update(count=2),
    "no count": lambda r: _first(r).update(count=0),
    "count of text": lambda r: _first(r).update(count="2"),
    "how": lambda r: _first(r).update(how="folded"),
    "view": lambda r: _first(r).update(how="view"),
    "strange way": lambda r: _first(r).update(how=None),
    "work": lambda r: _first(r).update(work=None),
    "passes": lambda r: _first(r)["work"].update(passes=1),
    "operand": lambda r: _first(r)["work"].update(operand=-4),
    "bits": lambda r: _first(r)["work"].update(bits="8"),
    "unknown": lambda r: _first(r)["work"].update(known=False),
    "at least": lambda r: _first(r).update(at_least=["something"]),
    "contributions": lambda r: _first(r)["contributions"].pop(),
    "levels": lambda r: _first(r).update(energy_pj_by_level={}),
    "names": lambda r: _first(r).update(names=[]),
    "kind": lambda r: _first(r).update(op="Relu"),
    "row of text": lambda r: r["vector_ops"].__setitem__(1, "softmax"),
    "left out": lambda r: r["vector_ops"].pop(),
    "none": lambda r: r.update(vector_ops=None),
    "not counted": lambda r: r["totals"].update(operators="macs"),
    "counted else": lambda r: r["totals"].update(operators=3),
    "sum": lambda r: r["totals"].update(operators_energy_pj=1.0),
    "least": lambda r: r["totals"].update(at_least=True),
    "certificate": lambda r: r["certificate"]["operators"].update(cycles=1.0),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_operator_is_found(name: str) -> None:
    result = stored()
    EDITS[name](result)
    report = verify(result, 0.1)
    assert not report["ok"] and [c for c in report["checks"] if not c["ok"]]


def test_the_unchanged_operators_pass() -> None:
    assert verify(stored(), 0.1)["ok"]
