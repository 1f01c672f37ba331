"""DaDianNao against DianNao: the conclusion rests on the price of eDRAM, and falls with it."""

from __future__ import annotations

import pytest

import picojoule
from picojoule.hardware.chipfile.read import PRESETS, chip_from_yaml
from picojoule.reproduction.experiments import dadiannao


def test_edram_as_dear_as_dram_makes_the_experiment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PRESETS / "dadiannao.yaml").read_text(encoding="utf-8")
    dear = chip_from_yaml(text.replace("read: 19.2 pJ, write: 19.2 pJ", "read: 6144 pJ, write: 6144 pJ"), "dear.yaml")
    real = picojoule.load_chip
    name = "AlexNet FC7, batch 1"
    monkeypatch.setattr(dadiannao, "LAYERS", {name: "gemm:M=1,N=512,K=512"})
    pairs = {name: dadiannao.Pair(*(dadiannao._best("gemm:M=1,N=512,K=512", c) for c in (real("diannao"), real("dadiannao"))))}
    assert all(c.holds for c in dadiannao._checks(real("diannao"), real("dadiannao"), pairs) if "faster" not in c.what)
    wrong = {name: dadiannao.Pair(pairs[name].small, dadiannao._best("gemm:M=1,N=512,K=512", dear))}
    assert not all(c.holds for c in dadiannao._checks(real("diannao"), dear, wrong))


def test_power_without_dram_is_less_than_power() -> None:
    cost = dadiannao._best("gemm:M=16,N=64,K=256", picojoule.load_chip("diannao"))
    assert 0 < dadiannao.on_chip_w(cost) < cost.energy_pj * 1e-12 / cost.latency_s
