"""picojoule beside its peers on the same pinned problems, in one run: `make bench`, or `python bench/run.py --help`.

Each search runs in a fresh process of one thread; the tools take turns on each problem. Results go to bench/results/*.json
and into the tables of docs/benchmark.md. The peers are installed into bench/.peers on first use.
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import sys
from pathlib import Path
from typing import Any

from beside import page
from beside.peers import PINNED, python_of
from beside.problems import (
    ACCELFORGE,
    CHIPS,
    GEMM_64,
    UNROLL,
    ZIGZAG,
    ZIGZAG_DIMS,
    Problem,
    accelforge_workload,
    warm_zigzag_layer,
    zigzag_layer,
)
from beside.stopwatch import timed

from picojoule.cost.model import evaluate
from picojoule.errors import PicojouleError
from picojoule.interop.nests import from_accelforge, from_zigzag
from picojoule.mapping.mapping import Mapping, parse

HERE = Path(__file__).parent
SPACES = page.SPACES
PROBLEMS = {"accelforge": ACCELFORGE, "zigzag": ZIGZAG}


def run_ours(p: Problem, space: str, limit_s: float) -> dict[str, Any]:
    payload = {
        "layer": pickle.dumps(p.layer).hex(),
        "chip": p.chip_argument,
        "space": space,
        "warm_chip": "pin_flat3",
        "time_limit": limit_s,
    }
    return timed([sys.executable, str(HERE / "beside" / "run_picojoule.py")], payload, 600 + 4 * limit_s)


def run_theirs(p: Problem, python: str, limit_s: float) -> dict[str, Any]:
    command = [python, str(HERE / "beside" / f"run_{p.peer}.py")]
    if p.peer == "accelforge":
        payload = {
            "arch": p.their_argument,
            "workload": accelforge_workload(p.layer),
            "imperfect": p.imperfect,
            "warm_arch": str(CHIPS / "pin_flat3.accelforge.yaml"),
            "warm_workload": accelforge_workload(GEMM_64),
        }
    else:
        payload = {
            "hardware": p.their_argument,
            "unroll": UNROLL[Path(p.chip).stem],
            "layer": zigzag_layer(p.layer),
            "warm_layer": warm_zigzag_layer(),
        }
    return timed(command, payload, limit_s)


def read_theirs(p: Problem, record: dict[str, Any]) -> Mapping | None:
    """The peer's mapping as ours; None where it is outside our space."""
    try:
        if p.peer == "zigzag":
            return from_zigzag(record["loops"], record["spatial"], p.layer, p.load_chip(), ZIGZAG_DIMS, UNROLL[Path(p.chip).stem])
        names = {t.name: t.name for t in p.layer.tensors}
        return from_accelforge(record["mapping"], p.layer, p.load_chip(), names, {d.lower(): d for d, _ in p.layer.dims})
    except (PicojouleError, ValueError) as e:
        print(f"  {p.key}: its mapping is not read: {e}")
        return None


def by_our_rules(p: Problem, mapping: Mapping) -> dict[str, Any]:
    cost = evaluate(p.layer, p.load_chip(), mapping)
    out = {
        "mapping": str(mapping),
        "energy_pj": cost.energy_pj,
        "cycles": cost.cycles,
        "energy_j": cost.energy_pj * 1e-12,
        "latency_s": cost.latency_s,
        "edp_js": cost.energy_pj * 1e-12 * cost.latency_s,
    }
    if p.peer == "accelforge":
        out["energy_j_by_their_rules"] = evaluate(p.layer, p.load_chip(), mapping, "accelforge").energy_pj * 1e-12
    return out


def compare(p: Problem, python: str, result: dict[str, Any], limit_s: float, our_limit_s: float) -> None:
    """One turn: ours in each space, then theirs; adds to `result`."""
    result.update(name=p.name + (", imperfect loops" if p.imperfect else ""), chip=Path(p.chip).stem)
    ours = result.setdefault("ours", {s: [] for s in SPACES} | {"edp": {}, "costs": {}})
    for space in SPACES:
        record = run_ours(p, space, our_limit_s)
        cost = by_our_rules(p, parse(record.pop("mapping"), p.layer, p.load_chip()))  # finite bandwidths always count here
        ours[space].append(record)
        ours["costs"][space], ours["edp"][space] = cost, cost["edp_js"]
    theirs = result.setdefault("peer", [])
    if theirs and (p.once or "gave_up_after_cpu_s" in theirs[0]):
        return
    record = run_theirs(p, python, limit_s)
    theirs.append({k: v for k, v in record.items() if not theirs or k not in ("mapping", "loops", "spatial")})
    print(
        f"  {p.key}: theirs {theirs[-1].get('search_cpu_s', 'gave up')}, ours "
        + ", ".join(f"{s} {ours[s][-1]['search_cpu_s']:.3f}" for s in SPACES)
        + " CPU s",
        flush=True,
    )
    if "gave_up_after_cpu_s" not in theirs[0]:
        mapping = read_theirs(p, theirs[0])
        result["theirs_by_our_rules"] = by_our_rules(p, mapping) if mapping else None


def write(peer: str, results: dict[str, Any], repeat: int) -> None:
    """JSON and the page's tables, after every turn: an interrupted run keeps what it has."""
    about = {
        "peer": " ".join(PINNED[peer][1]),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "turns": repeat,
        "problems": results,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{peer}.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    docs = HERE.parent / "docs" / "benchmark.md"
    for name, text in page.parts(peer, results).items():
        page.replace_part(docs, name, text)


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--peer", action="append", choices=PROBLEMS, help="only this peer (default: all)")
    ap.add_argument("--only", default="", help="only problems whose name@chip contains this")
    ap.add_argument("--turns", type=int, default=3, help="how often each problem runs (long ones: the peer once)")
    ap.add_argument("--limit", type=float, default=300, help="CPU seconds after which a peer's process is ended")
    ap.add_argument("--our-limit", type=float, default=60, help="CPU seconds after which our search returns the best so far")
    a = ap.parse_args()
    for peer in a.peer or PROBLEMS:
        python = python_of(peer)
        problems = [p for p in PROBLEMS[peer] if a.only in p.key]
        if python is None or not problems:
            continue
        print(f"{peer}: {len(problems)} problems, {a.turns} turns", flush=True)
        for space in SPACES:  # compiled kernels are then in the cache on disk, for every process below
            for p in {(p.chip, p.layer.op): p for p in reversed(problems)}.values():
                run_ours(p, space, 600)
        results: dict[str, Any] = {}
        for _ in range(a.turns):
            for p in problems:
                compare(p, python, results.setdefault(p.key, {}), a.limit, a.our_limit)
                write(peer, results, a.turns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
