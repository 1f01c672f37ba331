"""Our side of the Eyeriss tables: the chip preset, row stationary, and one calibrated constant."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

from picojoule.interop.load import load_chip, load_model
from picojoule.machines.row_stationary.counts import Buses, Prices, Sparsity, Words, calibrated, prices_of, words
from picojoule.machines.row_stationary.rows import Array, RowStationary, array_of, shape_of
from picojoule.reproduction.eyeriss import ALEXNET, ALEXNET_BATCH, PARAMETERS, VGG16_BATCH, Measured
from picojoule.workload.layer import Layer

BUSES = Buses()
CALIBRATION = (
    "one constant, the power that flows all the time (clock network, control, leakage), from AlexNet CONV1's measured power and "
    "time alone; prices of events are those of the preset `eyeriss` (component fit in the nn_dataflow tests, its 30 mW unused)"
)


@cache
def layers(model: str) -> dict[str, Layer]:
    """Convolutions of alexnet or vgg16 by name, at the batch that the chip ran."""
    net = load_model(model, batch=ALEXNET_BATCH if model == "alexnet" else VGG16_BATCH)
    found = [s.layer for s in net.layers if s.layer.op == "Conv"]
    return {layer.name: layer for layer in found}


@cache
def array() -> Array:
    return array_of(load_chip("eyeriss"))


@cache
def alexnet(layer: str) -> RowStationary:
    """A layer of AlexNet with the published parameters."""
    return RowStationary(shape=shape_of(layers("alexnet")[layer]), array=array(), parameters=PARAMETERS[layer])


def sparsity(table: tuple[Measured, ...], at: int) -> Sparsity:
    """Zeros of a layer: its inputs as reported; its outputs as the next layer's inputs (pooling between them is not known), the
    last layer's as its own inputs. The image itself is not packed."""
    after = table[min(at + 1, len(table) - 1)]
    return Sparsity(
        input_zeros=table[at].zeros_percent / 100, output_zeros=after.zeros_percent / 100, packed_input=at > 0, packed_output=True
    )


@cache
def prices() -> Prices:
    """The preset's prices with the calibrated constant."""
    first = ALEXNET[0]
    moved = words(alexnet(first.layer), sparsity(ALEXNET, 0))
    listed = prices_of(load_chip("eyeriss"), array())
    return calibrated(moved, listed, first.zeros_percent / 100, first.power_mw, first.total_ms * 1e-3)


def with_buffer_bytes(moved: Words, megabytes: float) -> Words:
    """The same traffic with the reported bytes at the buffer."""
    return replace(moved, buffer_sums=math.floor(megabytes * 1e6 / 2), buffer_inputs=0)
