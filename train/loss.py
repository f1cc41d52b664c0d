"""What the students minimise: binary cross-entropy plus an overlap term, weighted by pixel."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["bce_dice", "bce_iou", "disagreement"]


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


def bce_iou(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, share: float
) -> torch.Tensor:
    """BCE + `share` · (1 - soft IoU) of each image, averaged over the batch.

    Args:
        logits, target, weight: as of bce_dice.
        share: what the overlap counts beside BCE.
    Returns:
        float32 scalar. An image without a weighted pixel adds nothing.
    Source: soft IoU as in Rahman, Wang, "Optimizing Intersection-Over-Union in Deep Neural
        Networks for Image Segmentation" (ISVC 2016), with 1 added above and below.
    """
    logits, target, weight = logits.float(), target.float(), weight.float()
    dims = (1, 2, 3)
    bce = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    bce = bce.sum(dims) / weight.sum(dims).clamp(min=1.0)
    p = torch.sigmoid(logits)
    both = (weight * p * target).sum(dims)
    either = (weight * (p + target - p * target)).sum(dims)
    return (bce + share * (1.0 - (both + 1.0) / (either + 1.0))).mean()


def disagreement(logits: torch.Tensor, twins: torch.Tensor) -> torch.Tensor:
    """How far two versions of the same pictures are apart: in the mean of the map, and in it.

    Args:
        logits, twins: float [N, 1, H, W], before the sigmoid.
    Returns:
        float32 scalar: mean over the pictures of |difference of the means| + mean squared
        difference.
    """
    apart = torch.sigmoid(logits.float()) - torch.sigmoid(twins.float())
    dims = (1, 2, 3)
    return (apart.mean(dims).abs() + apart.square().mean(dims)).mean()
