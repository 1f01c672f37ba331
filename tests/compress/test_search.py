"""Searches over made-up prices and losses: the best ratio first, what brute force finds, no worse than the start."""

from __future__ import annotations

from itertools import product

import pytest

import picojoule as pj
from picojoule.compress.plan import Plan
from picojoule.compress.shrink.pricing import LayerPrice, Price, Pricer
from picojoule.compress.shrink.search import evolve, greedy, knapsack, losses_of
from picojoule.compress.shrink.space import Space, Unit, space_of
from picojoule.errors import SpecError
from tests.compress.test_plan import residual

NAMES = ("a", "b", "c", "d")
UNITS = tuple(Unit(kind="weights", name=n, layers=(n,), values=(8, 4, 2)) for n in NAMES)
SPACE = Space(units=UNITS, layers=NAMES)
COST = {"a": 10.0, "b": 4.0, "c": 1.0, "d": 3.0}


def price(plan: Plan) -> Price:
    """Energy linear in the bits of the weights: the knapsack's model holds exactly."""
    layers = tuple(
        LayerPrice(name=n, energy_pj=COST[n] * plan.of(n).weight_bits, cycles=1.0, proved=True, gap=0.0, macs=1, weight_bits=1.0)
        for n in NAMES
    )
    return Price(layers=layers, clock_hz=1.0, objective="energy")


LOSSES = ((0.0, 0.3, 0.5), (0.0, 0.01, 0.4), (0.0, 0.0, 0.02), (0.0, 0.2, 0.25))


def test_greedy_takes_the_step_that_saves_most_for_what_it_loses_and_says_what_came_second() -> None:
    way = greedy(SPACE, price, LOSSES)
    assert way[0].choice == (0, 0, 0, 0) and way[-1].choice == (2, 2, 2, 2)
    assert UNITS[way[1].unit or 0].name == "c"  # loses nothing
    assert way[2].unit is not None and UNITS[way[2].unit].name == "b"  # 16 pJ for 0.01
    values = [s.price.value for s in way]
    assert values == sorted(values, reverse=True)
    assert all(s.loss == pytest.approx(losses_of(s.choice, LOSSES)) for s in way)


def test_greedy_steps_over_a_level_that_saves_nothing() -> None:
    def stepped(plan: Plan) -> Price:
        p = price(plan)
        free = p.layers[0].energy_pj if plan.of("a").weight_bits != 4 else 80.0  # 4 b cost what 8 b do
        layer = LayerPrice(name="a", energy_pj=free, cycles=1, proved=True, gap=0, macs=1, weight_bits=1)
        return Price(layers=(layer, *p.layers[1:]), clock_hz=1.0, objective="energy")

    assert greedy(SPACE, stepped, LOSSES)[-1].choice == (2, 2, 2, 2)


@pytest.mark.parametrize("budget", [0.0, 0.02, 0.21, 0.31, 0.6, 2.0])
def test_the_knapsack_finds_what_brute_force_finds(budget: float) -> None:
    allowed = [c for c in product(range(3), repeat=4) if losses_of(c, LOSSES) <= budget + 1e-12]
    best = min(price(SPACE.plan(c)).value for c in allowed)
    found = knapsack(SPACE, price, LOSSES, budget + 1e-12)
    assert found.price.value == pytest.approx(best) and found.loss <= budget + 1e-9


def test_evolution_keeps_the_budget_is_seeded_and_no_worse_than_where_it_began() -> None:
    begun = greedy(SPACE, price, LOSSES, until=0.2)[-2]
    found = [evolve(SPACE, price, LOSSES, 0.31, seed=5, first=[begun.choice]) for _ in range(2)]
    assert found[0] == found[1] and found[0].loss <= 0.31 and found[0].price.value <= begun.price.value


# ---- the space of a network, and real prices ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer(residual(), pj.load_chip("fusion-like"), cache=False)


def test_layers_that_read_one_activation_share_its_width(pricer: Pricer) -> None:
    base = residual()
    space = space_of(base, None, None, ("quantise",))
    inputs = {u.name: u.layers for u in space.units if u.kind == "inputs"}
    assert inputs == {"conv": ("conv",), "a": ("a",), "b": ("b",), "fc": ("fc",)}
    assert space.plan(space.start) == Plan.uniform(("conv", "a", "b", "fc"), weight_bits=8, input_bits=8)


def test_a_chip_that_makes_no_use_of_zeros_is_offered_none(pricer: Pricer) -> None:
    assert not [u for u in space_of(residual(), None, pricer).units if u.kind == "zeros"]
    one = pj.load_model("conv:K=4,C=4,P=4,Q=4,R=3,S=3")
    scnn = Pricer(one, pj.load_chip("scnn-like"), cache=False)
    assert [u.name for u in space_of(one, None, scnn, ("zeros",)).units] == ["conv"]


def test_a_chip_that_computes_at_one_width_gains_nothing_by_fewer_bits() -> None:
    one = pj.load_model("conv:K=4,C=4,P=4,Q=4,R=3,S=3")
    eyeriss, fusion = (Pricer(one, pj.load_chip(name), cache=False) for name in ("eyeriss", "fusion-like"))
    values = [[p.price(Plan.uniform(["conv"], weight_bits=b, input_bits=b)).value for b in (16, 8, 3)] for p in (eyeriss, fusion)]
    assert values[0][0] == values[0][1] == values[0][2] and values[1][0] > values[1][1] > values[1][2]
    assert space_of(one, None, eyeriss).only(("quantise",)).units == () != space_of(one, None, fusion, ("quantise",)).units


def test_a_price_is_that_of_the_network_mapped_by_itself(pricer: Pricer) -> None:
    from picojoule.compress.plan import WithPlan

    plan = Plan.uniform(("conv", "a", "b", "fc"), weight_bits=4, input_bits=8).but("a", rank=2)
    priced = pricer.price(plan)
    mapped = pj.map_network(WithPlan(plan)(residual()), pricer.chip, "energy", jobs=1, cache=False)
    assert priced.proved and priced.energy_pj == pytest.approx(mapped.energy_pj)
    assert priced.latency_s == pytest.approx(mapped.latency_s)


def test_a_second_price_searches_nothing(pricer: Pricer) -> None:
    plan = Plan.uniform(("conv", "a", "b", "fc"), weight_bits=4, input_bits=4)
    first, searched = pricer.price(plan), pricer.searched
    assert pricer.price(plan) == first and pricer.searched == searched


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(SpecError, match="technique"):
        SPACE.only(("magic",))
    with pytest.raises(SpecError, match="objective"):
        Pricer(residual(), pj.load_chip("fusion-like"), objective="area")
