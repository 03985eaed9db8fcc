"""Networks as lists of layers, from which the same network can be made for more than one compiler.

Weights are random: what is estimated from these networks are cycles, which do not depend on the values, or only by how
well weights compress (`draw_weights`).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A layer and whose results it takes ("" is the image).

    Convolutions pad to `out` = ceil(input / stride) rows and columns. A depthwise one has `inputs` == `outputs`
    channels. `limit` is the upper bound of the rectifier behind the layer: 6, infinity, or None where there is none.
    """

    name: str
    kind: str  # conv, depthwise, add, max_pool, mean, dense
    sources: tuple[str, ...]
    inputs: int
    outputs: int
    out: int
    kernel: int = 1
    stride: int = 1
    limit: float | None = None

    @property
    def macs(self) -> int:
        if self.kind not in ("conv", "depthwise", "dense"):
            return 0
        return self.out**2 * self.kernel**2 * self.outputs * (1 if self.kind == "depthwise" else self.inputs)

    @property
    def key(self) -> tuple:
        """What tells layers of different work apart."""
        return self.kind, self.inputs, self.outputs, self.out, self.kernel, self.stride


class Builder:
    def __init__(self, rectifier: float):
        self.layers: list[Layer] = []
        self.rectifier, self.last, self.channels, self.size = rectifier, "", 3, 224

    def add(self, name: str, kind: str, outputs: int, kernel=1, stride=1, rectify=False, sources=()) -> str:
        size = 1 if kind in ("mean", "dense") else -(-self.size // stride)
        limit = self.rectifier if rectify else None
        sources = sources or (self.last,)
        self.layers.append(Layer(name, kind, sources, self.channels, outputs, size, kernel, stride, limit))
        self.last, self.channels, self.size = name, outputs, size
        return name

    def head(self) -> list[Layer]:
        self.add("mean", "mean", self.channels)
        self.add("fc", "dense", 1000)
        return self.layers


def resnet50() -> list[Layer]:
    """ResNet-50 whose blocks halve the image in the middle convolution."""
    net = Builder(float("inf"))
    net.add("conv1", "conv", 64, 7, 2, True)
    net.add("maxpool", "max_pool", 64, 3, 2)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            before, channels, size = net.last, net.channels, net.size
            net.add(f"{name}.conv1", "conv", width, 1, 1, True)
            net.add(f"{name}.conv2", "conv", width, 3, stride, True)
            third = net.add(f"{name}.conv3", "conv", 4 * width)
            if block == 0:
                net.last, net.channels, net.size = before, channels, size
                before = net.add(f"{name}.downsample", "conv", 4 * width, 1, stride)
            net.add(f"{name}.add", "add", 4 * width, rectify=True, sources=(third, before))
    return net.head()


def mobilenet_v2() -> list[Layer]:
    net = Builder(6.0)
    net.add("features.0", "conv", 32, 3, 2, True)
    index = 1
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, outputs, blocks, first in stages:
        for block in range(blocks):
            name, before, channels = f"features.{index}", net.last, net.channels
            wide = channels * expansion
            if expansion > 1:
                net.add(f"{name}.expand", "conv", wide, rectify=True)
            net.add(f"{name}.depthwise", "depthwise", wide, 3, 1 if block else first, True)
            last = net.add(f"{name}.project", "conv", outputs)
            if block:
                net.add(f"{name}.add", "add", outputs, sources=(last, before))
            index += 1
    net.add(f"features.{index}", "conv", 1280, rectify=True)
    return net.head()


NETWORKS = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}


def draw_weights(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of 8 bits, normal with a deviation of 32: they compress like those of trained networks."""
    return np.clip(np.round(random.normal(size=shape) * 32), -127, 127).astype(np.int8)
