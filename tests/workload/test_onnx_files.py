"""Real ONNX files: those inside the onnx package, and trained ones inside other packages where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from picojoule.workload.load import load_model
from picojoule.workload.profile import profile
from picojoule.workload.zoo import zoo
from tests.workload.test_zoo import assert_ordered

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
PACKAGES = Path(os.environ.get("PICOJOULE_MODEL_PACKAGES", "no-such-folder"))


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("resnet50", 4.08918),
        ("vgg19", 19.63206),
        ("squeezenet", 0.34915),
        ("bvlc_alexnet", 0.65456),
        ("densenet121", 2.83416),
        ("inception_v1", 1.43156),
        ("inception_v2", 2.01885),
        ("shufflenet", 0.12466),
        ("zfnet512", 1.48173),
    ],
)
def test_files_of_the_onnx_package_have_their_known_macs(name: str, macs: float) -> None:
    network = load_model(str(LIGHT / f"light_{name}.onnx"), strict=True)
    assert round(network.macs / 1e9, 5) == macs
    assert_ordered(network)


def test_resnet50_from_a_file_and_from_the_zoo_have_the_same_layers() -> None:
    file, own = load_model(str(LIGHT / "light_resnet50.onnx")), zoo.model("resnet50")
    shapes = lambda net: sorted((s.layer.op, s.layer.dims) for s in net.layers)  # noqa: E731
    assert shapes(file) == shapes(own)
    assert (file.weights, file.macs) == (own.weights, own.macs)
    assert profile(file).totals.peak_activation_bytes == profile(own).totals.peak_activation_bytes


def test_inception_v1_rounds_its_pools_down_and_so_has_the_macs_that_the_survey_prints() -> None:
    file, own = load_model(str(LIGHT / "light_inception_v1.onnx")), zoo.model("googlenet")
    assert file.weights == own.weights
    bounds = lambda net: {s.layer.bounds["P"] for s in net.layers if "P" in s.layer.bounds}  # noqa: E731
    assert bounds(file) == {112, 55, 27, 13, 6}
    assert bounds(own) == {112, 56, 28, 14, 7}


def test_a_fixed_batch_may_be_replaced_where_the_graph_allows_it() -> None:
    one, four = (load_model(str(LIGHT / "light_squeezenet.onnx"), batch=n) for n in (1, 4))
    assert (four.macs, four.weights) == (4 * one.macs, one.weights)


@pytest.mark.parametrize(
    ("path", "options", "megamacs"),
    [
        (
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
            {"batch": 1, "dims": {"p2o.DynamicDimension.1": 640, "p2o.DynamicDimension.2": 640}},
            2301.9,
        ),
        (
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
            {"batch": 1, "dims": {"x[2]": 48, "p2o.DynamicDimension.1": 320}},
            702.5,
        ),
        (
            "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
            {"batch": 1, "dims": {"x[2]": 48, "x[3]": 192}},
            16.3,
        ),
        ("magika/models/standard_v3_3/model.onnx", {"batch": 1}, 366.7),
        ("basic_pitch/saved_models/icassp_2022/nmp.onnx", {"batch": 1}, 524.1),
        ("ddddocr/common_det.onnx", {}, 3179.3),
        ("ddddocr/common.onnx", {"dims": {"image_width": 160}}, 569.1),
        ("ddddocr/common_old.onnx", {"dims": {"image_width": 160}}, 569.1),
    ],
)
def test_trained_files_of_other_packages(path: str, options: dict, megamacs: float) -> None:
    file = PACKAGES / path
    if not file.is_file():
        pytest.skip("set PICOJOULE_MODEL_PACKAGES; see packages.txt")
    network = load_model(str(file), strict=True, **options)
    assert network.macs / 1e6 == pytest.approx(megamacs, abs=0.06)
    assert_ordered(network)


def test_a_quantised_file_has_the_macs_of_the_float_one_and_eight_bit_weights() -> None:
    folder = PACKAGES / "ddddocr"
    if not folder.is_dir():
        pytest.skip("set PICOJOULE_MODEL_PACKAGES; see packages.txt")
    plain, small = (load_model(str(folder / f), dims={"image_width": 160}) for f in ("common.onnx", "common_old.onnx"))
    assert (plain.macs, plain.weights) == (small.macs, small.weights)
    assert {t.bits for s in small.layers for t in s.layer.tensors if t.learned} == {8}
    assert profile(small).totals.weight_bytes == small.weights
