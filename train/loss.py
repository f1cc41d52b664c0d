"""The loss: binary cross-entropy, an overlap or similarity term, and consistency."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["disagreement", "map_loss"]

DIMS = (1, 2, 3)
EPSILON = 1e-7


def map_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    kind: str = "dice",
    overlap: float = 1.0,
    mean_error: float = 0.0,
) -> torch.Tensor:
    """BCE + `overlap` · term + `mean_error` · |difference of the means|.

    The term is 1 - Dice, 1 - soft IoU, or 1 - CC + KL, which compares the shapes of two maps of
    saliency; BCE holds their scale. Each is computed for each image and averaged over the batch.

    Args:
        logits: float [N, 1, H, W], before the sigmoid.
        target: float [N, 1, H, W] in [0, 1]; soft labels are taken as they are.
        weight: float [N, 1, H, W] in [0, 1]; 0 leaves a pixel out of every term.
        kind: dice, iou or cc_kl.
        mean_error: weight of the error of saliency_mean, the number that the model is used for.
    Returns:
        float32 scalar. An image without a weighted pixel adds nothing to BCE.
    Source: Dice as in Milletari, Navab, Ahmadi, "V-Net" (3DV 2016); soft IoU as in Rahman, Wang,
        "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation" (ISVC
        2016); both with 1 added above and below so that an empty label has a gradient. CC and KL
        as in Bylinskii, Judd, Oliva, Torralba, Durand, "What do different evaluation metrics tell
        us about saliency models?" (TPAMI 2019).
    """
    logits, target, weight = logits.float(), target.float(), weight.float()
    pixels = weight.sum(DIMS).clamp(min=1.0)
    bce = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    p, q = weight * torch.sigmoid(logits), weight * target
    found, wanted, both = p.sum(DIMS), q.sum(DIMS), (p * q).sum(DIMS)
    if kind == "iou":
        term = 1.0 - (both + 1.0) / (found + wanted - both + 1.0)
    elif kind == "dice":
        term = 1.0 - (2.0 * both + 1.0) / (found + wanted + 1.0)
    else:
        term = 1.0 - _correlation(p, q, weight) + _divergence(p, q)
    loss = bce.sum(DIMS) / pixels + overlap * term
    if mean_error:
        loss = loss + mean_error * ((found - wanted) / pixels).abs()
    return loss.mean()


def _correlation(p: torch.Tensor, q: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    pixels = weight.sum(DIMS, keepdim=True).clamp(min=1.0)
    p = weight * (p - p.sum(DIMS, keepdim=True) / pixels)
    q = weight * (q - q.sum(DIMS, keepdim=True) / pixels)
    product = (p.square().sum(DIMS) * q.square().sum(DIMS)).clamp(min=EPSILON)
    return (p * q).sum(DIMS) / product.sqrt()


def _divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    p = p / p.sum(DIMS, keepdim=True).clamp(min=EPSILON)
    q = q / q.sum(DIMS, keepdim=True).clamp(min=EPSILON)
    return (q * torch.log(EPSILON + q / (p + EPSILON))).sum(DIMS)


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
