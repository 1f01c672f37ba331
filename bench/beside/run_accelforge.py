"""One search of AccelForge in a fresh process: `run_accelforge.py JSON`, with {"arch", "workload", "warm_arch", ...}.

Runs in AccelForge's own environment (Python 3.12), one job. `arch` is a file, or the name of one that its wheel brings.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import tempfile
import time


def mark(name: str) -> None:
    print(f"@@mark {name}", flush=True)
    sys.stdin.readline()


def main() -> None:
    problem = json.loads(sys.argv[1])
    import accelforge as af
    from accelforge.mapper import Metrics
    from accelforge.mapper.FFM.main import join_pmappings, make_pmappings
    from accelforge.model.main import evaluate_mapping

    af.set_n_parallel_jobs(1)
    examples = os.path.join(os.path.dirname(os.path.dirname(af.__file__)), "examples", "arches")
    folder = tempfile.mkdtemp()
    os.chdir(folder)  # the mapper leaves a picture in the working directory

    def spec_of(arch: str, workload: str):  # noqa: ANN202
        path = os.path.join(folder, "workload.yaml")
        with open(path, "w") as f:
            f.write(workload)
        spec = af.Spec.from_yaml(arch if os.path.exists(arch) else os.path.join(examples, arch), path)
        spec.mapper.metrics = Metrics.ENERGY_DELAY_PRODUCT
        spec.mapper.explore_imperfect_temporal_loops = spec.mapper.explore_imperfect_spatial_loops = problem["imperfect"]
        return spec

    mark("imported")
    warm = spec_of(problem["warm_arch"], problem["warm_workload"])
    join_pmappings(make_pmappings(warm, print_progress=False), metrics=warm.mapper.metrics, print_progress=False)
    mark("warm")
    spec = spec_of(problem["arch"], problem["workload"])
    began = time.process_time()
    found = join_pmappings(make_pmappings(spec, print_progress=False), metrics=spec.mapper.metrics, print_progress=False)
    inside = time.process_time() - began
    mark("searched")
    best = found.data["Total<SEP>mapping"].iloc[0]
    local = copy.deepcopy(spec)
    local.model.metrics = local.mapper.info_metrics
    local.mapping = best(_for_model=True)
    full = evaluate_mapping(local, flattened_arches=found.flattened_arches, evaluated_specs=found.evaluated_specs)
    nodes = (best() if callable(best) else best).nodes
    record = {
        "energy_j": float(full.energy()),
        "latency_s": float(full.latency()),
        "mapping": " | ".join(map(str, nodes)),
        "inside_cpu_s": inside,
    }
    print("@@record " + json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
