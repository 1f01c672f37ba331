"""One search of picojoule in a fresh process: `run_picojoule.py JSON`, with {"layer", "chip", "space", "warm_chip", ...}."""

from __future__ import annotations

import json
import pickle
import sys
import time


def mark(name: str) -> None:
    print(f"@@mark {name}", flush=True)
    sys.stdin.readline()


def main() -> None:
    problem = json.loads(sys.argv[1])
    from picojoule.hardware.chipfile.read import load_chip
    from picojoule.search.optimal import best_mapping
    from picojoule.workload.layer import gemm

    layer, chip = pickle.loads(bytes.fromhex(problem["layer"])), load_chip(problem["chip"])
    mark("imported")
    best_mapping(gemm(M=64, N=64, K=64, bits=8), load_chip(problem["warm_chip"]), space=problem["space"])
    mark("warm")
    began = time.process_time()
    result = best_mapping(layer, chip, space=problem["space"], time_limit=problem["time_limit"])
    inside = time.process_time() - began
    mark("searched")
    record = {
        "mapping": str(result.mapping),
        "proved": result.proved,
        "gap": result.gap,
        "inside_cpu_s": inside,
        "spatial_opened": result.certificate.get("spatial_opened"),
        "ports": result.certificate.get("ports_in_labels"),
    }
    print("@@record " + json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
