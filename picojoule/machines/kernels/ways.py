"""What one kernel asks of a machine, for every way in which a library may run it: tiles, splits of the sum, busiest unit.

A way is a row of `Ways`: work of the busiest unit (SM or core) in whole tiles and waves, traffic from the last-level cache and
DRAM, dependent steps. The model (`latency.py`) prices the ways and takes the fastest, as a library that knows its machine would.
Nothing here depends on a fitted parameter, so that a fit builds the ways once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import numpy as np

from picojoule.errors import SpecError
from picojoule.machines.kernels.device import Device
from picojoule.machines.kernels.measurements import DTYPES
from picojoule.machines.kernels.vector_ops import vector_cost

MATRIX, INTEGER, VECTOR, UNALIGNED = range(4)  # which efficiency bounds the product
RESULT_BYTES = {"fp8": 2, "int8": 4, "uint8": 4}  # others write their own type
ALIGNED_BYTES = 16  # rows have to begin there for wide and asynchronous loads
SECTOR_BYTES = 64  # what a scattered read of one element brings from the last-level cache
DEPTHWISE_CPU_INSTRUCTIONS = 2  # the compiler of a CPU's kernel folds loads into multiply-adds and keeps addresses in registers
DEPTHWISE_INSTRUCTIONS = 5  # lane instructions for one tap: load, convert, multiply-add and their addresses
SOFTMAX_INSTRUCTIONS = 11.5  # of one score in attention: an exponential on a quarter-rate unit (8), scale, maximum, sum, convert
ENERGY_WEIGHT = {"fp64": 8.0, "fp32": 4.0, "tf32": 2.0, "bf16": 1.0, "fp16": 1.0, "fp8": 0.5, "int8": 0.75, "uint8": 0.75}
ROWS, PANEL = 28, 64  # a CPU's blocks: output pixels of a row, channels of a panel
REORDER_ALONE, REORDER_ROW = 20, 4  # lane instructions to rearrange an element that is gathered alone, or in a row
SPLITS = (1, 2, 3, 4, 6, 8, 16)
_EDGES = (8, 16, 32, 64, 96, 128, 192, 256)


class Call(Protocol):
    """What the model may see of a kernel: its family, data type and dimensions; never what a library called it."""

    @property
    def family(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def dims(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def bytes(self) -> float | None: ...


class Product(NamedTuple):
    """`batch` products (m x k) x (k x n)."""

    batch: int
    m: int
    n: int
    k: int


class Tiling(NamedTuple):
    """Ways to cut the results of a product into tiles of `m` x `n`: `rows` x `columns` of them. float64[way] each."""

    m: np.ndarray
    n: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kernel that nobody has measured: a layer of a network, or one typed in."""

    family: str
    dtype: str
    dims: tuple[tuple[str, Any], ...]
    bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """Candidate ways of several kernels as columns of equal length; `kernel` numbers the kernel a way belongs to, ascending.

    unit_ops: operations of the busiest unit, ragged tiles filled up (divided by its occupancy); rate: data-sheet operations a
    second of one unit; unit_instructions: lane instructions of one unit; cache_bytes: delivered by the last-level cache in all,
    unit_cache_bytes to the busiest unit; dram_bytes: read and written if nothing is cached; footprint_bytes: distinct bytes;
    ops, instructions: in all, without filling up, for the energy, weighted by the data type's width.
    """

    kernel: np.ndarray
    engine: np.ndarray
    scattered: np.ndarray  # channels do not lie together (NCHW)
    serial: np.ndarray  # lane instructions follow the products instead of overlapping them
    rate: np.ndarray
    unit_ops: np.ndarray
    unit_instructions: np.ndarray
    cache_bytes: np.ndarray
    unit_cache_bytes: np.ndarray
    dram_bytes: np.ndarray
    footprint_bytes: np.ndarray
    moved_bytes: np.ndarray  # rearranged before and after the kernel, through the last-level cache
    moved_instructions: np.ndarray  # of one unit's lanes, to rearrange them
    launches: np.ndarray
    steps: np.ndarray
    ops: np.ndarray
    instructions: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """Index of the first way of each kernel."""
        return np.flatnonzero(np.diff(self.kernel, prepend=-1))


COLUMNS = tuple(f.name for f in fields(Ways) if f.name != "kernel")


def ways_of(calls: Sequence[Call], device: Device) -> Ways:
    """The ways of all kernels on a device, without those that another way of the same kernel beats in every respect."""
    facts = (device.kind, device.units, device.lanes, device.clock_hz, device.cache_bytes, tuple(device.peaks.items()))
    tables = [_remembered(call, device, (facts, device.vector_dtypes)) for call in calls]
    kernel = np.repeat(np.arange(len(tables)), [len(t["rate"]) for t in tables])
    return Ways(kernel, *(np.concatenate([t[c] for t in tables]) for c in COLUMNS))


