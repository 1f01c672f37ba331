"""Bad input ends with code 2 and one message: where, what, the nearest valid name, what to do. Never a traceback or an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.run import pj

CHIP = """\
chip: tiny
clock: 1 GHz
levels:
  - memory: {name: DRAM, word: 16 b, read: 8 pJ/b, write: 8 pJ/b, keeps: all}
  - memory: {name: Buffer, size: 1 KiB, word: 16 b, read: 6 pJ, write: 6 pJ, may_keep: all}
  - fanout: {name: array, axes: {X: 4, Y: 4}, transfer: 0 pJ}
  - memory: {name: RF, size: 64 B, word: 16 b, read: 1 pJ, write: 1 pJ, may_keep: all}
compute: {mac: 1 pJ}
"""
GEMM = "gemm:M=8,N=8,K=8"
GOOD = "DRAM{A,B,Z}; m8 n8 k8"


def assert_refused(arguments: list[object], *expected: str) -> str:
    code, out, err = pj(*arguments)
    assert code == 2, f"code {code}\n{out}\n{err}"
    assert out == "", "an answer was printed beside the error"
    assert "Traceback" not in err
    assert err.startswith("error: ") and err.count("error: ") == 1
    for text in expected:
        assert text in err, f"{text!r} is not in:\n{err}"
    return err


# --- chips -----------------------------------------------------------------------------------------------------------

BAD_CHIPS = {
    "typo in a key": (("clock:", "clok:"), ":2:1", "clok", "clock"),
    "typo in a nested key": (("may_keep: all}\n  - fanout", "may_kep: all}\n  - fanout"), ":5:", "may_kep", "may_keep"),
    "wrong unit": (("read: 6 pJ", "read: 6 mV"), ":5:", "6 mV", "pJ"),
    "no unit": (("read: 6 pJ", "read: 6"), ":5:", "6", "pJ"),
    "negative energy": (("read: 6 pJ", "read: -6 pJ"), ":5:", "-6"),
    "non-finite energy": (("read: 6 pJ", "read: .inf"), ":5:"),
    "energy that is no number": (("read: 6 pJ", "read: nan pJ"), ":5:"),
    "missing energy": (("read: 6 pJ, ", ""), "Buffer", "read"),
    "missing MAC energy": (("{mac: 1 pJ}", "{}"), "MAC", "mac"),
    "fan-out 0": (("X: 4", "X: 0"), ":6:", "0"),
    "unknown tensor role": (("keeps: all}", "keeps: [weight, inptu, output]}"), ":4:", "inptu", "input"),
    "two components of one name": (("name: RF", "name: Buffer"), ":7:", "Buffer"),
    "memory without size": (("size: 1 KiB, ", ""), ":5:", "Buffer", "size"),
    "memory of size 0": (("size: 1 KiB", "size: 0 B"), ":5:", "0"),
    "a DRAM with a size": (("name: DRAM, word: 16 b", "name: DRAM, size: 1 KiB, word: 16 b"), ":4:", "unbounded"),
    "clock 0": (("clock: 1 GHz", "clock: 0 GHz"), ":2:"),
    "no YAML at all": (("levels:", "levels: ]["), ":3:"),
    "a list where a block belongs": (("compute: {mac: 1 pJ}", "compute: [1, 2]"), ":8:"),
    "a key twice": (("clock: 1 GHz", "clock: 1 GHz\nclock: 2 GHz"), ":3:", "clock"),
}


@pytest.mark.parametrize("case", BAD_CHIPS)
def test_a_bad_chip_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    (old, new), *expected = BAD_CHIPS[case]
    assert old in CHIP
    path = tmp_path / "tiny.yaml"
    path.write_text(CHIP.replace(old, new, 1))
    err = assert_refused(["evaluate", GEMM, GOOD, "--on", path], *expected)
    assert "hint: " in err
    if expected[0].startswith(":"):
        assert f"{path}{expected[0]}" in err


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80junk", b"just a sentence", b"[]", b"# nothing but a comment\n"])
def test_a_file_that_is_no_chip_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_bytes(content)
    assert_refused(["chips", path], str(path))


def test_chips_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    assert_refused(["chips", "eyerise"], "unknown chip 'eyerise'", "did you mean 'eyeriss'?")
    assert_refused(["chips", tmp_path / "none.yaml"], "none.yaml")
    assert_refused(["evaluate", GEMM, GOOD, "--on", tmp_path])
    (tmp_path / "folder.yaml").mkdir()
    assert_refused(["chips", tmp_path / "folder.yaml"], "folder.yaml")


# --- models ----------------------------------------------------------------------------------------------------------

BAD_MODELS = {
    "resnet51": ("unknown model 'resnet51'", "did you mean 'resnet50'?"),
    "none.onnx": ("none.onnx",),
    "none/config.json": ("config.json",),
    "gemm:M=8,N=8": ("lacks K", "gemm:M=1024"),
    "gemm:M=8,N=8,J=8": ("'J'",),
    "gemm:M=8,N=8,K=-8": ("K=-8", "1 or more"),
    "gemm:M=8,N=8,K=0": ("K=0",),
    "gemm:M=8,N=8,K=1e3": ("K=1e3",),
    "gemm:M=8,N=8,K=nan": ("K=nan",),
    "gemm:M=8,N=8,K=8,K=8": ("twice",),
    "gemm:": ("lacks M, N, K",),
    "gem:M=8,N=8,K=8": ("gem", "gemm"),
    "conv:K=6,C=4,P=8,Q=8,R=3,S=3,groups=4": ("groups=4",),
    "conv:K=6,C=4,P=8,Q=8,R=3,S=3,stride=1x2x3": ("stride",),
    "": ("MODEL",),
}


@pytest.mark.parametrize("text", BAD_MODELS)
def test_a_bad_model_is_refused(text: str) -> None:
    assert_refused(["profile", text], *BAD_MODELS[text])


def _no_nodes() -> bytes:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return helper.make_model(helper.make_graph([], "nothing", [value], [value])).SerializeToString()


@pytest.mark.parametrize(
    "content",
    [lambda: b"", lambda: b"\x00\xff\xfe\x80junk" * 50, lambda: b"not a model", _no_nodes],
    ids=["empty", "binary junk", "text", "no nodes"],
)
def test_an_onnx_file_without_a_model_is_refused(content: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content())
    assert_refused(["profile", path], "model.onnx")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\x00\xff\xfe", b'{"model_type": "no_such_model"}'])
def test_a_config_without_a_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert_refused(["profile", path], "config.json")


def test_folders_are_no_models(tmp_path: Path) -> None:
    assert_refused(["profile", tmp_path])
    (tmp_path / "folder.onnx").mkdir()
    assert_refused(["profile", tmp_path / "folder.onnx"], "folder.onnx")


# --- mappings --------------------------------------------------------------------------------------------------------

BAD_MAPPINGS = {
    "unknown dimension": ("DRAM{A,B,Z}; m8 n8 q8", "unknown dimension 'q'"),
    "unknown memory": ("DRAM{A,B,Z}; m8; Bufer{A}; n8 k8", "unknown component 'Bufer'", "did you mean 'Buffer'?"),
    "unknown tensor": ("DRAM{A,B,Z}; m8; Buffer{C}; n8 k8", "unknown tensor 'C'"),
    "unknown axis": ("DRAM{A,B,Z}; m8 n8; W:k4; k2", "unknown fan-out axis", "'W'"),
    "loops that do not cover": ("DRAM{A,B,Z}; m8 n8 k4", "do not cover", "ceil(8/1) = 8"),
    "a missing loop": ("DRAM{A,B,Z}; m8 n8", "K", "no loop"),
    "a loop of no pass": ("DRAM{A,B,Z}; m8 n8 k0", "k0"),
    "a tile that does not fit": ("DRAM{A,B,Z}; RF{A,B,Z}; m8 n8 k8", "RF holds"),
    "more places than there are": ("DRAM{A,B,Z}; m8 n8; X:k8", "axis X", "4 places"),
    "from the inside out": ("DRAM{A,B,Z}; m8; RF{A}; n8; Buffer{B}; k8", "Buffer"),
    "a tensor twice": ("DRAM{A,B,Z}; m8; Buffer{A}; n8; Buffer{A}; k8", "twice"),
    "no start in DRAM": ("DRAM{A,B}; m8 n8 k8", "Z"),
    "a fan-out that should store": ("DRAM{A,B,Z}; m8; array{A}; n8 k8", "array"),
    "no loop at all": ("DRAM{A,B,Z}; hello", "hello"),
    "nothing in the file": ("{}", "{}"),
}


@pytest.mark.parametrize("case", BAD_MAPPINGS)
def test_a_bad_mapping_is_refused(case: str, tmp_path: Path) -> None:
    text, *expected = BAD_MAPPINGS[case]
    chip, mapping = tmp_path / "tiny.yaml", tmp_path / "mine.txt"
    chip.write_text(CHIP)
    mapping.write_text(text)
    assert pj("evaluate", GEMM, GOOD, "--on", chip)[0] == 0
    assert "hint: " in assert_refused(["evaluate", GEMM, text, "--on", chip], *expected)
    assert f"{mapping}" in assert_refused(["evaluate", GEMM, mapping, "--on", chip], *expected)


def test_a_mapping_names_the_line_and_column_of_the_mistake(tmp_path: Path) -> None:
    mapping = tmp_path / "mine.txt"
    mapping.write_text("DRAM{A,B,Z};\nm8;\n  Bufer{A};\nn8 k8")
    assert_refused(["evaluate", GEMM, mapping, "--on", "simple3"], f"{mapping}:3:3")


def test_a_mapping_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert_refused(["evaluate", GEMM, "none.txt", "--on", "simple3"], "'none.txt' is neither a file nor a mapping")
    assert_refused(["evaluate", GEMM, tmp_path, "--on", "simple3"], "is a folder")
    (tmp_path / "junk").write_bytes(b"\x00\xff\xfe\x80")
    assert_refused(["evaluate", GEMM, tmp_path / "junk", "--on", "simple3"], "binary data")


# --- options ---------------------------------------------------------------------------------------------------------

BAD_OPTIONS = {
    "no such command": (["frob"], "frob"),
    "no such option": (["map", GEMM, "--on", "simple3", "--frob"], "--frob"),
    "no chip": (["map", GEMM], "--on"),
    "no model": (["map", "--on", "simple3"], "MODEL"),
    "misspelt objective": (["map", GEMM, "--on", "simple3", "--objective", "energyy"], "did you mean 'energy'?"),
    "misspelt space": (["map", GEMM, "--on", "simple3", "--space", "defualt"], "did you mean 'default'?"),
    "latency without unit": (["map", GEMM, "--on", "simple3", "--latency", "33"], "--latency", "33 ms"),
    "a limit with another goal": (["map", GEMM, "--on", "simple3", "--latency", "3ms", "--objective", "edp"], "--latency"),
    "negative latency": (["map", GEMM, "--on", "simple3", "--latency", "-33ms"], "--latency"),
    "time limit of words": (["map", GEMM, "--on", "simple3", "--time-limit", "soon"], "--time-limit"),
    "no jobs": (["map", GEMM, "--on", "simple3", "--jobs", "0"], "--jobs"),
    "jobs of words": (["map", GEMM, "--on", "simple3", "--jobs", "many"], "--jobs"),
    "batch 0": (["profile", "vgg16", "--batch", "0"], "--batch"),
    "misspelt role": (["profile", "vgg16", "--bits", "wieght=8"], "did you mean 'weight'?"),
    "misspelt rules": (["evaluate", GEMM, GOOD, "--on", "simple3", "--accounting", "timelop"], "did you mean 'timeloop'?"),
    "misspelt layer": (["evaluate", "lenet5", GOOD, "--on", "simple3", "--layer", "c4"], "unknown layer 'c4'"),
    "several layers": (["evaluate", "lenet5", GOOD, "--on", "simple3"], "--layer"),
    "misspelt model": (["models", "vgg61"], "did you mean 'vgg16'?"),
    "no result": (["verify", "none.json"], "none.json"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_a_bad_option_is_refused(case: str) -> None:
    arguments, *expected = BAD_OPTIONS[case]
    assert_refused(list(arguments), *expected)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"{}", b"\x00\xff", b'{"layers": 3}'])
def test_a_file_that_is_no_result_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    assert_refused(["verify", path], "result.json")


def test_a_device_that_is_none_is_one_error_in_every_command_that_measures() -> None:
    pytest.importorskip("torch")
    for command in (("ceilings",), ("measure", "lenet5")):
        code, _, err = pj(*command, "--device", "gpu")
        assert code == 2 and err.startswith("error: --device: unknown device 'gpu'"), err


def test_a_name_that_was_begun_suggests_how_it_may_go_on() -> None:
    assert "did you mean 'fp8_e4m3' or 'fp8_e5m2'?" in pj("formats", "fp8")[2]
