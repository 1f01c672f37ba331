"""What Gemmini is told to do for a row: how many tiles, compute instructions, memory requests and pages.

Taken from how the accelerator works (Genc et al., DAC 2021, and its documentation) and from what the measured rows themselves
show where the two leave it open:

* A tile is one call of a loop unroller, which issues all loads, computes and stores of that tile. The DRAM loops (L3) run over
  tiles; their inner levels only set the tile's size.
* Each compute instruction multiplies at most `array` pixels of one output row by a block of array x array weights, so a tile
  takes ceil(C/array) ceil(K/array) R S blocks and Q ceil(P/array) instructions a block. No instruction is faster than issue.
* The array is as large as the mapping needs: the next power of two, at least 4, that holds its spatial factors. (Measured
  cycles end exactly there: the fastest rows take 1.00 to 1.02 cycles a step at 4x4, 8x8 and 16x16, never less.)
* Matrix products (R = S = Q = 1) run through another unroller, whose tile is given in blocks: size / 16, rounded down, at least
  one block of the array. At 16x16 that is the mapping's tile; at other sizes tiles shrink or grow by array / 16.
* Convolutions are square: the output is as high as wide, P' = floor((P stride + 2 floor(R/2) - R) / stride) + 1 on both sides,
  which is one more than P for even windows. Rows with Q < P do P / Q times the work that their shape asks for.
* Weights and inputs of every tile are loaded again, whatever stayed the same; results are stored once, when a tile is complete.
* Addresses are virtual: a page that the translation buffers no longer hold costs a walk. Data lies as NHWC and RSCK.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from picojoule.machines.gemmini.rows import Row

REQUEST_BYTES = 64  # the longest burst of the memory bus
PAGE_BYTES = 4096
REACHES = (64, 128, 256, 512)  # translations held by the buffers: the model's fit chooses one
BLOCK = 16  # the block size in which the tiles of matrix products were written down


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Counts of one row, over the whole layer. `page_walks`: translations that miss, for each of REACHES."""

    array: int
    is_product: bool
    tiles: int
    instructions: int
    streamed_rows: float  # rows of operands that enter the array: its cycles if nothing else held it up
    input_requests: float
    input_bytes: float
    weight_requests: float
    weight_bytes: float
    stored_rows: float  # one per block of filters: what one store instruction moves a row at a time
    stored_bytes: float
    page_walks: tuple[float, ...]


Tile = dict[str, float]
Loops = list[tuple[str, int]]


def program(row: Row, array: int | None = None) -> Program:
    """The counts of a row; `array` fixes the side of the array instead of taking the least that holds the spatial factors."""
    side = array or max(4, 1 << (row.mapping.lanes - 1).bit_length())
    size, tile, loops = (_product if row.shape.is_product else _convolution)(row, side)
    times = {d: math.prod(n for x, n in loops if x == d) for d in "RSPQCK"}
    tiles = math.prod(times.values())
    windows = times["R"] * times["S"] * times["C"] * times["K"]  # tiles for the same outputs and filters, and for other filters
    blocks = math.ceil(tile["K"] / side) * math.ceil(tile["C"] / side) * tile["R"] * tile["S"]
    instructions = _over(size["P"], tile["P"], lambda p: math.ceil(p / side))
    width = _over(size["P"], tile["P"], lambda p: (p - 1) * row.shape.stride_w + tile["R"])
    height = _over(size["Q"], tile["Q"], lambda q: (q - 1) * row.shape.stride_h + tile["S"])
    stored = times["K"] * size["P"] * size["Q"]
    return Program(
        array=side,
        is_product=row.shape.is_product,
        tiles=tiles,
        instructions=round(windows * blocks * size["Q"] * instructions),
        streamed_rows=windows * blocks * size["Q"] * size["P"],
        input_requests=windows * height * width * math.ceil(tile["C"] / REQUEST_BYTES),
        input_bytes=windows * height * width * tile["C"],
        weight_requests=tiles * tile["R"] * tile["S"] * tile["C"] * math.ceil(tile["K"] / REQUEST_BYTES),
        weight_bytes=tiles * tile["R"] * tile["S"] * tile["C"] * tile["K"],
        stored_rows=stored * math.ceil(tile["K"] / side),
        stored_bytes=stored * tile["K"],
        page_walks=tuple(_page_walks(row, size, tile, loops, reach) for reach in REACHES),
    )


