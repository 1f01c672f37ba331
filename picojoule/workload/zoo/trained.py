"""The one network that comes along trained, with real data to run it on: a classifier of handwritten digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from picojoule.workload.network import Network
from picojoule.workload.onnx.read import read_onnx

DATA = Path(__file__).parent / "data"
DIGITS = DATA / "digits.onnx"


def digits(batch: int = 1) -> Network:
    """Three 3x3 convolutions and two dense layers on 8x8 digits, 23 k weights, 93.3 % right on the 300 images of `digits_images`.

    Trained by bench/train_digits.py on 1497 other images of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten
    Digits, UCI (CC BY 4.0).
    """
    return read_onnx(DIGITS, batch=batch)


def digits_images() -> dict[str, np.ndarray]:
    """The 300 held-out images, float32[300, 1, 8, 8] from 0 to 1, under the name of the network's input."""
    with np.load(DATA / "digits.npz") as f:
        return {"image": f["image"].astype(np.float32) / 16}
