"""Times convolution algorithms on this machine, fits the selector's constants to some shapes and judges the choice on others.

    python bench/convolutions.py --write     # also stores timings and constants in the package

Shapes to fit: layers of GoogLeNet, SqueezeNet, OverFeat, VGG-16, AlexNet, EfficientNet-B0, and random ones. To judge: layers
of ResNet-18, ResNet-50, MobileNetV2 that are not among them, and other random ones. One thread, time of this process.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

import picojoule
from picojoule.algorithms import library, selector
from picojoule.errors import SpecError
from picojoule.measuring.machine import Others, machine
from picojoule.workload.conv_shape import ConvShape, conv_shape

DATA = Path(picojoule.__file__).parent / "algorithms" / "data"
FIT = ("googlenet", "squeezenet1.0", "overfeat-fast", "vgg16", "alexnet", "efficientnet-b0")
JUDGE = ("resnet18", "resnet50", "mobilenetv2")


def layers(names: tuple[str, ...]) -> list[ConvShape]:
    """Convolutions of the networks that take no longer than a moment, once each."""
    out: dict[ConvShape, None] = {}
    for name in names:
        for step in picojoule.load_model(name).layers:
            try:
                shape = conv_shape(step.layer)
            except SpecError:
                continue
            if shape.groups == 1 and shape.macs < 1.2e9:
                out[shape] = None
    return list(out)


def random_shapes(n: int, seed: int) -> list[ConvShape]:
    """Square images and kernels of 3 to 11 pixels, stride 1."""
    rng, out = np.random.default_rng(seed), []
    while len(out) < n:
        r, h = int(rng.choice([3, 3, 5, 5, 7, 9, 11])), int(rng.choice([14, 20, 28, 40, 56, 80, 112]))
        c, k = int(rng.choice([3, 8, 16, 32, 64, 96, 128])), int(rng.choice([8, 16, 32, 64, 96, 128]))
        shape = ConvShape(N=int(rng.choice([1, 1, 1, 2, 4])), C=c, H=h, W=h, K=k, R=r, S=r, pad=(r // 2, r // 2))
        if 2e6 < shape.macs < 1e9:
            out.append(shape)
    return out


def chosen(shapes: list[ConvShape], n: int, seed: int) -> list[ConvShape]:
    return [shapes[i] for i in np.random.default_rng(seed).permutation(len(shapes))[:n]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--budget", type=float, default=0.3, help="seconds for each algorithm and shape")
    arguments = parser.parse_args()
    fit = chosen(layers(FIT), 30, 0) + random_shapes(24, 0)
    judge = chosen([s for s in layers(JUDGE) if s not in set(layers(FIT))], 18, 0) + random_shapes(12, 99)
    others = Others()
    timed = {
        "fit": [library.timed(s, budget_s=arguments.budget) for s in fit],
        "judge": [library.timed(s, budget_s=arguments.budget) for s in judge],
    }
    constants, host = selector.fit(timed["fit"]), machine()
    for part, rows in timed.items():
        print(part, selector.score(rows, constants))
    if not arguments.write:
        return
    meta = {"machine": host.to_json(), "threads": 1, "clock": "time of the process", "others_share": others.share()}
    stored = {"meta": meta, **{part: [to_json(t) for t in rows] for part, rows in timed.items()}}
    (DATA / "convolution_times.json").write_text(json.dumps(stored, indent=1) + "\n")
    source = f"{host.cpu}, {host.packages[0][0]} {host.packages[0][1]}, fp32, one thread; fitted by bench/convolutions.py"
    rounded = {a: {k: float(f"{v:.4g}") for k, v in c.items()} for a, c in constants.items()}
    (DATA / "convolution_constants.yaml").write_text(yaml.safe_dump({"source": source, "algorithms": rounded}, sort_keys=False))


def to_json(t: library.Timed) -> dict[str, object]:
    return {"shape": asdict(t.shape), "seconds": dict(t.seconds), "errors": dict(t.errors)}


if __name__ == "__main__":
    main()