def _convolution(row: Row, side: int) -> tuple[Tile, Tile, Loops]:
    """(size, tile, tile loops) of a convolution with a square output."""
    shape = row.shape
    out = (shape.P * shape.stride_w + 2 * (shape.R // 2) - shape.R) // shape.stride_w + 1
    size: Tile = {"R": shape.R, "S": shape.S, "P": out, "Q": out, "C": shape.C, "K": shape.K}
    tile: Tile = {d: row.mapping.trips(d, (0, 1, 2)) for d in "RSPQCK"}
    over = {d: math.ceil(size[d] / tile[d]) for d in "PQ"}
    loops = [(d, over.get(d, n)) for d, n in row.mapping.levels[0].loops]
    missing = [(d, n) for d, n in over.items() if n > 1 and d not in dict(loops)]
    return size, tile, missing + loops


def _product(row: Row, side: int) -> tuple[Tile, Tile, Loops]:
    """(size, tile, tile loops) of a matrix product, whose tiles are whole blocks of the array, evenly cut."""
    shape = row.shape
    size: Tile = {"R": 1, "S": 1, "P": shape.P, "Q": 1, "C": shape.C, "K": shape.K}
    tile: Tile = {"R": 1, "S": 1, "Q": 1}
    over = {}
    for d in "PKC":
        most = max(1, row.mapping.trips(d, (0, 1, 2)) // BLOCK) * side
        over[d] = math.ceil(size[d] / most)
        tile[d] = size[d] / over[d]
    outer = [d for d, _ in row.mapping.levels[0].loops]
    order = [*(d for d in outer if d in over), *(d for d in "PKC" if d not in outer)]
    return size, tile, [(d, over[d]) for d in order if over[d] > 1]


def _over(size: float, tile: float, of: Callable[[float], float]) -> float:
    """Sum of `of` over the tiles of one dimension, the last of which may be smaller."""
    whole = math.floor(size / tile + 1e-9)  # tiles of matrix products are cut evenly, so sizes may be fractions
    rest = size - whole * tile
    return whole * of(tile) + (of(rest) if rest > 1e-6 else 0.0)


def _input(row: Row, tile: Tile) -> tuple[float, float]:
    """Height and width of the input that a tile of outputs needs."""
    return (tile["Q"] - 1) * row.shape.stride_h + tile["S"], (tile["P"] - 1) * row.shape.stride_w + tile["R"]


def _page_walks(row: Row, size: Tile, tile: Tile, loops: Loops, reach: int) -> float:
    """Translations of weights and inputs that miss buffers of `reach` pages.

    As long as everything under a loop lies on `reach` pages, each of them is walked once for all trips; loops further out walk
    them again. (A bound from below for least-recently-used buffers: it forgets what survives by chance.)
    """
    held, outside = dict(tile), math.prod(n for _, n in loops)
    weights, inputs, _ = _pages(row, size, held)
    for d, n in reversed(loops):
        wider = {**held, d: held[d] * n}
        pages = _pages(row, size, wider)
        if sum(pages) > reach:
            break
        held, outside = wider, outside // n
        weights, inputs = pages[:2]
    return outside * (weights + inputs)


def _pages(row: Row, size: Tile, tile: Tile) -> tuple[float, float, float]:
    """Pages that a tile of weights, inputs and outputs touches."""
    weights = max(PAGE_BYTES, tile["R"] * tile["S"] * tile["C"] * min(size["K"], _whole(tile["K"])))
    height, width = _input(row, tile)
    line = size["P"] * row.shape.stride_w * size["C"]  # bytes from one image row to the next
    inputs = height * min(line, _whole(min(line, width * min(size["C"], _whole(tile["C"])))))
    outputs = tile["Q"] * min(size["P"] * size["K"], _whole(tile["P"] * min(size["K"], _whole(tile["K"]))))
    return weights / PAGE_BYTES, inputs / PAGE_BYTES, outputs / PAGE_BYTES


def _whole(size: float) -> float:
    """The size in whole pages."""
    return math.ceil(size / PAGE_BYTES) * PAGE_BYTES
