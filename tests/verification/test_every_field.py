"""Every field of a stored result, edited in every way: found wrong, or said to be unchecked, and never a traceback."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from picojoule.cost.model import evaluate
from picojoule.errors import PicojouleError
from picojoule.hardware.chip import Axis, Chip, Compute, FanOut, Group, Memory, Port
from picojoule.hardware.chipfile.read import load_chip
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.mapping.mapping import parse
from picojoule.report.to_json import cost_json, layer_json, network_json
from picojoule.search.exact.goals import TOLERANCE
from picojoule.search.network import map_network
from picojoule.search.optimal import best_mapping, borders
from picojoule.verification import verify as verification
from picojoule.verification.verify import verify
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.load import load_model
from picojoule.workload.plain import layer_from_plain
from tests.verification.test_verify import small_chip

GONE = object()
Path = tuple[str | int, ...]


def one_layer(layer: Layer, chip: Chip, objective: str) -> dict[str, Any]:
    r = best_mapping(layer, chip, objective)
    return dict(json.loads(json.dumps({**layer_json(r), "chip_yaml": chip_to_yaml(r.chip)})))


def network(
    text: str, chip: Chip, objective: str, latency_s: float | None = None, time_limit: float | None = None
) -> dict[str, Any]:
    r = map_network(load_model(text), chip, objective, latency_s=latency_s, time_limit=time_limit, jobs=1, cache=False)
    return dict(json.loads(json.dumps(network_json(r))))


@cache
def stored(name: str) -> str:
    product, window = gemm("a", M=2, N=3, K=2), conv("b", K=2, C=1, P=3, Q=1, R=2, S=1)
    made = {
        "one layer, energy": lambda: one_layer(product, small_chip(), "energy"),
        "one layer, front": lambda: one_layer(window, small_chip(), "front"),
        "a network, edp": lambda: network("gemm:M=2,N=3,K=2", small_chip(), "edp"),
        "a network, front": lambda: network("gemm:M=2,N=3,K=2", small_chip(), "front"),
        "a network, latency": lambda: network("gemm:M=2,N=3,K=2", small_chip(), "latency"),
        "a network, energy within a latency": lambda: network("gemm:M=2,N=3,K=2", small_chip(), "energy", 1e-6),
        "a network stopped early": lambda: network("gemm:M=60,N=84,K=90", load_chip("simple3"), "edp", time_limit=0.01),
        "a placement": lambda: network("conv:K=2,C=2,P=2,Q=1,R=1,S=1", load_chip("isaac"), "edp"),
    }[name]()
    return json.dumps(made)


QUICK = ("one layer, energy", "a network, edp", "a network, latency", "a placement")
SLOW = ("one layer, front", "a network, front", "a network, energy within a latency", "a network stopped early")
NAMES = (*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW))


def fields(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a result, blocks and lists included; of a list's entries, which are alike, the first two."""
    if at:
        yield at
    for key, x in value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ():
        yield from fields(x, (*at, key))


def edits(value: Any) -> Iterator[Any]:
    """Other values for one: of other kinds, and of the same kind."""
    yield from (GONE, None, -1, "what?", [])
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value * 1.001 + 0.01, value + 1 + value // 1000, 1e999, 10**400)
    elif isinstance(value, str):
        yield value + " "
    elif isinstance(value, list) and value:
        yield from (value[1:], [*value, value[0]])


def edited(result: dict[str, Any], path: Path, to: Any) -> dict[str, Any]:
    result = copy.deepcopy(result)
    here: Any = result
    for step in path[:-1]:
        here = here[step]
    if to is GONE:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return result


def place(path: Path) -> str:
    return re.sub(r"\.\[", "[", ".".join("[]" if isinstance(s, int) else s for s in path))