def _ways(call: Call, device: Device) -> dict[str, np.ndarray]:
    d = dict(call.dims)
    if call.family == "gemm":
        table = _matrix_product(device, call.dtype, d.get("B", 1), d["M"], d["N"], d["K"])
    elif call.family == "conv":
        table = _convolution(device, call.dtype, d)
    elif call.family == "attn":
        table = _attention(device, call.dtype, d)
    else:
        table = _vector(device, call)
    if extra := d.get("extra_bytes", 0):  # a second operand of what was fused behind the product
        table |= {c: table[c] + extra for c in ("cache_bytes", "dram_bytes", "footprint_bytes")}
    return table


_MEMORY: dict[Any, dict[str, np.ndarray]] = {}  # a fit, its splits and a prediction ask for the same kernels
_MOST = 20_000


def _remembered(call: Call, device: Device, facts: tuple[Any, ...]) -> dict[str, np.ndarray]:
    """The undominated ways of a kernel; they depend on its shape and on these facts of the device alone."""
    key = (call.family, call.dtype, call.dims, call.bytes, facts)
    if key not in _MEMORY:
        if len(_MEMORY) >= _MOST:
            _MEMORY.clear()
        _MEMORY[key] = _undominated(_ways(call, device))
    return _MEMORY[key]


_COSTS = (
    "unit_ops",
    "unit_instructions",
    "cache_bytes",
    "unit_cache_bytes",
    "dram_bytes",
    "moved_bytes",
    "moved_instructions",
    "launches",
    "steps",
)


