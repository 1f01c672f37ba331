"""Every command: what it prints, what its `--json` holds, and that stdout is the answer alone."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from typer.main import get_command

import picojoule
from picojoule.commands.app import app
from picojoule.commands.index import ENTRIES, GROUPS
from tests.commands.run import pj

ROOT = Path(__file__).parents[2]
GEMM = "gemm:M=64,N=64,K=64"
WRITTEN = "DRAM{A,B,Z}; m4 n4; GlobalBuffer{A,B,Z}; X:m16; k64 n16"


def answer(*arguments: object) -> Any:
    """The JSON that a command prints; it must be all of stdout."""
    code, out, err = pj(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def table(*arguments: object) -> str:
    code, out, err = pj(*arguments)
    assert code == 0, err
    assert err == ""
    return out


def test_profile_counts_macs_and_weights() -> None:
    value = answer("profile", "vgg16")
    assert value["model"] == "vgg16"
    assert value["totals"]["macs"] == 15_470_264_320
    assert value["totals"]["weights"] == 138_344_128
    assert {"name", "op", "macs", "weights"} <= value["layers"][0].keys()
    assert sum(x["macs"] for x in value["layers"]) == value["totals"]["macs"]
    out = table("profile", "vgg16")
    assert "MACs [G]" in out and "15.5 G MACs" in out and "Softmax" in out


def test_profile_takes_batch_and_bits() -> None:
    one, two = answer("profile", "lenet5"), answer("profile", "lenet5", "--batch", 2)
    assert two["totals"]["macs"] == 2 * one["totals"]["macs"]
    small = answer("profile", "lenet5", "--bits", "weight=4,input=8,output=8")
    assert small["totals"]["weight_bytes"] == one["totals"]["weight_bytes"] / 4


def test_operators_that_are_not_understood_are_named_beside_the_totals(tmp_path: Path) -> None:
    tensor = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node
    nodes = node("Fancy", ["a"], ["b"], "strange", domain="my.ops"), node("MatMul", ["a", "a"], ["c"])
    square = [tensor(name, onnx.TensorProto.FLOAT, [8, 8]) for name in "abc"]
    graph = onnx.helper.make_graph(nodes, "g", square[:1], square[1:])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("my.ops", 1)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), tmp_path / "net.onnx")
    for arguments in (("profile",), ("map", "--on", "pin_array16", "--no-cache", "--jobs", 1)):
        code, out, _ = pj(arguments[0], tmp_path / "net.onnx", *arguments[1:])
        assert code == 0 and "Not understood: strange (Fancy" in out and "no total" in out
    assert pj("profile", tmp_path / "net.onnx", "--strict")[0] == 2


def test_evaluate_prices_a_mapping_written_by_hand() -> None:
    value = answer("evaluate", GEMM, WRITTEN, "--on", "simple3")
    assert value["macs"] == 64**3
    assert sum(c["energy_pj"] for c in value["contributions"]) == pytest.approx(value["energy_pj"])
    assert value["mapping"] == WRITTEN
    assert value["cycles"] == 64**3 / 16
    out = table("evaluate", GEMM, WRITTEN, "--on", "simple3")
    assert "in parallel on PEs: X: m 16" in out and "each [pJ]" in out and "bound by compute" in out


def test_evaluate_reads_a_file_and_one_layer_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(WRITTEN.replace("; ", ";\n"))
    assert answer("evaluate", GEMM, path, "--on", "simple3") == answer("evaluate", GEMM, WRITTEN, "--on", "simple3")
    c3 = answer("evaluate", "lenet5", "DRAM{I,W,O}; k16 c6 p10 q10 r5 s5", "--on", "simple3", "--layer", "c3")
    assert c3["layer"] == "c3" and c3["macs"] == 240_000


def test_evaluate_knows_other_tools_counting_rules() -> None:
    ours = answer("evaluate", GEMM, WRITTEN, "--on", "simple3")
    theirs = answer("evaluate", GEMM, WRITTEN, "--on", "simple3", "--accounting", "timeloop")
    assert theirs["energy_pj"] < ours["energy_pj"], "the drain reads no inner memory there"


def test_explain_traces_every_picojoule_of_a_mapping() -> None:
    value = answer("explain", GEMM, "--mapping", WRITTEN, "--on", "simple3")
    cost = answer("evaluate", GEMM, WRITTEN, "--on", "simple3")
    rows = value["layers"][0]["rows"]
    assert sum(r["energy_pj"] for r in rows) == pytest.approx(cost["energy_pj"])
    assert all(r["formula"] and r["source"] for r in rows)
    out = table("explain", GEMM, "--mapping", WRITTEN, "--on", "simple3")
    assert "how the count arises" in out and "price of" in out


def test_chips_are_listed_and_drawn() -> None:
    known = [c["name"] for c in answer("chips")["chips"]]
    assert "eyeriss" in known
    assert all(name in table("chips") for name in known)
    for name in known:
        value = answer("chips", name)
        assert value["name"] == name
        assert picojoule.load_chip(name).pes == value["pes"]
        assert all(m["name"] in table("chips", name) for m in value["memories"])


def test_models_are_listed_and_profiled() -> None:
    known = [m["name"] for m in answer("models")["models"]]
    assert {"alexnet", "vgg16", "resnet50"} <= set(known)
    assert all(name in table("models") for name in known)
    assert answer("models", "lenet5") == answer("profile", "lenet5")


def test_the_schema_is_a_json_schema() -> None:
    code, out, _ = pj("schema")
    assert code == 0
    assert json.loads(out)["type"] == "object"
    assert answer("schema") == json.loads(out)


@pytest.mark.parametrize("command", ["profile", "map", "evaluate", "explain", "verify", "chips", "models", "schema"])
def test_every_command_has_help_and_json(command: str) -> None:
    out = table(command, "--help")
    assert "--json" in out and "Usage: pj" in out


def test_the_readme_lists_every_command_with_its_function() -> None:
    lines = re.findall(r"^\| `pj (\S+)[^|]*` \| ([^|]+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {command for command, _ in lines} == set(ENTRIES)
    for _, functions in lines:
        for name in functions.split(", "):
            assert name.strip("`") in picojoule.__all__ and callable(getattr(picojoule, name.strip("`")))


def test_the_index_names_every_command_that_the_modules_register() -> None:
    for module in pkgutil.iter_modules(picojoule.commands.__path__):
        importlib.import_module(f"picojoule.commands.{module.name}")
    registered = {
        i.name or i.callback.__name__: i.callback.__module__.rpartition(".")[2] for i in app.registered_commands if i.callback
    }
    assert registered == {name: entry.module for name, entry in ENTRIES.items()}
    assert set(get_command(app).commands) == set(ENTRIES)  # type: ignore[attr-defined]


def test_help_and_version_import_no_command() -> None:
    code = (
        "import sys; from picojoule.commands import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'yaml', 'numba', 'picojoule.commands.core'} & set(sys.modules)))"
    )
    for option in ("--help", "--version"):
        run = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
        assert run.stdout.strip().endswith("[]")


def test_the_shell_completes_commands_models_and_chips() -> None:
    def completions(words: str) -> list[str]:
        env = {**os.environ, "_PJ_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        command = [sys.executable, "-c", "from picojoule.commands import main; main()"]
        return subprocess.run(command, capture_output=True, text=True, env=env).stdout.split()

    assert completions("pj ma") == ["map"]
    assert "resnet50" in completions("pj map resn")
    assert completions("pj map resnet50 --on edge-") == ["edge-npu"]


def test_an_unknown_option_points_to_the_command_s_own_help() -> None:
    code, _, err = pj("map", "resnet18", "--onto", "eyeriss")
    assert code == 2 and "hint: see `pj map --help`" in err


def test_without_a_command_the_commands_are_listed() -> None:
    listed = table()
    assert all(group + ":" in listed for group in GROUPS)
    for name, entry in ENTRIES.items():
        assert re.search(rf"^  {name} +{re.escape(entry.tells)}$", listed, re.MULTILINE), "one line each, never cut"
    assert table("--version").strip() == f"picojoule {picojoule.__version__}"


def test_every_public_name_exists_and_importing_costs_little() -> None:
    for name in picojoule.__all__:
        assert getattr(picojoule, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'frob'"):
        picojoule.frob  # noqa: B018
    code = "import sys, picojoule; print(sorted({'numba', 'numpy', 'onnx', 'yaml', 'rich'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -c 'from picojoule.commands import main; main()' profile resnet50 --json | head -c 10"
    run = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert run.stderr == "" and run.stdout.startswith("{")


def test_the_shell_sees_code_2_and_no_traceback() -> None:
    command = [sys.executable, "-c", "from picojoule.commands import main; main()", "profile", "vgg61"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and run.stdout == "" and "Traceback" not in run.stderr
