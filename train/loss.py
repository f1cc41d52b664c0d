"""What the students minimise: binary cross-entropy plus Dice, each weighted by pixel."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["bce_dice"]


def bce_dice(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """BCE + Dice of each image, averaged over the batch.

    Args:
        logits: float [N, 1, H, W], before the sigmoid.
        target: float [N, 1, H, W] in [0, 1]; soft labels are taken as they are.
        weight: float [N, 1, H, W] in [0, 1]; 0 leaves a pixel out of both terms.
    Returns:
        float32 scalar. An image without a weighted pixel adds nothing to BCE.
    Source: Dice as in Milletari, Navab, Ahmadi, "V-Net" (3DV 2016), with 1 added above and
        below so that an empty label has a gradient.
    """
    logits, target, weight = logits.float(), target.float(), weight.float()
    dims = (1, 2, 3)
    pixels = weight.sum(dims)
    bce = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    bce = bce.sum(dims) / pixels.clamp(min=1.0)
    p = torch.sigmoid(logits)
    overlap = (weight * p * target).sum(dims)
    size = (weight * (p + target)).sum(dims)
    dice = 1.0 - (2.0 * overlap + 1.0) / (size + 1.0)
    return (bce + dice).mean()
