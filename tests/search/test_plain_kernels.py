"""The kernels once more as plain Python, without compilation: what they read out of bounds, or of a wrong type, shows there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import picojoule as pj

ROOT = Path(__file__).parents[2]
CASES = (
    ("gemm:M=4,N=6,K=3", "pin_flat3", "edp"),
    ("conv:K=2,C=2,P=3,Q=2,R=2,S=1", "pin_array16", "front"),
    ("gemm:M=1,N=2,K=3,density=0.5x1", "eyeriss-gated", "energy"),
)


def answers(cases: tuple[tuple[str, str, str], ...]) -> list[list[object]]:
    """Certificate and front of each case."""
    out: list[list[object]] = []
    for layer, chip, objective in cases:
        r = pj.best_mapping(pj.load_model(layer).layers[0].layer, pj.load_chip(chip), objective)
        out.append([dict(r.certificate), [[f.energy_pj, f.cycles, str(f.mapping)] for f in r.front]])
    return out


def plainly(*command: str) -> str:
    """What a Python that compiles nothing prints."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_search_finds_the_same_without_compilation() -> None:
    code = f"import json; from tests.search.test_plain_kernels import answers; print(json.dumps(answers({CASES!r})))"
    assert json.loads(plainly("-c", code)) == json.loads(json.dumps(answers(CASES)))


def test_the_tables_of_ranks_hold_without_compilation() -> None:
    plainly("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/search/test_kernels.py")
