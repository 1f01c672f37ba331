"""Quantisation of a torch module: any bits for each layer's weights and inputs, after training or during it.

`quantised` gives a copy whose convolutions and dense layers round what they are given and what they hold. It is trainable as it
stands: `learning.train.train(quantised(...), data, ...)` is quantisation-aware training. Normalisation is folded first, because
a chip holds the folded weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from picojoule.compress.quantise.fold import fold_batchnorm
from picojoule.compress.quantise.quantiser import Codes, Kind, Quantiser, Rows, sampled, steps
from picojoule.errors import SpecError, unknown_name
from picojoule.learning.trained import check_finite

IMAGES = 512  # that calibration looks at; more change steps in the third digit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """Widths of one layer; None leaves floats. `outputs`: of results that an operator between layers reads (a residual sum)."""

    weights: int | None = None
    inputs: int | None = None
    outputs: int | None = None


def layers_of(module: nn.Module, tables: bool = False) -> dict[str, Any]:
    """The convolutions and dense layers by name; `tables`: embedding tables too, which hold weights but read no activations."""
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding) if tables else (nn.Conv2d, nn.Linear)
    found = {n: m for n, m in module.named_modules() if isinstance(m, kinds)}
    if not found:
        raise SpecError("the module has no convolution and no dense layer", hint="those are what is quantised")
    return found


def quantised(
    module: nn.Module,
    bits: Mapping[str, Bits] | Bits,
    images: Tensor | None = None,
    *,
    granularity: str = "channel",
    group: int = 32,
    calibration: str = "mse",
    kind: Kind = "linear",
) -> nn.Module:
    """A copy of the module, folded, with fake quantisers. `images`: real inputs, from the training set, that set the ranges of
    inputs and outputs; weights alone need none.

    `granularity` is the weights' (inputs always share one step a tensor); layers that `bits` does not name stay as they are.
    Inputs that are never negative on the images get codes without a sign.
    """
    made = fold_batchnorm(check_finite(module, "quantise"))
    layers = layers_of(made, tables=True)
    wanted = dict.fromkeys(layers_of(made), bits) if isinstance(bits, Bits) else bits
    for name in wanted:
        if name not in layers:
            raise unknown_name("layer", name, layers, "bits")
    ranged = {n: layers[n] for n, b in wanted.items() if b.inputs is not None or b.outputs is not None}
    if ranged and images is None:
        raise SpecError("inputs are to be rounded, but no images set their ranges", where="quantise", hint="give training images")
    seen = _seen(made, ranged, images[:IMAGES]) if ranged and images is not None else {}
    for name, b in wanted.items():
        layer = layers[name]
        if b.weights is not None:
            codes, rows = Codes(bits=b.weights, kind=kind), Rows("tensor" if kind == "log" else granularity, group)
            step = steps(rows.of(layer.weight), codes, calibration)
            parametrize.register_parametrization(layer, "weight", Quantiser(codes, step, rows))
        if b.inputs is not None:
            layer.input_quantiser = _for_values(seen[name][0], b.inputs, kind, calibration)
            layer.register_forward_pre_hook(_quantise_input)
        if b.outputs is not None:
            layer.output_quantiser = _for_values(seen[name][1], b.outputs, kind, calibration)
            layer.register_forward_hook(_quantise_output)
    return made.eval()


def rounded(weight: Tensor, bits: int, granularity: str = "channel", group: int = 32, calibration: str = "mse") -> Tensor:
    """A weight as so many bits hold it."""
    codes, rows = Codes(bits=bits), Rows(granularity, group)
    cut = rows.of(weight.detach())
    return rows.back(codes(cut, steps(cut, codes, calibration)), weight)


def _for_values(values: Tensor, bits: int, kind: Kind, calibration: str) -> Quantiser:
    """A quantiser of activations like these."""
    codes = Codes(bits=bits, signed=bool(values.min() < 0), kind=kind)
    return Quantiser(codes, steps(values.reshape(1, -1), codes, calibration), Rows("tensor", 1))


def _quantise_input(layer: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return layer.input_quantiser(given[0]), *given[1:]


def _quantise_output(layer: Any, given: Any, result: Tensor) -> Tensor:
    return layer.output_quantiser(result)


def _seen(module: nn.Module, layers: Mapping[str, nn.Module], images: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """A sample of each layer's inputs and outputs on the images, the extremes included."""
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def look(name: str) -> Any:
        def hook(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            found[name] = _sample(given[0]), _sample(result)

        return hook

    hooks = [layer.register_forward_hook(look(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            module.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    for name in layers:
        if name not in found:
            raise SpecError("the images never reach this layer", where=name, hint="leave it out of the bits")
    return found


def _sample(values: Tensor) -> Tensor:
    low, high = values.aminmax()
    return torch.cat([sampled(values).float(), torch.stack([low, high]).float()])


def quantisers(module: nn.Module) -> Iterator[tuple[str, Quantiser | None, Quantiser | None]]:
    """(layer, the quantiser of its weights, of its inputs) of every layer that has one of them."""
    for name, layer in layers_of(module).items():
        chain = layer.parametrizations.weight if parametrize.is_parametrized(layer, "weight") else ()
        weights = next((q for q in chain if isinstance(q, Quantiser)), None)
        inputs = getattr(layer, "input_quantiser", None)
        if weights is not None or inputs is not None:
            yield name, weights, inputs


def mean_weight_bits(module: nn.Module, bits: Mapping[str, Bits]) -> float:
    """Bits a weight on average over the layers, each weight counted once; layers that stay floats have 32."""
    layers = layers_of(module, tables=True)
    sizes = {n: layer.weight.numel() for n, layer in layers.items()}
    return sum(sizes[n] * ((bits[n].weights if n in bits else None) or 32) for n in layers) / sum(sizes.values())


def plain(module: nn.Module) -> nn.Module:
    """A copy without quantisers, its weights the rounded ones."""
    made = copy.deepcopy(module).eval()
    for layer in layers_of(made, tables=True).values():
        if parametrize.is_parametrized(layer):
            _settle(layer)
        for side, hooks in (("input", layer._forward_pre_hooks), ("output", layer._forward_hooks)):
            if hasattr(layer, f"{side}_quantiser"):
                delattr(layer, f"{side}_quantiser")
                for key, hook in list(hooks.items()):
                    if hook in (_quantise_input, _quantise_output):
                        del hooks[key]
    return made


def _settle(layer: Any) -> None:
    """Parametrised tensors become plain ones of the value that they have.

    Torch's own removal would take the tensor from all copies of the module, because copies share a class.
    """
    values = {name: getattr(layer, name).detach().clone() for name in layer.parametrizations}
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    for name, value in values.items():
        layer.register_parameter(name, nn.Parameter(value))
