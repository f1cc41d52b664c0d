"""Student v3: inverted residuals on the whole frame at one canonical size."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Canonical", "Pyramid"]

STAGES = ((24, 1, 3, 1), (32, 2, 3, 3), (48, 3, 3, 4), (64, 3, 2, 4))
"""Of each stage, which halves the size: channels, blocks, expansion of the first and of others."""
STEM = 16
DECODER = 32
"""Channels of the decoder, down to its last step, which has the stem's."""


def conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution with a bias that keeps the size (divided by its stride), without batch norm.

    The identity takes the place of batch normalisation, which is folded into the convolution. It
    keeps the names of earlier weights.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
    return [layer, nn.Identity()]


def separable(inputs: int, outputs: int) -> list[nn.Module]:
    """5×5 over each channel by itself, then 1×1."""
    each = conv(inputs, inputs, kernel=5, groups=inputs)
    return [*each, nn.ReLU(inplace=True), *conv(inputs, outputs)]


def inverted(channels: int, expansion: int) -> nn.Sequential:
    """1×1 to more channels, 5×5 over each by itself, 1×1 back.

    Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2" (CVPR 2018).
    """
    wide = channels * expansion
    widened = [*conv(channels, wide), nn.ReLU(inplace=True)]
    return nn.Sequential(*widened, *separable(wide, channels))


def fused(inputs: int, outputs: int, expansion: int) -> nn.Sequential:
    """Fused inverted residual: 3×3 of stride 2 to more channels, 1×1 back.

    At stride 2 this trains faster than a convolution of each channel by itself.
    Source: Tan, Le, "EfficientNetV2" (ICML 2021).
    """
    wide = inputs * expansion
    halved = [*conv(inputs, wide, kernel=3, stride=2), nn.ReLU(inplace=True)]
    return nn.Sequential(*halved, *conv(wide, outputs))


class Residual(nn.Module):
    """A block with a residual connection."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(x)
        return x + y


class Context(nn.Module):
    """Squeeze-and-excitation with an added shift.

    The mean over the frame is added at every place (the kind of scene) and gates the channels.
    Source: the gate is that of Hu, Shen, Sun, "Squeeze-and-Excitation Networks" (CVPR 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Conv2d(channels, channels, 1)
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.gate = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = F.adaptive_avg_pool2d(x, 1)
        gate = torch.sigmoid(self.gate(F.relu(self.squeeze(mean))))
        return F.relu(x * gate + self.shift(mean))


class Merge(nn.Module):
    """The coarser map doubled in size, plus the encoder's, mixed.

    Args:
        skip: channels of the encoder's map.
        channels: of the coarser map and of the result.
        mix: what smooths the sum.
    """

    def __init__(self, skip: int, channels: int, mix: list[nn.Module]) -> None:
        super().__init__()
        self.skip = nn.Sequential(*conv(skip, channels))
        self.mix = nn.Sequential(*mix, nn.ReLU(inplace=True))

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        up = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed: torch.Tensor = self.mix(F.relu(up + self.skip(skip)))
        return mixed


class Pyramid(nn.Module):
    """The way through an encoder, the frame's context and an additive decoder.

    The map is computed at half size and doubled bilinearly. Subclasses make the layers.
    """

    stem: nn.Sequential
    stages: nn.ModuleList
    context: nn.Module
    deepest: nn.Sequential
    merges: nn.ModuleList
    narrow: nn.Sequential
    finest: nn.Module
    head: nn.Conv2d

    def forward(self, x: torch.Tensor, logits: bool = False) -> torch.Tensor:
        """Saliency map of a batch.

        Args:
            x: float [N, 3, H, W], RGB normalised with ImageNet's mean and deviation, H and W
                multiples of the architecture's stride.
            logits: leave the sigmoid out (the loss is computed from logits).
        Returns:
            float [N, 1, H, W], each pixel in [0, 1] unless `logits`.
        """
        finest = y = self.stem(x)
        maps = []
        for stage in self.stages:
            y = stage(y)
            maps.append(y)
        y = self.deepest(self.context(y))
        for merge, skip in zip(self.merges, reversed(maps[:-1]), strict=True):
            y = merge(y, skip)
        y = self.finest(self.narrow(y), finest)
        # Without this ONNX Runtime stores the one channel in blocks of 16, which takes a third of
        # the total time.
        y = self.head(y).squeeze(1).unsqueeze(1)
        y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
        return y if logits else torch.sigmoid(y)


class Canonical(Pyramid):
    """Inverted residuals down to stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv(3, STEM, kernel=3, stride=2), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList()
        inputs = STEM
        for channels, blocks, first, expansion in STAGES:
            rest = [Residual(inverted(channels, expansion)) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(fused(inputs, channels, first), *rest))
            inputs = channels
        self.context = Context(inputs)
        self.deepest = nn.Sequential(*conv(inputs, DECODER), nn.ReLU(inplace=True))
        self.merges = nn.ModuleList(
            Merge(channels, DECODER, separable(DECODER, DECODER))
            for channels, *_ in reversed(STAGES[:-1])
        )
        # The finest level costs as much as all others together: half the channels there.
        self.narrow = nn.Sequential(*conv(DECODER, STEM), nn.ReLU(inplace=True))
        self.finest = Merge(STEM, STEM, conv(STEM, STEM, kernel=3))
        self.head = nn.Conv2d(STEM, 1, 1)
