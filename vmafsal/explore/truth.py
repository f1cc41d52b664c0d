"""How good the map of the frame shown is, by a ground truth that was uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.maps.drawing import enlarged
from vmafsal.metrics.fixation import correlation, kl_divergence, similarity
from vmafsal.metrics.salient_object import binary_scores

__all__ = ["Truth", "read_truth"]

Kind = Literal["mask", "fixation map"]


@dataclass(frozen=True, slots=True)
class Truth:
    """A mask of the object, or a smoothed map of where people looked."""

    kind: Kind
    values: NDArray[np.float64]
    """[H, W] in [0, 1]."""

    def scores(self, saliency: NDArray[np.float32]) -> dict[str, float]:
        """Figures of a map, by their names.

        Args:
            saliency: float32 [h, w] of any size, brought to that of the truth.
        Returns:
            precision, recall, F and IoU of what is at least 0.5, or CC, KL and SIM.
        """
        saliency = enlarged(saliency, *self.values.shape)
        if self.kind == "mask":
            found = binary_scores(saliency, self.values >= 0.5)
            return {
                "precision": found.precision,
                "recall": found.recall,
                "F": found.f,
                "IoU": found.iou,
            }
        return {
            "CC": correlation(saliency, self.values),
            "KL": kl_divergence(saliency, self.values),
            "SIM": similarity(saliency, self.values),
        }


def read_truth(path: str, kind: Kind, height: int, width: int) -> Truth:
    """Read a ground truth.

    Args:
        path: of a picture, of which the brightness counts.
        kind: what it shows.
        height, width: of the video, in pixels.
    Raises:
        InputError: if it is no picture, has another size, or shows nothing.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            scale = 65535.0 if image.mode == "I;16" else 255.0
            gray = image if image.mode == "I;16" else image.convert("L")
            values = np.asarray(gray, np.float64) / scale
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path} is no picture that can be read: upload a PNG or JPEG.") from None
    if values.shape != (height, width):
        raise InputError(
            f"{path} is {values.shape[1]}x{values.shape[0]}, and the video {width}x{height}: a "
            "ground truth has the size of the frame."
        )
    if kind == "fixation map" and not values.any():
        raise InputError(f"{path} is black everywhere: nobody looked anywhere.")
    return Truth(kind, values)
