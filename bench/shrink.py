"""The shrink table: nets x chips x seeds, each `pj shrink`, with means and Student's 95 % intervals over the seeds.

usage: python bench/shrink.py --nets small-resnet,small-mobilenet --chips fusion-like,stripes-like --seeds 0,1,2 --budget 1.5
Measurements are kept in the cache, so a run that was stopped goes on, and a second one only prints.
"""

from __future__ import annotations

import argparse
import sys

import picojoule as pj
from picojoule.learning.accuracy import mean_and_interval


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nets", default="small-resnet,small-mobilenet")
    parser.add_argument("--chips", default="fusion-like,stripes-like")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--methods", default="quantise,channels")
    parser.add_argument("--budget", type=float, default=1.0)
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    print("| net | chip | dense [%] | chosen [%] | points lost | INT16 energy / chosen | INT8 energy / chosen | CPU [s] |")
    print("|" + " --- |" * 8)
    for net in given.nets.split(","):
        for chip in given.chips.split(","):
            runs = []
            for seed in map(int, given.seeds.split(",")):
                print(f"{net} on {chip}, seed {seed}", file=sys.stderr, flush=True)
                runs.append(
                    pj.shrink(
                        net,
                        chip,
                        given.data,
                        budget=given.budget,
                        methods=given.methods.split(","),
                        seed=seed,
                        images=given.images,
                        alone=given.alone,
                    )
                )
                for row in runs[-1].alone:
                    print(f"  {row.name}: {row.test.percent:.2f} %, {row.price.energy_pj:.4g} pJ", file=sys.stderr)
            cells = [
                mean_and_interval([max(r.dense.test.percent, r.uniform[0].test.percent) for r in runs]),
                mean_and_interval([r.chosen.test.percent for r in runs]), mean_and_interval([r.lost_points for r in runs]),
                *(mean_and_interval([r.times_below(name) for r in runs]) for name in ("INT16", "INT8")),
                mean_and_interval([r.cpu_s for r in runs]),
            ]  # fmt: skip
            print(f"| {net} | {chip} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
