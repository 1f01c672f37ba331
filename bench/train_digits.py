"""Trains the small digit classifier that comes along (picojoule/workload/zoo/data/digits.onnx) and stores 300 held-out images.

Needs torch and the UCI digits as scikit-learn ships them: python bench/train_digits.py path/to/digits.csv.gz
Data: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (CC BY 4.0): 1797 images of 8 x 8, values 0 to 16.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OUT = Path(__file__).parents[1] / "picojoule" / "workload" / "zoo" / "data"
TRAINED = 1497


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def to_onnx(net: nn.Sequential) -> onnx.ModelProto:
    """Written by hand, so that layers keep readable names."""
    nodes, weights, at = [], [], "image"
    for i, part in enumerate(net):
        out = "logits" if i == len(net) - 1 else f"x{i}"
        if isinstance(part, nn.Conv2d | nn.Linear):
            name = f"{'conv' if isinstance(part, nn.Conv2d) else 'fc'}{sum(isinstance(p, type(part)) for p in net[: i + 1])}"
            weights += [numpy_helper.from_array(t.detach().numpy(), f"{name}.{n}") for n, t in part.named_parameters()]
            about = {"pads": [1] * 4, "kernel_shape": [3, 3]} if isinstance(part, nn.Conv2d) else {"transB": 1}
            op = "Conv" if isinstance(part, nn.Conv2d) else "Gemm"
            nodes.append(helper.make_node(op, [at, f"{name}.weight", f"{name}.bias"], [out], name, **about))
        elif isinstance(part, nn.MaxPool2d):
            nodes.append(helper.make_node("MaxPool", [at], [out], f"pool{i}", kernel_shape=[2, 2], strides=[2, 2]))
        else:
            nodes.append(helper.make_node("Relu" if isinstance(part, nn.ReLU) else "Flatten", [at], [out], f"op{i}"))
        at = out
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "digits", [image], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main(path: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    table = np.loadtxt(path, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    net = network()
    adam = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
    for _ in range(30):
        for part in torch.randperm(TRAINED).split(64):
            adam.zero_grad()
            nn.functional.cross_entropy(net(x[part]), y[part]).backward()
            adam.step()
    right = (net(x[TRAINED:]).argmax(1) == y[TRAINED:]).double().mean().item()
    print(f"{100 * right:.2f} % of {len(x) - TRAINED} held-out images")
    onnx.save(to_onnx(net), OUT / "digits.onnx")
    np.savez_compressed(OUT / "digits.npz", image=images[TRAINED:].astype(np.uint8), label=labels[TRAINED:].astype(np.uint8))


if __name__ == "__main__":
    main(sys.argv[1])
