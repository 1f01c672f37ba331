"""One search of ZigZag in a fresh process: `run_zigzag.py JSON`, with {"hardware", "unroll", "layer", "warm_layer"}.

Runs in ZigZag's own environment. Loop orders are searched (LOMA, its default depth) for the least EDP.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time


def mark(name: str) -> None:
    print(f"@@mark {name}", flush=True)
    sys.stdin.readline()


def main() -> None:
    problem = json.loads(sys.argv[1])
    import yaml
    from zigzag.api import get_hardware_performance_zigzag

    logging.disable(logging.WARNING)
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    links = {"O": "O", "W": "I2", "I": "I1"}
    mapping = [{"name": "default", "spatial_mapping": problem["unroll"], "memory_operand_links": links}]

    def run(layer: dict):  # noqa: ANN202
        for name, content in (("mapping", mapping), ("layer", [layer])):
            with open(f"{name}.yaml", "w") as f:
                yaml.safe_dump(content, f, sort_keys=False)
        return get_hardware_performance_zigzag(
            "layer.yaml", problem["hardware"], "mapping.yaml", opt="EDP", dump_folder="out", loma_show_progress_bar=False
        )

    mark("imported")
    run(problem["warm_layer"])
    mark("warm")
    began = time.process_time()
    out = run(problem["layer"])
    inside = time.process_time() - began
    mark("searched")
    (cost,) = out[2][0][1][0][:1]
    loops = {
        str(op): [[[str(d), int(n)] for d, n in level] for level in levels]
        for op, levels in cost.temporal_mapping.mapping_dic_stationary.items()
    }
    spatial = {
        str(op): [[[str(d), round(n)] for d, n in level] for level in levels]
        for op, levels in cost.mapping.spatial_mapping.mapping_dict_origin.items()
    }
    record = {
        "energy_pj": float(cost.energy_total),
        "cycles_with_stalls": float(cost.latency_total0),
        "cycles_with_loading": float(cost.latency_total2),
        "loops": loops,
        "spatial": spatial,
        "inside_cpu_s": inside,
    }
    print("@@record " + json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
