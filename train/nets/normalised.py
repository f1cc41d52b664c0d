"""Student v3n: v3 with instance normalisation, down to stride 16 only.

The classic models of saliency compare each place with the whole picture: a feature counts by how
rare it is there, or after a division by its largest value. So features are normalised over the
picture.
"""

from __future__ import annotations

from torch import nn

from train.nets.canonical import (
    DECODER,
    STEM,
    Context,
    Merge,
    Pyramid,
    Residual,
    conv,
    separable,
)

__all__ = ["Normalised"]

STAGES = ((24, 2), (48, 3), (64, 4))
"""Of each stage, which halves the size: channels and blocks."""
EXPANSION = 3
EPSILON = 1e-4


def normalisation(channels: int) -> nn.InstanceNorm2d:
    """Each channel to a mean and deviation that are learnt, over one picture.

    Source: Ulyanov, Vedaldi, Lempitsky, "Instance Normalization" (arXiv:1607.08022).
    """
    return nn.InstanceNorm2d(channels, eps=EPSILON, affine=True)


def inverted(channels: int) -> nn.Sequential:
    """1×1 to more channels, 5×5 over each by itself, normalised, 1×1 back."""
    wide = channels * EXPANSION
    return nn.Sequential(
        nn.Conv2d(channels, wide, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(wide, wide, 5, padding=2, groups=wide),
        normalisation(wide),
        nn.ReLU(inplace=True),
        nn.Conv2d(wide, channels, 1),
    )


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 of stride 2 to more channels, normalised, 1×1 back."""
    wide = inputs * EXPANSION
    return nn.Sequential(
        nn.Conv2d(inputs, wide, 3, 2, 1),
        normalisation(wide),
        nn.ReLU(inplace=True),
        nn.Conv2d(wide, outputs, 1),
    )


class Normalised(Pyramid):
    """Normalised inverted residuals down to stride 16, and the additive decoder of v3."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, 3, 2, 1), normalisation(STEM), nn.ReLU(inplace=True)
        )
        self.stages = nn.ModuleList()
        inputs = STEM
        for channels, blocks in STAGES:
            rest = [Residual(inverted(channels)) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(halving(inputs, channels), *rest))
            inputs = channels
        self.context = Context(inputs)
        self.deepest = nn.Sequential(nn.Conv2d(inputs, DECODER, 1), nn.ReLU(inplace=True))
        self.merges = nn.ModuleList(
            Merge(channels, DECODER, separable(DECODER, DECODER))
            for channels, _ in reversed(STAGES[:-1])
        )
        self.narrow = nn.Sequential(nn.Conv2d(DECODER, STEM, 1), nn.ReLU(inplace=True))
        self.finest = Merge(STEM, STEM, conv(STEM, STEM, kernel=3))
        self.head = nn.Conv2d(STEM, 1, 1)
