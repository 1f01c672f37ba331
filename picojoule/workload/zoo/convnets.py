"""The convolutional networks of the zoo, with the layer shapes of the papers and files that their docstrings name.

Batch normalisation, activations, pooling and sums are separate operators, as in the trained float networks.
"""

from __future__ import annotations

from picojoule.workload.building.builder import Builder, Value
from picojoule.workload.network import Network


def lenet5(batch: int = 1) -> Network:
    """LeNet-5 on 28x28 digits: 2,550 + 58,920 weights, 357,600 + 58,920 MACs (C3 dense).

    Source: LeCun et al., Proc. IEEE 86(11), 1998, with every C3 filter over all six maps. The survey's 341 k is LeCun's
    count of connections (340,908), with biases, sub-sampling and the sparse C3 table.
    """
    b = Builder("lenet5", source="LeCun et al., Gradient-based learning applied to document recognition, 1998")
    b.notes.append("340,908 in LeCun's paper counts connections (biases, sub-sampling, sparse C3), not MACs")
    x = b.input("image", (batch, 1, 28, 28))
    x = b.elementwise("Tanh", b.conv(x, 6, 5, pad=2, name="c1"), name="c1.tanh")
    x = b.pool("AveragePool", x, 2, stride=2, name="s2")
    x = b.elementwise("Tanh", b.conv(x, 16, 5, name="c3"), name="c3.tanh")
    x = b.pool("AveragePool", x, 2, stride=2, name="s4")
    x = b.view(x, (batch, 400), name="flatten", op="Flatten")
    x = b.elementwise("Tanh", b.linear(x, 120, name="c5"), name="c5.tanh")
    x = b.elementwise("Tanh", b.linear(x, 84, name="f6"), name="f6.tanh")
    return b.network(b.linear(x, 10, name="output"))


def lenet_caffe(batch: int = 1) -> Network:
    """Caffe's LeNet (20 and 50 filters): 430,500 weights, 2,293,000 MACs, the 431 k / 2.3 M of the survey's footnote.

    Source: BVLC Caffe, examples/mnist/lenet.prototxt.
    """
    b = Builder("lenet-caffe", source="BVLC Caffe, examples/mnist/lenet.prototxt")
    x = b.conv(b.input("image", (batch, 1, 28, 28)), 20, 5, name="conv1")
    x = b.conv(b.pool("MaxPool", x, 2, stride=2, name="pool1"), 50, 5, name="conv2")
    x = b.view(b.pool("MaxPool", x, 2, stride=2, name="pool2"), (batch, 800), name="flatten", op="Flatten")
    x = b.elementwise("Relu", b.linear(x, 500, name="ip1"), name="relu1")
    return b.network(b.normalise("Softmax", b.linear(x, 10, name="ip2"), name="prob"))


def alexnet(batch: int = 1) -> Network:
    """AlexNet with the groups of 2, 227x227 input: 60,954,656 weights, 724,406,816 MACs.

    Source: Krizhevsky, Sutskever, Hinton, NIPS 2012 (input 227, so that 55 outputs fit).
    """
    b = Builder("alexnet", source="Krizhevsky et al., ImageNet classification with deep CNNs, NIPS 2012")
    x = _relu_conv(b, b.input("image", (batch, 3, 227, 227)), 96, 11, stride=4, name="conv1")
    x = b.pool("MaxPool", b.lrn(x, 5, name="norm1"), 3, stride=2, name="pool1")
    x = _relu_conv(b, x, 256, 5, pad=2, groups=2, name="conv2")
    x = b.pool("MaxPool", b.lrn(x, 5, name="norm2"), 3, stride=2, name="pool2")
    x = _relu_conv(b, x, 384, 3, pad=1, name="conv3")
    x = _relu_conv(b, x, 384, 3, pad=1, groups=2, name="conv4")
    x = _relu_conv(b, x, 256, 3, pad=1, groups=2, name="conv5")
    return b.network(_classifier(b, b.pool("MaxPool", x, 3, stride=2, name="pool5"), (4096, 4096, 1000), first=6))


