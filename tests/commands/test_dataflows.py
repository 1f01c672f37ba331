"""`pj dataflows`, `pj row-stationary` and `pj map --dataflow`: tables, JSON, pages, and what is wrong in the input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.run import pj

LAYER = "conv:K=8,C=4,P=4,Q=4,R=3,S=3"


def test_dataflows_compare_at_equal_area_and_free_is_never_worse(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, err = pj("dataflows", LAYER, "--pes", 8, "--only", "ws,osc,nlr,rs,free", "--html", page, "--json")
    assert code == 0, err
    found = {d["name"]: d for d in json.loads(out)["dataflows"]}
    assert all(x["obeys"] for d in found.values() for x in d["layers"])
    assert all(found["free"]["energy_pj"] <= d["energy_pj"] * (1 + 1e-9) for d in found.values())
    for d in found.values():
        assert sum(d["energy_pj_by_level"].values()) == pytest.approx(d["energy_pj"])
        assert sum(d["energy_pj_by_type"].values()) == pytest.approx(d["energy_pj"])
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "<script" not in text and "http://" not in text.replace("http://www.w3.org", "")


def test_row_stationary_draws_the_array_on_the_terminal_and_on_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = (
        "row-stationary",
        "alexnet",
        "--on",
        "eyeriss",
        "--batch",
        4,
        "--layer",
        "conv1",
        "--parameters",
        "m=96,n=1,e=7,p=16,q=1,r=1,t=2",
        "--html",
        page,
    )
    code, out, _ = pj(*arguments)
    assert code == 0 and "154 of 168 PEs active" in out and "A10:6" in out and "B0:0" in out
    assert page.read_text(encoding="utf-8").count("<title>PE (") == 168
    code, out, _ = pj(*arguments, "--json")
    assert code == 0 and json.loads(out)["layers"][0]["active_pes"] == 154


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dataflows", LAYER, "--only", "ws,xs"), "unknown dataflow 'xs'"),
        (("dataflows", LAYER, "--pes", 0), "--pes: 0 is too small"),
        (("map", LAYER, "--on", "eyeriss", "--dataflow", "row"), "unknown dataflow 'row'"),
        (("map", LAYER, "--on", "tpu-v1", "--dataflow", "osa"), "its PEs have no memory that keeps outputs"),
        (("row-stationary", LAYER, "--on", "simba-like"), "no single two-dimensional PE array"),
        (("row-stationary", LAYER, "--on", "eyeriss", "--parameters", "m=8"), "n, e, p, q, r, t missing"),
        (("row-stationary", LAYER, "--on", "eyeriss", "--parameters", "m=8,n=1,e=4,p=99,q=1,r=1,t=1"), "filter scratchpad"),
        (("row-stationary", "alexnet", "--on", "eyeriss", "--layer", "conv9"), "unknown layer 'conv9'"),
    ],
)
def test_a_mistake_ends_with_code_2_and_one_message(arguments: tuple[object, ...], said: str) -> None:
    code, out, err = pj(*arguments)
    assert (code, out) == (2, "") and said in err and "Traceback" not in err
