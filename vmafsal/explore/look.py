"""What the page draws and hands out: models to choose from, the chain of steps, pictures, files."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import ModelError, UsageError
from vmafsal.maps.post import min_max
from vmafsal.models.added import added_entry, added_ids
from vmafsal.models.registry import FAMILIES, packaged_registry
from vmafsal.post_spec import check_range

__all__ = ["Chain", "data_url", "encode_maps", "list_models", "stretched"]

Map = NDArray[np.float32]

_LONGEST = 960
"""Pixels of a shown picture's longer side."""


def list_models() -> dict[str, str]:
    """The models to choose from, without loading one.

    Returns:
        id to family, one family after the other; the default comes first in its own.
    """
    registry = packaged_registry()
    entries = [*registry.entries]
    for model_id in added_ids():
        with suppress(ModelError):  # a damaged one, of which `vmafsal models` says what is wrong
            entries += filter(None, [added_entry(model_id)])
    order = list(FAMILIES)
    entries.sort(key=lambda entry: (order.index(entry.family), entry.id != registry.default))
    return {entry.id: entry.family for entry in entries}


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps of post-processing, as a person chooses them on the page."""

    histogram: Literal["none", "equalize", "match"] = "none"
    reference: str | None = None
    """Path of the reference that "match" needs."""
    smooth_percent: float = 0.0
    prior: Literal["none", "add", "multiply"] = "none"
    width: float = 0.3
    weight: float = 0.25
    scale: Literal["none", "minmax", "zscore", "logdensity"] = "none"

    def text(self) -> str:
        """The chain as --post takes it.

        Raises:
            UsageError: if matching lacks its reference.
        """
        steps = []
        if self.histogram == "match":
            if self.reference is None:
                raise UsageError("Matching needs a reference: upload a gray picture of a map.")
            steps.append("match=" + self.reference.replace(",", "\\,"))
        elif self.histogram != "none":
            steps.append(self.histogram)
        if self.smooth_percent:
            steps.append(f"smooth={self.smooth_percent:g}%")
        if self.prior != "none":
            steps.append(f"centre-{self.prior}={self.width:g}:{self.weight:g}")
        if self.scale != "none":
            steps.append(self.scale)
        return ",".join(steps)


def stretched(saliency: Map, post: str) -> tuple[Map, bool]:
    """A map as it can be drawn, and whether it was stretched for that.

    Args:
        saliency: float32 [H, W], after the steps.
        post: those steps; where they leave [0, 1], the map is drawn from its least value to its
            greatest.
    """
    try:
        check_range(post, "A picture shows")
    except UsageError:
        return min_max(saliency), True
    return saliency, False


def data_url(picture: NDArray[np.uint8]) -> str:
    """A picture as a data URL of a PNG file, shrunk to what a page shows.

    The page holds it itself: files that a server keeps for it are gone before a slow browser asks
    for them, where a slider is moved fast.

    Args:
        picture: uint8 [H, W, 3].
    """
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((_LONGEST, _LONGEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def encode_maps(maps: Mapping[str, Map], position: int) -> bytes:
    """Maps of one frame as an .npz file: an array for each model, and `frame`, its position."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"frame": np.int64(position), **maps}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
