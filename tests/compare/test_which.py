"""`which` gives what brute force over all chips gives, says what is missing, and refuses limits that contradict each other."""

from __future__ import annotations

import json
from functools import cache

import pytest

import picojoule
from picojoule.compare.limits import Limits, Span, contradictions, limits
from picojoule.compare.which import everything, which
from picojoule.errors import NoMapping, SpecError
from picojoule.machines.answer import Ask
from picojoule.machines.providers.chips import NOT_REAL
from tests.commands.run import pj

GEMM = "gemm:M=16,N=64,K=64"
CHIPS = ("eyeriss", "nvdla-small-like", "tpu-v1")
ALL = (*CHIPS, "edge-npu", "nvdla-like", "simba-like", "tpu-v4i-like")
SETS = {
    "nothing misses it": {"latency_s": "1s"},
    "power and latency": {"power_w": "300mW", "latency_s": "20us"},
    "a tight energy": {"energy_j": "0.5uJ"},
    "throughput and area": {"inferences_per_s": "100000/s", "area_mm2": "2mm2"},
    "a range of power and little traffic": {"power_w": "100mW..5W", "offchip_bytes": "7kB"},
}


@cache
def brute_force(chip_name: str) -> list[dict[str, float | None]]:
    """Figures of the mappings for all three objectives, straight from the mapper."""
    chip, out = picojoule.load_chip(chip_name), []
    network = picojoule.load_model(GEMM, bits=chip.compute.bits)
    for objective in ("edp", "energy", "latency"):
        try:
            r = picojoule.map_network(network, chip, objective, space="perfect", jobs=1)
        except NoMapping:
            return []
        dram = [
            (x.count * c.count, next(t.bits for t in x.result.layer.tensors if t.name == c.tensor))
            for x in r.layers
            for c in x.result.cost.contributions
            if c.component == chip.dram.name and c.tensor
        ]
        area = r.layers[0].result.cost.area_um2
        published = {"eyeriss": 12.25, "tpu-v1": 331.0}.get(chip_name)
        out.append({
            "power_w": r.energy_pj * 1e-12 / r.latency_s, "latency_s": r.latency_s, "energy_j": r.energy_pj * 1e-12,
            "inferences_per_s": 1 / r.latency_s, "area_mm2": area / 1e6 if area is not None else published,
            "offchip_bytes": sum(n * bits for n, bits in dram) / 8,
        })  # fmt: skip
    return out


@pytest.mark.parametrize("chips", [CHIPS, pytest.param(ALL, marks=pytest.mark.slow)], ids=["three", "all"])
@pytest.mark.parametrize("name", SETS)
def test_the_answer_equals_brute_force_over_all_chips(name: str, chips: tuple[str, ...]) -> None:
    asked = limits(SETS[name])
    expected = {
        chip for chip in chips
        if any(all(v is not None and s.low <= v <= s.high for k, s in asked.given().items() for v in [figures[k]])
               for figures in brute_force(chip))
    }  # fmt: skip
    found = which(GEMM, asked, on=chips, ask=Ask(jobs=1))
    assert set(found.qualifies) == expected
    for c in found.candidates:
        assert (c.verdict == "qualifies") == (not c.misses)
        for m in c.misses:
            span = getattr(asked, m.figure)
            assert m.value is None or not span.low <= m.value <= span.high


def test_the_sets_do_not_all_have_the_same_answer() -> None:
    answers = {which(GEMM, limits(s), on=CHIPS, ask=Ask(jobs=1)).qualifies for s in SETS.values()}
    assert len(answers) >= 3


def test_a_bound_rules_out_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_search(*_: object, **__: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("picojoule.machines.providers.chips.map_network", no_search)
    (c,) = which(GEMM, limits({"latency_s": "1ns"}), on=["eyeriss"]).candidates
    assert c.verdict == "fails" and "no mapping can do better" in c.reason
    assert c.misses[0].value is not None and c.misses[0].value <= min(f["latency_s"] or 0 for f in brute_force("eyeriss"))


def test_a_roofline_rules_out_and_never_in() -> None:
    found = which(GEMM, limits({"latency_s": "1us", "power_w": "100W"}), on=["h100_sxm", "orin_agx_64"])
    assert {c.machine: c.verdict for c in found.candidates} == {"h100_sxm": "fails", "orin_agx_64": "not ruled out"}
    assert found.qualifies == ()
    unknown = which(GEMM, limits({"area_mm2": "500mm2"}), on=["tpu_v5e", "orin_agx_64"])
    assert {c.machine: c.verdict for c in unknown.candidates} == {"orin_agx_64": "not ruled out", "tpu_v5e": "unknown"}


def test_presets_without_real_energies_are_left_out_unless_named() -> None:
    assert not set(NOT_REAL) & set(everything()) and "eyeriss" in everything() and "h100_sxm" in everything()


def test_limits_are_read_from_text() -> None:
    texts = {"power_w": "1W", "latency_s": "10ms..33ms", "energy_j": "..2mJ", "inferences_per_s": "30/s", "area_mm2": None}
    asked = limits(texts)
    assert asked.power_w == Span(high=1.0) and asked.latency_s == Span(low=0.01, high=0.033)
    assert asked.energy_j.high == pytest.approx(2e-3) and asked.inferences_per_s == Span(low=30.0)
    assert set(asked.given()) == {"power_w", "latency_s", "energy_j", "inferences_per_s"}


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({}, "no limit is given"),
        ({"power_w": "2W..1W"}, "2 to 1 W is empty"),
        ({"power_w": "0W"}, "0 to 0 W is empty"),
        ({"inferences_per_s": "100/s", "latency_s": "50ms..60ms"}, "contradict each other: a batch of 1"),
        ({"energy_j": "10mJ..20mJ", "power_w": "1W", "latency_s": "5ms"}, "that power over that latency"),
        ({"energy_j": "1mJ", "power_w": "1W..2W", "latency_s": "5ms..9ms"}, "that power over that latency"),
        ({"power_w": "1 mJ"}, "is an energy, and a power is needed"),
        ({"latency_s": "33"}, "'33' has no unit"),
        ({"inferences_per_s": "fast"}, "'fast' is no throughput"),
    ],
)
def test_contradictions_and_bad_limits_are_one_error(texts: dict[str, str], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        contradictions(limits(texts), batch=1)


def test_limits_that_agree_do_not_contradict() -> None:
    contradictions(limits({"inferences_per_s": "30/s", "latency_s": "33ms", "power_w": "1W", "energy_j": "33mJ"}), batch=1)
    contradictions(limits({"inferences_per_s": "100/s", "latency_s": "50ms..60ms"}), batch=8)


def test_the_command_says_what_is_missing() -> None:
    asked, machines = ("--latency", "1us", "--power", "100W", "--bits", 8), "h100_sxm,orin_agx_64,p100_sxm2"
    code, out, err = pj("which", GEMM, *asked, "--on", machines)
    assert code == 1, err
    assert "qualify: none" in out and "power 700 W, 7 times too high" in out
    assert "not ruled out by their rooflines, which are bounds: orin_agx_64" in out and "no peak at 8 b is published" in out
    code, out, _ = pj("which", GEMM, "--latency", "1s", "--on", "eyeriss", "--jobs", 1, "--json")
    assert code == 0 and json.loads(out)["qualifies"] == ["eyeriss"]
    code, out, err = pj("which", GEMM, "--power", "1W..2W", "--latency", "1ms..1s", "--energy", "1uJ")
    assert (code, out) == (2, "") and err.count("error: ") == 1 and "contradict each other" in err
    assert isinstance(Limits().given(), dict)