def overfeat_fast(batch: int = 1) -> Network:
    """OverFeat, fast model, 231x231 input: 145,909,792 weights, 2,801,403,904 MACs.

    Source: Sermanet et al., ICLR 2014, table 1.
    """
    b = Builder("overfeat-fast", source="Sermanet et al., OverFeat, ICLR 2014, table 1")
    x = _relu_conv(b, b.input("image", (batch, 3, 231, 231)), 96, 11, stride=4, name="conv1")
    x = _relu_conv(b, b.pool("MaxPool", x, 2, stride=2, name="pool1"), 256, 5, name="conv2")
    x = _relu_conv(b, b.pool("MaxPool", x, 2, stride=2, name="pool2"), 512, 3, pad=1, name="conv3")
    x = _relu_conv(b, x, 1024, 3, pad=1, name="conv4")
    x = _relu_conv(b, x, 1024, 3, pad=1, name="conv5")
    return b.network(_classifier(b, b.pool("MaxPool", x, 2, stride=2, name="pool5"), (3072, 4096, 1000), first=6))


def vgg16(batch: int = 1) -> Network:
    """VGG-16 (configuration D): 138,344,128 weights, 15,470,264,320 MACs.

    Source: Simonyan and Zisserman, ICLR 2015, table 1.
    """
    b = Builder("vgg16", source="Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015, table 1 D")
    x = b.input("image", (batch, 3, 224, 224))
    for stage, (filters, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for i in range(1, depth + 1):
            x = _relu_conv(b, x, filters, 3, pad=1, name=f"conv{stage}_{i}")
        x = b.pool("MaxPool", x, 2, stride=2, name=f"pool{stage}")
    return b.network(_classifier(b, x, (4096, 4096, 1000), first=6))


INCEPTION = {  # GoogLeNet table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(batch: int = 1) -> Network:
    """GoogLeNet (Inception v1) without auxiliary heads: 6,990,272 weights, 1,582,671,872 MACs.

    Source: Szegedy et al., CVPR 2015, table 1, whose maps of 56, 28, 14 and 7 need pooling that rounds up. The survey
    prints 1.43 G MACs for the same weights. Pooling that rounds down (maps of 55, 27, 13 and 6), as in the file
    `light_inception_v1.onnx` of the onnx package, gives 1.43156 G: the likely origin of the printed number.
    """
    b = Builder("googlenet", source="Szegedy et al., Going deeper with convolutions, CVPR 2015, table 1")
    b.notes.append("the survey prints 1.43 G MACs; the maps of the GoogLeNet paper give 1.583 G, pooling rounded down 1.432 G")
    x = _relu_conv(b, b.input("image", (batch, 3, 224, 224)), 64, 7, stride=2, pad=3, name="conv1")
    x = b.lrn(b.pool("MaxPool", x, 3, stride=2, ceil=True, name="pool1"), 5, name="norm1")
    x = _relu_conv(b, _relu_conv(b, x, 64, 1, name="conv2_reduce"), 192, 3, pad=1, name="conv2")
    x = b.pool("MaxPool", b.lrn(x, 5, name="norm2"), 3, stride=2, ceil=True, name="pool2")
    for name, filters in INCEPTION.items():
        x = _inception(b, x, filters, f"inception_{name}")
        if name in ("3b", "4e"):
            x = b.pool("MaxPool", x, 3, stride=2, ceil=True, name=f"pool{name[0]}")
    x = b.view(b.global_pool(x, name="pool5"), (batch, 1024), name="flatten", op="Flatten")
    return b.network(b.normalise("Softmax", b.linear(x, 1000, name="fc"), name="prob"))


def _inception(b: Builder, x: Value, filters: tuple[int, ...], name: str) -> Value:
    one, three_reduce, three, five_reduce, five, pool = filters
    branches = [
        _relu_conv(b, x, one, 1, name=f"{name}.1x1"),
        _relu_conv(b, _relu_conv(b, x, three_reduce, 1, name=f"{name}.3x3_reduce"), three, 3, pad=1, name=f"{name}.3x3"),
        _relu_conv(b, _relu_conv(b, x, five_reduce, 1, name=f"{name}.5x5_reduce"), five, 5, pad=2, name=f"{name}.5x5"),
        _relu_conv(b, b.pool("MaxPool", x, 3, pad=1, name=f"{name}.pool"), pool, 1, name=f"{name}.pool_proj"),
    ]
    return b.concat(branches, 1, name=f"{name}.concat")


def resnet50(batch: int = 1) -> Network:
    """ResNet-50 v1.5 (stride in the 3x3): 25,502,912 weights, 4,087,136,256 CONV + 2,048,000 FC MACs.

    v1 (He et al., CVPR 2016: stride in the first 1x1) has the same weights and 3,855,925,248 + 2,048,000 MACs, the
    survey's 3.9 G. Source: He et al., table 1; v1.5 as in torchvision and MLPerf.
    """
    return _resnet50(batch, stride_in_3x3=True)


def resnet50_v1(batch: int = 1) -> Network:
    """ResNet-50 as published (stride in the first 1x1): 25,502,912 weights, 3,857,973,248 MACs."""
    return _resnet50(batch, stride_in_3x3=False)


def _resnet50(batch: int, stride_in_3x3: bool) -> Network:
    name = "resnet50-v1.5" if stride_in_3x3 else "resnet50-v1"
    b = Builder(name, source="He et al., Deep residual learning, CVPR 2016, table 1" + (", v1.5" if stride_in_3x3 else ""))
    x = b.input("image", (batch, 3, 224, 224))
    x = b.pool("MaxPool", _norm_conv(b, x, 64, 7, stride=2, pad=3, name="conv1"), 3, stride=2, pad=1, name="pool1")
    for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for i in range(depth):
            stride = 2 if stage > 2 and i == 0 else 1
            strides = (1, stride) if stride_in_3x3 else (stride, 1)
            x = _bottleneck(b, x, width, strides, f"conv{stage}_{i + 1}")
    return b.network(_head(b, x, 1000))


def _bottleneck(b: Builder, x: Value, width: int, strides: tuple[int, int], name: str) -> Value:
    y = _norm_conv(b, x, width, 1, stride=strides[0], name=f"{name}.a")
    y = _norm_conv(b, y, width, 3, stride=strides[1], pad=1, name=f"{name}.b")
    y = _norm_conv(b, y, 4 * width, 1, name=f"{name}.c", act="")
    return _residual(b, x, y, max(strides), name)


def _residual(b: Builder, x: Value, y: Value, stride: int, name: str) -> Value:
    if x.shape != y.shape:
        x = _norm_conv(b, x, y.shape[1], 1, stride=stride, name=f"{name}.shortcut", act="")
    return b.elementwise("Relu", b.elementwise("Add", x, y, name=f"{name}.add"), name=f"{name}.relu")


def resnet18(batch: int = 1) -> Network:
    """ResNet-18: 11,678,912 weights, 1,814,073,344 MACs. Source: He et al., CVPR 2016, table 1, projection shortcuts."""
    b = Builder("resnet18", source="He et al., Deep residual learning, CVPR 2016, table 1")
    x = b.input("image", (batch, 3, 224, 224))
    x = b.pool("MaxPool", _norm_conv(b, x, 64, 7, stride=2, pad=3, name="conv1"), 3, stride=2, pad=1, name="pool1")
    for stage, width in enumerate((64, 128, 256, 512), 2):
        for i in range(2):
            stride, name = (2 if stage > 2 and i == 0 else 1), f"conv{stage}_{i + 1}"
            y = _norm_conv(b, x, width, 3, stride=stride, pad=1, name=f"{name}.a")
            x = _residual(b, x, _norm_conv(b, y, width, 3, pad=1, name=f"{name}.b", act=""), stride, name)
    return b.network(_head(b, x, 1000))


def mobilenetv2(batch: int = 1) -> Network:
    """MobileNetV2 1.0 at 224: 3,469,760 weights, 300,774,272 MACs. Source: Sandler et al., CVPR 2018, table 2."""
    b = Builder("mobilenetv2", source="Sandler et al., MobileNetV2, CVPR 2018, table 2")
    x = _norm_conv(b, b.input("image", (batch, 3, 224, 224)), 32, 3, stride=2, pad=1, name="stem", act="Clip")
    plan = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for stage, (expand, filters, depth, stride) in enumerate(plan, 1):
        for i in range(depth):
            x = _inverted_residual(b, x, expand, filters, 3, stride if i == 0 else 1, f"block{stage}_{i + 1}", act="Clip")
    return b.network(_head(b, _norm_conv(b, x, 1280, 1, name="head", act="Clip"), 1000))


def efficientnet_b0(batch: int = 1) -> Network:
    """EfficientNet-B0 at 224. Source: Tan and Le, ICML 2019, table 1, with squeeze-excitation to a quarter of the block input."""
    b = Builder("efficientnet-b0", source="Tan and Le, EfficientNet, ICML 2019, table 1")
    x = _norm_conv(b, b.input("image", (batch, 3, 224, 224)), 32, 3, stride=2, pad=1, name="stem", act="Silu")
    plan = (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )
    for stage, (expand, filters, depth, stride, kernel) in enumerate(plan, 1):
        for i in range(depth):
            squeeze = max(1, x.shape[1] // 4)
            name = f"block{stage}_{i + 1}"
            x = _inverted_residual(b, x, expand, filters, kernel, stride if i == 0 else 1, name, act="Silu", squeeze=squeeze)
    return b.network(_head(b, _norm_conv(b, x, 1280, 1, name="head", act="Silu"), 1000))


def _inverted_residual(
    b: Builder, x: Value, expand: int, filters: int, kernel: int, stride: int, name: str, *, act: str, squeeze: int = 0
) -> Value:
    wide = x.shape[1] * expand
    y = x if expand == 1 else _norm_conv(b, x, wide, 1, name=f"{name}.expand", act=act)
    y = _norm_conv(b, y, wide, kernel, stride=stride, pad=kernel // 2, groups=wide, name=f"{name}.depthwise", act=act)
    if squeeze:
        z = b.conv(b.global_pool(y, name=f"{name}.pool"), squeeze, 1, name=f"{name}.squeeze")
        z = b.conv(b.elementwise("Silu", z, name=f"{name}.silu"), wide, 1, name=f"{name}.excite")
        y = b.elementwise("Mul", y, b.elementwise("Sigmoid", z, name=f"{name}.gate"), name=f"{name}.scale")
    y = _norm_conv(b, y, filters, 1, name=f"{name}.project", act="")
    return b.elementwise("Add", x, y, name=f"{name}.add") if x.shape == y.shape else y


def squeezenet(batch: int = 1) -> Network:
    """SqueezeNet 1.0, 227x227 input (so that conv1 gives the paper's 111). Source: Iandola et al., 2016, table 1."""
    b = Builder("squeezenet1.0", source="Iandola et al., SqueezeNet, arXiv 1602.07360, table 1")
    x = _relu_conv(b, b.input("image", (batch, 3, 227, 227)), 96, 7, stride=2, name="conv1")
    x = b.pool("MaxPool", x, 3, stride=2, ceil=True, name="pool1")
    for i, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        y = _relu_conv(b, x, squeeze, 1, name=f"fire{i}.squeeze")
        wide = [_relu_conv(b, y, 4 * squeeze, k, pad=k // 2, name=f"fire{i}.expand{k}x{k}") for k in (1, 3)]
        x = b.concat(wide, 1, name=f"fire{i}.concat")
        if i in (4, 8):
            x = b.pool("MaxPool", x, 3, stride=2, ceil=True, name=f"pool{i}")
    x = b.global_pool(_relu_conv(b, x, 1000, 1, name="conv10"), name="pool10")
    return b.network(b.normalise("Softmax", b.view(x, (batch, 1000), name="flatten", op="Flatten"), name="prob"))


def _relu_conv(
    b: Builder, x: Value, filters: int, kernel: int, *, name: str, stride: int = 1, pad: int = 0, groups: int = 1
) -> Value:
    y = b.conv(x, filters, kernel, stride=stride, pad=pad, groups=groups, name=name)
    return b.elementwise("Relu", y, name=f"{name}.relu")


def _norm_conv(
    b: Builder,
    x: Value,
    filters: int,
    kernel: int,
    *,
    name: str,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
    act: str = "Relu",
) -> Value:
    y = b.conv(x, filters, kernel, stride=stride, pad=pad, groups=groups, bias=False, name=name)
    y = b.batch_norm(y, name=f"{name}.bn")
    return b.elementwise(act, y, name=f"{name}.{act.lower()}") if act else y


def _classifier(b: Builder, x: Value, sizes: tuple[int, ...], *, first: int) -> Value:
    x = b.view(x, (x.shape[0], x.elements // x.shape[0]), name="flatten", op="Flatten")
    for i, features in enumerate(sizes, first):
        x = b.linear(x, features, name=f"fc{i}")
        x = b.elementwise("Relu", x, name=f"fc{i}.relu") if features != sizes[-1] else b.normalise("Softmax", x, name="prob")
    return x


def _head(b: Builder, x: Value, classes: int) -> Value:
    x = b.global_pool(x, name="pool")
    x = b.view(x, x.shape[:2], name="flatten", op="Flatten")
    return b.normalise("Softmax", b.linear(x, classes, name="fc"), name="prob")
