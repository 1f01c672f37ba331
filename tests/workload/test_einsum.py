"""A layer as one line of text: it reads back equal, and a wrong one is told what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.errors import SpecError
from picojoule.workload.einsum import layer_to_text, parse_einsum
from picojoule.workload.layer import Layer, conv, gemm
from picojoule.workload.load import load_model


def same(a: Layer, b: Layer) -> bool:
    """Whether they differ in names and in the order of tensors at most."""
    return a.dims == b.dims and {t.name: t for t in a.tensors} == {t.name: t for t in b.tensors}


SIZE = st.integers(1, 9)


@given(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE, st.integers(1, 3), st.integers(0, 2), st.sampled_from([4, 8, 16]))
def test_a_convolution_reads_back(k: int, c: int, p: int, q: int, r: int, s: int, stride: int, pad: int, bits: int) -> None:
    pad = min(pad, (p - 1) * stride // 2, (q - 1) * stride // 2)
    layer = conv(K=k, C=c, P=p, Q=q, R=r, S=s, stride=stride, pad=pad, bits=bits).bits_of(output=2 * bits)
    assert same(parse_einsum(layer_to_text(layer)), layer)


@given(SIZE, SIZE, SIZE, SIZE)
def test_a_matrix_product_reads_back(m: int, n: int, k: int, batch: int) -> None:
    layer = gemm(M=m, N=n, K=k, batch=batch)
    assert same(parse_einsum(layer_to_text(layer)), layer)


def test_an_einsum_is_a_model() -> None:
    assert load_model("einsum:O[K,P]=I[2P+R]*W[K,R],K=32,P=16,R=3,bits=8").macs == 32 * 16 * 3


@pytest.mark.parametrize(
    "text, problem",
    [
        ("einsum:", "no result stands left"),
        ("einsum:Z[M,N]=A[M,K]", "dimension M has no size"),
        ("einsum:Z[M]=A[M,K]*B[K]*C[K],M=2,K=2", "3 operands"),
        ("einsum:Z[M]=A[M+K+R]*B[K,R],M=2,K=2,R=2", "a rank has one or two terms"),
        ("einsum:Z[M]=A[M-K]*B[K],M=2,K=2", "cannot read the rank 'M-K'"),
        ("einsum:Z[M]=A[M*K]*B[K],M=2,K=2", "cannot read the rank"),
        ("einsum:Z[M]=A[M,K]*B[K],M=2,K=0", "cannot read 'K=0'"),
        ("einsum:Z[M]=A[M,K]*B[K],M=2,K=2,bits=8x8", "2 widths for 3 tensors"),
        ("einsum:Z[M]=A[M,K]*A[K],M=2,K=2", "two tensors have one name"),
        ("einsum:Z[M]=A[M,K]*B[K],M=2,K=2,Q=3", "no tensor uses dimension Q"),
        ("einsum:Z[M]=*B[K],M=2,K=2", "no tensor where"),
    ],
)
def test_a_wrong_text_is_told_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem.replace("[", r"\[").replace("*", r"\*")):
        parse_einsum(text)
