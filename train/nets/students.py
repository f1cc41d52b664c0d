"""Students v1 and v2: one encoder, two decoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BilinearUp", "Student", "folded_norms", "unfold_norms"]


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


def folded_norms(
    weights: Mapping[str, torch.Tensor], wanted: Iterable[str]
) -> dict[str, torch.Tensor]:
    """The normalisations that an export has folded away: each holds its convolution's bias alone.

    Args:
        weights: of an export.
        wanted: the keys of the network's state, as `encoder1.0.1.running_mean`.
    """
    norms: dict[str, torch.Tensor] = {}
    for layer in (key.removesuffix(".running_mean") for key in wanted if "running_mean" in key):
        bias = weights.get(f"{layer[:-1]}0.bias")  # of the convolution before it
        if bias is not None and f"{layer}.weight" not in weights:
            one, zero = torch.ones_like(bias), torch.zeros_like(bias)
            norm = {"weight": one, "bias": bias, "running_mean": zero, "running_var": one}
            norms |= {f"{layer}.{name}": value.clone() for name, value in norm.items()}
            norms[f"{layer}.num_batches_tracked"] = torch.tensor(0)
    return norms


@torch.no_grad()
def unfold_norms(net: nn.Module, pictures: torch.Tensor) -> None:
    """Undo the folding of batch normalisation that an export did; the answer stays the same.

    Each normalisation that has seen no batch, and so holds the folded bias alone, gets the
    statistics of its input.

    Args:
        net: with the weights of an export.
        pictures: float [N, 3, H, W], normalised; typical ones.
    """

    def unfold(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), unbiased=False)
        for kept, value in ((norm.running_mean, mean), (norm.running_var, variance)):
            assert kept is not None
            kept.copy_(value)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [n.register_forward_pre_hook(unfold) for n in norms if not n.num_batches_tracked]
    net(pictures)
    for hook in hooks:
        hook.remove()
