"""Students v1 and v2: one encoder, two decoders."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BilinearUp", "Student"]


def conv_bn_relu(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3×3 convolutions, the resolution kept."""
    return nn.Sequential(conv_bn_relu(inputs, outputs), conv_bn_relu(outputs, outputs))


class BilinearUp(nn.Module):
    """Bilinear ×2 (`align_corners=False`), then a plain 3×3 convolution without bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.conv(up)  # type: ignore[no-any-return]


class Student(nn.Module):
    """A U-shaped network of three levels.

    Args:
        up: makes what doubles the size, of so many channels in and out: in v1 a 2×2 transposed
            convolution of stride 2, in v2 BilinearUp, which leaves no checkerboard.
    """

    def __init__(self, up: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.encoder1 = double(3, 16)
        self.encoder2 = double(16, 32)
        self.encoder3 = double(32, 48)
        self.pool: nn.Module = nn.MaxPool2d(2)
        self.bottleneck = conv_bn_relu(48, 48)
        self.up3 = up(48, 32)
        self.decoder3 = conv_bn_relu(32 + 48, 32)
        self.up2 = up(32, 16)
        self.decoder2 = conv_bn_relu(16 + 32, 16)
        self.up1 = up(16, 8)
        self.decoder1 = conv_bn_relu(8 + 16, 8)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor, logits: bool = False) -> torch.Tensor:
        """Saliency map of a batch.

        Args:
            x: float [N, 3, H, W], RGB normalised with ImageNet's mean and deviation, H and W
                multiples of 8 (three 2×2 max-pools).
            logits: leave the sigmoid out (the loss is computed from logits).
        Returns:
            float [N, 1, H, W], each pixel in [0, 1] unless `logits`.
        """
        skip1 = self.encoder1(x)
        skip2 = self.encoder2(self.pool(skip1))
        skip3 = self.encoder3(self.pool(skip2))
        y = self.bottleneck(self.pool(skip3))
        y = self.decoder3(torch.cat([self.up3(y), skip3], dim=1))
        y = self.decoder2(torch.cat([self.up2(y), skip2], dim=1))
        y = self.decoder1(torch.cat([self.up1(y), skip1], dim=1))
        y = self.head(y)
        return y if logits else torch.sigmoid(y)
