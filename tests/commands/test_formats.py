"""`pj formats` and number formats as options."""

from __future__ import annotations

import json

import pytest

from tests.commands.run import pj


def test_the_list_has_storage_and_mac_of_each_format() -> None:
    code, out, _ = pj("formats", "--json")
    rows = {f["name"]: f for f in json.loads(out)["formats"]}
    assert code == 0
    assert (rows["mxfp4"]["bits"], rows["nvfp4"]["bits"]) == (4.25, 4.5)
    assert rows["int8"]["mac_pj"] < rows["fp16"]["mac_pj"] < rows["fp32"]["mac_pj"]
    assert all(f["mac_source"] for f in rows.values())
    assert "4.25" in pj("formats")[1]


def test_one_format_shows_its_code_points_and_the_proof_of_its_accumulator() -> None:
    code, out, _ = pj("formats", "fp4_e2m1", "--json")
    value = json.loads(out)
    assert code == 0
    assert [p[2] for p in value["code_points"][:8]] == ["0", "1/2", "1", "3/2", "2", "3", "4", "6"]
    assert value["accumulator"]["terms"] == 1024
    assert "1024 products lie between" in pj("formats", "fp4_e2m1")[1]
    for name in ("codebook16", "fp16", "fp8_e5m2", "int5"):
        assert pj("formats", name)[0] == 0


def test_formats_go_into_bits() -> None:
    gemm = "gemm:M=64,N=64,K=64"
    written = "DRAM{A,B,Z}; m4 n4; GlobalBuffer{A,B,Z}; X:m16; k64 n16"
    energies = {}
    for bits in ("16", "fp16", "weight=mxfp4,input=fp8_e4m3"):
        code, out, err = pj("evaluate", gemm, written, "--on", "simple3", "--bits", bits, "--json")
        assert code == 0, err
        energies[bits] = json.loads(out)["energy_pj"]
    assert energies["weight=mxfp4,input=fp8_e4m3"] < energies["16"] < energies["fp16"]


def test_inline_layers_take_formats_too() -> None:
    code, out, err = pj("map", "gemm:M=8,N=8,K=32,bits=mxfp4", "--on", "simple3", "--json", "--no-cache")
    assert code == 0, err
    assert '"number": "mxfp4"' in out
    code, out, err = pj("profile", "gemm:M=8,N=8,K=32,bits=mxfp5")
    assert (code, out) == (2, "")
    assert "gemm:M=8,N=8,K=32,bits=mxfp5: unknown number format 'mxfp5'" in err


@pytest.mark.parametrize(
    ("bits", "wrong"),
    [
        ("mxfp5", "--bits: unknown number format 'mxfp5'"),
        ("weight=nvfp5", "did you mean 'nvfp4'?"),
        ("int99", "an integer of 99 bits"),
        ("4.25", "'4.25' is no positive integer"),
    ],
)
def test_wrong_formats_are_one_error(bits: str, wrong: str) -> None:
    code, out, err = pj("profile", "gemm:M=4,N=4,K=4", "--bits", bits)
    assert (code, out) == (2, "")
    assert wrong in err
    assert "Traceback" not in err
    assert pj("formats", bits)[0] == 2
