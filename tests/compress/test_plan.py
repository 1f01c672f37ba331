"""A plan says what a network costs after it: bits by who reads what, densities, rank, channels; and it reads and writes JSON."""

from __future__ import annotations

import pytest

from picojoule.compress.plan import RESULT_BITS, SUM_BITS, LayerPlan, Plan, WithPlan
from picojoule.errors import SpecError
from picojoule.workload.layer import conv, gemm
from picojoule.workload.network import Network, step_of
from picojoule.workload.op import Op, counted


def op(name: str, kind: str) -> Op:
    return counted(name, kind, ops=1, read=1, written=1)


def residual() -> Network:
    """conv -> relu -> (a -> relu -> b) + shortcut -> relu -> mean -> fc, as the reader gives it."""
    small = {"P": 8, "Q": 8, "R": 3, "S": 3, "pad": 1}
    return Network("residual", (
        step_of(conv("conv", K=8, C=3, **small), ("x",), ("c",)),
        step_of(op("relu", "Relu"), ("c",), ("r",)),
        step_of(conv("a", K=8, C=8, **small), ("r",), ("a",)),
        step_of(op("relu_a", "Relu"), ("a",), ("ra",)),
        step_of(conv("b", K=8, C=8, **small), ("ra",), ("b",)),
        step_of(op("add", "Add"), ("b", "r"), ("s",)),
        step_of(op("relu_s", "Relu"), ("s",), ("rs",)),
        step_of(op("pool", "GlobalAveragePool"), ("rs",), ("p",)),
        step_of(op("flat", "Reshape"), ("p",), ()),
        step_of(gemm("fc", M=1, N=10, K=8), ("p",), ("y",)),
        step_of(op("fc.bias", "Bias"), ("y",), ()),
    ))  # fmt: skip


def bits(network: Network) -> dict[str, tuple[float, float, float]]:
    found = {}
    for step in network.layers:
        layer = step.layer
        by_role = {t.role: t.bits for t in layer.tensors}
        found[layer.name] = (by_role["weight"], by_role["input"], by_role["output"])
    return found


def test_an_output_is_as_wide_as_its_widest_reader_asks() -> None:
    plan = Plan.uniform(("a", "b", "fc"), weight_bits=3, input_bits=4).but("conv", weight_bits=8, input_bits=8)
    found = bits(WithPlan(plan)(residual()))
    assert found["a"] == (3, SUM_BITS, 4)  # the residual sum reads its input too, and b asks for 4 b
    assert found["conv"] == (8, 8, SUM_BITS)
    assert found["b"] == (3, 4, SUM_BITS)  # an operand of the sum
    assert found["fc"] == (3, 4, RESULT_BITS)


@pytest.mark.parametrize("width", [8, 16])
def test_a_uniform_plan_is_uniform_but_for_the_result(width: int) -> None:
    plan = Plan.uniform(("conv", "a", "b", "fc"), weight_bits=width, input_bits=width)
    found = bits(WithPlan(plan)(residual()))
    assert {n: b[:2] for n, b in found.items()} == dict.fromkeys(found, (width, width))
    assert [b[2] for b in found.values()] == [width, width, width, RESULT_BITS]


def test_a_density_reaches_the_weights_alone() -> None:
    network = WithPlan(Plan().but("a", density=0.25))(residual())
    layer = next(s.layer for s in network.layers if s.layer.name == "a")
    assert [(t.role, t.density) for t in layer.tensors] == [("input", 1.0), ("weight", 0.25), ("output", 1.0)]


def test_a_rank_makes_two_layers_of_the_macs_of_the_factors() -> None:
    network = WithPlan(Plan().but("a", rank=2, weight_bits=8, input_bits=8).but("fc", rank=4))(residual())
    macs = {s.layer.name: s.layer.macs for s in network.layers}
    assert macs["a.0"] == 2 * 8 * 9 * 64 and macs["a.1"] == 8 * 2 * 64
    assert macs["fc.0"] == 4 * 8 and macs["fc.1"] == 10 * 4
    assert bits(network)["a.0"] == (8, 16, 8) and bits(network)["a.1"] == (8, 8, 16)


def test_what_a_plan_says_survives_json_and_does_not_depend_on_the_order() -> None:
    plan = Plan().but("b", density=0.5).but("a", weight_bits=4).keeping("conv", 6)
    again = Plan().keeping("conv", 6).but("a", weight_bits=4).but("b", density=0.5)
    assert Plan.from_json(plan.to_json()) == plan == again and plan.key == again.key
    assert plan.key != plan.keeping("conv", 5).key
    assert Plan().but("a", weight_bits=16) == Plan()


@pytest.mark.parametrize("wrong", [("weight_bits", 1), ("input_bits", 17), ("density", 0.0), ("density", 1.5), ("rank", 0)])
def test_a_layer_that_cannot_be_is_refused(wrong: tuple[str, float]) -> None:
    with pytest.raises(SpecError, match="plan"):
        LayerPlan(**{wrong[0]: wrong[1]})  # type: ignore[arg-type]


def test_layers_that_the_network_has_not_are_named() -> None:
    with pytest.raises(SpecError, match="'bb'"):
        Plan().but("bb", weight_bits=4).checked(residual())
    with pytest.raises(SpecError, match="no two factors"):
        WithPlan(Plan().but("a", rank=8))(residual())
