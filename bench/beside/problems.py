"""The problems of the comparison: each stated once, as our Layer and Chip, and translated for the peer that gets it too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule.hardware.chip import Chip
from picojoule.hardware.chipfile.read import load_chip
from picojoule.workload.layer import Layer, Rank, conv, from_ranks, gemm, one

CHIPS = Path(__file__).parents[1] / "chips"


@dataclass(frozen=True)
class Problem:
    """A layer on a chip for one peer. `once`: the peer runs a single time, because it takes long."""

    peer: str
    name: str
    layer: Layer
    chip: str  # a preset, or a file of bench/chips
    theirs: str  # the peer's own description: a file of bench/chips, or of its wheel
    once: bool = False
    imperfect: bool = False  # AccelForge only: its imperfect loops, which we cannot import as a mapping
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}@{Path(self.chip).stem}" + ("+imperfect" if self.imperfect else "")

    @property
    def chip_argument(self) -> str:
        return str(CHIPS / self.chip) if self.chip.endswith(".yaml") else self.chip

    @property
    def their_argument(self) -> str:
        return str(CHIPS / self.theirs) if (CHIPS / self.theirs).exists() else self.theirs

    def load_chip(self) -> Chip:
        return load_chip(self.chip_argument)


def _gemm(m: int, n: int, k: int) -> Layer:
    return gemm(M=m, N=n, K=k, bits=8)


def _conv(k: int, c: int, pq: int, rs: int, stride: int = 1) -> Layer:
    return conv(K=k, C=c, P=pq, Q=pq, R=rs, S=rs, stride=stride, bits=8)


ARRAY = {"chip": "pin_array16", "theirs": "pin_array16.accelforge.yaml"}
NVDLA = {"chip": "accelforge_nvdla.yaml", "theirs": "nvdla.yaml"}
GEMM_64 = _gemm(64, 64, 64)  # what every process runs before the clock starts
GEMM_1K = _gemm(1024, 1024, 1024)
PRIME = _gemm(1021, 1021, 1021)
RESNET_3X3 = _conv(128, 128, 28, 3)
ACCELFORGE = (
    Problem("accelforge", "GEMM 1024^3", GEMM_1K, **ARRAY),
    Problem("accelforge", "ResNet-50 3x3 128->128 @28", RESNET_3X3, **NVDLA),
    Problem("accelforge", "GEMM 1000x999x1001", _gemm(1000, 999, 1001), **ARRAY, once=True),
    Problem("accelforge", "GEMM 1021^3", PRIME, **ARRAY),
    Problem("accelforge", "GEMM 1024^3", GEMM_1K, **NVDLA),
    Problem("accelforge", "GEMM 1024^3", GEMM_1K, **NVDLA, imperfect=True),
    Problem("accelforge", "GEMM 1021^3", PRIME, **NVDLA),
    Problem("accelforge", "GEMM 1021^3", PRIME, **NVDLA, imperfect=True),
    Problem("accelforge", "ResNet-50 1x1 64->256 @56", _conv(256, 64, 56, 1), **NVDLA),
    Problem("accelforge", "ResNet-18 3x3 64->64 @56", _conv(64, 64, 56, 3), **NVDLA, once=True),
    Problem("accelforge", "VGG-16 3x3 512->512 @14", _conv(512, 512, 14, 3), **NVDLA, once=True),
    Problem("accelforge", "AlexNet conv3", _conv(384, 256, 13, 3), **NVDLA, once=True),
    Problem("accelforge", "AlexNet conv3", _conv(384, 256, 13, 3), **ARRAY, once=True),
)


def accelforge_workload(layer: Layer) -> str:
    """The layer as AccelForge reads it; a rank of two dimensions gets a size of its own."""
    sizes = dict(layer.dims)
    lines = []
    for t in layer.tensors:
        ranks = [_accelforge_rank(r, sizes) for r in t.ranks]
        output = ", output: True" if t.role == "output" else ""
        lines.append(f"    - {{name: {t.name}, projection: {{{', '.join(ranks)}}}{output}}}")
    renames = ", ".join(f"{t.role}: {t.name}" for t in layer.tensors)
    return "\n".join(
        [
            "workload:",
            f"  bits_per_value: {{All: {layer.tensors[0].bits}}}",
            f"  rank_sizes: {{{', '.join(f'{d}: {n}' for d, n in sizes.items())}}}",
            "  einsums:",
            "  - name: layer",
            "    tensor_accesses:",
            *lines,
            f"    renames: {{{renames}}}",
            "",
        ]
    )


def _accelforge_rank(rank: Rank, sizes: dict[str, int]) -> str:
    terms = " + ".join(d.lower() if c == 1 else f"{c} * {d.lower()}" for c, d in rank.terms)
    if terms.upper() in sizes:
        return f"{terms.upper()}: {terms}"
    name = "".join(d for _, d in rank.terms) + "_"
    sizes[name] = sum(c * (sizes[d] - 1) for c, d in rank.terms) + 1
    return f"{name}: {terms}"


# ZigZag: O[d][k] += I[d][c] * W[c][k] keeps its names, so that its fixed unrolling reads alike on both sides.
ZIGZAG_DIMS = {"OY": "P", "OX": "Q", "FY": "R", "FX": "S", "K": "K", "C": "C", "D": "D"}
UNROLL = {"tpu_like": {"D1": ["K, 32"], "D2": ["C, 32"]}, "tesla_like": {"D1": ["K, 32"], "D2": ["OX, 8"], "D3": ["OY, 4"]}}
SUM_BITS = {"output": 16}  # partial sums and final outputs alike, in both tools


def _zigzag_gemm(d: int, c: int, k: int) -> Layer:
    ranks = {"I": ("input", "DC"), "W": ("weight", "CK"), "O": ("output", "DK")}
    tensors = {t: (role, tuple(one(x) for x in dims)) for t, (role, dims) in ranks.items()}
    return from_ranks("gemm", "Gemm", {"D": d, "C": c, "K": k}, tensors, 8).bits_of(**SUM_BITS)


def zigzag_layer(layer: Layer) -> dict[str, Any]:
    """The layer as ZigZag reads it, for stride 1."""
    n = layer.bounds
    bits = {"W": 8, "I": 8, "O": 16, "O_final": 16}
    common: dict[str, Any] = {"id": 0, "name": "layer", "operand_precision": bits, "operand_source": {"I": 0, "W": 0}}
    if "D" in n:
        return {
            **common,
            "operator_type": "Gemm",
            "equation": "O[d][k]+=I[d][c]*W[c][k]",
            "dimension_relations": [],
            "loop_dims": ["C", "D", "K"],
            "loop_sizes": [n["C"], n["D"], n["K"]],
        }
    oy, ox, fy, fx = n["P"], n["Q"], n.get("R", 1), n.get("S", 1)
    return {
        **common,
        "operator_type": "Conv",
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "dimension_relations": ["ix=1*ox+1*fx", "iy=1*oy+1*fy"],
        "loop_dims": ["B", "K", "G", "OX", "OY", "C", "FX", "FY"],
        "loop_sizes": [1, n["K"], 1, ox, oy, n["C"], fx, fy],
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [ox + fx - 1, oy + fy - 1],
        "padding": [[0, 0], [0, 0]],
    }


ZIGZAG = tuple(
    Problem("zigzag", name, layer, f"{chip}.yaml", f"{chip}.zigzag.yaml")
    for chip in ("tpu_like", "tesla_like")
    for name, layer in (
        ("3x3 64->64 @56", _conv(64, 64, 56, 3).bits_of(**SUM_BITS)),
        ("1x1 64->256 @28", _conv(256, 64, 28, 1).bits_of(**SUM_BITS)),
        ("GEMM 256^3", _zigzag_gemm(256, 256, 256)),
    )
    if chip == "tpu_like" or name.startswith("GEMM")
)


def warm_zigzag_layer() -> dict[str, Any]:
    return zigzag_layer(_zigzag_gemm(64, 64, 64))