def is_free(path: Path, free: dict[str, str]) -> bool:
    """Whether this place, or a block that it stands in, is said to be unchecked."""
    return any(place(path[:n]) in free for n in range(1, len(path) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_edit_is_found_or_its_field_is_said_to_be_unchecked(name: str) -> None:
    result = json.loads(stored(name))
    report = verify(result, seconds=60)
    assert report["ok"], [c for c in report["checks"] if not c["ok"]]
    missed, tried = [], 0
    for path in fields(result):
        here: Any = result
        for step in path:
            here = here[step]
        for to in edits(here):
            if type(to) is type(here) and to == here:
                continue
            tried += 1
            try:
                found = verify(edited(result, path, to), seconds=0.0)
            except PicojouleError:
                continue
            if found["ok"] and not is_free(path, found["unchecked"]):
                missed.append(f"{place(path)}: {here!r} -> {'gone' if to is GONE else repr(to)}")
            elif not found["ok"]:
                assert any(not c["ok"] and c["detail"] is not None for c in found["checks"])
    assert tried > 300
    assert not missed, "\n".join(missed)


def test_what_is_unchecked_is_asked_for_free_text_a_time_or_effort() -> None:
    """Nothing that a reader may rely on is among it."""
    free = verify(json.loads(stored("a network, edp")), seconds=60)["unchecked"]
    allowed = (
        r"picojoule|model|notes|chip_yaml|vector_ops|totals\.(search|compile)_cpu_s|totals\.batch|certificate\.operators\.inside"
    )
    own = r"names|layer|search_cpu_s|contributions\[\]\.source"
    effort = r"certificate\.(patterns|spatial_opened|spatial_closed|ports_in_labels)"
    assert all(re.fullmatch(rf"{allowed}|layers\[\]\.({own}|{effort})", p) for p in free), free


# ---- claims of networks ------------------------------------------------------------------------------------------------
def test_a_network_with_another_point_of_a_hull_is_rejected() -> None:
    """All sums made to fit, every layer's hull as it was: the picks are not those of the least product."""
    every = ("weight", "input", "output")
    dram = Memory("DRAM", None, 8, 6.0, 6.0, ports=(Port("io", "readwrite", 64.0),))
    buffer = Memory("Buffer", 400, 8, 0.1, 0.1, (), every, ports=(Port("io", "readwrite", 12.0),))
    levels = (Group((dram,)), Group((buffer,)), FanOut("array", (Axis("X", 4), Axis("Y", 2))))
    chip = Chip("small", levels, Compute("MAC", 0.1), 1e9)
    result = network("gemm:M=8,N=6,K=4,bits=8", chip, "edp")
    entry, front = result["layers"][0], result["layers"][0]["front"]
    assert len(front) > 1 and verify(result, seconds=60)["rechecked"]
    layer = layer_from_plain(entry["layer"])
    for point in front:
        if point["mapping"] == entry["mapping"]:
            continue
        cost = evaluate(layer, chip, parse(point["mapping"], layer, chip))
        other = copy.deepcopy(result)
        sums = {"energy_pj": cost.energy_pj, "cycles": cost.cycles}
        other["layers"][0] |= {**cost_json(cost), "mapping": point["mapping"]}
        other["layers"][0]["certificate"] |= {**sums, "mapping": point["mapping"]}
        value = cost.energy_pj * cost.cycles
        other["certificate"] |= {**sums, "value": value, "lower_bound": value}
        other["totals"] |= {**sums, "latency_s": cost.latency_s, "edp_js": cost.edp_js, "utilization": cost.utilization}
        other["totals"] |= {"energy_per_inference_pj": cost.energy_pj, "inferences_per_s": 1 / cost.latency_s}
        failed = {c["check"] for c in verify(other, seconds=60)["checks"] if not c["ok"]}
        assert "picks" in failed and failed <= {"picks", "certificate: slope_pj_per_cycle", "certificate: range of slopes"}


@pytest.mark.parametrize(("m", "x", "y"), [(35, 3, 4), (37, 2, 2), (41, 3, 5)])
def test_a_ragged_dimension_over_two_axes_is_accepted_in_any_order_of_its_loops(m: int, x: int, y: int) -> None:
    levels = (Group((Memory("DRAM", None, 8, 64.0, 64.0),)), FanOut("F", (Axis("X", x, ("M",)), Axis("Y", y, ("M",)))))
    result = one_layer(gemm(M=m, N=1, K=2, bits=8), Chip("c", levels, Compute("MAC", 1.0), 1e9), "latency")
    for text in (result["mapping"], re.sub(r"X:m(\d+), Y:m(\d+)", r"Y:m\2, X:m\1", result["mapping"])):
        other = json.loads(json.dumps(result).replace(result["mapping"], text))
        report = verify(other, seconds=20)
        assert report["ok"], [c for c in report["checks"] if not c["ok"]]


def test_what_the_certificate_says_in_words_is_what_the_search_says() -> None:
    for homes in ((), (("I", "Buffer"),)):
        assert borders(homes) == verification.borders(homes)
    assert TOLERANCE == verification.TOLERANCE
