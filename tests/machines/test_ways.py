"""What kernels ask of a machine: counted by hand, and laws that hold for every shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.machines.kernels.device import load_device
from picojoule.machines.kernels.latency import predict_kernels, seconds
from picojoule.machines.kernels.ways import Shape, operations, ways_of

H100 = load_device("h100")
CPU = load_device("epyc-9654")


def gemm(m: int, n: int, k: int, b: int = 1, dtype: str = "bf16") -> Shape:
    return Shape(family="gemm", dtype=dtype, dims=(("B", b), ("M", m), ("N", n), ("K", k)))


def conv(layout: str = "nhwc", dtype: str = "fp16", groups: int = 1, stride: int = 1, r: int = 3, c: int = 128) -> Shape:
    p = 28 // stride
    dims = {"N": 32, "C": c, "H": 28, "W": 28, "K": 128, "R": r, "S": r, "stride": stride, "groups": groups, "P": p, "Q": p}
    return Shape(family="conv", dtype=dtype, dims=(*dims.items(), ("layout", layout)))


def attn(sq: int, sk: int, causal: bool = False, hkv: int = 32) -> Shape:
    dims = {"B": 1, "Hq": 32, "Hkv": hkv, "Sq": sq, "Sk": sk, "D": 128, "causal": causal}
    return Shape(family="attn", dtype="bf16", dims=tuple(dims.items()))


def vec(op: str, *shape: int, dtype: str = "fp16") -> Shape:
    return Shape(family="vec", dtype=dtype, dims=(("op", op), ("shape", shape)))


def hot(*shapes: Shape, device=H100) -> list[float]:
    return [float(x) for x in predict_kernels(shapes, device).hot_s]


def test_a_product_that_fills_the_machine_once_is_one_wave_of_whole_tiles() -> None:
    # 11 x 12 tiles of 256 x 128 on 132 SMs: each does 2 * 256 * 128 * 4096 operations
    w = ways_of([gemm(2816, 1536, 4096)], H100)
    assert 2 * 256 * 128 * 4096 in w.unit_ops
    e = predict_kernels([gemm(2816, 1536, 4096)], H100)
    assert e.parts[0][1] == pytest.approx(2 * 256 * 128 * 4096 * 132 / (989e12 * H100.parameters.matrix_efficiency))


def test_compulsory_bytes_are_each_operand_once() -> None:
    w = ways_of([gemm(512, 256, 128), vec("add", 1000), attn(1, 1024)], H100)
    first = w.first
    assert w.dram_bytes[first[0]] == 2 * (512 * 128 + 128 * 256 + 512 * 256)
    assert w.dram_bytes[first[1]] == 3 * 2 * 1000
    assert w.dram_bytes[first[2]] == 2 * (2 * 32 * 128 + 2 * 32 * 1024 * 128)


def test_a_strided_1x1_reads_only_the_pixels_it_uses() -> None:
    whole, strided = ways_of([conv(r=1)], H100), ways_of([conv(r=1, stride=2)], H100)
    image = 32 * 128 * 28 * 28 * 2
    weights, result = 128 * 128 * 2, 32 * 128 * 14 * 14 * 2
    assert strided.dram_bytes[0] == image / 4 + weights + result
    assert whole.dram_bytes[0] == 2 * image + weights


def test_operations_count_a_mac_as_two() -> None:
    assert operations(gemm(2, 3, 5, b=7)) == 420
    assert operations(conv()) == 2 * 32 * 128 * 28 * 28 * 128 * 9
    assert operations(attn(64, 64, causal=True)) == operations(attn(64, 64)) / 2


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(["bf16", "fp32", "fp8", "int8"]))
def test_no_product_is_faster_than_the_data_sheet_allows(m: int, n: int, k: int, dtype: str) -> None:
    shape = gemm(m, n, k, dtype=dtype)
    e = predict_kernels([shape], H100)
    assert e.hot_s[0] >= operations(shape) / H100.peak(dtype) + H100.parameters.launch_s
    assert e.steady_s[0] >= e.hot_s[0] and e.energy_j[0] > H100.idle_w * e.hot_s[0]
    assert e.energy_j[0] / e.steady_s[0] <= H100.power_w * (1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(64, 4096), st.integers(64, 4096), st.integers(64, 4096))
def test_a_cold_kernel_takes_no_less_time_than_a_hot_one(m: int, n: int, k: int) -> None:
    w = ways_of([gemm(m, n, k)], H100)
    assert seconds(w, H100, H100.parameters, cold=True)[0] >= seconds(w, H100, H100.parameters)[0]


def test_dropping_dominated_ways_changes_no_prediction() -> None:
    from picojoule.machines.kernels import ways

    shapes = [gemm(1000, 3000, 700), gemm(1, 28672, 4096), conv(), attn(2048, 2048, True), vec("softmax", 4096, 4096)]
    kept = ways_of(shapes, H100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "_undominated", lambda table: table)
        patch.setattr(ways, "_MEMORY", {})
        full = ways_of(shapes, H100)
    assert len(kept.kernel) < len(full.kernel) / 5
    for scale in (0.3, 1.0, 3.0):
        p = replace(H100.parameters, latency_s=scale * 7e-7, cache_bytes_per_s=6e12 / scale, dram_bytes_per_s=1e12 * scale)
        assert np.allclose(seconds(kept, H100, p), seconds(full, H100, p), rtol=1e-12)


def test_one_tile_more_than_a_wave_costs_a_wave() -> None:
    one, more = hot(gemm(1536, 2816, 4096), gemm(1664, 2816, 4096))
    assert 1664 / 1536 < more / one < 2.0


def test_rows_that_do_not_begin_at_16_bytes_are_slow() -> None:
    aligned, odd = hot(gemm(4096, 4096, 4096), gemm(4095, 4095, 4095))
    assert odd > 4 * aligned
    assert (
        hot(gemm(1023, 1023, 1023, dtype="fp32"), device=CPU)[0] < 1.1 * hot(gemm(1024, 1024, 1024, dtype="fp32"), device=CPU)[0]
    )


def test_splitting_the_sum_helps_where_there_are_few_tiles() -> None:
    w = ways_of([gemm(128, 128, 16384)], H100)
    whole = w.unit_ops >= 2 * 128 * 64 * 16384  # the ways that do not split
    assert whole.any() and not whole.all()
    assert hot(gemm(128, 128, 16384))[0] < hot(gemm(128, 128, 1024))[0] * 6


def test_decoding_costs_the_bytes_of_keys_and_values() -> None:
    e = predict_kernels([attn(1, 1 << 16), attn(1, 1 << 16, hkv=8)], H100)
    assert e.bound(0) == "DRAM"
    assert e.hot_s[0] == pytest.approx(2 * 32 * (1 << 16) * 128 * 2 / H100.parameters.dram_bytes_per_s, rel=0.05)
    assert e.hot_s[1] < 0.35 * e.hot_s[0]


def test_a_causal_mask_saves_almost_half_of_a_long_prompt() -> None:
    full, masked = hot(attn(8192, 8192), attn(8192, 8192, causal=True))
    assert 0.5 < masked / full < 0.56


def test_channels_last_is_faster_on_matrix_units() -> None:
    last, first = hot(conv("nhwc"), conv("nchw"))
    assert first > 1.3 * last


def test_depthwise_layers_run_on_the_lanes() -> None:
    e = predict_kernels([conv(groups=128)], H100)
    assert e.bound(0) in ("lanes", "cache", "DRAM") and e.parts[0][1] == 0.0


def test_large_copies_run_at_the_sustained_bandwidth_and_small_ones_below() -> None:
    large, small = vec("copy", 1 << 29), vec("copy", 1 << 24)
    rate = [2 * 2 * n / t for n, t in zip((1 << 29, 1 << 24), hot(large, small), strict=True)]
    assert rate[0] == pytest.approx(H100.parameters.dram_bytes_per_s, rel=0.02)
    assert rate[1] < 0.95 * rate[0]


def test_unknown_operators_and_missing_types_say_what_to_do() -> None:
    with pytest.raises(SpecError, match="unknown operator 'frobnicate'"):
        hot(vec("frobnicate", 100))
    with pytest.raises(SpecError, match="no fp8 units"):
        hot(gemm(64, 64, 64, dtype="fp8"), device=load_device("a100-80gb"))


def cpu_conv(k: int = 64, layout: str = "nchw") -> Shape:
    dims = {"N": 1, "C": 64, "H": 28, "W": 28, "K": k, "R": 3, "S": 3, "stride": 1, "groups": 1, "P": 28, "Q": 28}
    return Shape(family="conv", dtype="fp32", dims=(*dims.items(), ("layout", layout)))


def test_a_product_on_a_cpu_packs_both_operands_but_not_for_a_single_row_or_column() -> None:
    w = ways_of([gemm(8, 256, 512, b=3, dtype="fp32"), gemm(1, 256, 512, dtype="fp32"), gemm(256, 1, 512, dtype="fp32")], CPU)
    assert list(w.moved_bytes) == [2 * 4 * 3 * (512 * 256 + 8 * 512), 0, 0]
    assert not ways_of([gemm(8, 256, 512)], H100).moved_bytes.any()


def test_a_convolution_on_a_cpu_rearranges_its_weights_and_in_nchw_its_images_too_in_a_call_each() -> None:
    last, first = ways_of([cpu_conv(layout="nhwc")], CPU), ways_of([cpu_conv()], CPU)
    weights, images = 64 * 64 * 9, (64 + 64) * 28 * 28
    assert (last.moved_bytes[0], last.launches[0]) == (2 * 4 * weights, 2)
    assert (first.moved_bytes[0], first.launches[0]) == (2 * 4 * (weights + images), 4)


def test_what_is_rearranged_comes_before_the_product_and_may_bound_it() -> None:
    """One output pixel of many filters: each weight is moved once and used once."""
    dims = dict.fromkeys(("N", "H", "W", "R", "S", "P", "Q", "stride", "groups"), 1) | {"C": 2048, "K": 2048}
    e = predict_kernels([Shape(family="conv", dtype="fp32", dims=(*dims.items(), ("layout", "nhwc")))], CPU)
    assert e.bound(0) == "rearranging"
    assert e.hot_s[0] > e.parts[0, -1] + e.parts[0, 0]


def test_a_cpu_fills_its_vectors_along_the_filters() -> None:
    assert CPU.lanes == 16  # two pipes of 8
    part, full, more = (ways_of([cpu_conv(k=k)], CPU).unit_ops[0] for k in (49, 56, 57))
    assert part == full == more * 56 / 64


def test_batch_normalisation_is_several_calls_on_a_cpu_and_one_kernel_on_a_gpu() -> None:
    assert [ways_of([vec("batchnorm", 64, 64, dtype="fp32")], d).launches[0] for d in (CPU, H100)] == [5, 1]
    assert ways_of([vec("relu", 4096, dtype="fp32")], CPU).launches[0] == 1
