"""Edge padding: tensors whose sides are multiples of what a model needs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

__all__ = ["padded_size", "replicate_edges"]


def padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """The least size that holds a picture and whose sides are multiples.

    Args:
        height, width: of the picture, in pixels.
        multiple: both sides of the answer are multiples of it.
    Returns:
        (height, width), in pixels.
    """
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def replicate_edges(tensor: NDArray[Any], height: int, width: int) -> None:
    """Fill a tensor beyond the picture in its top left corner, in place.

    The picture's last column is replicated to the right, its last row to the bottom. The map is
    cropped back to the picture, so that the padding is in no number.

    Args:
        tensor: [..., H, W].
        height, width: of the picture inside it, in pixels.
    """
    tensor[..., :height, width:] = tensor[..., :height, width - 1 : width]
    tensor[..., height:, :] = tensor[..., height - 1 : height, :]
