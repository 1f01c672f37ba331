"""Lowering of shapes to layers, against counts by walking the loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.workload import layer as plain
from picojoule.workload.building.shapes import (
    Product,
    Window,
    conv_layer,
    conv_transpose_layers,
    einsum,
    matmul,
    same_window,
    window,
)
from tests.workload.naive import conv_by_walking, elements_by_walking, transposed_by_walking

small = st.integers(1, 3)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple:
    axes = draw(st.integers(1, 3))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    kernel, stride, dilation, begin, end = each(1, 3), each(1, 3), each(1, 2), each(0, 2), each(0, 2)
    size = each(1, 5 if axes < 3 else 4)
    groups = draw(st.integers(1, 2))
    filters, channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    return (draw(st.integers(1, 2)), channels, *size), filters, kernel, stride, dilation, begin, end, groups


@settings(deadline=None, max_examples=150)
@given(convolutions())
def test_a_convolution_counts_what_walking_its_outputs_and_valid_taps_counts(case: tuple) -> None:
    image, filters, kernel, stride, dilation, begin, end, groups = case
    win = Window(kernel, stride, dilation, begin, end)
    assume(all(h + b + e >= k for h, b, e, k in zip(image[2:], begin, end, win.reach, strict=True)))
    macs, inputs, weights, outputs = conv_by_walking(image, filters, kernel, stride, dilation, begin, end, groups)
    assume(inputs)  # a convolution of padding alone is no convolution
    layer = conv_layer("c", "Conv", image, (filters, image[1] // groups, *kernel), win, groups=groups)
    found = [layer.elements(layer.tensor(t)) for t in "IWO"]
    assert layer.macs == macs
    assert found == [inputs, weights, outputs]
    assert found == [elements_by_walking(layer, layer.tensor(t)) for t in "IWO"]


def test_two_axes_give_the_same_layer_as_the_constructor() -> None:
    lowered = conv_layer("c", "Conv", (2, 48, 27, 27), (256, 24, 5, 5), window(5, pad=2), groups=2)
    assert lowered == plain.conv("c", K=256, C=48, P=27, Q=27, R=5, S=5, pad=2, batch=2, groups=2)


@settings(deadline=None, max_examples=150)
@given(st.tuples(small, small), st.tuples(small, small), st.tuples(small, small), st.tuples(small, small), st.data())
def test_sub_pixel_convolutions_own_every_output_once_and_multiply_as_scattering(size, kernel, stride, dilation, data) -> None:
    begin = tuple(data.draw(st.integers(0, d * (k - 1))) for k, d in zip(kernel, dilation, strict=True))
    spans = list(zip(size, kernel, stride, dilation, begin, strict=True))
    output = tuple((h - 1) * s + d * (k - 1) + 1 - b + data.draw(st.integers(0, s - 1)) for h, k, s, d, b in spans)
    assume(min(output) >= 1)
    win = Window(kernel, stride, dilation, begin, (0, 0))
    phases, bare = conv_transpose_layers("t", "ConvTranspose", (1, 1, *size), (1, 1, *kernel), win, output)
    layers = [layer for layer, _ in phases]
    scattered, unreached = transposed_by_walking(size, output, kernel, stride, dilation, begin)
    owned = sum(layer.elements(layer.output) for layer in layers)
    assert owned + bare == output[0] * output[1]
    valid = sum(valid_macs(layer) for layer in layers)
    assert valid == scattered
    assert bare <= unreached


def valid_macs(layer: plain.Layer) -> int:
    """Points of the loop nest whose input is no padding."""
    names, image = [d for d, _ in layer.dims], layer.tensor("I")
    count = 0
    for point in itertools.product(*(range(n) for _, n in layer.dims)):
        at = dict(zip(names, point, strict=True))
        index = [(r.offset + sum(c * at[d] for c, d in r.terms), r.size) for r in image.ranks]
        count += all(i >= 0 and (n is None or i < n) for i, n in index)
    return count


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "extra"), [(2, 2, 0, 0), (4, 2, 1, 0), (3, 2, 1, 1), (3, 3, 0, 0), (1, 1, 0, 0), (8, 4, 2, 0)]
)
def test_a_transposed_convolution_does_input_times_kernel_macs_and_uses_each_weight_once(kernel, stride, pad, extra) -> None:
    out = 4 * stride - stride + kernel - 2 * pad + extra
    win = window(kernel, stride=stride, pad=pad)
    phases, bare = conv_transpose_layers("t", "ConvTranspose", (1, 8, 4, 4), (8, 3, kernel, kernel), win, (out, out))
    layers = [layer for layer, _ in phases]
    assert sum(x.macs for x in layers) == 4 * 4 * kernel * kernel * 8 * 3
    assert sum(x.elements(x.tensor("W")) for x in layers) == kernel * kernel * 8 * 3
    assert (bare, [x.note for x in layers if x.note]) == (0, [])


def test_where_edges_are_cropped_the_note_of_the_first_phase_says_what_the_scatter_form_would_count() -> None:
    phases, _ = conv_transpose_layers("t", "ConvTranspose", (1, 1, 4), (1, 1, 3), window(3, stride=2, pad=1, axes=1), (7,))
    layers = [layer for layer, _ in phases]
    assert sum(x.macs for x in layers) == 10
    assert layers[0].note == "input times kernel, edges not cropped: 12 MACs"


def test_outputs_between_the_taps_are_counted_as_bare() -> None:
    phases, bare = conv_transpose_layers("t", "ConvTranspose", (1, 1, 4), (1, 5, 1), window(1, stride=3, axes=1), (10,))
    layers = [layer for layer, _ in phases]
    assert (len(layers), layers[0].macs, bare) == (1, 4 * 5, 6 * 5)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_same_padding_gives_an_output_for_each_stride(size, kernel, stride, dilation, first) -> None:
    win = same_window((size,), (kernel,), (stride,), (dilation,), extra_first=first)
    assert win.output((size,)) == (-(-size // stride),)
    extra = win.begin[0] - win.end[0]
    assert extra in ((0, 1) if first else (0, -1))


@settings(deadline=None)
@given(st.lists(small, max_size=3), st.integers(0, 3), st.integers(0, 3), small, small, small, st.data())
def test_a_broadcast_product_has_the_macs_and_elements_of_numpy(batch, cut_a, cut_b, m, n, k, data) -> None:
    thin = lambda sizes: [1 if data.draw(st.booleans()) else x for x in sizes]  # noqa: E731
    a, b = (*thin(batch)[cut_a:], m, k), (*thin(batch)[cut_b:], k, n)
    out = np.matmul(np.zeros(a), np.zeros(b))
    layer = matmul(a, b).layer("m", "MatMul")
    assert layer.macs == out.size * k
    assert [layer.elements(layer.tensor(t)) for t in "ABZ"] == [np.prod(a), np.prod(b), out.size]


@pytest.mark.parametrize(
    ("equation", "a", "b", "extents"),
    [
        ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5), (6, 4, 6, 5)),
        ("ij,jk", (2, 3), (3, 4), (1, 2, 4, 3)),
        ("...ij,...jk->...ik", (7, 2, 3), (7, 3, 4), (7, 2, 4, 3)),
        ("...ij,jk->...ik", (7, 2, 3), (3, 4), (1, 14, 4, 3)),
        ("bij,bkj->bik", (1, 2, 3), (5, 4, 3), (1, 2, 20, 3)),
        ("i,j->ij", (2,), (3,), (1, 2, 3, 1)),
        ("i,i->", (4,), (4,), (1, 1, 1, 4)),
    ],
)
def test_an_einsum_of_two_tensors_is_one_product(equation, a, b, extents) -> None:
    found = einsum(equation, a, b)
    assert found == Product(*extents)
    assert found.layer("e", "Einsum").macs == np.prod(extents)


@pytest.mark.parametrize(
    ("equation", "a", "b"), [("ii,ij->ij", (2, 2), (2, 3)), ("ab,cd->ac", (2, 3), (4, 5)), ("ij,jk->ik", (2, 1), (3, 4))]
)
def test_an_einsum_that_is_no_single_product_is_refused(equation, a, b) -> None:
    with pytest.raises(SpecError, match="is no plain product of two tensors"):
        einsum(equation, a, b)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (
            lambda: matmul((2, 3), (4, 5), "fc"),
            "layer 'fc': 2x3 times 4x5 is no matrix product\nhint: the inner sizes must be equal",
        ),
        (
            lambda: matmul((2, 3, 4), (3, 4, 5), "m"),
            "layer 'm': 2x3x4 and 3x4x5 do not broadcast\nhint: batch sizes are equal or 1",
        ),
        (lambda: window(5).output((3, 3)), "a window of 5x5 does not fit an input of 3x3\nhint: check kernel and padding"),
        (
            lambda: conv_layer("c", "Conv", (1, 3, 8, 8), (4, 2, 3, 3), window(3)),
            "layer 'c': input 1x3x8x8 with 1 groups does not suit weights for 2 channels\n"
            "hint: input channels are weight channels times groups, and filters divide by groups",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_named(act, text) -> None:
    with pytest.raises(SpecError) as caught:
        act()
    assert str(caught.value) == text


@given(st.integers(1, 9), st.integers(-7, 7), st.integers(1, 4), st.one_of(st.none(), st.integers(1, 12)), st.integers(0, 5))
def test_a_rank_of_one_term_counts_as_if_walked(n, offset, step, size, start) -> None:
    rank = plain.Rank(((step, "Q"),), offset, size)
    walked = {offset + step * (start + i) for i in range(n)}
    expected = sum(1 for v in walked if v >= 0 and (size is None or v < size))
    assert plain.distinct(rank, {"Q": n}, {"Q": start}) == expected
