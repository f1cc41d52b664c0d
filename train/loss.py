"""The loss: binary cross-entropy, an overlap or similarity term, and consistency."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["bce_overlap", "bce_similarity", "disagreement"]

DIMS = (1, 2, 3)
EPSILON = 1e-7


def bce_overlap(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    kind: str = "dice",
    overlap: float = 1.0,
    mean_error: float = 0.0,
) -> torch.Tensor:
    """BCE + `overlap` · (1 - Dice or soft IoU) + `mean_error` · |difference of the means|.

    Each term is computed for each image and averaged over the batch.

    Args:
        logits: float [N, 1, H, W], before the sigmoid.
        target: float [N, 1, H, W] in [0, 1]; soft labels are taken as they are.
        weight: float [N, 1, H, W] in [0, 1]; 0 leaves a pixel out of every term.
        kind: dice or iou.
        mean_error: weight of the error of saliency_mean, the number that the model is used for.
    Returns:
        float32 scalar. An image without a weighted pixel adds nothing to BCE.
    Source: Dice as in Milletari, Navab, Ahmadi, "V-Net" (3DV 2016); soft IoU as in Rahman, Wang,
        "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation" (ISVC
        2016); both with 1 added above and below so that an empty label has a gradient.
    """
    logits, target, weight = logits.float(), target.float(), weight.float()
    pixels = weight.sum(DIMS).clamp(min=1.0)
    bce = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    p = weight * torch.sigmoid(logits)
    target = weight * target
    found, wanted, both = p.sum(DIMS), target.sum(DIMS), (p * target).sum(DIMS)
    if kind == "iou":
        agreement = (both + 1.0) / (found + wanted - both + 1.0)
    else:
        agreement = (2.0 * both + 1.0) / (found + wanted + 1.0)
    loss = bce.sum(DIMS) / pixels + overlap * (1.0 - agreement)
    if mean_error:
        loss = loss + mean_error * ((found - wanted) / pixels).abs()
    return loss.mean()


def bce_similarity(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, similarity: float = 1.0
) -> torch.Tensor:
    """BCE + `similarity` · (1 - CC + KL), for labels that are maps of saliency and not masks.

    CC and KL compare the shapes of two maps; BCE holds the scale, so that the mean of the map is
    the mean of the label.

    Args:
        logits: float [N, 1, H, W], before the sigmoid.
        target: float [N, 1, H, W] in [0, 1].
        weight: float [N, 1, H, W] in [0, 1]; 0 leaves a pixel out of every term.
    Returns:
        float32 scalar; each term is computed for each image and averaged over the batch.
    Source: CC and KL as in Bylinskii, Judd, Oliva, Torralba, Durand, "What do different evaluation
        metrics tell us about saliency models?" (TPAMI 2019).
    """
    logits, target, weight = logits.float(), target.float(), weight.float()
    pixels = weight.sum(DIMS, keepdim=True).clamp(min=1.0)
    bce = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    p, q = weight * torch.sigmoid(logits), weight * target
    apart_p = weight * (p - p.sum(DIMS, keepdim=True) / pixels)
    apart_q = weight * (q - q.sum(DIMS, keepdim=True) / pixels)
    product = (apart_p.square().sum(DIMS) * apart_q.square().sum(DIMS)).clamp(min=EPSILON)
    correlation = (apart_p * apart_q).sum(DIMS) / product.sqrt()
    p = p / p.sum(DIMS, keepdim=True).clamp(min=EPSILON)
    q = q / q.sum(DIMS, keepdim=True).clamp(min=EPSILON)
    divergence = (q * torch.log(EPSILON + q / (p + EPSILON))).sum(DIMS)
    per_image = bce.sum(DIMS) / pixels.flatten() + similarity * (1.0 - correlation + divergence)
    return per_image.mean()


def disagreement(logits: torch.Tensor, twins: torch.Tensor) -> torch.Tensor:
    """Consistency loss between the maps of pictures and of their degraded copies.

    Args:
        logits, twins: float [N, 1, H, W], before the sigmoid.
    Returns:
        float32 scalar: mean over the pictures of |difference of the means| + mean squared
        difference.
    """
    apart = torch.sigmoid(logits.float()) - torch.sigmoid(twins.float())
    return (apart.mean(DIMS).abs() + apart.square().mean(DIMS)).mean()