def _undominated(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows that no other row undercuts in every cost: no parameters can make another one the fastest."""
    costs = np.stack([table[c] for c in _COSTS], axis=1)
    costs, first = np.unique(costs, axis=0, return_index=True)
    no_worse = (costs[None, :, :] <= costs[:, None, :]).all(axis=2)
    keep = np.sort(first[no_worse.sum(axis=1) == 1])
    return {c: v[keep] for c, v in table.items()}


def operations(call: Call) -> float:
    """Operations of a kernel, a MAC being two; 0 for operators without products."""
    d = dict(call.dims)
    if call.family == "gemm":
        return float(2.0 * d.get("B", 1) * d["M"] * d["N"] * d["K"])
    if call.family == "conv":
        return float(2.0 * d["N"] * d["K"] * d["P"] * d["Q"] * d["R"] * d["S"] * d["C"] / d.get("groups", 1))
    if call.family == "attn":
        half = 0.5 if d.get("causal", False) and d["Sq"] == d["Sk"] else 1.0
        return float(4.0 * d["B"] * d["Hq"] * d["Sq"] * d["Sk"] * d["D"] * half)
    return 0.0


def _table(rows: int, **columns: Any) -> dict[str, np.ndarray]:
    """Columns of one kernel; what is not given is 0."""
    return {c: np.broadcast_to(np.asarray(columns.get(c, 0.0), float), (rows,)) for c in COLUMNS}


def tiles(native: bool, vector: bool) -> np.ndarray:
    """Tile edges (M, N) of the kernels that libraries carry: int[tile, 2].

    Native matrix kernels have many, with up to 256 x 128 sums in the registers of an SM; older instructions and gathered operands
    powers of two; lanes 32 to 128 a side.
    """
    edges: tuple[int, ...]
    if vector:
        edges, most = (32, 64, 128), 128 * 128
    elif native:
        edges, most = _EDGES, 256 * 128
    else:
        edges, most = (32, 64, 128, 256), 256 * 128
    pairs = [(a, b) for a in edges for b in edges if a * b <= most and max(a, b) >= (32 if vector else 64)]
    return np.array(pairs, dtype=np.int64)


def _matrix_product(device: Device, dtype: str, batch: int, m: int, n: int, k: int) -> dict[str, np.ndarray]:
    """`_product` of plain matrices. A CPU's library first packs both operands into panels, but not for a single row or column.

    It reads rows of both, and turns blocks in vector registers where panels go the other way, so that both cost the same.
    Source: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, TOMS 2008.
    """
    table = _product(device, dtype, batch, m, n, k)
    if device.kind != "cpu" or 1 in (m, n):
        return table
    return _rearranged(table, device, dtype, rows=batch * (m + n) * k)


def _rearranged(
    table: dict[str, np.ndarray], device: Device, dtype: str, *, rows: float, alone: float = 0.0
) -> dict[str, np.ndarray]:
    """The ways with so many elements rearranged around the kernel: read and written once, gathered in rows or one by one."""
    lanes = (alone * REORDER_ALONE + rows * REORDER_ROW) / device.units
    return table | {
        "moved_bytes": table["moved_bytes"] + 2.0 * DTYPES[dtype] * (alone + rows),
        "moved_instructions": table["moved_instructions"] + lanes,
    }


def _product(
    device: Device,
    dtype: str,
    batch: int,
    m: int,
    n: int,
    k: int,
    *,
    a_bytes: float | None = None,
    gathered: bool = False,
    scattered: bool = False,
    prologue: float = 0.0,
) -> dict[str, np.ndarray]:
    """Ways of `batch` products (m x k) x (k x n). `a_bytes`: the first operand where it is smaller than m x k (convolutions).

    Work of the busiest unit: ceil(tiles / units) tiles of 2 * tm * tn * k operations. Each tile loads (tm + tn) * k elements
    from the last-level cache; neighbours that run together share half of that (multicast in a cluster, merged requests).
    """
    width, result = DTYPES[dtype], RESULT_BYTES.get(dtype, DTYPES[dtype])
    a, b, c = (a_bytes if a_bytes is not None else batch * m * k * width), batch * n * k * width, batch * m * n * result
    if device.kind == "cpu":
        return _blocked(device, dtype, Product(batch, m, n, k), a, b, c)
    vector = dtype in device.vector_dtypes
    aligned = k * width % ALIGNED_BYTES == 0 and n * result % ALIGNED_BYTES == 0
    engine = VECTOR if vector else UNALIGNED if not aligned else INTEGER if dtype in ("int8", "uint8") else MATRIX
    native = engine == MATRIX and not gathered and device.kind == "gpu"
    t = tiles(native, vector)
    fits = ((t[:, 0] <= 64) | (t[:, 0] < 2 * max(m, 32))) & ((t[:, 1] <= 64) | (t[:, 1] < 2 * max(n, 8)))
    t = t[fits]
    splits = np.array([s for s in SPLITS if s == 1 or k / s >= 128])
    tm, tn, s = (np.repeat(t[:, 0], len(splits)), np.repeat(t[:, 1], len(splits)), np.tile(splits, len(t)))
    step = 64 if k >= 64 else 16
    depth = np.ceil(k / s / step) * step
    gm, gn = np.ceil(m / tm), np.ceil(n / tn)
    count = batch * gm * gn * s
    waves = np.ceil(count / device.units)
    shared = (gm * gn > 1) & (engine in (MATRIX, INTEGER))
    loads = (tm + tn) / np.where(shared, 2, 1) * depth * width + tm * tn * np.where(s == 1, result, 4)
    sums = np.where(s > 1, batch * m * n * 4.0 * (s + 1), 0.0)  # partial sums, written and read again
    per_wave = 0.0 if native else (2.0 if engine == UNALIGNED else 0.5)  # prologue and epilogue that nothing hides
    return _table(
        len(tm),
        engine=engine,
        scattered=scattered,
        rate=device.peak(dtype) / device.units,
        unit_ops=waves * 2 * tm * tn * depth / _occupancy(device, native, vector, waves * tm * tn, tm * tn),
        unit_instructions=sums / 4 / device.units,
        cache_bytes=count * loads + 2 * sums,
        unit_cache_bytes=waves * loads,
        dram_bytes=_dram_bytes(device, a, b, width, Product(batch, m, n, k), Tiling(tm, tn, gm, gn)) + c,
        footprint_bytes=a + b + c,
        launches=1.0,
        steps=3.0 + prologue + 2.0 * (s > 1) + (waves - 1) * per_wave,
        ops=0.0 if vector else 2.0 * batch * m * n * k * ENERGY_WEIGHT[dtype],
        instructions=sums / 4 + (batch * m * n * k if vector else 0.0),
    )


def _blocked(device: Device, dtype: str, product: Product, a: float, b: float, c: float) -> dict[str, np.ndarray]:
    """A product on CPU cores: each takes whole blocks of `ROWS` x `PANEL` results; vectors are filled along the columns.

    Blocking for the private caches is taken to work: each operand passes once through the last-level cache.
    """
    batch, m, n, k = product
    blocks = batch * math.ceil(m / min(m, ROWS)) * math.ceil(n / PANEL)
    vector = min(16, max(1, device.lanes // 2))  # two pipes share the lanes, and no CPU has vectors of more than 64 bytes
    filled = vector * math.ceil(n / vector)
    work = math.ceil(blocks / device.units) * device.units / blocks
    delivered = a + b + c
    return _table(
        1, engine=INTEGER if dtype in ("int8", "uint8") else MATRIX, rate=device.peak(dtype) / device.units,
        unit_ops=2.0 * batch * m * filled * k * work / device.units, cache_bytes=delivered, unit_cache_bytes=0.0,
        dram_bytes=a + b + c, footprint_bytes=a + b + c, launches=1.0, steps=2.0,
        ops=2.0 * batch * m * n * k * ENERGY_WEIGHT[dtype],
    )  # fmt: skip


def _occupancy(device: Device, native: bool, vector: bool, held: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Share of its rate that a unit reaches with so many sums in flight: 1.25 o / (o + 0.25), 1 at a full register file.

    Lanes and older matrix instructions need several blocks on an SM to hide their latencies: two of 128 x 128 for lanes, one
    for matrix units. Native matrix kernels are asynchronous, and a CPU's core is filled by one block.
    """
    if native:
        return np.ones_like(held, dtype=float)
    full = 2 * 128 * 128 if vector else 128 * 128
    o = np.minimum(held, (2 if vector else 4) * tile) / full
    return np.asarray(np.minimum(1.0, 1.25 * o / (o + 0.25)))


def _dram_bytes(device: Device, a: float, b: float, width: int, product: Product, tiling: Tiling) -> np.ndarray:
    """Bytes of both operands from DRAM: once, and again where neither fits half of the last-level cache.

    Then the units work on one near-square block of tiles at a time: 2 * m * n * k * width / side, with side squared the sums
    that the units hold together; never more than reloading each operand for each tile row or column.
    """
    batch, m, n, k = product
    tm, tn, gm, gn = tiling
    once = np.full(len(tm), float(a + b))
    if a + b <= 0.6 * device.cache_bytes or min(a, b) / batch <= 0.5 * device.cache_bytes:
        return once
    side = np.sqrt(np.minimum(gm * gn, device.units) * tm * tn)
    again = np.minimum(batch * m * n * k * width * 2.0 / side, a * gn + b * gm)
    return np.asarray(np.maximum(once, again))


def _convolution(device: Device, dtype: str, d: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A convolution as an implicit product: M = N*P*Q pixels, N = K channels, K = C*R*S; depthwise layers run on the lanes.

    A strided 1x1 layer reads only every stride-th row and column. Input and result in NCHW are rearranged for units
    that want channels together, and a CPU's library rearranges the weights of each call.
    """
    width, groups, stride = DTYPES[dtype], d.get("groups", 1), d.get("stride", 1)
    skip = stride**2 if d["R"] == d["S"] == 1 else 1
    image = d["N"] * d["C"] * d["H"] * d["W"] * width / skip
    pixels = d["N"] * d["P"] * d["Q"]
    if groups > 1 and groups == d["C"]:
        return _depthwise(device, dtype, d, image)
    nchw = str(d.get("layout", "nhwc")).lower() == "nchw"
    plain = d["R"] == d["S"] == stride == 1
    vector = dtype in device.vector_dtypes
    channels = d["C"] // groups
    if device.kind == "gpu" and not vector:  # libraries fill up channels so that rows are aligned
        channels = math.ceil(channels * width / ALIGNED_BYTES) * ALIGNED_BYTES // width
    table = _product(
        device,
        dtype,
        groups,
        pixels,
        d["K"] // groups,
        channels * d["R"] * d["S"],
        a_bytes=image,
        gathered=not plain or nchw,
        scattered=nchw and vector,
        prologue=0.5 if plain else 1.5,
    )
    if vector or not (nchw or device.kind == "cpu"):
        return table
    weights = d["K"] * channels * d["R"] * d["S"]
    images = image / width + pixels * d["K"] if nchw else 0.0
    table = _rearranged(table, device, dtype, rows=images, alone=weights)
    return table | {"launches": table["launches"] + (3 if nchw else 1)}  # of the weights; of the input and the result


def _depthwise(device: Device, dtype: str, d: Mapping[str, Any], image: float) -> dict[str, np.ndarray]:
    """A layer whose every channel has its own window: no product to speak of, one multiply-add a tap on the lanes."""
    result = d["N"] * d["K"] * d["P"] * d["Q"]
    taps, width = result * d["R"] * d["S"], DTYPES[dtype]
    cpu = device.kind == "cpu"
    lanes = taps * (DEPTHWISE_CPU_INSTRUCTIONS if cpu else DEPTHWISE_INSTRUCTIONS)
    moved = image / width + result if cpu and str(d.get("layout", "nhwc")).lower() == "nchw" else 0.0
    return _table(
        1, engine=VECTOR, rate=device.vector_rate, unit_instructions=lanes / device.units, cache_bytes=2 * image + result * width,
        dram_bytes=image + result * width, footprint_bytes=image + result * width, launches=1, steps=3, instructions=lanes,
        moved_bytes=2 * width * moved, moved_instructions=REORDER_ROW * moved / device.units,
    )  # fmt: skip


def _attention(device: Device, dtype: str, d: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Streaming attention: a block of queries passes over keys and values, its scores never leave the unit.

    Two products of 2 * queries * keys * D operations, then the softmax of the scores on the lanes, one after the other. A causal
    mask skips what lies above the diagonal, but for the blocks that it cuts. Decoding may split the keys over units.
    """
    width, causal = DTYPES[dtype], bool(d.get("causal", False))
    b, hq, sq, sk, dim = d["B"], d["Hq"], d["Sq"], d["Sk"], d["D"]
    q_bytes, kv_bytes = b * hq * sq * dim * width, 2 * b * d["Hkv"] * sk * dim * width
    splits = np.array([s for s in (1, 2, 4, 8, 16) if s == 1 or sk / s >= 256])
    block = np.repeat(np.array([64, 128]), len(splits))
    s = np.tile(splits, 2)
    share = 0.5 * (sk + block) / sk if causal and sq == sk else np.ones(len(s))
    queries = np.minimum(block, sq)
    # grouped queries share keys and values: their rows are one block's rows when there is a single token
    heads = d["Hkv"] if sq == 1 else hq
    count = b * heads * np.ceil(sq / block) * s
    waves = np.maximum(count / device.units, 1.0) if causal else np.ceil(count / device.units)
    rows = (hq // d["Hkv"] if sq == 1 else 1) * queries
    scores = rows * sk / s * share
    filled = np.where(rows < 16, 16, rows) if sq == 1 else block  # the matrix unit's smallest tile
    ops = 4.0 * filled * sk / s * share * dim
    loads = (2 * sk / s * share * dim + 2 * rows * dim) * width
    vector = dtype in device.vector_dtypes
    total = b * hq * sq * sk * (0.5 if causal and sq == sk else 1.0)
    return _table(
        len(s),
        engine=VECTOR if vector else MATRIX,
        serial=1.0,
        rate=device.peak(dtype) / device.units,
        unit_ops=waves * ops,
        unit_instructions=waves * scores * SOFTMAX_INSTRUCTIONS,
        cache_bytes=count * loads,
        unit_cache_bytes=waves * loads,
        dram_bytes=2 * q_bytes + kv_bytes,
        footprint_bytes=2 * q_bytes + kv_bytes,
        launches=1 + 0.5 * (s > 1),
        steps=3 + 3 * (s > 1),
        ops=0.0 if vector else 4.0 * total * dim * ENERGY_WEIGHT[dtype],
        instructions=total * SOFTMAX_INSTRUCTIONS + (2.0 * total * dim if vector else 0.0),
    )


def _vector(device: Device, call: Call) -> dict[str, np.ndarray]:
    """An operator of the lanes. Dimensions: `op` and `shape` of its input, or what a network counted (`read`, `written`, ...)."""
    d, width = dict(call.dims), DTYPES[call.dtype]
    cost = vector_cost(d["op"])
    if "read" in d:
        read, written, lanes = d["read"] * width, d["written"] * width, d["instructions"]
        scattered, steps, elements = bool(cost and cost.scattered), cost.steps if cost else 0.5, d["written"]
    else:
        elements = math.prod(d["shape"])
        if cost is None and call.bytes is None:
            raise SpecError(
                f"unknown operator {d['op']!r}", where="kernel", hint="give its bytes, or use an operator of vector_ops.py"
            )
        if cost is None:
            read, written, lanes, scattered, steps = float(call.bytes or 0.0), 0.0, 4.0 * elements, False, 0.5
        else:
            read, written = elements * width * cost.reads, elements * (width * cost.writes + cost.written_bytes)
            lanes, scattered, steps = elements * cost.instructions, cost.scattered, cost.steps
    delivered = elements * SECTOR_BYTES + written if scattered and device.kind == "gpu" else read + written
    return _table(
        1,
        engine=VECTOR,
        rate=device.vector_rate,
        unit_instructions=lanes / device.units,
        cache_bytes=delivered,
        dram_bytes=read + written,
        footprint_bytes=read + written,
        launches=cost.cpu_calls if cost and device.kind == "cpu" else 1,
        steps=steps,
        instructions=lanes,
    )
