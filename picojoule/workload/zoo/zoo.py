"""The models that come along, by name. Each one's source and exact counts stand in the docstring of its function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from picojoule.errors import unknown_name
from picojoule.workload.network import Network
from picojoule.workload.zoo import convnets as nets
from picojoule.workload.zoo import trained, transformers

MODELS: dict[str, tuple[Callable[..., Network], str]] = {
    "digits": (trained.digits, "a small trained classifier of 8x8 digits with 300 images, for `pj statistics`"),
    "lenet5": (nets.lenet5, "LeNet-5, 28x28 digits (LeCun 1998)"),
    "lenet-caffe": (nets.lenet_caffe, "Caffe's LeNet with 20 and 50 filters, 28x28 digits"),
    "alexnet": (nets.alexnet, "AlexNet, 227x227 (Krizhevsky 2012)"),
    "overfeat-fast": (nets.overfeat_fast, "OverFeat, fast model, 231x231 (Sermanet 2014)"),
    "vgg16": (nets.vgg16, "VGG-16, 224x224 (Simonyan 2015)"),
    "googlenet": (nets.googlenet, "GoogLeNet, Inception v1, 224x224 (Szegedy 2015)"),
    "resnet18": (nets.resnet18, "ResNet-18, 224x224 (He 2016)"),
    "resnet50": (nets.resnet50, "ResNet-50 v1.5, the same as resnet50-v1.5"),
    "resnet50-v1": (nets.resnet50_v1, "ResNet-50 as published, stride in the first 1x1 (He 2016)"),
    "resnet50-v1.5": (nets.resnet50, "ResNet-50 v1.5, stride in the 3x3"),
    "mobilenetv2": (nets.mobilenetv2, "MobileNetV2 1.0, 224x224 (Sandler 2018)"),
    "squeezenet1.0": (nets.squeezenet, "SqueezeNet 1.0, 227x227 (Iandola 2016)"),
    "efficientnet-b0": (nets.efficientnet_b0, "EfficientNet-B0, 224x224 (Tan 2019)"),
    "vit-b16": (transformers.vit_b16, "ViT-B/16, 224x224 (Dosovitskiy 2021)"),
    "bert-base": (transformers.bert_base, "BERT-base with pooler, 128 tokens, or seq (Devlin 2019)"),
    "gpt2": (transformers.gpt2, "GPT-2, 124 M; prefill of 1024 tokens, or seq, context, phase (Radford 2019)"),
    "llama3-8b": (transformers.llama3_8b, "Llama 3 8B; prefill of 1024 tokens, or seq, context, phase (Meta 2024)"),
}


def models() -> dict[str, str]:
    """The names of the zoo with a line about each."""
    return {name: about for name, (_, about) in MODELS.items()}


def options(name: str) -> tuple[str, ...]:
    """The names of the options that a model of the zoo takes."""
    return tuple(inspect.signature(MODELS[name][0]).parameters)


def model(name: str, **options: Any) -> Network:
    """The network of that name; `batch`, and `seq`, `context` and `phase` of transformers."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name][0](**options)
